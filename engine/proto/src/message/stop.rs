//! Why no more of a message is sent, and what that makes of it.
//!
//! A message that is stopped is not cut any more, and what is lost of it is sent again under its PSN as
//! ABANDON, without payload. So once all its PSNs are acknowledged, nothing of it can be accepted any
//! more, and nothing of it is read. Rules T5 and M8.

use crate::boundary::SendFailure;
use crate::cancelled::Cancelled;
use crate::region::Refusal;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its peer refused it.
    Refused(Refusal),
    /// Cancelled, and no byte of it has left: at most that it is there was said.
    NotSent,
    /// Cancelled before all of it had left.
    Partly,
    /// Cancelled after all of it had left. If nothing is lost, all of it arrives.
    Whole,
    /// The same, and something was lost, or may not have been placed.
    Unsure,
}

impl Stop {
    /// What its user is told, once it is over; `None` if it was too late to cancel it.
    pub(crate) fn cancelled(self) -> Option<Cancelled> {
        match self {
            Self::NotSent => Some(Cancelled::NotSent),
            Self::Partly => Some(Cancelled::Partly),
            Self::Unsure => Some(Cancelled::Unknown),
            Self::Whole | Self::Refused(_) => None,
        }
    }

    /// A lost packet of the message is sent again without what it carried.
    pub(crate) fn give_up(&mut self) {
        if *self == Self::Whole {
            *self = Self::Unsure;
        }
    }
}

impl From<Cancelled> for SendFailure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}
