//! The ends of one-sided operations, whatever brings them about.

use super::Shared;
use crate::boundary::{Event, SendFailure};
use crate::ids::Token;
use crate::message::{OutMessage, Side, Wanted};
use crate::region::Refusal;
use crate::transfer::TransferFailure;

impl Shared {
    /// A message of a one-sided operation is over: acknowledged, or failed with its peer.
    pub(super) fn end_side(&mut self, message: &OutMessage, result: Result<(), SendFailure>) {
        let side = self.sides.remove(message.side as usize);
        if let Some(blocks) = side.blocks() {
            blocks.release(&mut self.regions, &mut self.events);
        }
        let result = match (message.refused, result) {
            (Some(refusal), result) => {
                // What has come of it must not wait for the rest. Rule T5.
                if result.is_ok() && !matches!(side, Side::Response { .. }) && message.cut > 0 {
                    self.abandoned.push((message.peer, message.id));
                }
                Err(TransferFailure::Refused(refusal))
            }
            (None, result) => result.map_err(TransferFailure::from),
        };
        match side {
            Side::Write { .. } => {
                if let Some(token) = message.token {
                    self.complete_transfer(token, message, result.map(|()| 0));
                }
            }
            Side::Response { .. } | Side::Value(_) => self.served -= 1,
            Side::Request { operation, .. } | Side::List { operation } => match result {
                // The answer is still to come.
                Ok(()) => {}
                // What failed with the peer is seen to with all that waits for it.
                Err(TransferFailure::Unknown(_)) => {}
                Err(failure) => self.end_operation(operation, Err(failure)),
            },
        }
    }

    /// An operation that waited for an answer is over.
    pub(crate) fn end_operation(&mut self, key: u32, result: Result<u64, TransferFailure>) {
        let operation = self.operations.remove(key as usize);
        if let Wanted::Bytes { blocks, .. } = &operation.wanted {
            blocks.release(&mut self.regions, &mut self.events);
        }
        let result = match operation.failure {
            Some(failure) => Err(failure),
            None => result,
        };
        self.pending_sends -= 1;
        self.stats.transfers_completed += u64::from(result.is_ok());
        let (token, peer) = (operation.token, operation.peer);
        self.events.push_back(Event::TransferCompleted { token, peer, result });
    }

    fn complete_transfer(
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
    pub(crate) fn refuse_message(&mut self, key: u32, refusal: Refusal) {
        self.messages[key as usize].refuse(refusal);
        self.complete_if_done(key);
    }
}

impl From<SendFailure> for TransferFailure {
    fn from(failure: SendFailure) -> Self {
        match failure {
            SendFailure::NotSent(reason) => Self::NotSent(reason),
            SendFailure::Unknown(reason) => Self::Unknown(reason),
        }
    }
}
