//! Messages: cut into packets on one side, put together from them on the other.

mod inbound;
mod matching;
mod outbound;

pub(crate) use inbound::{Binding, InMessage};
pub(crate) use matching::{Match, Matcher, PostedRecv};
pub(crate) use outbound::{OutMessage, SendQueue};
