//! What the NIC writes to: one registered slab, whose slots are posted to a shared receive queue or, where
//! there is none, to the queue pairs' own.
//!
//! ```text
//!   slot   [ .... | GRH 40 | header 64 | payload ................ ]
//!            pad  |<----- SGE 0 ------>|<------- SGE 1 ---------->|
//!                                      ^ on a cache line
//! ```
//! The two entries lie next to each other here, so that a datagram is one slice; that they are two
//! is what lets the second one lie elsewhere.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use rdma_mummy_sys as ibv;

use super::{Domain, QueuePair, Region, check, check_pointer};
use crate::DeviceError;

/// Memory to receive into: what is posted, and what is not.
pub(in crate::verbs) struct ReceiveQueue {
    pool: Arc<Pool>,
    shape: Shape,
    /// By slot: whether the NIC has it.
    posted: Box<[bool]>,
    requests: Box<[ibv::ibv_recv_wr]>,
    entries: Box<[[ibv::ibv_sge; 2]]>,
}

/// The shared queue, if there is one, and the memory that is posted: they last as long as a queue pair
/// that uses them.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Option<NonNull<ibv::ibv_srq>>,
    region: Region,
}

/// How the memory is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verbs) struct Shape {
    pub(in crate::verbs) slots: usize,
    /// The largest datagram, header and payload.
    pub(in crate::verbs) datagram_bytes: usize,
}

// SAFETY: the verbs library locks what several threads may share; the memory is shown by the one
// `ReceiveQueue` there is only.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}
// SAFETY: the pointers are into this value's own boxes and pool, which move with it.
unsafe impl Send for ReceiveQueue {}

impl Shape {
    const fn stride(self) -> usize {
        (PAYLOAD_AT - HEADER_BYTES + self.datagram_bytes).next_multiple_of(CACHE_LINE_BYTES)
    }

    const fn bytes(self) -> usize {
        self.stride() * self.slots
    }
}

impl ReceiveQueue {
    /// With nothing posted.
    pub(in crate::verbs) fn new(
        domain: &Arc<Domain>,
        shape: Shape,
        shared: bool,
    ) -> Result<Self, DeviceError> {
        let region = Region::allocate(domain, shape.bytes())?;
        let shared = shared.then(|| create_shared(domain, shape.slots)).transpose()?;
        let pool = Arc::new(Pool { shared, region });
        // SAFETY: zero is a value of every field of both structures.
        let (request, entry) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        Ok(Self {
            pool,
            shape,
            posted: vec![false; shape.slots].into(),
            requests: vec![request; POST_BATCH].into(),
            entries: vec![[entry; 2]; POST_BATCH].into(),
        })
    }

    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(in crate::verbs) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether all queue pairs take from one queue.
    pub(in crate::verbs) fn is_shared(&self) -> bool {
        self.pool.shared.is_some()
    }

    /// Gives slots to the NIC, all in one chain for each [`POST_BATCH`]: to the queue that this queue pair
    /// takes from.
    pub(in crate::verbs) fn post(
        &mut self,
        queue_pair: &QueuePair,
        slots: &[u32],
    ) -> Result<(), DeviceError> {
        slots.chunks(POST_BATCH).try_for_each(|slots| self.post_chain(queue_pair, slots))
    }

    fn post_chain(&mut self, queue_pair: &QueuePair, slots: &[u32]) -> Result<(), DeviceError> {
        let lkey = self.pool.region.lkey();
        for (index, &slot) in slots.iter().enumerate() {
            let posted = std::mem::replace(&mut self.posted[slot as usize], true);
            assert!(!posted, "a slot is posted once");
            let grh = self.grh_at(slot).addr() as u64;
            let front = GRH_BYTES + HEADER_BYTES;
            let rest = self.shape.datagram_bytes - HEADER_BYTES;
            self.entries[index] = [
                ibv::ibv_sge { addr: grh, length: front as u32, lkey },
                ibv::ibv_sge { addr: grh + front as u64, length: rest as u32, lkey },
            ];
            self.requests[index] = ibv::ibv_recv_wr {
                wr_id: slot.into(),
                next: std::ptr::null_mut(),
                sg_list: self.entries[index].as_mut_ptr(),
                num_sge: 2,
            };
        }
        for index in 1..slots.len() {
            self.requests[index - 1].next = &raw mut self.requests[index];
        }
        let mut bad = std::ptr::null_mut();
        // SAFETY: the chain and its entries outlive the call, which copies them; the memory they
        // name is this queue's, and is not shown while it is posted.
        let code = unsafe {
            let chain = self.requests.as_mut_ptr();
            match self.pool.shared {
                Some(shared) => ibv::ibv_post_srq_recv(shared.as_ptr(), chain, &mut bad),
                None => ibv::ibv_post_recv(queue_pair.as_ptr(), chain, &mut bad),
            }
        };
        check("posting receive buffers", code)
    }

    /// The NIC has given a slot back.
    pub(in crate::verbs) fn completed(&mut self, slot: u32) {
        self.posted[slot as usize] = false;
    }

    /// The NIC has let go of these slots, without a word. Returns those that it had.
    pub(in crate::verbs) fn reclaim(&mut self, slots: Range<usize>) -> Vec<u32> {
        let lost: Vec<u32> =
            slots.filter(|&slot| self.posted[slot]).map(|slot| slot as u32).collect();
        lost.iter().for_each(|&slot| self.completed(slot));
        lost
    }

    /// How many slots the NIC has.
    #[cfg(test)]
    pub(in crate::verbs) fn posted(&self) -> usize {
        self.posted.iter().filter(|&&posted| posted).count()
    }

    /// The first bytes of a slot that the NIC has given back: where the datagram came from.
    pub(in crate::verbs) fn grh(&self, slot: u32) -> Option<&[u8; GRH_BYTES]> {
        if *self.posted.get(slot as usize)? {
            return None;
        }
        // SAFETY: inside of the slab; the NIC does not write to it until it is posted again, which
        // needs `&mut self`.
        Some(unsafe { &*self.grh_at(slot).cast::<[u8; GRH_BYTES]>() })
    }

    /// A datagram of `len` bytes in a slot that the NIC has given back.
    pub(in crate::verbs) fn datagram(&self, slot: u32, len: usize) -> Option<&[u8]> {
        let len = len.min(self.shape.datagram_bytes);
        if *self.posted.get(slot as usize)? {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { std::slice::from_raw_parts(self.grh_at(slot).add(GRH_BYTES), len) })
    }

    fn grh_at(&self, slot: u32) -> *mut u8 {
        let offset = slot as usize * self.shape.stride() + PAYLOAD_AT - HEADER_BYTES - GRH_BYTES;
        let slab = self.pool.region.slab().expect("the region has memory of its own");
        slab.at(offset, GRH_BYTES + self.shape.datagram_bytes)
    }
}

impl Pool {
    /// The shared queue; null if there is none.
    pub(super) fn as_ptr(&self) -> *mut ibv::ibv_srq {
        self.shared.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(shared) = self.shared {
            // SAFETY: the queue pairs that use it are gone: each holds a reference to it. The slab goes
            // after it, as a field.
            unsafe { ibv::ibv_destroy_srq(shared.as_ptr()) };
        }
    }
}

impl std::fmt::Debug for ReceiveQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReceiveQueue({:?})", self.shape)
    }
}

fn create_shared(domain: &Domain, slots: usize) -> Result<NonNull<ibv::ibv_srq>, DeviceError> {
    let mut attributes = ibv::ibv_srq_init_attr {
        srq_context: std::ptr::null_mut(),
        attr: ibv::ibv_srq_attr { max_wr: slots as u32, max_sge: 2, srq_limit: 0 },
    };
    // SAFETY: the domain exists, and the attributes outlive the call.
    let raw = unsafe { ibv::ibv_create_srq(domain.as_ptr(), &mut attributes) };
    check_pointer("creating a shared receive queue", raw)
}

/// The global route header, in front of every UD datagram.
pub(in crate::verbs) const GRH_BYTES: usize = 40;
/// Where a receive is split: a data packet's header has this length.
const HEADER_BYTES: usize = 64;
/// Of the payload, in a slot.
const PAYLOAD_AT: usize = 128;
const CACHE_LINE_BYTES: usize = 64;
/// Receives in a chain.
const POST_BATCH: usize = 64;

const _: () = assert!(PAYLOAD_AT >= GRH_BYTES + HEADER_BYTES);
const _: () = assert!(PAYLOAD_AT.is_multiple_of(CACHE_LINE_BYTES));
