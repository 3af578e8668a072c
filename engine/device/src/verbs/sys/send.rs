//! Queue pairs: what the NIC reads from.
//!
//! A queue pair owns the memory of its headers, in slots, and holds on to the payload of each work
//! request until the NIC is done with it. Requests complete in order, so what is under way is a
//! queue; only some of them are signalled, and a completion stands for those before it as well.
//!
//! ```text
//!   push push push   post            completions
//!   [ chain, unposted ] -> [ under way: slot, payload ] -> slots free, payloads let go
//! ```

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use rdma_mummy_sys as ibv;

use super::memory::{AddressHandle, Domain, Region};
use super::receive::{Pool, ReceiveQueue};
use super::{CompletionQueue, check, states};
use crate::DeviceError;

/// A queue pair for unreliable datagrams.
pub(in crate::verbs) struct QueuePair {
    raw: NonNull<ibv::ibv_qp>,
    setup: QueuePairSetup,
    /// The most that is sent from the request itself.
    inline_bytes: usize,
    slots: Region,
    free: Vec<u32>,
    /// From the oldest on; the last [`chained`](Self::chained) of them are not posted yet.
    under_way: VecDeque<UnderWay>,
    chained: usize,
    /// Of `under_way`'s first.
    first_sequence: u32,
    /// How often the queue pair was reset: completions of an earlier life are ignored.
    life: u32,
    requests: Box<[ibv::ibv_send_wr]>,
    entries: Box<[[ibv::ibv_sge; 2]]>,
    _queues: [Arc<CompletionQueue>; 2],
    _pool: Arc<Pool>,
    _domain: Arc<Domain>,
}

/// How a queue pair is made, and made again.
#[derive(Clone, Copy, Debug)]
pub(in crate::verbs) struct QueuePairSetup {
    pub(in crate::verbs) port: u8,
    pub(in crate::verbs) qkey: u32,
    /// Datagrams under way at most.
    pub(in crate::verbs) depth: usize,
    /// Receives posted at most, if it has a queue of its own for them.
    pub(in crate::verbs) receives: usize,
    /// The largest, header and payload.
    pub(in crate::verbs) datagram_bytes: usize,
}

/// A request that is not completed.
#[derive(Debug)]
struct UnderWay {
    slot: u32,
    /// What the NIC reads the payload from. Where several requests in a row read from the same
    /// memory, the last one holds it for all of them.
    payload: Option<Hold>,
}

/// Memory that stays where it is, and known to the NIC.
#[derive(Clone, Debug)]
struct Hold {
    owner: Option<Bytes>,
    region: Arc<Region>,
}

/// Whom a datagram is for, and what goes beside it.
#[derive(Clone, Copy, Debug)]
pub(in crate::verbs) struct Label<'a> {
    pub(in crate::verbs) to: &'a AddressHandle,
    pub(in crate::verbs) queue_pair: u32,
    pub(in crate::verbs) qkey: u32,
    pub(in crate::verbs) immediate: u32,
}

/// What a datagram ends with that is sent from where it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::verbs) struct InPlace<'a> {
    pub(in crate::verbs) payload: &'a [u8],
    /// What keeps the payload where it is, unless somebody has promised that it stays there until the
    /// region is let go.
    pub(in crate::verbs) owner: Option<&'a Bytes>,
    /// What the payload lies in.
    pub(in crate::verbs) region: &'a Arc<Region>,
}

// SAFETY: the pointers are into this value's own boxes and slab, which move with it.
unsafe impl Send for QueuePair {}

impl QueuePair {
    /// A queue pair that can send and receive.
    pub(in crate::verbs) fn new(
        domain: &Arc<Domain>,
        send: &Arc<CompletionQueue>,
        receive: &Arc<CompletionQueue>,
        receives: &ReceiveQueue,
        setup: QueuePairSetup,
    ) -> Result<Self, DeviceError> {
        let pool = receives.pool().clone();
        let mut attributes = ibv::ibv_qp_init_attr {
            qp_context: std::ptr::null_mut(),
            send_cq: send.as_ptr(),
            recv_cq: receive.as_ptr(),
            srq: pool.as_ptr(),
            cap: ibv::ibv_qp_cap {
                max_send_wr: setup.depth as u32,
                max_recv_wr: if receives.is_shared() { 0 } else { setup.receives as u32 },
                max_send_sge: 2,
                max_recv_sge: if receives.is_shared() { 0 } else { 2 },
                max_inline_data: INLINE_BYTES,
            },
            qp_type: ibv::ibv_qp_type::IBV_QPT_UD,
            sq_sig_all: 0,
        };
        let raw = states::create(domain, &mut attributes)?;
        // Owned from here on, so that a failure below gives everything back.
        let entry = ibv::ibv_sge { addr: 0, length: 0, lkey: 0 };
        let stride = setup.datagram_bytes.next_multiple_of(CACHE_LINE_BYTES);
        let mut queue_pair = Self {
            raw,
            setup,
            inline_bytes: attributes.cap.max_inline_data as usize,
            slots: Region::allocate(domain, stride * setup.depth)?,
            free: (0..setup.depth as u32).rev().collect(),
            under_way: VecDeque::with_capacity(setup.depth),
            chained: 0,
            first_sequence: 0,
            life: 0,
            requests: (0..setup.depth).map(|_| empty_request()).collect(),
            entries: vec![[entry; 2]; setup.depth].into(),
            _queues: [send.clone(), receive.clone()],
            _pool: pool,
            _domain: domain.clone(),
        };
        queue_pair.make_ready()?;
        Ok(queue_pair)
    }

    pub(super) const fn as_ptr(&self) -> *mut ibv::ibv_qp {
        self.raw.as_ptr()
    }

    pub(super) const fn setup(&self) -> &QueuePairSetup {
        &self.setup
    }

    pub(in crate::verbs) const fn number(&self) -> u32 {
        // SAFETY: the queue pair exists.
        unsafe { (*self.as_ptr()).qp_num }
    }

    /// Changes whenever something completes.
    pub(in crate::verbs) const fn progress(&self) -> u64 {
        self.id_of(0)
    }

    /// What the next request will be named.
    pub(in crate::verbs) fn next(&self) -> u64 {
        self.id_of(self.under_way.len())
    }

    /// Whether the NIC is done with all requests before the one of that name.
    pub(in crate::verbs) const fn is_past(&self, id: u64) -> bool {
        let ahead = (id as u32).wrapping_sub(self.first_sequence) as i32;
        (id >> 32) as u32 != self.life || ahead <= 0
    }

    /// Whether the NIC is done with everything.
    pub(in crate::verbs) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many more datagrams can be pushed.
    pub(in crate::verbs) const fn room(&self) -> usize {
        self.free.len()
    }

    /// Chains a datagram to those that the next [`post`](Self::post) hands to the NIC. `fill` writes
    /// its beginning to memory as long as a datagram may be, and returns how much that is.
    ///
    /// # Panics
    /// Without room.
    pub(in crate::verbs) fn push(
        &mut self,
        label: Label<'_>,
        fill: impl FnOnce(&mut [u8]) -> usize,
        rest: Option<InPlace<'_>>,
    ) {
        let slot = self.free.pop().expect("room was asked for");
        let index = self.chained;
        let copied_bytes = fill(self.slot_mut(slot)).min(self.setup.datagram_bytes);
        let lkey = self.slots.lkey();
        let slot_at = self.slot_at(slot).addr() as u64;
        self.entries[index][0] = ibv::ibv_sge { addr: slot_at, length: copied_bytes as u32, lkey };
        let mut count = 1;
        let mut held = None;
        if let Some(InPlace { payload, owner, region }) = rest {
            let (addr, length) = (payload.as_ptr().addr() as u64, payload.len());
            let lkey = region.lkey();
            self.entries[index][1] = ibv::ibv_sge { addr, length: length as u32, lkey };
            count = 2;
            held = Some(self.hold(owner, region));
        }
        let inline = count == 1 && copied_bytes <= self.inline_bytes;
        let id = self.id_of(self.under_way.len());
        let request = &mut self.requests[index];
        request.wr_id = id;
        request.next = std::ptr::null_mut();
        request.sg_list = self.entries[index].as_mut_ptr();
        request.num_sge = count;
        request.opcode = ibv::ibv_wr_opcode::IBV_WR_SEND_WITH_IMM;
        request.send_flags = if inline { INLINE } else { 0 };
        request.imm_data_invalidated_rkey_union.imm_data = label.immediate.to_be();
        request.wr.ud = ibv::ud_t {
            ah: label.to.as_ptr(),
            remote_qpn: label.queue_pair,
            remote_qkey: label.qkey,
        };
        if (index + 1).is_multiple_of(SIGNAL_EVERY) {
            request.send_flags |= SIGNALED;
        }
        self.under_way.push_back(UnderWay { slot, payload: held });
        self.chained += 1;
    }

    /// Hands the chain to the NIC, and returns how many of it were taken. The others are lost.
    pub(in crate::verbs) fn post(&mut self) -> Result<usize, (usize, DeviceError)> {
        let count = std::mem::take(&mut self.chained);
        if count == 0 {
            return Ok(0);
        }
        for index in 1..count {
            self.requests[index - 1].next = &raw mut self.requests[index];
        }
        // The last one completes all: when the queue runs empty, nothing is held on to.
        self.requests[count - 1].send_flags |= SIGNALED;
        let mut bad = std::ptr::null_mut();
        // SAFETY: the chain, its entries and its address handles outlive the call, which copies
        // them; the memory that they name is held in `under_way` until it completes.
        let code =
            unsafe { ibv::ibv_post_send(self.as_ptr(), self.requests.as_mut_ptr(), &mut bad) };
        let Err(error) = check("posting sends", code) else {
            return Ok(count);
        };
        let taken = (bad.addr().saturating_sub(self.requests.as_ptr().addr()))
            / size_of::<ibv::ibv_send_wr>();
        let taken = taken.min(count);
        for _ in taken..count {
            self.take_back();
        }
        Err((taken, error))
    }

    /// As if the NIC had been handed a request that it does nothing about.
    #[cfg(test)]
    pub(in crate::verbs) fn push_stuck(&mut self) {
        let slot = self.free.pop().expect("the queue is empty");
        self.under_way.push_back(UnderWay { slot, payload: None });
    }

    /// Forgets the last request, which the NIC did not take.
    fn take_back(&mut self) {
        let Some(lost) = self.under_way.pop_back() else {
            return;
        };
        self.free.push(lost.slot);
        // What it held, it may have held for those before it.
        if let Some(before) = self.under_way.back_mut() {
            before.payload = before.payload.take().or(lost.payload);
        }
    }

    /// A request has completed, and with it all before it. Returns whether it was one of this life.
    pub(in crate::verbs) fn completed(&mut self, id: u64) -> bool {
        let (life, sequence) = ((id >> 32) as u32, id as u32);
        let done = sequence.wrapping_sub(self.first_sequence).wrapping_add(1);
        if life != self.life || done as usize > self.under_way.len() {
            return false;
        }
        self.first_sequence = sequence.wrapping_add(1);
        self.free.extend(self.under_way.drain(..done as usize).map(|done| done.slot));
        true
    }

    /// Lets go of everything, as the NIC has.
    pub(super) fn forget_all(&mut self) {
        self.life = self.life.wrapping_add(1);
        self.first_sequence = 0;
        self.chained = 0;
        self.free.extend(self.under_way.drain(..).map(|lost| lost.slot));
    }

    /// The memory of a slot that was free.
    fn slot_mut(&mut self, slot: u32) -> &mut [u8] {
        let (at, bytes) = (self.slot_at(slot), self.setup.datagram_bytes);
        // SAFETY: the slot is that long, the NIC is done with it, as it was free, and nothing else
        // refers to it.
        unsafe { std::slice::from_raw_parts_mut(at, bytes) }
    }

    /// A hold for the next request: that of the one before, if it is of the same memory.
    fn hold(&mut self, owner: Option<&Bytes>, region: &Arc<Region>) -> Hold {
        let before = self.under_way.back_mut().map(|before| &mut before.payload);
        before
            .and_then(|held| held.take_if(|held| held.is_of(owner, region)))
            .unwrap_or_else(|| Hold { owner: owner.cloned(), region: region.clone() })
    }

    const fn id_of(&self, position: usize) -> u64 {
        (self.life as u64) << 32 | self.first_sequence.wrapping_add(position as u32) as u64
    }

    fn slot_at(&self, slot: u32) -> *mut u8 {
        let bytes = self.setup.datagram_bytes;
        let slab = self.slots.slab().expect("the region has memory of its own");
        slab.at(slot as usize * bytes.next_multiple_of(CACHE_LINE_BYTES), bytes)
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        // SAFETY: it exists. What it may read from goes after it, as fields.
        unsafe { ibv::ibv_destroy_qp(self.as_ptr()) };
    }
}

impl std::fmt::Debug for QueuePair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueuePair({}, {} under way)", self.number(), self.under_way.len())
    }
}

const fn empty_request() -> ibv::ibv_send_wr {
    // SAFETY: zero is a value of every field.
    unsafe { std::mem::zeroed() }
}

impl Hold {
    fn is_of(&self, owner: Option<&Bytes>, region: &Arc<Region>) -> bool {
        let place = |owner: &Bytes| (owner.as_ptr(), owner.len());
        Arc::ptr_eq(&self.region, region) && self.owner.as_ref().map(place) == owner.map(place)
    }
}

/// A header of any kind, with a small message behind it.
const INLINE_BYTES: u32 = 256;
const CACHE_LINE_BYTES: usize = 64;
/// In a chain, every so many requests are signalled, beside the last: the slots of a long chain come
/// back in parts, and the NIC writes few completions.
const SIGNAL_EVERY: usize = 32;
const SIGNALED: u32 = ibv::ibv_send_flags::IBV_SEND_SIGNALED.0;
const INLINE: u32 = ibv::ibv_send_flags::IBV_SEND_INLINE.0;
