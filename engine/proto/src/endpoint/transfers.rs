//! One-sided operations, as this side asks for them. Rules T3 to T7.

use super::{Endpoint, MAX_MESSAGE_BYTES};
use crate::error::TransferError;
use crate::ids::{BufferRange, PeerId, Service};
use crate::message::{BlockList, Operation, OutMessage, Side, TaggedSide, Wanted};
use crate::peer::Parting;
use crate::peer::sender::DataPacket;
use crate::shared::Shared;
use crate::time::Instant;
use crate::transfer::{AtomicRequest, Layout, MAX_NOTE_BYTES, Notice, ReadRequest, WriteRequest};
use crate::wire::{Data, DataFlags, LIST_ENTRY_BYTES, Op};

impl Endpoint {
    /// Writes to the peer's memory. An [`Event::TransferCompleted`](crate::Event) follows.
    pub fn write(
        &mut self,
        now: Instant,
        peer: PeerId,
        request: WriteRequest,
    ) -> Result<(), TransferError> {
        let WriteRequest { token, layout, level, notice } = request;
        check_note(notice)?;
        let blocks = self.blocks_of(peer, layout)?;
        if blocks.total_len() == 0 && notice.is_none() {
            return Err(TransferError::Empty);
        }
        blocks.hold(&mut self.shared.regions);
        let message = OutMessage::new(peer, Some(token), Service::Srd, Op::Write);
        self.submit_write(now, OutMessage { level, ..message }, blocks, notice, None);
        self.shared.pending_sends += 1;
        Ok(())
    }

    /// Reads from the peer's memory. An [`Event::TransferCompleted`](crate::Event) follows.
    pub fn read(
        &mut self,
        now: Instant,
        peer: PeerId,
        request: ReadRequest,
    ) -> Result<(), TransferError> {
        let ReadRequest { token, layout, list, notice } = request;
        check_note(notice)?;
        let blocks = self.blocks_of(peer, layout)?;
        let (len, count, remote) = (blocks.total_len(), blocks.len(), blocks.first_remote());
        if len == 0 {
            return Err(TransferError::Empty);
        }
        let list_bytes = (count * LIST_ENTRY_BYTES) as u64;
        if count > 1 && list.is_none_or(|list| list.len != list_bytes) {
            return Err(TransferError::BadBlocks { max_bytes: MAX_MESSAGE_BYTES });
        }
        blocks.hold(&mut self.shared.regions);
        let wanted = Wanted::Bytes { blocks, notice, inbound: None };
        let mut operation = Operation::new(peer, token, wanted);
        operation.lists = count > 1;
        let operation = self.shared.operations.insert(operation) as u32;
        let (op, range, side) = match list.filter(|_| count > 1) {
            Some(list) => (Op::ReadList, list, Side::List { operation }),
            None => (Op::Read, NO_RANGE, Side::Request { operation, remote, operands: [len, 0] }),
        };
        let message = OutMessage { range, ..OutMessage::new(peer, None, Service::Srd, op) };
        self.ask(now, message, side, operation);
        Ok(())
    }

    /// Performs an atomic on the peer's memory. An [`Event::TransferCompleted`](crate::Event)
    /// follows.
    pub fn atomic(
        &mut self,
        now: Instant,
        peer: PeerId,
        request: AtomicRequest,
    ) -> Result<(), TransferError> {
        let AtomicRequest { token, remote, op } = request;
        self.check_pending(peer)?;
        let operation = Operation::new(peer, token, Wanted::Value);
        let operation = self.shared.operations.insert(operation) as u32;
        let (op, operands) = op.to_wire();
        let message = OutMessage::new(peer, None, Service::Srd, op);
        self.ask(now, message, Side::Request { operation, remote, operands }, operation);
        Ok(())
    }

    /// Takes a WRITE up: its blocks, then what it tells.
    pub(super) fn submit_write(
        &mut self,
        now: Instant,
        message: OutMessage,
        blocks: BlockList,
        notice: Option<Notice>,
        reader: Option<u32>,
    ) {
        let note_len = notice.map_or(0, |notice| notice.note.len);
        let message = OutMessage {
            range: BufferRange { len: blocks.total_len() + note_len, ..NO_RANGE },
            order: note_len as u32,
            ..message
        };
        self.submit(now, message, Side::Write { blocks, notice, reader });
    }

    /// One-sided operations that wait for an answer.
    pub fn awaited_answers(&self) -> usize {
        self.shared.operations.len()
    }

    fn check_pending(&self, peer: PeerId) -> Result<(), TransferError> {
        let limit = self.shared.config.max_pending_messages;
        if !self.peers.contains(peer.0 as usize) {
            return Err(TransferError::UnknownPeer);
        }
        let pending = self.shared.messages.len() + self.shared.operations.len();
        if pending >= limit as usize {
            return Err(TransferError::TooManyPending { limit });
        }
        Ok(())
    }

    fn blocks_of(&self, peer: PeerId, layout: Layout) -> Result<BlockList, TransferError> {
        self.check_pending(peer)?;
        let bad = TransferError::BadBlocks { max_bytes: MAX_MESSAGE_BYTES };
        let blocks = BlockList::new(layout, MAX_MESSAGE_BYTES).ok_or(bad)?;
        let local = blocks.check_local(&self.shared.regions);
        local.map_err(|(block, refusal)| TransferError::Local { block, refusal })?;
        Ok(blocks)
    }

    /// Submits a request, and enters its operation where the answer will look for it.
    pub(super) fn ask(&mut self, now: Instant, message: OutMessage, side: Side, operation: u32) {
        let peer = message.peer;
        let id = self.submit(now, message, side);
        let operation_now = &mut self.shared.operations[operation as usize];
        operation_now.id = id;
        self.shared.pending_sends += usize::from(operation_now.pulled.is_none());
        if let Some(peer) = self.peers.get_mut(peer.0 as usize) {
            peer.sender.expect_answer(id, operation);
        }
    }

    /// Takes a message of a one-sided operation up. Returns its number.
    pub(super) fn submit(&mut self, now: Instant, message: OutMessage, side: Side) -> u32 {
        let index = message.peer.0;
        let side = self.shared.sides.insert(side) as u32;
        let message = OutMessage { side, ..message };
        let peer = &mut self.peers[index as usize];
        // Rule T3: its header has no room for the open block. And nothing overtakes what is held.
        let is_parting = peer.parting != Parting::Together;
        let hold = peer.context.must_open() || is_parting || peer.sender.has_held();
        peer.waits |= hold;
        let submitted = peer.sender.submit_transfer(&mut self.shared, message, hold);
        peer.touch(now, &self.shared.times);
        if submitted.first_held {
            self.say_hello(index);
        }
        self.mark(index);
        submitted.id
    }

    /// Opens a context with a message that asks for nothing, and is as reliable as any.
    pub(super) fn say_hello(&mut self, index: u32) {
        let peer = &mut self.peers[index as usize];
        let hello = OutMessage::new(peer.id, None, Service::Srd, Op::Hello);
        peer.sender.submit_report(&mut self.shared, hello);
    }

    /// Submits what was held until the peer's context was confirmed.
    pub(super) fn release_held(&mut self, index: u32) {
        if let Some(peer) = self.peers.get_mut(index as usize)
            && peer.sender.has_held()
            && !peer.context.must_open()
            && peer.parting == Parting::Together
        {
            peer.sender.release_held(&self.shared);
        }
    }

    /// Tells peers that they wait in vain for the rest of messages. Rule T5.
    #[inline]
    pub(super) fn say_withdrawals(&mut self) {
        while let Some(key) = self.shared.withdrawals.pop() {
            let OutMessage { peer, id, .. } = self.shared.messages[key as usize];
            self.peers[peer.0 as usize].sender.submit_withdrawal(id, key);
            self.mark(peer.0);
        }
    }
}

/// Completes the header of a packet of a one-sided operation, and says where its payload is.
pub(super) fn dress(
    shared: &mut Shared,
    packet: &DataPacket,
    data: &mut Data,
) -> Option<BufferRange> {
    let message = &mut shared.messages[packet.message as usize];
    if let Some(stop) = &mut message.stopped {
        // Its PSN has to arrive; what it carried must not any more.
        stop.give_up();
        abandon(data);
        return None;
    }
    let offset = packet.offset;
    match &mut shared.sides[message.side as usize] {
        Side::Write { blocks, notice, .. } => {
            data.flags = data.flags.with(DataFlags::IMMEDIATE, notice.is_some());
            if let (Some(notice), Some(at)) = (notice, offset.checked_sub(blocks.total_len())) {
                data.args = [notice.immediate, 0];
                let BufferRange { buffer, offset: start, .. } = notice.note;
                let piece = BufferRange { buffer, offset: start + at, len: packet.len.into() };
                return (packet.len > 0).then_some(piece);
            }
            let piece = blocks.piece(offset, packet.len.into(), &shared.regions)?;
            data.args = piece.remote.words();
            Some(piece.local)
        }
        Side::Response { blocks, operation, .. } => {
            data.args = [(*operation).into(), 0];
            Some(blocks.piece(offset, packet.len.into(), &shared.regions)?.local)
        }
        Side::List { .. } => {
            let BufferRange { buffer, offset: start, .. } = message.range;
            Some(BufferRange { buffer, offset: start + offset, len: packet.len.into() })
        }
        Side::Request { remote, operands, .. } => {
            data.args = remote.words();
            [data.total_len, data.offset] = *operands;
            None
        }
        Side::Tagged(TaggedSide { tag, immediate, announced, .. }) => {
            data.args = [*tag, immediate.unwrap_or(0)];
            data.flags = data.flags.with(DataFlags::IMMEDIATE, immediate.is_some());
            if *announced {
                // Rule G4: under the same PSNs, even if they were sent with their bytes before.
                match offset {
                    0 => announce(data),
                    _ => abandon(data),
                }
                return None;
            }
            let BufferRange { buffer, offset: start, .. } = message.range;
            let len = packet.len.into();
            (len > 0).then_some(BufferRange { buffer, offset: start + offset, len })
        }
        Side::Value(value) => {
            data.args = [*value, 0];
            None
        }
        Side::Withdrawal(withdrawal) => {
            data.args = [withdrawal.what.code().into(), 0];
            None
        }
        Side::Stopped => unreachable!("it is stopped"),
    }
}

/// A packet of a message that only says that it is there.
fn announce(data: &mut Data) {
    data.op = Op::Announce;
    data.flags = DataFlags(data.flags.0 & !DataFlags::REPORT.0);
    data.payload_len = 0;
}

/// A packet that stands where one of a message was.
fn abandon(data: &mut Data) {
    *data = Data {
        op: Op::Abandon,
        flags: DataFlags(data.flags.0 & !(DataFlags::REPORT.0 | DataFlags::IMMEDIATE.0)),
        payload_len: 0,
        total_len: 0,
        offset: 0,
        args: [0; 2],
        ..*data
    };
}

const NO_RANGE: BufferRange = BufferRange { buffer: crate::ids::BufferId(0), offset: 0, len: 0 };

fn check_note(notice: Option<Notice>) -> Result<(), TransferError> {
    match notice.is_none_or(|notice| notice.note.len <= MAX_NOTE_BYTES) {
        true => Ok(()),
        false => Err(TransferError::NoteTooLong { max_bytes: MAX_NOTE_BYTES }),
    }
}
