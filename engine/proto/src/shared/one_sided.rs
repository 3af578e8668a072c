//! The ends of one-sided operations, whatever brings them about.

use super::Shared;
use crate::boundary::{Event, RecvFailure, SendFailure};
use crate::cancelled::Cancelled;
use crate::ids::{PeerId, Token};
use crate::message::{
    Envelope, Operation, OutMessage, PostedRecv, Pulled, Side, Stop, TaggedSide, Wanted,
};
use crate::region::Refusal;
use crate::transfer::TransferFailure;
use crate::wire::Op;

impl Shared {
    /// A message of a one-sided operation is over: acknowledged, or failed with its peer.
    pub(super) fn end_side(&mut self, message: &OutMessage, result: Result<(), SendFailure>) {
        let side = self.sides.remove(message.side as usize);
        match side {
            Side::Tagged(side) => return self.end_tagged(message, &side, result),
            Side::Stopped => return self.end_stopped(message, result),
            Side::Withdrawal(withdrawal) => {
                return self.end_withdrawal(message, &withdrawal, result);
            }
            _ => {}
        }
        if let Some(blocks) = side.blocks() {
            blocks.release(&mut self.regions, &mut self.events);
        }
        if self.withdraws(message, &side, result.is_ok()) {
            return;
        }
        let is_with_its_context = result.is_err();
        let result = match message.stopped {
            Some(Stop::Refused(refusal)) => Err(TransferFailure::Refused(refusal)),
            _ => message.ending(result).map_err(TransferFailure::from),
        };
        match side {
            Side::Write { reader: Some(operation), .. } => {
                // Whatever has become of what it was to tell, the READ has taken place.
                let result = result.map(|()| 0).map_err(|failure| match failure {
                    TransferFailure::NotSent(reason) => TransferFailure::Unknown(reason),
                    failure => failure,
                });
                self.end_operation(operation, result);
            }
            Side::Write { .. } => {
                if let Some(token) = message.token {
                    self.complete_transfer(token, message, result.map(|()| 0));
                }
            }
            Side::Response { announced, .. } => {
                self.served -= 1;
                // What it answers ends with the context as well: before it, or next.
                if let (Some(key), false) = (announced, is_with_its_context) {
                    self.pulled_over(key, result);
                }
            }
            Side::Value(_) => self.served -= 1,
            Side::Tagged(_) | Side::Stopped | Side::Withdrawal(_) => {
                unreachable!("seen to above")
            }
            Side::Request { operation, .. } | Side::List { operation } => {
                self.request_over(operation, message, result);
            }
        }
    }

    /// A tagged message is over.
    fn end_tagged(
        &mut self,
        message: &OutMessage,
        side: &TaggedSide,
        result: Result<(), SendFailure>,
    ) {
        let result = match result {
            // What was not asked for has not left.
            Err(SendFailure::Unknown(reason)) if side.announced && !side.pulled => {
                Err(SendFailure::NotSent(reason))
            }
            result => {
                // Its place in the order is to be passed over, and its record forgotten.
                let is_known = result.is_ok() && message.all_cut && !side.pulled;
                if is_known && message.stopped.is_some_and(|it| it.cancelled().is_some()) {
                    self.withdraw(message, Op::Tagged, None);
                }
                message.ending(result)
            }
        };
        self.complete_send(message, result);
    }

    /// A receive for a tagged message is over.
    pub(crate) fn complete_tagged(
        &mut self,
        peer: PeerId,
        envelope: u32,
        recv: &PostedRecv,
        (len, result): (u64, Result<(), RecvFailure>),
    ) {
        let Envelope { tag, immediate } = self.envelopes.remove(envelope as usize);
        let &PostedRecv { token, offset, .. } = recv;
        self.stats.messages_received += u64::from(result.is_ok());
        let event = Event::TaggedCompleted { token, peer, tag, immediate, offset, len, result };
        self.events.push_back(event);
        self.receive_over(recv);
    }

    /// A request is acknowledged, or failed: its memory is not needed any more.
    fn request_over(
        &mut self,
        key: u32,
        message: &OutMessage,
        result: Result<(), TransferFailure>,
    ) {
        let operation = self.operations.get_mut(key as usize);
        let is_its = |it: &&mut Operation| (it.peer, it.id) == (message.peer, message.id);
        // One that needed no list may have its answer and be gone.
        let Some(operation) = operation.filter(is_its) else { return };
        operation.lists = false;
        match (operation.outcome.take(), result) {
            // The answer was faster.
            (Some(outcome), _) => self.end_operation(key, outcome),
            // The answer is still to come.
            (None, Ok(())) => {}
            // What failed with the peer is seen to with all that waits for it.
            (None, Err(TransferFailure::Unknown(_))) => {}
            // The operation has seen to that itself, or its answer is to come.
            (None, Err(TransferFailure::Cancelled(Cancelled::Partly | Cancelled::Unknown))) => {}
            (None, Err(failure)) => self.end_operation(key, Err(failure)),
        }
    }

    /// An operation that waited for an answer is over, once its request is.
    pub(crate) fn end_operation(&mut self, key: u32, result: Result<u64, TransferFailure>) {
        if self.operations[key as usize].lists {
            self.operations[key as usize].outcome = Some(result);
            return;
        }
        let operation = self.operations.remove(key as usize);
        if let Wanted::Bytes { blocks, .. } = &operation.wanted {
            blocks.release(&mut self.regions, &mut self.events);
        }
        let result = match operation.failure {
            Some(failure) => Err(failure),
            None => result,
        };
        let (token, peer) = (operation.token, operation.peer);
        if let Some(Pulled { envelope, len, recv }) = operation.pulled {
            let result = result.map_or_else(|failure| (0, Err(failure.into())), |_| (len, Ok(())));
            return self.complete_tagged(peer, envelope, &recv, result);
        }
        self.pending_sends -= 1;
        self.stats.transfers_completed += u64::from(result.is_ok());
        self.events.push_back(Event::TransferCompleted { token, peer, result });
    }

    pub(super) fn complete_transfer(
        &mut self,
        token: Token,
        message: &OutMessage,
        result: Result<u64, TransferFailure>,
    ) {
        self.pending_sends -= 1;
        self.stats.transfers_completed += u64::from(result.is_ok());
        let peer = message.peer;
        self.events.push_back(Event::TransferCompleted { token, peer, result });
    }

    /// No more of a message is to be sent. It ends when nothing of it is in flight.
    pub(crate) fn stop_message(&mut self, key: u32, stop: Stop) {
        self.messages[key as usize].stop(stop);
        self.complete_if_done(key);
    }
}

impl From<TransferFailure> for RecvFailure {
    fn from(failure: TransferFailure) -> Self {
        match failure {
            TransferFailure::Refused(_) | TransferFailure::Cancelled(_) => Self::Withdrawn,
            TransferFailure::NotSent(reason) | TransferFailure::Unknown(reason) => {
                Self::Aborted(reason)
            }
        }
    }
}

impl From<SendFailure> for TransferFailure {
    fn from(failure: SendFailure) -> Self {
        match failure {
            SendFailure::NotSent(reason) => Self::NotSent(reason),
            SendFailure::Unknown(reason) => Self::Unknown(reason),
            SendFailure::Truncated => Self::Refused(Refusal::Truncated),
            SendFailure::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}
