//! Completion queues: what the NIC is done with, and sleeping until there is some of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use rdma_mummy_sys as ibv;

use super::context::set_nonblocking;
use super::{Context, check, check_pointer, failed};
use crate::DeviceError;

/// A descriptor that becomes readable when an armed completion queue gets something.
#[derive(Debug)]
pub(in crate::verbs) struct Channel {
    raw: NonNull<ibv::ibv_comp_channel>,
    _context: Arc<Context>,
}

// SAFETY: the verbs library locks what several threads may share.
unsafe impl Send for Channel {}
// SAFETY: as above.
unsafe impl Sync for Channel {}

impl Channel {
    pub(in crate::verbs) fn new(context: &Arc<Context>) -> Result<Arc<Self>, DeviceError> {
        // SAFETY: the context is open.
        let raw = unsafe { ibv::ibv_create_comp_channel(context.as_ptr()) };
        let raw = check_pointer("creating a completion channel", raw)?;
        let channel = Self { raw, _context: context.clone() };
        // SAFETY: the channel is open.
        unsafe { set_nonblocking((*raw.as_ptr()).fd) }
            .map_err(|source| failed("preparing a completion channel", source))?;
        Ok(Arc::new(channel))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the channel.
        unsafe { BorrowedFd::borrow_raw((*self.raw.as_ptr()).fd) }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: its queues are gone: each holds a reference to it.
        unsafe { ibv::ibv_destroy_comp_channel(self.raw.as_ptr()) };
    }
}

/// A completion queue.
#[derive(Debug)]
pub(in crate::verbs) struct CompletionQueue {
    raw: NonNull<ibv::ibv_cq>,
    channel: Arc<Channel>,
}

// SAFETY: as for the channel.
unsafe impl Send for CompletionQueue {}
// SAFETY: as for the channel.
unsafe impl Sync for CompletionQueue {}

/// Something that the NIC is done with.
#[derive(Clone, Copy)]
pub(in crate::verbs) struct WorkCompletion(ibv::ibv_wc);

/// The parts of it that matter.
#[derive(Clone, Copy, Debug)]
pub(in crate::verbs) struct Done {
    /// As the work request was named.
    pub(in crate::verbs) id: u64,
    /// 0 if it went well.
    pub(in crate::verbs) status: u32,
    /// Of the local queue pair.
    pub(in crate::verbs) queue_pair: u32,
    /// Received, the 40 bytes in front included.
    pub(in crate::verbs) bytes: u32,
    /// Of the remote queue pair.
    pub(in crate::verbs) from: u32,
    /// What the sender put beside the payload, if anything.
    pub(in crate::verbs) immediate: Option<u32>,
}

impl WorkCompletion {
    /// A place for one.
    pub(in crate::verbs) const fn empty() -> Self {
        // SAFETY: zero is a value of every field.
        Self(unsafe { std::mem::zeroed() })
    }

    pub(in crate::verbs) const fn read(&self) -> Done {
        let Self(raw) = self;
        let has_immediate = raw.wc_flags & ibv::ibv_wc_flags::IBV_WC_WITH_IMM.0 != 0;
        // SAFETY: both sides of the union are plain numbers of the same size.
        let immediate = unsafe { raw.imm_data_invalidated_rkey_union.imm_data };
        Done {
            id: raw.wr_id,
            status: raw.status,
            queue_pair: raw.qp_num,
            bytes: raw.byte_len,
            from: raw.src_qp,
            immediate: if has_immediate { Some(u32::from_be(immediate)) } else { None },
        }
    }
}

impl std::fmt::Debug for WorkCompletion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

impl CompletionQueue {
    /// A queue for at least `entries` completions.
    pub(in crate::verbs) fn new(
        context: &Arc<Context>,
        channel: &Arc<Channel>,
        entries: usize,
    ) -> Result<Arc<Self>, DeviceError> {
        let entries = libc::c_int::try_from(entries).unwrap_or(libc::c_int::MAX);
        // SAFETY: context and channel exist, and there is no user context.
        let raw = unsafe {
            let user = std::ptr::null_mut();
            ibv::ibv_create_cq(context.as_ptr(), entries, user, channel.raw.as_ptr(), 0)
        };
        let raw = check_pointer("creating a completion queue", raw)?;
        Ok(Arc::new(Self { raw, channel: channel.clone() }))
    }

    pub(super) const fn as_ptr(&self) -> *mut ibv::ibv_cq {
        self.raw.as_ptr()
    }

    /// Takes completions, as many as there are and as there is room for.
    pub(in crate::verbs) fn poll<'a>(
        &self,
        room: &'a mut [WorkCompletion],
    ) -> Result<&'a [WorkCompletion], DeviceError> {
        let most = room.len() as i32;
        // SAFETY: `WorkCompletion` is only a name for the structure, and there is room for `most`.
        let count = unsafe { ibv::ibv_poll_cq(self.as_ptr(), most, room.as_mut_ptr().cast()) };
        let count = usize::try_from(count)
            .map_err(|_| failed("polling a completion queue", io::Error::other("it is broken")))?;
        Ok(&room[..count])
    }

    /// Makes the channel readable with the next completion.
    pub(in crate::verbs) fn arm(&self) -> Result<(), DeviceError> {
        // SAFETY: the queue exists.
        let code = unsafe { ibv::ibv_req_notify_cq(self.as_ptr(), 0) };
        check("arming a completion queue", code)
    }

    /// Takes what has made the channel readable off it.
    pub(in crate::verbs) fn take_notifications(&self) {
        let (mut queue, mut user) = (std::ptr::null_mut(), std::ptr::null_mut());
        loop {
            let channel = self.channel.raw.as_ptr();
            // SAFETY: the channel exists, and both pointers are places for one.
            if unsafe { ibv::ibv_get_cq_event(channel, &mut queue, &mut user) } != 0 {
                return;
            }
            // SAFETY: it is the queue that was just named.
            unsafe { ibv::ibv_ack_cq_events(queue, 1) };
        }
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        // SAFETY: what completes into it is gone: each holds a reference to it.
        unsafe { ibv::ibv_destroy_cq(self.as_ptr()) };
    }
}
