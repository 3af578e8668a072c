//! One-sided operations: from the user to the core, and what the core makes of those of peers.

use bytes::Bytes;
use usrd_proto::transfer::tidy;
use usrd_proto::wire::{decode_list, encode_list};
use usrd_proto::{
    Atomic, AtomicRequest, Block, BounceId, BufferRange, InboundId, Layout, ReadRequest, Token,
    TransferError, WriteRequest,
};

use super::Driver;
use super::buffers::{PendingTransfer, Space, TransferMemory, id_in};
use crate::submission::{Transfer, What};
use crate::{CompletionQueue, Notice, TransferFailure};

impl Driver {
    pub(super) fn start_transfer(&mut self, transfer: Transfer, to: Option<CompletionQueue>) {
        let Transfer { peer, context, level, notice, what } = transfer;
        let (immediate, note) = match notice.map(|notice| *notice) {
            Some(Notice { immediate, note }) => (Some(immediate), note),
            None => (None, Bytes::new()),
        };
        let note_len = note.len();
        let memory = TransferMemory::None;
        let pending = PendingTransfer { peer, context, to, memory, note };
        let index = self.buffers.transfers.insert(pending);
        let notice = immediate.map(|immediate| usrd_proto::Notice {
            immediate,
            note: whole(Space::Note, index, note_len),
        });
        let Some(id) = self.open_peer(peer) else {
            if let What::Read { buffer, .. } = what {
                self.buffers.transfers[index].memory = TransferMemory::Buffer(buffer);
            }
            return self.transfer_rejected(index, TransferError::UnknownPeer);
        };
        let token = token_of(index);
        let started = match what {
            What::Write { data, to } => {
                let layout =
                    Layout::One { local: whole(Space::Transfer, index, data.len()), remote: to };
                self.buffers.transfers[index].memory = TransferMemory::Data(data);
                let request = WriteRequest { token, layout, level, notice };
                self.endpoint.write(self.now, id, request)
            }
            What::WriteBlocks(blocks) => {
                let layout = Layout::Blocks(tidied(blocks));
                let request = WriteRequest { token, layout, level, notice };
                self.endpoint.write(self.now, id, request)
            }
            What::Read { buffer, from } => {
                let layout = Layout::One {
                    local: whole(Space::Transfer, index, buffer.len()),
                    remote: from,
                };
                self.buffers.transfers[index].memory = TransferMemory::Buffer(buffer);
                let request = ReadRequest { token, layout, list: None, notice };
                self.endpoint.read(self.now, id, request)
            }
            What::ReadBlocks(blocks) => {
                let blocks = tidied(blocks);
                let list = Bytes::from(encode_list(&blocks));
                let range = whole(Space::Transfer, index, list.len());
                self.buffers.transfers[index].memory = TransferMemory::Data(list);
                let layout = Layout::Blocks(blocks);
                let request = ReadRequest { token, layout, list: Some(range), notice };
                self.endpoint.read(self.now, id, request)
            }
            What::Atomic { at, op } => {
                let request = AtomicRequest { token, remote: at, op };
                self.endpoint.atomic(self.now, id, request)
            }
        };
        if let Err(error) = started {
            self.transfer_rejected(index, error);
        }
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
        let slice = |start: usize, len| pending.note.slice(start..start + len);
        self.batch.hold(id_in(Space::Note, index), slice);
        self.transfer_over(pending, result.map_err(TransferFailure::from));
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
}

/// Without empty blocks, and with neighbours joined.
fn tidied(mut blocks: Vec<Block>) -> Vec<Block> {
    tidy(&mut blocks);
    blocks
}

/// All of an operation's own memory.
fn whole(space: Space, index: usize, len: usize) -> BufferRange {
    BufferRange { buffer: id_in(space, index), offset: 0, len: len as u64 }
}

pub(super) fn token_of(index: usize) -> Token {
    Token(index as u64)
}
