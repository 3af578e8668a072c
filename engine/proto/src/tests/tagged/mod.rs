//! Tagged messages: section 8 of docs/PROTOCOL.md.

mod eager;
mod endings;
mod matching;
mod random;
mod rendezvous;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Pair, Side};
use crate::boundary::{Event, RecvFailure};
use crate::endpoint::{TaggedRecv, TaggedSend};
use crate::ids::{BufferId, BufferRange, CompletionLevel, TagFilter, Token};
use crate::wire::{Op, Packet};

const LIMIT: Duration = Duration::from_secs(10);

/// Longer than what goes without having been asked for: announced.
const LONG: usize = 100_000;

/// A tagged message that was received, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    pub token: u64,
    pub tag: u64,
    pub immediate: Option<u64>,
    pub bytes: Vec<u8>,
    pub result: Result<(), RecvFailure>,
}

impl Pair {
    pub(super) fn send_tagged(&mut self, side: Side, tag: u64, bytes: &[u8]) -> u64 {
        self.send_tagged_with(side, tag, None, CompletionLevel::Acknowledged, bytes)
    }

    pub(super) fn send_tagged_with(
        &mut self,
        side: Side,
        tag: u64,
        immediate: Option<u64>,
        level: CompletionLevel,
        bytes: &[u8],
    ) -> u64 {
        let now = self.now;
        let node = self.ready(side);
        let buffer = node.buffer(bytes.to_vec());
        let token = Token(buffer.0.into());
        let range = BufferRange { buffer, offset: 0, len: bytes.len() as u64 };
        let request = TaggedSend { token, range, level, tag, immediate };
        node.endpoint.send_tagged(now, node.peer.unwrap(), request).unwrap();
        token.0
    }

    pub(super) fn post_tagged(&mut self, side: Side, filter: TagFilter, len: usize) -> u64 {
        let now = self.now;
        let node = self.node(side);
        let buffer = node.buffer(vec![0; len]);
        let token = Token(buffer.0.into());
        let request = TaggedRecv { token, buffer, len: len as u64, filter };
        node.endpoint.post_tagged(now, request).unwrap();
        token.0
    }

    /// Takes the tagged messages that a side has received out of its events.
    pub(super) fn tagged(&mut self, side: Side) -> Vec<Tagged> {
        self.flush(side);
        let node = self.node(side);
        let mut received = Vec::new();
        let events = core::mem::take(&mut node.events);
        for event in events {
            match event {
                Event::TaggedCompleted { token, tag, immediate, len, result, .. } => {
                    let mut bytes = node.buffers.remove(&BufferId(token.0 as u32)).unwrap();
                    bytes.truncate(len as usize);
                    received.push(Tagged { token: token.0, tag, immediate, bytes, result });
                }
                event => node.events.push(event),
            }
        }
        received
    }

    /// Lets both sides know each other, as tagged messages need.
    pub(super) fn acquaint(&mut self) {
        self.post(B, 1);
        self.send(A, crate::ids::Service::Srd, b"!");
        self.run_until_quiet(LIMIT);
        self.run_for(Duration::from_millis(1));
        self.a.sent();
        self.b.received();
    }

    /// The operations of all data packets since the trace began, with their senders.
    fn operations(&self) -> Vec<(Side, Op)> {
        let trace = self.trace.as_ref().unwrap().iter();
        trace
            .filter_map(|&(_, side, packet)| match packet {
                Packet::Data(data) => Some((side, data.op)),
                _ => None,
            })
            .collect()
    }
}

/// A whole message that was received.
fn whole(token: u64, tag: u64, bytes: &[u8]) -> Tagged {
    Tagged { token, tag, immediate: None, bytes: bytes.to_vec(), result: Ok(()) }
}
