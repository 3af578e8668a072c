//! What a data packet asks for.

use crate::region::Refusal;
use crate::transfer::AtomicOp;

/// What a data packet asks for, by its code on the wire.
///
/// Of an operation on a region, the arguments ([`Data::args`](super::Data::args)) are a
/// [`RegionAddress`](crate::RegionAddress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// A two-sided message: it goes to a posted receive.
    Send = 0,
    /// The message named by the message id has been placed and is visible. No payload.
    Delivered = 1,
    /// Nothing: it opens a context, so that operations can follow. No payload.
    Hello = 2,
    /// A piece of a transfer, to be placed at the address in the arguments. An empty piece is the
    /// immediate, which is the first argument.
    Write = 3,
    /// Asks for so many bytes from an address. No payload.
    Read = 4,
    /// Asks for the blocks in a list, which is the payload.
    ReadList = 5,
    /// A piece of the answer to a READ, whose message id is the first argument.
    Response = 6,
    /// Adds the first operand to the value at the address. No payload.
    FetchAdd = 7,
    /// Puts the second operand where the first is, at the address. No payload.
    CompareSwap = 8,
    /// The value before the atomic named by the message id is the first argument. No payload.
    Result = 9,
    /// The READ named by the message id fails, for the reason in the first argument. No payload.
    Refused = 10,
    /// No more of the message named by the message id will come, for which nothing else is sent under
    /// this PSN. With REPORT it is the last word about that message, of which the first argument is the
    /// operation. No payload.
    Abandon = 11,
    /// A message with a tag, which is the first argument; the second is its immediate.
    Tagged = 12,
    /// The same of a message that stays at its sender until it is asked for. No payload.
    Announce = 13,
    /// Asks for all of the message that was announced under the number in the first argument. No
    /// payload.
    Pull = 14,
}

impl Op {
    /// Whether it asks something of a region, which can refuse it.
    pub(crate) const fn is_request(self) -> bool {
        matches!(
            self,
            Self::Write | Self::Read | Self::ReadList | Self::FetchAdd | Self::CompareSwap
        )
    }

    /// Whether it asks for something that comes back.
    pub(crate) const fn waits_for_answer(self) -> bool {
        matches!(
            self,
            Self::Read | Self::ReadList | Self::FetchAdd | Self::CompareSwap | Self::Pull
        )
    }

    /// Its code on the wire.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Send,
            1 => Self::Delivered,
            2 => Self::Hello,
            3 => Self::Write,
            4 => Self::Read,
            5 => Self::ReadList,
            6 => Self::Response,
            7 => Self::FetchAdd,
            8 => Self::CompareSwap,
            9 => Self::Result,
            10 => Self::Refused,
            11 => Self::Abandon,
            12 => Self::Tagged,
            13 => Self::Announce,
            14 => Self::Pull,
            _ => return None,
        })
    }
}

impl AtomicOp {
    /// How it travels.
    pub(crate) const fn to_wire(self) -> (Op, [u64; 2]) {
        match self {
            Self::FetchAdd(more) => (Op::FetchAdd, [more, 0]),
            Self::CompareSwap { expected, new } => (Op::CompareSwap, [expected, new]),
        }
    }
}

impl Refusal {
    /// Its code in NACK and REFUSED.
    pub const fn code(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Denied => 2,
            Self::Bounds => 3,
            Self::Alignment => 4,
            Self::List => 5,
            Self::ListTooLong => 6,
            Self::Revoked => 7,
            Self::Truncated => 8,
            Self::Withdrawn => 9,
            Self::NoteTooLong => 10,
        }
    }

    /// From its [`code`](Self::code).
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Key,
            2 => Self::Denied,
            3 => Self::Bounds,
            4 => Self::Alignment,
            5 => Self::List,
            6 => Self::ListTooLong,
            7 => Self::Revoked,
            8 => Self::Truncated,
            9 => Self::Withdrawn,
            10 => Self::NoteTooLong,
            _ => return None,
        })
    }
}
