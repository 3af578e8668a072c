//! An operation of this side's that the peer answers: READ, atomics.
//!
//! Its request is a message like others, and may be acknowledged long before the answer comes.

use super::{BlockList, PostedRecv};
use crate::ids::{PeerId, Token};
use crate::transfer::{Notice, TransferFailure};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Operation {
    pub peer: PeerId,
    pub token: Token,
    /// The number of its request.
    pub id: u32,
    pub wanted: Wanted,
    /// It has failed, and ends when nothing is being placed any more.
    pub failure: Option<TransferFailure>,
    /// Its list may have to be sent again: the answer can be here before the list is acknowledged,
    /// and the user's memory is needed until then.
    pub lists: bool,
    /// How it has ended, while its list is still needed.
    pub outcome: Option<Result<u64, TransferFailure>>,
    /// It is not the user's: it fills a receive with a message that was announced.
    pub pulled: Option<Pulled>,
}

/// A message that is being pulled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulled {
    /// Key of what it says of itself.
    pub envelope: u32,
    /// Its length, in bytes.
    pub len: u64,
    /// Where it goes.
    pub recv: PostedRecv,
}

/// What an operation waits for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// The bytes of a READ.
    Bytes {
        /// Where they go.
        blocks: BlockList,
        /// What the peer is told when they are there.
        notice: Option<Notice>,
        /// The message that brings them, once it has begun.
        inbound: Option<u32>,
    },
    /// The value before an atomic.
    Value,
}

impl Operation {
    /// One whose request is not numbered yet.
    pub(crate) fn new(peer: PeerId, token: Token, wanted: Wanted) -> Self {
        Self {
            peer,
            token,
            id: 0,
            wanted,
            failure: None,
            lists: false,
            outcome: None,
            pulled: None,
        }
    }

    /// The message that brings the answer, if it has begun.
    pub(crate) fn inbound(&self) -> Option<u32> {
        match self.wanted {
            Wanted::Bytes { inbound, .. } => inbound,
            Wanted::Value => None,
        }
    }

    /// Whether something is to be said to the peer when it is over.
    pub(crate) fn notifies(&self) -> bool {
        matches!(self.wanted, Wanted::Bytes { notice: Some(_), .. })
    }
}
