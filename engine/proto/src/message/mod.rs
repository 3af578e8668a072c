//! Messages: cut into packets on one side, put together from them on the other.

mod blocks;
mod inbound;
mod matching;
mod multi;
mod operation;
mod outbound;
mod side;
mod stop;
mod tags;

pub(crate) use blocks::{BlockList, Piece};
pub(crate) use inbound::{Binding, End, Envelope, InMessage, InNotice, NO_ENVELOPE};
pub(crate) use matching::{Match, Matcher, NO_MULTI, PostedRecv};
pub use multi::MULTI_RECV_ALIGN_BYTES;
pub(crate) use multi::MultiRecv;
pub(crate) use operation::{Operation, Pulled, Wanted};
pub(crate) use outbound::{NO_SIDE, OutMessage, SendQueue};
pub(crate) use side::{Cut, Side, TaggedSide, Withdrawal};
pub(crate) use stop::Stop;
pub(crate) use tags::TagMatcher;
