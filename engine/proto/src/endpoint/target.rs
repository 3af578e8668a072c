//! One-sided operations of peers come in: this side's user has no part in them. Rules T2 to T9.

use super::Endpoint;
use super::receive::{Outcome, accept, admit};
use crate::boundary::{Atomic, Destination, Disposition, InboundId, Placement};
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::ids::Service;
use crate::message::{Binding, BlockList, InMessage, InNotice, OutMessage, Side, Stop};
use crate::psn::Psn;
use crate::region::{Access, Refusal, RegionAddress};
use crate::time::{Instant, nanos};
use crate::transfer::{AtomicOp, Block, Layout};
use crate::wire::{DataFlags, DataView, LIST_ENTRY_BYTES, Nack, NackReason, Op};

impl Endpoint {
    /// A packet of a one-sided operation, or of an answer to one.
    #[inline]
    pub(super) fn take_operation(
        &mut self,
        now: Instant,
        index: u32,
        data: DataView<'_>,
        ce: bool,
    ) -> Outcome {
        let peer = &mut self.peers[index as usize];
        let psn = admit(peer, now, data, ce)?;
        match data.op() {
            Op::Write => self.take_write(now, index, psn, data),
            Op::Response => self.take_response(now, index, psn, data),
            Op::Read => self.take_read(now, index, psn, data),
            Op::ReadList => self.take_list(now, index, psn, data),
            Op::FetchAdd | Op::CompareSwap => self.take_atomic(now, index, psn, data),
            Op::Result | Op::Refused => self.take_answer(now, index, psn, data),
            Op::Abandon => self.take_abandon(now, index, psn, data),
            Op::Tagged | Op::Announce => self.take_tagged(now, index, psn, data),
            Op::Pull => self.take_pull(now, index, psn, data),
            Op::Hello | Op::Send | Op::Delivered => {
                self.accept(now, index, psn, data);
                Ok(Disposition::Consumed)
            }
        }
    }

    pub(super) fn accept(&mut self, now: Instant, index: u32, psn: Psn, data: DataView<'_>) {
        let peer = &mut self.peers[index as usize];
        accept(peer, now, psn, data, &mut self.shared);
        if data.is_end() {
            peer.receiver.message_ends(now, &self.shared);
        }
        // It needs no grant, but its PSN may be among those granted.
        self.credit_arrival(index, psn, 0, None);
    }

    /// A piece of a transfer, or what it tells. Rules T2, T4, T6.
    fn take_write(&mut self, now: Instant, index: u32, psn: Psn, data: DataView<'_>) -> Outcome {
        if data.is_notice() {
            return self.take_notice(now, index, psn, data);
        }
        let address = RegionAddress::from_words(data.args());
        let (peer, len) = (self.peers[index as usize].id, data.payload_len());
        let buffer = match self.shared.regions.check(peer, address, len.into(), Access::WRITE) {
            Ok(buffer) => buffer,
            Err(refusal) => return self.turn_down(index, data, refusal),
        };
        let key = match self.begun(index, data)? {
            Some(key) => key,
            None if self.is_overloaded(now, index, psn, data) => return self.refuse(index, data),
            None => self.begin(index, data, Binding::Write { notice: None }),
        };
        self.take_written(now, index, psn, key, data);
        let slot = address.slot();
        self.shared.regions.hold(slot);
        Ok(Disposition::Place(Placement {
            message: InboundId { message: key, region: slot.into() },
            destination: Destination::Memory(buffer),
            offset: address.offset(),
            len: len.into(),
        }))
    }

    /// A piece of a WRITE is accepted.
    pub(super) fn take_written(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        key: u32,
        data: DataView<'_>,
    ) {
        self.accept(now, index, psn, data);
        self.inbound[key as usize].take(data);
        self.end_if_arrived(index, key, data);
    }

    /// The message that a packet is part of, if one has begun.
    pub(super) fn begun(
        &mut self,
        index: u32,
        data: DataView<'_>,
    ) -> Result<Option<u32>, DropReason> {
        let receiver = &mut self.peers[index as usize].receiver;
        match receiver.message(data.message_id()).filter(|_| !data.is_whole_operation()) {
            Some(key) if self.inbound[key as usize].agrees_with_operation(data) => Ok(Some(key)),
            Some(_) => Err(DropReason::Inconsistent),
            None => Ok(None),
        }
    }

    /// Begins a message of which this is the first packet.
    pub(super) fn begin(&mut self, index: u32, data: DataView<'_>, binding: Binding) -> u32 {
        let peer = &mut self.peers[index as usize];
        self.shared.served += 1;
        let message = InMessage::one_sided(peer.id, data, binding);
        let key = self.inbound.insert(message) as u32;
        if !data.is_whole_operation() {
            peer.receiver.begin_message(data.message_id(), key);
        }
        key
    }

    /// Whether this side is at as much for others as it may be. Now and then what comes again, and is the
    /// first that is missing from its peer, is let in all the same: while it is missing the peer's window
    /// does not move, and the rest of what was begun, or an answer that is awaited, may lie beyond.
    pub(super) fn is_overloaded(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> bool {
        let Config { max_served: most, rnr_delay, .. } = self.shared.config;
        let served = self.shared.served;
        if served < most {
            return false;
        }
        let is_first = self.peers[index as usize].receiver.next_expected() == psn;
        let is_waited_for = is_first && data.flags().has(DataFlags::RETRANSMISSION);
        let is_time = self.let_in_at.plus_nanos(nanos(rnr_delay)) <= now;
        if !is_waited_for || !is_time || served >= most.saturating_add(most.max(MOST_WAITED_FOR)) {
            return true;
        }
        self.let_in_at = now;
        false
    }

    /// With the last packet, the message has no more to do with the peer's numbering.
    pub(super) fn end_if_arrived(&mut self, index: u32, key: u32, data: DataView<'_>) {
        if !data.is_whole_operation() && self.inbound[key as usize].has_arrived() {
            self.peers[index as usize].receiver.end_message(data.message_id());
        }
    }

    /// A transfer is in place. Rule T6.
    pub(super) fn finish_write(&mut self, now: Instant, key: u32, notice: Option<InNotice>) {
        let message = self.inbound.remove(key as usize);
        self.shared.served -= 1;
        self.shared.stats.writes_received += u64::from(message.written_len() > 0);
        if let Some(notice) = notice {
            self.deliver_notice(&message, notice);
        }
        if message.report && !message.detached {
            self.report(now, &message);
        }
    }

    fn take_read(&mut self, now: Instant, index: u32, psn: Psn, data: DataView<'_>) -> Outcome {
        let peer = self.peers[index as usize].id;
        let address = RegionAddress::from_words(data.args());
        let allowed = self.shared.regions.check(peer, address, data.total_len(), Access::READ);
        if let Err(refusal) = allowed {
            return self.turn_down(index, data, refusal);
        }
        if self.is_overloaded(now, index, psn, data) {
            return self.refuse(index, data);
        }
        self.accept(now, index, psn, data);
        let blocks = BlockList::served(address, data.total_len());
        self.respond(now, index, blocks, data.message_id());
        Ok(Disposition::Consumed)
    }

    /// Streams what a peer has asked for. Rule T7.
    fn respond(&mut self, now: Instant, index: u32, blocks: BlockList, operation: u32) {
        let peer = self.peers[index as usize].id;
        blocks.hold(&mut self.shared.regions);
        self.shared.served += 1;
        self.shared.stats.reads_served += 1;
        let mut message = OutMessage::new(peer, None, Service::Srd, Op::Response);
        message.range.len = blocks.total_len();
        self.submit(now, message, Side::Response { blocks, operation, announced: None });
    }

    /// A piece of the list of a READ: kept in bounce memory until the list is whole. Rule T8.
    fn take_list(&mut self, now: Instant, index: u32, psn: Psn, data: DataView<'_>) -> Outcome {
        let key = match self.begun(index, data)? {
            Some(key) => key,
            None if !data.total_len().is_multiple_of(LIST_ENTRY_BYTES as u64) => {
                return self.turn_down(index, data, Refusal::List);
            }
            None if !self.matcher.can_ever_hold(data.total_len()) => {
                return self.turn_down(index, data, Refusal::ListTooLong);
            }
            None if self.is_overloaded(now, index, psn, data) => return self.refuse(index, data),
            None => match self.take_bounce(now, index, data.total_len()) {
                Some(id) => self.begin(index, data, Binding::List { id }),
                None => return self.refuse_for_now(now, index, data, data.total_len()),
            },
        };
        self.accept(now, index, psn, data);
        let placement = self.inbound[key as usize].place(key, data);
        self.end_if_arrived(index, key, data);
        Ok(Disposition::Place(placement))
    }

    /// Takes what the list says that an [`Event::ListArrived`](crate::Event) has announced; `None`
    /// if it is no list. Its bounce memory is free after this.
    pub fn serve_list(
        &mut self,
        now: Instant,
        list: InboundId,
        blocks: Option<alloc::vec::Vec<Block>>,
    ) {
        let Some(&message) = self.inbound.get(list.message as usize) else { return };
        let Binding::List { id } = message.binding else { return };
        if !message.is_placed() {
            return;
        }
        self.inbound.remove(list.message as usize);
        self.free_bounce(id);
        if message.detached {
            self.shared.served -= 1;
            return;
        }
        let blocks = blocks
            .and_then(|blocks| BlockList::new(Layout::Blocks(blocks), super::MAX_MESSAGE_BYTES))
            .ok_or(Refusal::List)
            .and_then(|blocks| {
                blocks.check_served(message.peer, &self.shared.regions).map(|()| blocks)
            });
        match blocks {
            Ok(blocks) => {
                self.shared.served -= 1;
                self.respond(now, message.peer.0, blocks, message.id);
            }
            Err(refusal) => {
                self.answer(now, message.peer.0, Op::Refused, (message.id, refusal.code().into()));
            }
        }
    }

    fn take_atomic(&mut self, now: Instant, index: u32, psn: Psn, data: DataView<'_>) -> Outcome {
        let peer = self.peers[index as usize].id;
        let address = RegionAddress::from_words(data.args());
        let allowed = match self.shared.regions.check(peer, address, ATOMIC_BYTES, Access::ATOMIC) {
            Ok(_) if !address.offset().is_multiple_of(ATOMIC_BYTES) => Err(Refusal::Alignment),
            allowed => allowed,
        };
        let buffer = match allowed {
            Ok(buffer) => buffer,
            Err(refusal) => return self.turn_down(index, data, refusal),
        };
        if self.is_overloaded(now, index, psn, data) {
            return self.refuse(index, data);
        }
        self.accept(now, index, psn, data);
        self.shared.served += 1;
        self.shared.regions.hold(address.slot());
        let key = self.inbound.insert(InMessage::atomic(peer, data)) as u32;
        let op = match data.op() {
            Op::FetchAdd => AtomicOp::FetchAdd(data.total_len()),
            _ => AtomicOp::CompareSwap { expected: data.total_len(), new: data.offset() },
        };
        let id = InboundId { message: key, region: address.slot().into() };
        Ok(Disposition::Atomic(Atomic { id, buffer, offset: address.offset(), op }))
    }

    /// An atomic is carried out; `old` is the value before. Rule T9.
    pub fn handle_atomic(&mut self, now: Instant, id: InboundId, old: u64) {
        let Some(&message) = self.inbound.get(id.message as usize) else { return };
        if !matches!(message.binding, Binding::Atomic) {
            return;
        }
        self.inbound.remove(id.message as usize);
        self.release_region(id.region);
        self.shared.stats.atomics_served += 1;
        match message.detached {
            true => self.shared.served -= 1,
            false => self.answer(now, message.peer.0, Op::Result, (message.id, old)),
        }
    }

    /// Says 64 bits about an operation of the peer's, as reliably as anything.
    pub(super) fn answer(&mut self, now: Instant, index: u32, op: Op, (id, value): (u32, u64)) {
        let peer = &mut self.peers[index as usize];
        let side = self.shared.sides.insert(Side::Value(value)) as u32;
        let answer = OutMessage::new(peer.id, None, Service::Srd, op);
        peer.sender.submit_report(&mut self.shared, OutMessage { id, side, ..answer });
        peer.touch(now, &self.shared.times);
        self.mark(index);
    }

    /// The answer to a peer's READ or PULL is not to be sent (any further): it is told why.
    pub(super) fn stop_reader(&mut self, now: Instant, key: u32, stop: Stop, cause: Refusal) {
        let message = &self.shared.messages[key as usize];
        let (peer, side) = (message.peer, message.side);
        let Side::Response { operation, .. } = self.shared.sides[side as usize] else { return };
        if message.stopped.is_some() {
            return;
        }
        self.shared.served += 1;
        self.answer(now, peer.0, Op::Refused, (operation, cause.code().into()));
        let sender = &mut self.peers[peer.0 as usize].sender;
        sender.stop_transfer(key, stop, &mut self.shared);
    }

    /// The operation fails: the peer is told why, and the packet is not accepted. Rule T4.
    pub(super) fn turn_down(
        &mut self,
        index: u32,
        data: DataView<'_>,
        refusal: Refusal,
    ) -> Outcome {
        let credit = self.credit(index);
        let peer = &mut self.peers[index as usize];
        let Some(address) = peer.context.remote() else {
            return Err(DropReason::UnknownContext);
        };
        peer.receiver.refuse(Nack {
            address,
            psn: data.psn(),
            transmission: data.transmission(),
            delay_ns: 0,
            reason: NackReason::Refused(refusal),
            credit: credit.wire(),
            source: peer.context.local_tag(),
        });
        Err(DropReason::Refused(refusal))
    }
}

/// Beyond `max_served`, if that is less: whatever a few windows hold.
const MOST_WAITED_FOR: u32 = 1_024;
/// What an atomic works on.
const ATOMIC_BYTES: u64 = 8;
