//! One end of the pair.

use std::collections::{BTreeMap, HashMap};
use std::vec;
use std::vec::Vec;

use core::time::Duration;

use crate::boundary::{Atomic, Destination, Event, Placement, RecvFailure};
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::endpoint::Endpoint;
use crate::ids::{BounceId, BufferId, PeerId, Service};
use crate::time::Instant;

/// One end, with the memory that a driver would have.
pub(in crate::tests) struct Node {
    pub endpoint: Endpoint,
    pub peer: Option<PeerId>,
    pub events: Vec<Event>,
    pub drops: Vec<DropReason>,
    pub buffers: HashMap<BufferId, Vec<u8>>,
    pub(super) bounces: HashMap<BounceId, Vec<u8>>,
    /// What came with immediates.
    pub notes: HashMap<u64, Vec<u8>>,
    next: u32,
    /// Placements are reported done this much later.
    pub placing_takes: Duration,
    pub(super) placing: BTreeMap<(Instant, u64), crate::boundary::InboundId>,
    /// Lists are handed in as if they could not be read.
    pub spoil_lists: bool,
    /// Atomics wait for [`perform_held`](Self::perform_held).
    pub hold_atomics: bool,
    pub held_atomics: Vec<Atomic>,
}

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tests) struct Received {
    pub token: u64,
    pub service: Service,
    pub bytes: Vec<u8>,
    pub immediate: Option<u64>,
    pub result: Result<(), RecvFailure>,
}

impl Node {
    pub(in crate::tests) fn new(config: Config) -> Self {
        Self {
            endpoint: Endpoint::new(config).unwrap(),
            peer: None,
            events: Vec::new(),
            drops: Vec::new(),
            buffers: HashMap::new(),
            bounces: HashMap::new(),
            notes: HashMap::new(),
            next: 0,
            placing_takes: Duration::ZERO,
            placing: BTreeMap::new(),
            spoil_lists: false,
            hold_atomics: false,
            held_atomics: Vec::new(),
        }
    }

    pub(in crate::tests) fn buffer(&mut self, bytes: Vec<u8>) -> BufferId {
        let id = BufferId(self.next);
        self.next += 1;
        self.buffers.insert(id, bytes);
        id
    }

    pub(super) fn place(&mut self, placement: &Placement, payload: &[u8]) {
        let to = match placement.destination {
            Destination::Posted(buffer) | Destination::Memory(buffer) => {
                self.buffers.get_mut(&buffer).expect("a buffer not given back")
            }
            Destination::Bounce { id, total_len } => {
                self.bounces.entry(id).or_insert_with(|| vec![0; total_len as usize])
            }
        };
        let offset = placement.offset as usize;
        to[offset..offset + placement.len].copy_from_slice(&payload[..placement.len]);
    }

    pub(in crate::tests) fn perform_held(&mut self, now: Instant) {
        for atomic in core::mem::take(&mut self.held_atomics) {
            let old = self.perform(&atomic);
            self.endpoint.handle_atomic(now, atomic.id, old);
        }
    }

    fn perform(&mut self, atomic: &Atomic) -> u64 {
        let memory = self.buffers.get_mut(&atomic.buffer).expect("a region not given back");
        let bytes = &mut memory[atomic.offset as usize..][..8];
        let old = u64::from_ne_bytes((*bytes).try_into().expect("eight bytes"));
        bytes.copy_from_slice(&atomic.op.apply(old).to_ne_bytes());
        old
    }

    /// Whether payload is on its way to where it belongs.
    pub(in crate::tests) fn is_placing(&self) -> bool {
        !self.placing.is_empty()
    }

    /// Takes the received messages out of the events.
    pub(in crate::tests) fn received(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        self.events.retain(|event| match *event {
            Event::RecvCompleted { token, service, len, immediate, result, .. } => {
                let mut bytes = self.buffers.remove(&BufferId(token.0 as u32)).expect("a buffer");
                bytes.truncate(len as usize);
                received.push(Received { token: token.0, service, bytes, immediate, result });
                false
            }
            _ => true,
        });
        received
    }

    /// Takes the outcomes of sends out of the events: token and success.
    pub(in crate::tests) fn sent(&mut self) -> Vec<(u64, bool)> {
        let mut sent = Vec::new();
        self.events.retain(|event| match *event {
            Event::SendCompleted { token, result, .. } => {
                sent.push((token.0, result.is_ok()));
                false
            }
            _ => true,
        });
        sent
    }
}
