//! Tagged messages: the user sends them and posts receives for them, and they are matched. Rules G1
//! to G4.
//!
//! ```text
//!   TAGGED ----+--- its turn --- a receive fits ---> placed where it belongs
//!   ANNOUNCE --+       |              |                  (ANNOUNCE: pulled)
//!              |       |              +--- none ---> waits for a receive
//!              +--- ahead of it: waits for its turn
//! ```
//! What waits has its record, and a TAGGED room for its bytes, in bounce memory. Which it is to be is
//! settled with the first of its packets that is accepted.

use super::Endpoint;
use super::receive::{Outcome, accept};
use crate::boundary::{Disposition, Peeked, RecvFailure};
use crate::drop_reason::DropReason;
use crate::error::{RecvError, SendError};
use crate::ids::{BounceId, BufferId, BufferRange, CompletionLevel, PeerId, Service};
use crate::ids::{TagFilter, Token};
use crate::message::{Binding, Envelope, InMessage, OutMessage, PostedRecv, Side, TaggedSide};
use crate::peer::receiver::Order;
use crate::psn::Psn;
use crate::time::Instant;
use crate::wire::{DataFlags, DataView, NackReason, Op};

/// A message to send under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaggedSend {
    /// Handed back in the completion.
    pub token: Token,
    /// What to send; it must stay readable until the completion.
    pub range: BufferRange,
    /// When it is complete. A message that is announced is complete once it has been pulled.
    pub level: CompletionLevel,
    /// What receives are matched by.
    pub tag: u64,
    /// 64 bits that the receive's completion tells.
    pub immediate: Option<u64>,
}

/// A buffer for one tagged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaggedRecv {
    /// Handed back in the completion.
    pub token: Token,
    /// Where to place the message; it must stay writable until the completion.
    pub buffer: BufferId,
    /// Its size, in bytes.
    pub len: u64,
    /// Which messages it is for.
    pub filter: TagFilter,
}

impl Endpoint {
    /// Submits a message under a tag. An
    /// [`Event::SendCompleted`](crate::Event) follows.
    pub fn send_tagged(
        &mut self,
        now: Instant,
        peer: PeerId,
        request: TaggedSend,
    ) -> Result<(), SendError> {
        let TaggedSend { token, range, level, tag, immediate } = request;
        let limit = self.shared.config.max_pending_messages;
        if !self.peers.contains(peer.0 as usize) {
            return Err(SendError::UnknownPeer);
        }
        if range.len > super::MAX_MESSAGE_BYTES {
            return Err(SendError::TooLong { max_bytes: super::MAX_MESSAGE_BYTES });
        }
        if self.shared.messages.len() >= limit as usize {
            return Err(SendError::TooManyPending { limit });
        }
        let message = OutMessage::new(peer, Some(token), Service::Srd, Op::Tagged);
        let side = Side::Tagged(TaggedSide::new(tag, immediate, level));
        self.submit(now, OutMessage { range, level, ..message }, side);
        self.shared.pending_sends += 1;
        Ok(())
    }

    /// Posts a receive for one tagged message. An
    /// [`Event::TaggedCompleted`](crate::Event) follows once one has been placed in it, or an
    /// [`Event::RecvCancelled`](crate::Event).
    pub fn post_tagged(&mut self, now: Instant, request: TaggedRecv) -> Result<(), RecvError> {
        let limit = self.shared.config.max_posted_receives;
        if self.posted_receives() >= limit as usize {
            return Err(RecvError::TooManyPosted { limit });
        }
        let TaggedRecv { token, buffer, len, filter } = request;
        if filter.peer.is_some_and(|peer| !self.peers.contains(peer.0 as usize)) {
            return Err(RecvError::UnknownPeer);
        }
        let recv = PostedRecv::new(token, buffer, len);
        match self.matcher.tags.take_waiting(&filter) {
            Some(message) => self.claim(now, message, recv),
            None => self.matcher.tags.post(recv, filter),
        }
        Ok(())
    }

    /// The message that a receive with this filter would be given at once, if there is one.
    pub fn peek_tagged(&self, filter: &TagFilter) -> Option<Peeked> {
        let message = &self.inbound[self.matcher.tags.peek_waiting(filter)? as usize];
        let Envelope { tag, immediate } = self.shared.envelopes[message.envelope as usize];
        Some(Peeked { peer: message.peer, tag, immediate, len: message.total_len })
    }

    /// A piece of a tagged message, or that there is one.
    pub(super) fn take_tagged(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        if let Some(key) = self.begun_tagged(index, data)? {
            return Ok(self.take_more(now, index, psn, data, key));
        }
        let peer = &self.peers[index as usize];
        let (turn, id) = (peer.receiver.order.judge_tagged(data.order()), peer.id);
        let recv = match (turn, data.op()) {
            (Order::Impossible, _) => return Err(DropReason::Inconsistent),
            (_, Op::Tagged) if peer.receiver.order.is_promised(data.order()) => {
                // Rule G4: it is announced already, or will be.
                return self.ask_to_announce(index, data);
            }
            (Order::Next, _) => {
                let (tag, len) = (data.args()[0], data.total_len());
                self.matcher.tags.take_posted(id, tag, len, &mut self.shared)
            }
            (Order::Early, _) => None,
        };
        match data.op() {
            Op::Announce => self.take_announced(now, index, psn, data, (turn, recv)),
            _ => self.take_eager(now, index, psn, data, (turn, recv)),
        }
    }

    fn take_eager(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
        (turn, recv): (Order, Option<PostedRecv>),
    ) -> Outcome {
        let binding = match recv {
            Some(recv) => Binding::Posted(recv),
            None => match self.take_tagged_bounce(now, index, data.total_len()) {
                Some(id) => Binding::Bounce { id, claimed: None },
                // Announced it would need as much.
                None if data.total_len() == 0 => return self.refuse(index, data),
                None => return self.promise_room(index, data),
            },
        };
        let key = self.enter(index, data, binding);
        if !data.is_whole() {
            let peer = &mut self.peers[index as usize];
            peer.receiver.begin_message(data.message_id(), key);
            self.senders.arrives(&mut peer.receiver, data.total_len());
        }
        self.accept_tagged(now, index, psn, data);
        let placement = self.inbound[key as usize].place(key, data);
        self.take_turn(now, index, key, turn);
        Ok(Disposition::Place(placement))
    }

    /// The message of several packets that this is one of, if it has begun.
    fn begun_tagged(&mut self, index: u32, data: DataView<'_>) -> Result<Option<u32>, DropReason> {
        if data.is_whole() || data.op() == Op::Announce {
            return Ok(None);
        }
        let Some(key) = self.peers[index as usize].receiver.message(data.message_id()) else {
            return Ok(None);
        };
        let message = &self.inbound[key as usize];
        match message.order == data.order() && message.agrees_with_operation(data) {
            true => Ok(Some(key)),
            false => Err(DropReason::Inconsistent),
        }
    }

    /// A further piece of a message.
    fn take_more(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
        key: u32,
    ) -> Disposition {
        self.accept_tagged(now, index, psn, data);
        let message = &mut self.inbound[key as usize];
        let placement = message.place(key, data);
        if message.has_arrived() {
            let receiver = &mut self.peers[index as usize].receiver;
            receiver.message_arrived(now, data.total_len(), &self.shared);
            receiver.end_message(data.message_id());
            self.senders.arrived(receiver, data.total_len());
        }
        Disposition::Place(placement)
    }

    fn take_announced(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
        (turn, recv): (Order, Option<PostedRecv>),
    ) -> Outcome {
        let promised = self.peers[index as usize].receiver.order.redeem(data.order());
        if let Some(recv) = recv {
            self.free_promised(promised);
            self.accept_tagged(now, index, psn, data);
            let (peer, envelope) = (self.peers[index as usize].id, self.open_envelope(data));
            self.pull(now, peer, (data.message_id(), data.total_len()), envelope, recv);
            self.pass_turn(now, index);
            return Ok(Disposition::Consumed);
        }
        let Some(room) = promised.or_else(|| self.take_record()) else {
            return self.refuse(index, data);
        };
        let key = self.enter(index, data, Binding::Announced { room });
        self.accept_tagged(now, index, psn, data);
        self.take_turn(now, index, key, turn);
        Ok(Disposition::Consumed)
    }

    /// No room for the bytes, but for a record: the sender is told to announce the message. From
    /// then on nothing else is taken, so that both sides know in which form it has arrived. Rule G4.
    fn promise_room(&mut self, index: u32, data: DataView<'_>) -> Outcome {
        let Some(room) = self.take_record() else { return self.refuse(index, data) };
        self.peers[index as usize].receiver.order.promise(data.order(), room);
        self.ask_to_announce(index, data)
    }

    fn ask_to_announce(&mut self, index: u32, data: DataView<'_>) -> Outcome {
        self.tell_refusal(index, data, NackReason::AnnounceInstead, 0)?;
        Err(DropReason::NoBuffer)
    }

    fn open_envelope(&mut self, data: DataView<'_>) -> u32 {
        let [tag, immediate] = data.args();
        let has_immediate = data.flags().has(DataFlags::IMMEDIATE);
        let envelope = Envelope { tag, immediate: has_immediate.then_some(immediate) };
        self.shared.envelopes.insert(envelope) as u32
    }

    fn enter(&mut self, index: u32, data: DataView<'_>, binding: Binding) -> u32 {
        let envelope = self.open_envelope(data);
        let message = InMessage::tagged(self.peers[index as usize].id, data, binding, envelope);
        self.inbound.insert(message) as u32
    }

    fn accept_tagged(&mut self, now: Instant, index: u32, psn: Psn, data: DataView<'_>) {
        let peer = &mut self.peers[index as usize];
        accept(peer, now, psn, data, &mut self.shared);
        if data.is_whole() || data.op() == Op::Announce {
            peer.receiver.message_arrived(now, data.payload_len().into(), &self.shared);
        }
        let len = data.payload_len();
        // It needs no grant: what has come of it is all that is known of.
        self.credit_arrival(index, psn, len, (len > 0).then_some(len.into()));
    }

    /// Enters a new message where it waits, if it does, and lets those behind it follow. Rule G2.
    fn take_turn(&mut self, now: Instant, index: u32, key: u32, turn: Order) {
        let message = &self.inbound[key as usize];
        if turn == Order::Early {
            let order = &mut self.peers[index as usize].receiver.order;
            return order.wait_tagged(message.order, key);
        }
        if !matches!(message.binding, Binding::Posted(_)) {
            self.wait_for_receive(key);
        }
        self.pass_turn(now, index);
    }

    pub(super) fn pass_turn(&mut self, now: Instant, index: u32) {
        self.peers[index as usize].receiver.order.pass_tagged();
        while let Some(early) = self.peers[index as usize].receiver.order.take_tagged() {
            self.match_message(now, early);
        }
    }

    /// It is this message's turn to be given a receive.
    pub(super) fn match_message(&mut self, now: Instant, key: u32) {
        let message = &self.inbound[key as usize];
        let tag = self.shared.envelopes[message.envelope as usize].tag;
        let (peer, len) = (message.peer, message.total_len);
        match self.matcher.tags.take_posted(peer, tag, len, &mut self.shared) {
            Some(recv) => self.claim(now, key, recv),
            None => self.wait_for_receive(key),
        }
    }

    fn wait_for_receive(&mut self, key: u32) {
        let message = &self.inbound[key as usize];
        let tag = self.shared.envelopes[message.envelope as usize].tag;
        self.matcher.tags.push_waiting(key, message.peer, tag);
        self.shared.stats.unexpected_messages += 1;
    }

    /// A message that has waited is given a receive.
    pub(super) fn claim(&mut self, now: Instant, key: u32, recv: PostedRecv) {
        match self.inbound[key as usize].binding {
            Binding::Bounce { id, .. } => {
                let claimed = Some(recv);
                self.inbound[key as usize].binding = Binding::Bounce { id, claimed };
                self.advance(now, key);
            }
            Binding::Announced { room } => {
                let message = self.inbound.remove(key as usize);
                self.free_bounce(room);
                let InMessage { peer, id, total_len, envelope, .. } = message;
                self.pull(now, peer, (id, total_len), envelope, recv);
            }
            _ => unreachable!("what waits for a receive is in bounce memory"),
        }
    }

    /// A tagged message is in its receive.
    pub(super) fn deliver_tagged(&mut self, message: &InMessage, recv: PostedRecv) {
        let result = recv.fits(message.total_len);
        let len = message.total_len.min(recv.len);
        self.shared.complete_tagged(message.peer, message.envelope, &recv, (len, result));
    }

    /// A tagged message will not arrive whole. A receive that it was matched with fails with it.
    pub(super) fn fail_tagged(&mut self, message: &InMessage, failure: RecvFailure) {
        let recv = match message.binding {
            Binding::Posted(recv) => Some(recv),
            Binding::Bounce { id, claimed } => {
                self.free_bounce(id);
                claimed
            }
            Binding::Announced { room } => {
                self.free_bounce(room);
                None
            }
            _ => unreachable!("it is at its sender, or its bytes are where they wait or belong"),
        };
        let (peer, envelope) = (message.peer, message.envelope);
        match recv {
            Some(recv) => self.shared.complete_tagged(peer, envelope, &recv, (0, Err(failure))),
            None => drop(self.shared.envelopes.remove(envelope as usize)),
        }
    }

    /// Frees what was kept for messages that do not need it.
    pub(super) fn free_promised(&mut self, rooms: impl IntoIterator<Item = BounceId>) {
        rooms.into_iter().for_each(|room| self.free_bounce(room));
    }
}
