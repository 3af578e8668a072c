//! How what was under way has failed.

use crate::cancelled::Cancelled;

/// Why a context ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFailure {
    /// It did not answer, for as long as the configuration allows.
    #[error("the peer does not answer")]
    Unreachable,
    /// It lost its context: it restarted, or gave this endpoint up.
    #[error("the peer has restarted or dropped its state")]
    Restarted,
    /// This side closed it.
    #[error("closed on this side")]
    Closed,
    /// The peer has closed it, and said so.
    #[error("the peer has closed")]
    Left,
    /// Nothing was under way with it for long, and both sides have forgotten each other. Operations
    /// that were submitted meanwhile go on in a new context.
    #[error("idle for long")]
    Expired,
    /// It came by itself, and has never shown that it is where it said: a driver that has not given it
    /// to its user as a peer to keep can remove it.
    #[error("the peer has never answered")]
    Unconfirmed,
}

/// How a send failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// Nothing of the message had left this endpoint: it was certainly not delivered.
    #[error("not delivered: {0}")]
    NotSent(PeerFailure),
    /// Some of the message had left: it may have been delivered, or not.
    #[error("outcome unknown, the message may have been delivered: {0}")]
    Unknown(PeerFailure),
    /// The receive that it was matched with is shorter. Of a message that was announced, nothing was
    /// moved; of others the front was. Only told of messages that were announced, or whose
    /// completion was to wait for their delivery.
    #[error("the receive that it was matched with is too short; post a longer one there")]
    Truncated,
    /// It was taken back by [`cancel_send`](crate::Endpoint::cancel_send).
    #[error("cancelled: {0}")]
    Cancelled(Cancelled),
}

/// How a receive failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvFailure {
    /// The message was longer than the buffer; the buffer holds its front, or nothing of one that
    /// was announced.
    #[error("the message has {message_len} bytes, more than the buffer holds; post a larger one")]
    Truncated {
        /// The whole message, in bytes.
        message_len: u64,
    },
    /// The sender was lost before all of the message had arrived. The buffer's contents are
    /// undefined.
    #[error("the message did not arrive whole: {0}")]
    Aborted(PeerFailure),
    /// The sender took the message back, which has a tag, when it had been announced and not been
    /// pulled, or part of it had come. The buffer's contents are undefined.
    #[error("the sender has taken the message back")]
    Withdrawn,
}
