//! Messages: cut into packets on one side, put together from them on the other.

mod blocks;
mod inbound;
mod matching;
mod operation;
mod outbound;
mod side;

pub(crate) use blocks::{BlockList, Piece};
pub(crate) use inbound::{Binding, InMessage};
pub(crate) use matching::{Match, Matcher, PostedRecv};
pub(crate) use operation::{Operation, Wanted};
pub(crate) use outbound::{NO_SIDE, OutMessage, SendQueue};
pub(crate) use side::{Cut, Side};
