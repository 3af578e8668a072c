//! Packets that the receiver does not take, and says so: NACKs.

use super::{Sender, wire_bytes};
use crate::ids::PeerId;
use crate::message::Stop;
use crate::psn::Psn;
use crate::send_window::SentState;
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::{Nack, NackReason};

/// What a NACK brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NackOutcome {
    /// The packet waits, or is to be sent again.
    Taken,
    /// It is not about anything in flight.
    Unsolicited,
}

impl Sender {
    /// Takes a NACK in.
    pub(crate) fn on_nack(
        &mut self,
        now: Instant,
        peer: PeerId,
        nack: &Nack,
        shared: &mut Shared,
    ) -> NackOutcome {
        let psn = Psn::reconstruct(nack.psn, self.window.unacknowledged());
        let Some(&packet) = self.window.get(psn) else {
            return NackOutcome::Unsolicited;
        };
        let same_transmission =
            packet.path == nack.transmission.path && packet.seq.wire() == nack.transmission.seq;
        if packet.state == SentState::Refused && same_transmission {
            return self.take_call(now, nack);
        }
        if packet.state != SentState::InFlight || !same_transmission {
            return NackOutcome::Unsolicited;
        }
        let is_request = shared.messages[packet.message as usize].op.is_request();
        if matches!(nack.reason, NackReason::Refused(_)) && !is_request {
            return NackOutcome::Unsolicited;
        }
        if nack.reason == NackReason::AnnounceInstead && !self.announce(packet.message, shared) {
            return NackOutcome::Unsolicited;
        }
        shared.stats.nacks_received += 1;
        self.heard(now, peer, shared);
        // A NACK has no number, so it may only lower the credit; the next ACK sets it right.
        self.credit = self.credit.min(Psn::reconstruct(nack.credit, self.window.next_psn()));
        match nack.reason {
            NackReason::ReceiverNotReady => self.refuse(now, psn, nack, shared),
            NackReason::AnnounceInstead => {
                self.take_out_of_flight(psn, SentState::Lost, shared);
            }
            NackReason::Refused(refusal) => {
                // Its PSN is sent again, without what was refused. Rule T5.
                let message = self.take_out_of_flight(psn, SentState::Lost, shared);
                self.stop_transfer(message, Stop::Refused(refusal), shared);
            }
            NackReason::Trimmed => {
                let penalty = shared.config.path.nack_penalty;
                let path = self.paths.open(packet.path, &shared.config);
                path.add_penalty(&shared.config.path, penalty);
                self.take_out_of_flight(psn, SentState::Lost, shared);
                // Rule C7: where the receiver has taken credit back, it sees to the congestion; but
                // only of what goes by credit.
                if self.credit >= self.window.next_psn() || self.needs_no_credit(psn, shared) {
                    self.pace.on_nack(now, wire_bytes(packet.len));
                }
            }
        }
        NackOutcome::Taken
    }

    /// The receiver has no room for this message now: set it aside. Rule M4.
    fn refuse(&mut self, now: Instant, psn: Psn, nack: &Nack, shared: &mut Shared) {
        let offset = self.window.get(psn).map_or(0, |packet| packet.offset);
        let message = self.take_out_of_flight(psn, SentState::Refused, shared);
        // The few packets of a note stay together: if others came in between, they could need the room
        // that the note has been given, and its rest lie beyond the window that they hold up.
        let side = shared.sides.get(shared.messages[message as usize].side as usize);
        if !side.is_some_and(|side| side.is_note(offset)) {
            self.queue.park(message);
            self.transfers.park(message);
        }
        // The delay is the peer's to choose, within reason: a forged one must not stall for long.
        let delay_ns = u64::from(nack.delay_ns).min(MAX_NOT_READY_NS);
        self.not_ready_until = self.not_ready_until.max(now.plus_nanos(delay_ns));
    }

    /// The receiver has room before the delay is over that it had named. Rule M7.
    fn take_call(&mut self, now: Instant, nack: &Nack) -> NackOutcome {
        if nack.reason != NackReason::ReceiverNotReady {
            return NackOutcome::Unsolicited;
        }
        self.not_ready_until = self.not_ready_until.min(now.plus_nanos(nack.delay_ns.into()));
        if self.not_ready_until <= now {
            self.receiver_may_be_ready();
        }
        NackOutcome::Taken
    }

    /// Tries again what the receiver had refused. Rule M4.
    pub(crate) fn receiver_may_be_ready(&mut self) {
        self.not_ready_until = Instant::ZERO;
        while let Some(psn) = self.refused.first() {
            self.window.unlink(&mut self.refused, psn);
            if let Some(record) = self.window.get_mut(psn) {
                record.state = SentState::Lost;
            }
            self.window.insert_in_order(&mut self.lost, psn);
        }
        self.queue.unpark();
        self.transfers.unpark();
    }
}

/// Most a receiver can make a sender wait at a time.
const MAX_NOT_READY_NS: u64 = 1_000_000_000;
