//! One-sided operations: section 7 of docs/PROTOCOL.md.

mod answers;
mod faults;
mod notices;
mod random;
mod refusals;
mod regions;
mod writes;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Node, Pair, Side, pattern};
use crate::boundary::Event;
use crate::ids::{BufferId, BufferRange, CompletionLevel, Token};
use crate::region::{Access, RegionAddress, RegionRequest};
use crate::transfer::{
    AtomicOp, AtomicRequest, Block, Layout, Notice, ReadRequest, TransferFailure, WriteRequest,
};
use crate::wire::encode_list;

const LIMIT: Duration = Duration::from_secs(10);

/// A registered region and its memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub start: RegionAddress,
    pub buffer: BufferId,
    pub len: usize,
}

pub(super) type Outcome = Result<u64, TransferFailure>;

impl Pair {
    pub(super) fn register(&mut self, side: Side, bytes: Vec<u8>, access: Access) -> Memory {
        let node = self.node(side);
        let len = bytes.len();
        let buffer = node.buffer(bytes);
        let request = RegionRequest { buffer, len: len as u64, access, peers: None };
        Memory { start: node.endpoint.register(request).unwrap(), buffer, len }
    }

    pub(super) fn contents(&mut self, side: Side, memory: Memory) -> Vec<u8> {
        self.node(side).buffers[&memory.buffer].clone()
    }

    /// Writes bytes to a peer's region. The token is returned.
    pub(super) fn write(
        &mut self,
        side: Side,
        bytes: &[u8],
        remote: RegionAddress,
        immediate: Option<u64>,
    ) -> u64 {
        self.write_with(side, bytes, remote, immediate, CompletionLevel::Acknowledged)
    }

    pub(super) fn write_with(
        &mut self,
        side: Side,
        bytes: &[u8],
        remote: RegionAddress,
        immediate: Option<u64>,
        level: CompletionLevel,
    ) -> u64 {
        let now = self.now;
        let node = self.ready(side);
        let buffer = node.buffer(bytes.to_vec());
        let local = BufferRange { buffer, offset: 0, len: bytes.len() as u64 };
        let token = Token(buffer.0.into());
        let layout = Layout::One { local, remote };
        let notice = immediate.map(|immediate| node.notice(immediate));
        let request = WriteRequest { token, layout, level, notice };
        node.endpoint.write(now, node.peer.unwrap(), request).unwrap();
        token.0
    }

    pub(super) fn write_blocks(
        &mut self,
        side: Side,
        blocks: Vec<Block>,
        immediate: Option<u64>,
    ) -> u64 {
        let now = self.now;
        let node = self.ready(side);
        let token = Token(node.buffer(Vec::new()).0.into());
        let level = CompletionLevel::Delivered;
        let notice = immediate.map(|immediate| node.notice(immediate));
        let request = WriteRequest { token, layout: Layout::Blocks(blocks), level, notice };
        node.endpoint.write(now, node.peer.unwrap(), request).unwrap();
        token.0
    }

    pub(super) fn read_blocks(
        &mut self,
        side: Side,
        blocks: Vec<Block>,
        immediate: Option<u64>,
    ) -> u64 {
        let now = self.now;
        let node = self.ready(side);
        let list = encode_list(&blocks);
        let len = list.len() as u64;
        let buffer = node.buffer(list);
        let token = Token(buffer.0.into());
        let list = Some(BufferRange { buffer, offset: 0, len });
        let notice = immediate.map(|immediate| node.notice(immediate));
        let request = ReadRequest { token, layout: Layout::Blocks(blocks), list, notice };
        node.endpoint.read(now, node.peer.unwrap(), request).unwrap();
        token.0
    }

    /// Reads into a buffer of its own, which is named by the token that is returned.
    pub(super) fn read(&mut self, side: Side, remote: RegionAddress, len: usize) -> u64 {
        let now = self.now;
        let node = self.ready(side);
        let buffer = node.buffer(vec![0; len]);
        let token = Token(buffer.0.into());
        let local = BufferRange { buffer, offset: 0, len: len as u64 };
        let layout = Layout::One { local, remote };
        let request = ReadRequest { token, layout, list: None, notice: None };
        node.endpoint.read(now, node.peer.unwrap(), request).unwrap();
        token.0
    }

    pub(super) fn atomic(&mut self, side: Side, remote: RegionAddress, op: AtomicOp) -> u64 {
        let now = self.now;
        let node = self.ready(side);
        let token = Token(node.buffer(Vec::new()).0.into());
        let request = AtomicRequest { token, remote, op };
        node.endpoint.atomic(now, node.peer.unwrap(), request).unwrap();
        token.0
    }

    pub(super) fn revoke(&mut self, side: Side, memory: Memory) {
        let now = self.now;
        self.node(side).endpoint.revoke(now, memory.start).unwrap();
        self.flush(side);
    }

    pub(super) fn ready(&mut self, side: Side) -> &mut Node {
        let now = self.now;
        let node = self.node(side);
        if node.peer.is_none() {
            node.peer = Some(node.endpoint.add_peer(now).unwrap());
        }
        node
    }

    /// Runs until a side's operations are over, and takes the events.
    pub(super) fn run_out(&mut self, side: Side) {
        self.run_until(Duration::from_secs(20), |pair| match side {
            A => pair.a.endpoint.pending_sends() == 0,
            B => pair.b.endpoint.pending_sends() == 0,
        });
        self.flush(side);
    }

    /// Runs until nothing is pending, and checks that nothing is left behind.
    pub(super) fn settle_down(&mut self) {
        self.run_until_quiet(LIMIT);
        self.run_for(Duration::from_millis(5));
        self.a.endpoint.assert_at_rest();
        self.b.endpoint.assert_at_rest();
    }
}

impl Node {
    /// Takes the outcomes of one-sided operations out of the events.
    pub(super) fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let mut outcomes = Vec::new();
        self.events.retain(|event| match *event {
            Event::TransferCompleted { token, result, .. } => {
                outcomes.push((token.0, result));
                false
            }
            _ => true,
        });
        outcomes
    }

    /// What goes with an immediate: a note, for some of them.
    fn notice(&mut self, immediate: u64) -> Notice {
        let note = note_of(immediate);
        let len = note.len() as u64;
        Notice { immediate, note: BufferRange { buffer: self.buffer(note), offset: 0, len } }
    }

    /// Takes immediates and the lengths of their transfers out of the events. Their notes must be
    /// what was sent.
    pub(super) fn notified(&mut self) -> Vec<(u64, u64)> {
        let mut notified = Vec::new();
        self.events.retain(|event| match *event {
            Event::Notified { immediate, len, .. } => {
                let note = self.notes.remove(&immediate).unwrap_or_default();
                assert!(note == note_of(immediate), "the note of {immediate}");
                notified.push((immediate, len));
                false
            }
            _ => true,
        });
        notified
    }

    /// Takes what was released out of the events.
    pub(super) fn released(&mut self) -> Vec<BufferId> {
        let mut released = Vec::new();
        self.events.retain(|event| match *event {
            Event::RegionReleased { buffer } => {
                released.push(buffer);
                false
            }
            _ => true,
        });
        released
    }
}

/// The note that goes with an immediate: none with those below [`NOTED`], and then of various lengths.
pub(super) fn note_of(immediate: u64) -> Vec<u8> {
    let lens = [0, 1, 40, 300, 700];
    match immediate.checked_sub(NOTED) {
        Some(number) => pattern(immediate, lens[number as usize % lens.len()]),
        None => Vec::new(),
    }
}

/// Immediates from here on have notes.
pub(super) const NOTED: u64 = 1000;

/// `count` blocks of `len` bytes from one region to the other, in an order that looks random on
/// both sides.
pub(super) fn shuffled(from: Memory, to: Memory, count: u64, len: u64) -> Vec<Block> {
    let at = |n: u64, stride: u64| n * stride % count * len;
    (0..count)
        .map(|n| Block::new(from.start.plus(at(n, 7)), to.start.plus(at(n, 11)), len))
        .collect()
}

/// What the target's memory has to be after [`shuffled`] blocks have moved.
pub(super) fn moved(blocks: &[Block], from: &[u8], to: &mut [u8]) {
    for block in blocks {
        let (source, target) = (block.local.offset() as usize, block.remote.offset() as usize);
        let len = block.len as usize;
        to[target..target + len].copy_from_slice(&from[source..source + len]);
    }
}

/// A pair with a region of `len` bytes at B that A may do anything with.
pub(super) fn pair_with_region(len: usize) -> (Pair, Memory) {
    let mut pair = Pair::plain();
    let memory = pair.register(B, vec![0; len], Access::ALL);
    (pair, memory)
}

/// One operation of A's has this outcome.
#[track_caller]
pub(super) fn assert_outcome(pair: &mut Pair, token: u64, outcome: Outcome) {
    assert_eq!(pair.node(A).outcomes(), [(token, outcome)]);
}
