//! Outcomes: what the completion of a failed operation says of it is true. What was *not sent* has had no
//! effect; what was taken back *partly* done was not delivered, told or performed; and of an operation on
//! memory nothing happens any more once it is over.

use std::collections::BTreeMap;

use usrd_proto::{Cancelled, SendFailure, TransferFailure};

use crate::traffic::MessageId;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Outcomes(BTreeMap<MessageId, Claim>);

/// What was said when an operation was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It has had no effect, and never will.
    NotSent,
    /// It is not delivered, told or performed; of one on memory nothing is placed any more.
    NotDone { one_sided: bool },
    /// It may have been carried out, but nothing is placed any more.
    Over,
}

impl Claim {
    /// What the end of a message says.
    pub(super) const fn of_send(failure: SendFailure) -> Option<Self> {
        match failure {
            SendFailure::NotSent(_) | SendFailure::Cancelled(Cancelled::NotSent) => {
                Some(Self::NotSent)
            }
            SendFailure::Cancelled(Cancelled::Partly) => Some(Self::NotDone { one_sided: false }),
            _ => None,
        }
    }

    /// What the end of an operation on memory says.
    pub(super) const fn of_transfer(failure: TransferFailure) -> Option<Self> {
        match failure {
            TransferFailure::NotSent(_) | TransferFailure::Cancelled(Cancelled::NotSent) => {
                Some(Self::NotSent)
            }
            TransferFailure::Cancelled(Cancelled::Partly) => {
                Some(Self::NotDone { one_sided: true })
            }
            TransferFailure::Cancelled(Cancelled::Unknown) => Some(Self::Over),
            _ => None,
        }
    }
}

impl Outcomes {
    /// An operation is over, of which `placed_bytes` were placed, and which was carried out if `is_done`.
    pub(super) fn ended(
        &mut self,
        message: MessageId,
        claim: Claim,
        placed_bytes: u64,
        is_done: bool,
    ) -> Result<(), String> {
        self.0.insert(message, claim);
        let is_true = match claim {
            Claim::NotSent => placed_bytes == 0 && !is_done,
            Claim::NotDone { .. } => !is_done,
            Claim::Over => true,
        };
        match is_true {
            true => Ok(()),
            false => Err(format!(
                "message {message} ended as {claim:?}, of which {placed_bytes} bytes were placed; \
                 carried out: {is_done}"
            )),
        }
    }

    /// Something of an operation is placed.
    #[inline]
    pub(super) fn placed(&self, message: MessageId) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        match self.0.get(&message) {
            None | Some(Claim::NotDone { one_sided: false }) => Ok(()),
            Some(claim) => {
                Err(format!("message {message} ended as {claim:?}, and is still placed"))
            }
        }
    }

    /// An operation is delivered, told of or performed.
    pub(super) fn done(&self, message: MessageId) -> Result<(), String> {
        match self.0.get(&message) {
            Some(claim @ (Claim::NotSent | Claim::NotDone { .. })) => {
                Err(format!("message {message} ended as {claim:?}, and is carried out"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_has_to_be_true_before_and_after() {
        let mut outcomes = Outcomes::default();
        outcomes.ended(1, Claim::NotSent, 0, false).unwrap();
        assert!(outcomes.placed(1).is_err() && outcomes.done(1).is_err());
        assert!(outcomes.ended(2, Claim::NotSent, 5, false).is_err());
        let partly = |one_sided| Claim::NotDone { one_sided };
        outcomes.ended(3, partly(false), 5, false).unwrap();
        outcomes.placed(3).unwrap();
        assert!(outcomes.done(3).is_err());
        outcomes.ended(4, partly(true), 5, false).unwrap();
        assert!(outcomes.placed(4).is_err() && outcomes.ended(5, partly(true), 5, true).is_err());
        outcomes.ended(6, Claim::Over, 5, true).unwrap();
        assert!(outcomes.placed(6).is_err() && outcomes.done(6).is_ok());
        outcomes.placed(7).unwrap();
    }
}
