//! Peers take messages back: what has come of them is forgotten, and nobody waits for the rest. Rules
//! T5 and M8; this side's own are in `cancel`.
//!
//! ```text
//!   ABANDON in the place of a lost packet     its PSN is accepted, and that is all
//!   ABANDON with REPORT, the last word:
//!     part of the message is here             forgotten; its receive waits for another
//!     nothing of it has come                  its place in the order is passed over
//!     all of it is here                       it stays
//!     then                                    DELIVERED, once nothing of it is being placed
//! ```
//! All other PSNs of the message have arrived before the last word is said, so nothing can come after it.

use super::Endpoint;
use super::receive::Outcome;
use crate::boundary::Disposition;
use crate::ids::{PeerId, Service};
use crate::message::{Binding, End, InMessage, OutMessage, Side, Stop};
use crate::peer::receiver::Order;
use crate::psn::Psn;
use crate::region::Refusal;
use crate::time::Instant;
use crate::wire::{DataFlags, DataView, Op};

impl Endpoint {
    /// A packet without what it carried, or the last word about a message.
    #[cold]
    pub(super) fn take_abandon(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        self.accept(now, index, psn, data);
        // It may have stood in line for room for a message that it takes back.
        self.end_turn(index);
        if data.flags().has(DataFlags::REPORT) && !self.withdraw(now, index, data) {
            self.say_withdrawn(now, index, data.message_id());
        }
        Ok(Disposition::Consumed)
    }

    /// Forgets what a peer takes back. Whether something of it is being placed: then that is followed by
    /// the answer.
    fn withdraw(&mut self, now: Instant, index: u32, data: DataView<'_>) -> bool {
        let what = u8::try_from(data.args()[0]).ok().and_then(Op::from_code);
        match what {
            Some(Op::Send) => self.withdraw_send(now, index, data),
            Some(op @ (Op::Write | Op::ReadList)) => {
                let is_placing = self.withdraw_pieces(now, index, data.message_id(), op);
                if op == Op::ReadList {
                    self.stop_answering(index, data.message_id());
                }
                is_placing
            }
            Some(Op::Read) => {
                self.stop_answering(index, data.message_id());
                false
            }
            Some(Op::Tagged) => self.withdraw_tagged(now, index, data),
            _ => false,
        }
    }

    fn withdraw_send(&mut self, now: Instant, index: u32, data: DataView<'_>) -> bool {
        let Some(key) = self.begun_as(index, data.message_id(), Op::Send) else {
            let order = &self.peers[index as usize].receiver.order;
            let is_rd = data.service() == Service::Rd;
            // If its place is taken, it is here.
            if is_rd && order.judge(data.order()) != Order::Impossible {
                self.pass_over(now, index, data.order());
            }
            self.credit_retraction(index);
            return false;
        };
        let message = &self.inbound[key as usize];
        let (service, order, total_len) = (message.service, message.order, message.total_len);
        let missing_bytes = message.missing_bytes();
        self.senders.arrived(&mut self.peers[index as usize].receiver, total_len);
        self.credit_withdrawal(index, missing_bytes);
        if service == Service::Rd {
            self.pass_over(now, index, order);
        }
        self.forget_pieces(now, index, key)
    }

    /// Nobody waits for the rest of a WRITE, or of the list of a READ.
    fn withdraw_pieces(&mut self, now: Instant, index: u32, id: u32, op: Op) -> bool {
        if let Some(key) = self.begun_as(index, id, op) {
            return self.forget_pieces(now, index, key);
        }
        // It has arrived whole: it is answered when it is in place.
        let peer = self.peers[index as usize].id;
        let is_it = |it: &InMessage| it.peer == peer && it.id == id && it.op == op && !it.detached;
        let placing = self.inbound.iter_mut().find(|(_, it)| op == Op::Write && is_it(it));
        placing.map(|(_, message)| message.report = true).is_some()
    }

    fn begun_as(&mut self, index: u32, id: u32, op: Op) -> Option<u32> {
        let key = self.peers[index as usize].receiver.message(id)?;
        (self.inbound[key as usize].op == op).then_some(key)
    }

    /// Whether something of it is still being placed.
    fn forget_pieces(&mut self, now: Instant, index: u32, key: u32) -> bool {
        let message = &mut self.inbound[key as usize];
        let (id, is_placing) = (message.id, !message.is_unplaced());
        self.peers[index as usize].receiver.end_message(id);
        self.fail_receive(now, key, End::Withdrawn { tell: is_placing });
        self.receive_is_free(now);
        is_placing
    }

    /// RD messages after this one do not wait for it.
    fn pass_over(&mut self, now: Instant, index: u32, order: u32) {
        self.peers[index as usize].receiver.order.pass_over(order);
        while let Some(early) = self.peers[index as usize].receiver.order.take_early() {
            self.matcher.push_unexpected(early);
        }
        self.deliver_placed(now, index);
        self.pair_unexpected(now);
    }

    /// Tagged messages after this one do not wait for it, and if it was announced, or has begun to
    /// arrive, and waits for a receive, it does so no more.
    fn withdraw_tagged(&mut self, now: Instant, index: u32, data: DataView<'_>) -> bool {
        if let Some(key) = self.begun_as(index, data.message_id(), Op::Tagged) {
            let total_len = self.inbound[key as usize].total_len;
            let receiver = &mut self.peers[index as usize].receiver;
            receiver.order.void_early_tagged(key);
            self.senders.arrived(receiver, total_len);
            return self.forget_pieces(now, index, key);
        }
        let promised = self.peers[index as usize].receiver.order.redeem(data.order());
        self.free_promised(promised);
        let (peer, id) = (self.peers[index as usize].id, data.message_id());
        let is_it = |it: &InMessage| {
            it.peer == peer && it.id == id && matches!(it.binding, Binding::Announced { .. })
        };
        let waiting = self.inbound.iter().find(|(_, it)| !it.detached && is_it(it));
        let order = &mut self.peers[index as usize].receiver.order;
        if let Some(key) = waiting.map(|(key, _)| key as u32) {
            // It may wait for its turn as well, which will be nobody's then.
            order.void_early_tagged(key);
            self.fail_receive(now, key, End::Withdrawn { tell: false });
            return false;
        }
        match order.judge_tagged(data.order()) {
            Order::Next => self.pass_turn(now, index),
            Order::Early => order.void_tagged(data.order()),
            Order::Impossible => {}
        }
        false
    }

    /// Nobody waits for the answer to a READ of the peer's.
    fn stop_answering(&mut self, index: u32, id: u32) {
        let peer = self.peers[index as usize].id;
        let answers = |it: &OutMessage| match self.shared.sides.get(it.side as usize) {
            Some(&Side::Response { operation, announced: None, .. }) => {
                it.peer == peer && operation == id && it.stopped.is_none()
            }
            _ => false,
        };
        let found = self.shared.messages.iter().find(|(_, it)| answers(it));
        if let Some(key) = found.map(|(key, _)| key as u32) {
            let stop = Stop::Refused(Refusal::Withdrawn);
            self.peers[index as usize].sender.stop_transfer(key, stop, &mut self.shared);
            self.mark(index);
        }
    }

    /// This side has nothing to do with a message of the peer's any more.
    pub(super) fn say_withdrawn(&mut self, now: Instant, index: u32, id: u32) {
        let Some(peer) = self.peers.get_mut(index as usize) else { return };
        let answer = OutMessage::new(PeerId(index), None, Service::Srd, Op::Delivered);
        peer.sender.submit_report(&mut self.shared, OutMessage { id, ..answer });
        peer.touch(now, &self.shared.times);
        self.mark(index);
    }
}
