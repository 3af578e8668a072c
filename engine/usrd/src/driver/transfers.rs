//! One-sided operations: from the user to the core, and what the core makes of those of peers.

use bytes::Bytes;
use usrd_proto::transfer::tidy;
use usrd_proto::wire::{decode_list, encode_list};
use usrd_proto::{
    Atomic, AtomicRequest, Block, BounceId, BufferRange, InboundId, Layout, PeerId, ReadRequest,
    Token, TransferError, WriteRequest,
};

use super::Driver;
use super::buffers::{PendingTransfer, Space, TransferMemory, id_in};
use crate::submission::{Transfer, What};
use crate::{CompletionQueue, Notification, TransferFailure, TransferOptions};

impl Driver {
    pub(super) fn start_transfer(&mut self, transfer: Transfer, to: Option<CompletionQueue>) {
        let Transfer { peer, options, what } = transfer;
        let context = options.context;
        let memory = TransferMemory::None;
        let index = self.buffers.transfers.insert(PendingTransfer { peer, context, to, memory });
        let Some(id) = self.open_peer(peer) else {
            if let What::Read { buffer, .. } = what {
                self.buffers.transfers[index].memory = TransferMemory::Buffer(buffer);
            }
            return self.transfer_rejected(index, TransferError::UnknownPeer);
        };
        let started = match what {
            What::Write { data, to } => {
                let layout = Layout::One { local: whole(index, data.len()), remote: to };
                self.buffers.transfers[index].memory = TransferMemory::Data(data);
                self.start_write(index, id, layout, options)
            }
            What::WriteBlocks(blocks) => {
                self.start_write(index, id, Layout::Blocks(tidied(blocks)), options)
            }
            What::Read { buffer, from } => {
                let layout = Layout::One { local: whole(index, buffer.len()), remote: from };
                self.buffers.transfers[index].memory = TransferMemory::Buffer(buffer);
                self.start_read(index, id, layout, None, options)
            }
            What::ReadBlocks(blocks) => {
                let blocks = tidied(blocks);
                let list = Bytes::from(encode_list(&blocks));
                let range = whole(index, list.len());
                self.buffers.transfers[index].memory = TransferMemory::Data(list);
                self.start_read(index, id, Layout::Blocks(blocks), Some(range), options)
            }
            What::Atomic { at, op } => {
                let request = AtomicRequest { token: token_of(index), remote: at, op };
                self.endpoint.atomic(self.now, id, request)
            }
        };
        if let Err(error) = started {
            self.transfer_rejected(index, error);
        }
    }

    fn start_write(
        &mut self,
        index: usize,
        peer: PeerId,
        layout: Layout,
        options: TransferOptions,
    ) -> Result<(), TransferError> {
        let TransferOptions { level, immediate, .. } = options;
        let request = WriteRequest { token: token_of(index), layout, level, immediate };
        self.endpoint.write(self.now, peer, request)
    }

    fn start_read(
        &mut self,
        index: usize,
        peer: PeerId,
        layout: Layout,
        list: Option<BufferRange>,
        options: TransferOptions,
    ) -> Result<(), TransferError> {
        let immediate = options.immediate;
        let request = ReadRequest { token: token_of(index), layout, list, immediate };
        self.endpoint.read(self.now, peer, request)
    }

    /// The core has not taken an operation.
    fn transfer_rejected(&mut self, index: usize, error: TransferError) {
        let pending = self.buffers.transfers.remove(index);
        self.transfer_over(pending, Err(TransferFailure::Rejected(error)));
    }

    pub(super) fn transfer_completed(
        &mut self,
        token: Token,
        result: Result<u64, usrd_proto::TransferFailure>,
    ) {
        let index = token.0 as usize;
        let Some(pending) = self.buffers.transfers.try_remove(index) else {
            debug_assert!(false, "{token:?} completed without having been submitted");
            return;
        };
        match &pending.memory {
            TransferMemory::Data(data) => {
                let slice = |start: usize, len| data.slice(start..start + len);
                self.batch.hold(id_in(Space::Transfer, index), slice);
            }
            TransferMemory::None => {
                let Self { batch, regions, .. } = self;
                batch.hold_repeats(|range| regions.copy_of(range));
            }
            TransferMemory::Buffer(_) => {}
        }
        self.transfer_over(pending, result.map_err(TransferFailure::from));
    }

    /// A peer's transfer is in place.
    pub(super) fn notified(&mut self, peer: PeerId, immediate: u64, bytes: u64) {
        let peer = self.routes.handle(peer);
        let engine = self.shared.info.id;
        self.notify(Notification { engine, peer, immediate, bytes });
    }

    /// The list of a peer's READ is whole.
    pub(super) fn list_arrived(&mut self, list: InboundId, bounce: BounceId, len: u64) {
        let blocks = decode_list(self.bounce.front(bounce, len));
        self.endpoint.serve_list(self.now, list, blocks);
    }

    /// A peer's atomic.
    pub(super) fn perform(&mut self, atomic: &Atomic) {
        let (_, index) = super::buffers::split(atomic.buffer);
        let memory = self.regions.memory_mut(index);
        let old = memory.atomic(atomic.offset as usize, atomic.op);
        self.endpoint.handle_atomic(self.now, atomic.id, old);
    }

    /// Tells the core what the user has taken since the last turn.
    pub(super) fn return_notifications(&mut self) {
        match self.shared.notices.take_taken() {
            0 => {}
            taken => self.endpoint.notifications_taken(taken),
        }
    }
}

/// Without empty blocks, and with neighbours joined.
fn tidied(mut blocks: Vec<Block>) -> Vec<Block> {
    tidy(&mut blocks);
    blocks
}

/// All of an operation's own memory.
fn whole(index: usize, len: usize) -> BufferRange {
    BufferRange { buffer: id_in(Space::Transfer, index), offset: 0, len: len as u64 }
}

pub(super) fn token_of(index: usize) -> Token {
    Token(index as u64)
}
