//! The ends of operations that were cancelled, and what their peers are told. Rules T5 and M8.
//!
//! ```text
//!   cancelled --> nothing of it in flight --+--> all of it has arrived: as if it had not been cancelled
//!                                           +--> a message: over; ABANDON is said
//!                                           +--> a WRITE: ABANDON is said --> answered: over
//! ```

use super::Shared;
use crate::boundary::{Event, SendFailure};
use crate::cancelled::Cancelled;
use crate::ids::{CompletionLevel, Token};
use crate::message::{Operation, OutMessage, Side, Stop, Withdrawal};
use crate::transfer::TransferFailure;
use crate::wire::Op;

impl Shared {
    /// The last word about a message: no more of it comes. Its answer says that the peer has nothing to
    /// do with it any more, and ends the user's operation `waiting`, if that is given.
    pub(crate) fn withdraw(
        &mut self,
        message: &OutMessage,
        what: Op,
        waiting: Option<(Token, Cancelled)>,
    ) {
        let outcome = waiting.map_or(Cancelled::Partly, |it| it.1);
        let withdrawal = Withdrawal { what, outcome, operation: None };
        self.enter_withdrawal(message, waiting.map(|it| it.0), withdrawal);
    }

    fn enter_withdrawal(
        &mut self,
        message: &OutMessage,
        token: Option<Token>,
        withdrawal: Withdrawal,
    ) {
        let side = self.sides.insert(Side::Withdrawal(withdrawal)) as u32;
        let OutMessage { peer, id, order, service, .. } = *message;
        let level = CompletionLevel::Delivered;
        let last_word = OutMessage::new(peer, token, service, Op::Abandon);
        let last_word = OutMessage { id, order, level, side, ..last_word };
        let key = self.messages.insert(last_word) as u32;
        self.withdrawals.push(key);
    }

    /// What follows where a message of a one-sided operation was stopped and nothing of it is in flight
    /// any more; `arrived` is false if its context ended first. Whether its operation goes on.
    pub(super) fn withdraws(&mut self, message: &OutMessage, side: &Side, arrived: bool) -> bool {
        let Some(stop) = message.stopped.filter(|_| arrived) else { return false };
        match (side, stop, stop.cancelled()) {
            (Side::Response { .. } | Side::Value(_), ..) => false,
            // What has come of it must not wait for the rest.
            (Side::Write { .. } | Side::List { .. }, Stop::Refused(_), _) if message.cut > 0 => {
                self.withdraw(message, message.op, None);
                false
            }
            (Side::Write { reader: None, .. }, _, Some(outcome)) if stop != Stop::NotSent => {
                self.withdraw(message, Op::Write, message.token.map(|token| (token, outcome)));
                true
            }
            // Of a READ that is cancelled the peer is to send no more.
            (Side::Request { .. } | Side::List { .. }, Stop::Partly | Stop::Unsure, _)
                if matches!(message.op, Op::Read | Op::ReadList) =>
            {
                self.withdraw(message, message.op, None);
                false
            }
            // Was it carried out? If it was, the answer may be under way.
            (&Side::Request { operation, .. }, Stop::Unsure, Some(outcome)) => {
                let operation = Some(operation);
                let withdrawal = Withdrawal { what: message.op, outcome, operation };
                self.enter_withdrawal(message, None, withdrawal);
                true
            }
            _ => false,
        }
    }

    /// An ordinary message that was cancelled is over.
    pub(super) fn end_stopped(&mut self, message: &OutMessage, result: Result<(), SendFailure>) {
        let is_over = message.stopped.is_none_or(|stop| stop.cancelled().is_none());
        if result.is_ok() && !is_over {
            self.withdraw(message, Op::Send, None);
        }
        let result = message.ending(result);
        self.complete_send(message, result);
    }

    pub(super) fn complete_send(&mut self, message: &OutMessage, result: Result<(), SendFailure>) {
        if let Some(token) = message.token {
            self.pending_sends -= 1;
            self.events.push_back(Event::SendCompleted { token, peer: message.peer, result });
        }
    }

    /// The peer has answered the last word, or is gone.
    pub(super) fn end_withdrawal(
        &mut self,
        message: &OutMessage,
        withdrawal: &Withdrawal,
        result: Result<(), SendFailure>,
    ) {
        let &Withdrawal { outcome, operation, .. } = withdrawal;
        let result = match result {
            Ok(()) => Err(TransferFailure::Cancelled(outcome)),
            // Placements may be under way there.
            Err(SendFailure::NotSent(reason) | SendFailure::Unknown(reason)) => {
                Err(TransferFailure::Unknown(reason))
            }
            Err(failure) => Err(failure.into()),
        };
        if let Some(token) = message.token {
            self.complete_transfer(token, message, result);
        }
        let is_its = |it: &Operation| (it.peer, it.id) == (message.peer, message.id);
        let found = operation.and_then(|key| self.operations.get(key as usize)).is_some_and(is_its);
        // What ends with its peer is seen to with all that waits for it.
        if let (true, Some(key), Err(TransferFailure::Cancelled(_))) = (found, operation, result) {
            self.end_operation(key, result);
        }
    }

    /// The answer to the PULL of a message that was announced is over.
    pub(super) fn pulled_over(&mut self, key: u32, result: Result<(), TransferFailure>) {
        let stop = match result {
            Ok(()) => None,
            Err(TransferFailure::Cancelled(Cancelled::Partly)) => Some(Stop::Partly),
            Err(TransferFailure::Cancelled(_)) => Some(Stop::Unsure),
            // The message ends with its context.
            Err(_) => return,
        };
        match stop {
            None => self.messages[key as usize].reported = true,
            Some(stop) => self.messages[key as usize].stop(stop),
        }
        self.complete_if_done(key);
    }
}
