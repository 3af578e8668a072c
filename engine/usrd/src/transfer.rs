//! One-sided operations, as the user sees them: how to ask for them, and what becomes of them.

use bytes::BytesMut;
use usrd_proto::{Cancelled, CompletionLevel, PeerFailure, Refusal, TransferError};

use crate::{Notice, Peer};

/// How a one-sided operation is to be carried out: by default complete once acknowledged, and
/// without a word to the peer's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// Handed back in the completion.
    pub context: u64,
    /// When a WRITE is complete: once the peer's engine has accepted every byte for a live region
    /// and will place it, or once it reports all of them placed and visible. Others are complete
    /// when the answer is in place.
    pub level: CompletionLevel,
    /// Something for the peer's user, see [`notify`](Self::notify).
    pub notice: Option<Notice>,
}

impl TransferOptions {
    /// The defaults, under a name of the caller's choosing.
    pub const fn new(context: u64) -> Self {
        Self { context, level: CompletionLevel::Acknowledged, notice: None }
    }

    /// Completes a WRITE only when the peer reports it placed and visible.
    #[must_use]
    pub const fn delivered(mut self) -> Self {
        self.level = CompletionLevel::Delivered;
        self
    }

    /// Tells the peer's user: a [`Notification`](crate::Notification) comes out of its engine, exactly
    /// once, after all bytes of a WRITE are in its memory, or after all bytes of a READ are in this
    /// engine's. A number is enough, or a few bytes: see [`Notice`]. Not for atomics.
    #[must_use]
    pub fn notify(mut self, notice: impl Into<Notice>) -> Self {
        self.notice = Some(notice.into());
        self
    }
}

impl From<u64> for TransferOptions {
    fn from(context: u64) -> Self {
        Self::new(context)
    }
}

/// A one-sided operation that is over. Memory that it named is the user's again.
#[derive(Debug)]
pub struct TransferCompletion {
    /// The id of its engine, as [`Builder::id`](crate::Builder::id) has set it.
    pub engine: u32,
    /// What the user called it.
    pub context: u64,
    /// With whom it was.
    pub peer: Peer,
    /// The buffer that was given to a READ, filled if it succeeded, else with undefined contents.
    pub buffer: Option<BytesMut>,
    /// How it ended; of an atomic, the value before it, of others zero.
    pub result: Result<u64, TransferFailure>,
}

/// How a one-sided operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferFailure {
    /// The peer refused it. Blocks of a WRITE that were not refused may have been written, and its
    /// immediate was not delivered; an atomic has done nothing.
    #[error("refused by the peer: {0}")]
    Refused(Refusal),
    /// Nothing of it had left: it has had no effect.
    #[error("not carried out: {0}")]
    NotSent(PeerFailure),
    /// Some of it had left: it may have been carried out, in part or whole, or not.
    #[error("outcome unknown, it may have been carried out: {0}")]
    Unknown(PeerFailure),
    /// It was taken back with [`Engine::cancel`](crate::Engine::cancel).
    #[error("cancelled: {0}")]
    Cancelled(Cancelled),
    /// It was not taken.
    #[error("not taken: {0}")]
    Rejected(#[from] TransferError),
}

impl From<usrd_proto::TransferFailure> for TransferFailure {
    fn from(failure: usrd_proto::TransferFailure) -> Self {
        match failure {
            usrd_proto::TransferFailure::Refused(refusal) => Self::Refused(refusal),
            usrd_proto::TransferFailure::NotSent(reason) => Self::NotSent(reason),
            usrd_proto::TransferFailure::Unknown(reason) => Self::Unknown(reason),
            usrd_proto::TransferFailure::Cancelled(how) => Self::Cancelled(how),
        }
    }
}

/// A deregistration that is over: nothing will touch the memory again.
#[derive(Debug)]
pub struct RegionCompletion {
    /// The id of its engine, as [`Builder::id`](crate::Builder::id) has set it.
    pub engine: u32,
    /// What the user called it.
    pub context: u64,
    /// The memory, if the engine had owned it. An error if the region was not registered (any
    /// more).
    pub result: Result<Option<BytesMut>, NotRegistered>,
}

/// There is no such region, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the region is not registered, or was deregistered before")]
pub struct NotRegistered;
