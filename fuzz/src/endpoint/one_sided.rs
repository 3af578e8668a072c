//! What one endpoint does to the other's memory, and its driver's part in it.

use usrd_proto::transfer::tidy;
use usrd_proto::wire::{decode_list, encode_list};
use usrd_proto::{
    Access, Atomic, AtomicOp, AtomicRequest, Block, BounceId, BufferId, BufferRange, InboundId,
    Instant, Layout, Notice, PeerId, ReadRequest, RegionAddress, RegionRequest, Token,
    WriteRequest,
};

use super::memory::Place;
use super::node::Node;
use super::op::How;

/// A region, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) start: RegionAddress,
    len: u64,
}

impl Node {
    /// Registers a region of this many bytes, if none is there.
    pub(crate) fn register(&mut self, token: u64, len: u64) {
        if self.region.is_some() {
            return;
        }
        let buffer = BufferId(token as u32);
        let request = RegionRequest { buffer, len, access: Access::ALL, peers: None };
        let start = self.endpoint.register(request).expect("room for a region");
        self.memory.open(buffer.0, len as usize);
        self.region = Some(Region { start, len });
    }

    pub(crate) fn revoke(&mut self, now: Instant) {
        if let Some(region) = self.region.take() {
            self.endpoint.revoke(now, region.start).expect("a live region");
        }
    }

    /// An operation on the other endpoint's region, of about `len` bytes.
    pub(crate) fn operate(
        &mut self,
        now: Instant,
        there: Region,
        how: How,
        (token, len): (u64, u64),
    ) {
        let Some(peer) = self.peer(now) else { return };
        // At times it reaches a little too far.
        let len = len % (there.len + 8) + 1;
        let taken = match how {
            How::Ud => self.atomic(now, peer, there, (token, len)),
            How::Srd | How::SrdDelivered => self.write(now, peer, there, how, (token, len)),
            How::Rd => self.read(now, peer, there, (token, len)),
            How::RdDelivered => self.read_blocks(now, peer, there, (token, len)),
        };
        if !taken {
            self.memory.abandon(token as u32);
            self.transfers.remove(&token);
        }
    }

    fn atomic(&mut self, now: Instant, peer: PeerId, there: Region, (id, at): (u64, u64)) -> bool {
        let op = match at % 3 {
            0 => AtomicOp::CompareSwap { expected: at, new: u64::MAX - at },
            _ => AtomicOp::FetchAdd(u64::MAX - at),
        };
        let request = AtomicRequest { token: Token(id), remote: there.start.plus(at), op };
        self.transfers.insert(id, Vec::new());
        self.endpoint.atomic(now, peer, request).is_ok()
    }

    fn write(
        &mut self,
        now: Instant,
        peer: PeerId,
        there: Region,
        how: How,
        (id, len): (u64, u64),
    ) -> bool {
        let bytes = vec![id as u8; len as usize];
        let local = BufferRange { buffer: BufferId(id as u32), offset: 0, len };
        self.transfers.insert(id, bytes);
        // The front of what is written is said, too, now and then.
        let note = BufferRange { len: if len % 3 == 0 { len.min(300) } else { 0 }, ..local };
        let request = WriteRequest {
            token: Token(id),
            layout: Layout::One { local, remote: there.start },
            level: how.level(),
            notice: (len % 2 == 1).then_some(Notice { immediate: id, note }),
        };
        self.endpoint.write(now, peer, request).is_ok()
    }

    fn read(&mut self, now: Instant, peer: PeerId, there: Region, (id, len): (u64, u64)) -> bool {
        let buffer = BufferId(id as u32);
        self.memory.open(buffer.0, len as usize);
        self.transfers.insert(id, Vec::new());
        let local = BufferRange { buffer, offset: 0, len };
        let layout = Layout::One { local, remote: there.start };
        let notice = (len % 2 == 1).then_some(Notice::immediate(id));
        let request = ReadRequest { token: Token(id), layout, list: None, notice };
        self.endpoint.read(now, peer, request).is_ok()
    }

    /// Reads blocks, each a little further on, into this side's own region.
    fn read_blocks(
        &mut self,
        now: Instant,
        peer: PeerId,
        there: Region,
        (id, len): (u64, u64),
    ) -> bool {
        let Some(here) = self.region else { return false };
        let block = |n: u64| {
            let (local, remote) = (here.start.plus(n * 40), there.start.plus(n * 56));
            Block::new(local, remote, 32)
        };
        let mut blocks: Vec<Block> = (0..len % 40 + 1).map(block).collect();
        tidy(&mut blocks);
        let list = encode_list(&blocks);
        let range = BufferRange { buffer: BufferId(id as u32), offset: 0, len: list.len() as u64 };
        self.transfers.insert(id, list);
        let layout = Layout::Blocks(blocks);
        let request = ReadRequest { token: Token(id), layout, list: Some(range), notice: None };
        self.endpoint.read(now, peer, request).is_ok()
    }

    pub(crate) fn transfer_completed(&mut self, token: Token) {
        self.transfers.remove(&token.0).expect("a transfer completes once");
        self.memory.abandon(token.0 as u32);
    }

    pub(crate) fn list_arrived(
        &mut self,
        now: Instant,
        list: InboundId,
        bounce: BounceId,
        len: u64,
    ) {
        let blocks = decode_list(self.memory.bounced(bounce, len));
        self.endpoint.serve_list(now, list, blocks);
    }

    /// Carries an atomic out, now or later.
    pub(crate) fn perform(&mut self, now: Instant, atomic: &Atomic) {
        let old = self.memory.atomic(atomic);
        self.begin(now, atomic.id, Place::Atomic(atomic.buffer, old));
    }
}
