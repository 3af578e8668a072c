//! The answers to this side's READs and atomics come in. Rules T7 and T9.

use super::Endpoint;
use super::receive::Outcome;
use crate::boundary::{Destination, Disposition, InboundId, PeerFailure, Placement};
use crate::drop_reason::DropReason;
use crate::ids::{BufferRange, PeerId, Service};
use crate::message::{Binding, BlockList, End, InMessage, OutMessage, Piece, Wanted};
use crate::psn::Psn;
use crate::region::Refusal;
use crate::shared::Shared;
use crate::time::Instant;
use crate::transfer::{Notice, TransferFailure};
use crate::wire::{DataView, Op};

impl Endpoint {
    /// A piece of what a READ has asked for.
    pub(super) fn take_response(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        let begun = self.begun(index, data)?;
        let peer = &mut self.peers[index as usize];
        let operation = match begun.map(|key| self.inbound[key as usize].binding) {
            Some(Binding::Read { operation }) => operation,
            Some(_) => return Err(DropReason::Inconsistent),
            None => match peer.sender.operation(data.args()[0] as u32) {
                Some(operation) => operation,
                None => {
                    // It has failed meanwhile, and the rest of its answer is under way.
                    self.accept(now, index, psn, data);
                    self.shared.stats.stale_answers += 1;
                    return Ok(Disposition::Consumed);
                }
            },
        };
        let piece = self.wanted_piece(operation, begun, data).ok_or(DropReason::Inconsistent)?;
        let key = begun.unwrap_or_else(|| self.begin_response(index, operation, data));
        self.accept(now, index, psn, data);
        self.inbound[key as usize].take(data);
        self.end_if_arrived(index, key, data);
        Ok(Disposition::Place(Placement {
            message: InboundId::message(key),
            destination: match self.shared.operations[operation as usize].pulled {
                Some(_) => Destination::Posted(piece.local.buffer),
                None => Destination::Memory(piece.local.buffer),
            },
            offset: piece.local.offset,
            len: data.payload_len().into(),
        }))
    }

    /// Where a piece goes, if it is one of what was asked for.
    fn wanted_piece(
        &mut self,
        operation: u32,
        begun: Option<u32>,
        data: DataView<'_>,
    ) -> Option<Piece> {
        let operation = &mut self.shared.operations[operation as usize];
        let Wanted::Bytes { blocks, inbound, .. } = &mut operation.wanted else { return None };
        if *inbound != begun || blocks.total_len() != data.total_len() {
            return None;
        }
        blocks.piece(data.offset(), data.payload_len().into(), &self.shared.regions)
    }

    fn begin_response(&mut self, index: u32, operation: u32, data: DataView<'_>) -> u32 {
        let peer = &mut self.peers[index as usize];
        let message = InMessage::one_sided(peer.id, data, Binding::Read { operation });
        let key = self.inbound.insert(message) as u32;
        if !data.is_whole_operation() {
            peer.receiver.begin_message(data.message_id(), key);
        }
        let operation = &mut self.shared.operations[operation as usize];
        if let Wanted::Bytes { inbound, .. } = &mut operation.wanted {
            *inbound = Some(key);
        }
        key
    }

    /// Everything that a READ has asked for is in place.
    pub(super) fn finish_read(&mut self, now: Instant, key: u32, operation: u32) {
        let message = self.inbound.remove(key as usize);
        if !message.detached {
            self.forget_answer(message.peer, operation);
            if message.report {
                self.report(now, &message);
            }
        }
        let notice = match self.shared.operations[operation as usize].wanted {
            Wanted::Bytes { notice, .. } => notice,
            Wanted::Value => None,
        };
        match notice.filter(|_| self.shared.operations[operation as usize].failure.is_none()) {
            None => self.shared.end_operation(operation, Ok(0)),
            Some(notice) => self.notify_reader(now, operation, notice),
        }
    }

    /// Tells the peer that it has been read; the operation is over when it knows.
    fn notify_reader(&mut self, now: Instant, operation: u32, notice: Notice) {
        let peer = self.shared.operations[operation as usize].peer;
        let nothing = BlockList::whole(BufferRange { len: 0, ..notice.note });
        let message = OutMessage::new(peer, None, Service::Srd, Op::Write);
        self.submit_write(now, message, nothing, Some(notice), Some(operation));
    }

    /// The value before an atomic, or why a READ fails.
    pub(super) fn take_answer(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        self.accept(now, index, psn, data);
        let peer = &mut self.peers[index as usize];
        let Some(key) = peer.sender.operation(data.message_id()) else {
            if data.args()[0] == u64::from(Refusal::Truncated.code()) && data.op() == Op::Refused {
                self.take_truncation(index, data.message_id());
            }
            return Ok(Disposition::Consumed);
        };
        let operation = &self.shared.operations[key as usize];
        match (data.op(), &operation.wanted) {
            (Op::Result, Wanted::Value) => {
                peer.sender.forget_answer(data.message_id());
                self.shared.end_operation(key, Ok(data.args()[0]));
            }
            (Op::Refused, Wanted::Bytes { inbound, .. }) => {
                let inbound = *inbound;
                peer.sender.forget_answer(data.message_id());
                let refusal = Refusal::from_code(data.args()[0] as u8).unwrap_or(Refusal::Denied);
                self.fail_read(now, index, key, inbound, refusal.into());
            }
            _ => {}
        }
        Ok(Disposition::Consumed)
    }

    /// Nothing more is placed for a READ, whose answer nobody waits for any more.
    pub(super) fn fail_read(
        &mut self,
        now: Instant,
        index: u32,
        key: u32,
        inbound: Option<u32>,
        failure: TransferFailure,
    ) {
        self.shared.operations[key as usize].failure = Some(failure);
        match inbound {
            None => self.shared.end_operation(key, Err(failure)),
            Some(inbound) => {
                let id = self.inbound[inbound as usize].id;
                self.peers[index as usize].receiver.end_message(id);
                // It ends when nothing is being placed any more.
                self.fail_receive(now, inbound, End::Withdrawn { tell: false });
            }
        }
    }

    fn forget_answer(&mut self, peer: PeerId, operation: u32) {
        let id = self.shared.operations[operation as usize].id;
        if let Some(peer) = self.peers.get_mut(peer.0 as usize) {
            peer.sender.forget_answer(id);
        }
    }

    /// The context with a peer has ended: nothing more is answered. What is being placed sees to
    /// its operation itself.
    pub(super) fn fail_operations(
        &mut self,
        peer: PeerId,
        reason: PeerFailure,
        spared: &[u32],
    ) -> usize {
        let Shared { operations, messages, .. } = &self.shared;
        let is_spared = |id: u32| spared.iter().any(|&key| messages[key as usize].id == id);
        let keys: alloc::vec::Vec<u32> = operations
            .iter()
            .filter(|(_, it)| it.peer == peer && it.inbound().is_none() && !is_spared(it.id))
            .map(|(key, _)| key as u32)
            .collect();
        for &key in &keys {
            self.shared.end_operation(key, Err(TransferFailure::Unknown(reason)));
        }
        keys.len()
    }
}
