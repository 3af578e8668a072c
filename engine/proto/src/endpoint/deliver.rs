//! Messages are given receives, placed and delivered. Rules M1 to M6.

use super::Endpoint;
use super::grants::Grants;
use super::share::Senders;
use crate::boundary::{BounceCopy, Event, InboundId, RecvFailure};
use crate::config::Config;
use crate::ids::{BounceId, Service};
use crate::message::{Binding, InMessage, Match, Matcher, NO_ENVELOPE, OutMessage, PostedRecv};
use crate::peer::Peer;
use crate::peer::receiver::Order;
use crate::psn::Psn;
use crate::region::Refusal;
use crate::time::Instant;
use crate::wire::{DataFlags, DataView, Op};

/// Why a message cannot be begun.
pub(super) enum BindError {
    /// No receive is posted, and the bounce pool has no room.
    NoBuffer,
    /// It claims a place in the order that it cannot have.
    Impossible,
}

impl Endpoint {
    /// A placement, or a copy out of bounce memory, is done, and what it wrote is visible.
    #[inline]
    pub fn handle_placed(&mut self, now: Instant, message: InboundId) {
        self.release_region(message.region);
        let key = message.message;
        let Some(message) = self.inbound.get_mut(key as usize) else {
            return;
        };
        if !message.placed() {
            return;
        }
        match message.ended {
            Some(end) if message.is_unplaced() => {
                self.fail_receive(now, key, end);
                self.receive_is_free(now);
            }
            Some(_) => {}
            None if message.is_placed() => self.advance(now, key),
            None => {}
        }
    }

    /// Begins a message: gives it a posted receive, or bounce memory. Rules M1, M2, M5.
    pub(super) fn bind(
        &mut self,
        now: Instant,
        index: u32,
        data: DataView<'_>,
    ) -> Result<u32, BindError> {
        let peer = &mut self.peers[index as usize];
        let id = peer.id;
        let order = match data.service() {
            Service::Rd => peer.receiver.order.judge(data.order()),
            Service::Ud | Service::Srd => Order::Next,
        };
        let place = match order {
            Order::Impossible => return Err(BindError::Impossible),
            Order::Next => {
                let recv = self.matcher.take_posted(data.total_len(), &mut self.shared);
                recv.map(Match::Posted)
            }
            Order::Early => None,
        };
        let place = match place {
            Some(place) => {
                self.end_turn(index);
                place
            }
            None => {
                let bounce = self.take_bounce(now, index, data.total_len());
                self.shared.stats.unexpected_messages += u64::from(bounce.is_some());
                Match::Bounce(bounce.ok_or(BindError::NoBuffer)?)
            }
        };
        let binding = match place {
            Match::Posted(recv) => Binding::Posted(recv),
            Match::Bounce(id) => Binding::Bounce { id, claimed: None },
        };
        let numbers = (data.message_id(), data.order());
        let report = data.flags().has(DataFlags::REPORT);
        let message =
            InMessage::new(id, data.service(), numbers, data.total_len(), report, binding);
        let key = self.inbound.insert(message) as u32;
        self.queue_for_receive(now, index, key, order, matches!(place, Match::Bounce(_)));
        Ok(key)
    }

    /// Enters a new message where it waits for a receive, and lets those behind it follow.
    fn queue_for_receive(
        &mut self,
        now: Instant,
        index: u32,
        key: u32,
        order: Order,
        bounced: bool,
    ) {
        let message = &self.inbound[key as usize];
        let peer = &mut self.peers[index as usize];
        if order == Order::Early {
            peer.receiver.order.wait_early(message.order, key);
            return;
        }
        if bounced {
            self.matcher.push_unexpected(key);
        }
        if message.service == Service::Rd {
            peer.receiver.order.bound();
            while let Some(early) = peer.receiver.order.take_early() {
                self.matcher.push_unexpected(early);
            }
            self.pair_unexpected(now);
        }
    }

    /// Gives waiting messages the receives that are posted.
    pub(super) fn pair_unexpected(&mut self, now: Instant) {
        while let Some((key, recv)) = self.matcher.pair(&self.inbound, &mut self.shared) {
            if let Binding::Bounce { id, .. } = self.inbound[key as usize].binding {
                self.inbound[key as usize].binding = Binding::Bounce { id, claimed: Some(recv) };
            }
            self.advance(now, key);
        }
    }

    /// Does what comes next for a message, if all that came before is done.
    pub(super) fn advance(&mut self, now: Instant, key: u32) {
        let message = &mut self.inbound[key as usize];
        if !message.is_placed() {
            return;
        }
        match message.binding {
            Binding::Posted(recv) => self.deliver_in_order(now, key, recv),
            Binding::Bounce { claimed: None, .. } => {}
            Binding::Bounce { id, claimed: Some(recv) } => {
                message.copying(id, recv);
                let len = message.total_len.min(recv.len);
                self.copies.push_back(BounceCopy {
                    message: InboundId::message(key),
                    bounce: id,
                    buffer: recv.buffer,
                    offset: recv.offset,
                    len,
                });
            }
            Binding::Copying { id, to } => {
                message.binding = Binding::Posted(to);
                self.free_bounce(id);
                self.deliver_in_order(now, key, to);
            }
            Binding::Write { notice } => self.finish_write(now, key, notice),
            Binding::Read { operation } => self.finish_read(now, key, operation),
            Binding::List { id } => self.shared.events.push_back(Event::ListArrived {
                list: InboundId::message(key),
                bounce: id,
                len: message.total_len,
            }),
            // They go on when the driver has carried it out, and when a receive is found.
            Binding::Atomic | Binding::Announced { .. } => {}
        }
    }

    /// Delivers a placed message, unless it is RD and others come before it. Rule M5.
    fn deliver_in_order(&mut self, now: Instant, key: u32, recv: PostedRecv) {
        let message = &self.inbound[key as usize];
        if message.service != Service::Rd {
            return self.deliver(now, key, recv);
        }
        if message.detached {
            return self.deliver_tail(now, key);
        }
        let (peer, order) = (message.peer.0 as usize, message.order);
        if !self.peers[peer].receiver.order.placed(order, key) {
            return;
        }
        self.deliver(now, key, recv);
        self.deliver_placed(now, peer as u32);
    }

    /// Delivers what is placed and had to wait for others before it.
    pub(super) fn deliver_placed(&mut self, now: Instant, index: u32) {
        while let Some(next) = self.peers[index as usize].receiver.order.take_placed() {
            if let Binding::Posted(recv) = self.inbound[next as usize].binding {
                self.deliver(now, next, recv);
            }
        }
    }

    pub(super) fn deliver(&mut self, now: Instant, key: u32, recv: PostedRecv) {
        let message = self.inbound.remove(key as usize);
        let fits = message.total_len <= recv.len;
        if message.envelope != NO_ENVELOPE {
            self.deliver_tagged(&message, recv);
            return self.report_delivery(now, &message, fits);
        }
        self.shared.stats.messages_received += 1;
        self.shared.events.push_back(Event::RecvCompleted {
            token: recv.token,
            peer: message.peer,
            service: message.service,
            offset: recv.offset,
            len: message.total_len.min(recv.len),
            immediate: message.immediate,
            result: match fits {
                true => Ok(()),
                false => Err(RecvFailure::Truncated { message_len: message.total_len }),
            },
        });
        self.shared.receive_over(&recv);
        self.report_delivery(now, &message, fits);
    }

    /// Tells a sender that waits for it how its message has been delivered. Rules M6 and G6.
    fn report_delivery(&mut self, now: Instant, message: &InMessage, fits: bool) {
        if !message.report || message.detached {
            return;
        }
        let cause = if fits { 0 } else { Refusal::Truncated.code() };
        self.report_with(now, message, cause);
    }

    /// Tells the sender that its message is placed and visible: a message of the protocol's own,
    /// as reliable as any. Rule M6.
    pub(super) fn report(&mut self, now: Instant, message: &InMessage) {
        self.report_with(now, message, 0);
    }

    /// The same, with the cause if not all of it was placed.
    fn report_with(&mut self, now: Instant, message: &InMessage, cause: u8) {
        let Some(peer) = self.peers.get_mut(message.peer.0 as usize) else {
            return;
        };
        let report = OutMessage {
            id: message.id,
            order: cause.into(),
            ..OutMessage::new(message.peer, None, Service::Srd, Op::Delivered)
        };
        peer.sender.submit_report(&mut self.shared, report);
        peer.touch(now, &self.shared.times);
        self.mark(message.peer.0);
    }

    pub(super) fn free_bounce(&mut self, id: BounceId) {
        self.matcher.free_bounce(id);
        self.look_for_room();
        self.shared.events.push_back(Event::BounceFreed { bounce: id });
    }

    /// See [`credit_of`].
    pub(super) fn credit(&self, index: u32) -> Psn {
        let Self { peers, matcher, grants, senders, shared, .. } = self;
        credit_of(&peers[index as usize], matcher, grants, senders, &shared.config)
    }
}

/// The first PSN that a peer may not send yet: its share of the receive window, and no more than its
/// share of the room for messages could take. Never less than one packet, so that a sender can
/// always find out whether it may go on. Rule M3.
pub(super) fn credit_of(
    peer: &Peer,
    matcher: &Matcher,
    grants: &Grants,
    senders: &Senders,
    config: &Config,
) -> Psn {
    let mtu = u64::from(peer.sender.mtu());
    let mut packets = config.recv_window_bytes / mtu;
    let room_bytes = matcher.free_bytes() + matcher.posted_bytes();
    let count = u64::from(senders.count());
    let window_bytes = u64::from(config.recv_window_packets) * mtu;
    // Where there is plenty for all, nothing needs to be divided.
    if room_bytes < window_bytes.min(config.recv_window_bytes) * count.max(1) {
        packets = packets.min(share_of(room_bytes, count.max(1), peer, matcher, mtu));
    }
    let credit = peer.receiver.credit(packets);
    grants.limit(peer).map_or(credit, |limit| credit.min(limit))
}

/// A peer's part of what there is room for, in packets.
fn share_of(room_bytes: u64, count: u64, peer: &Peer, matcher: &Matcher, mtu: u64) -> u64 {
    let share_bytes = peer.receiver.expected_bytes() + room_bytes / count;
    share_bytes.div_ceil(mtu) + matcher.posted() as u64 / count
}
