//! What the engine tells about an operation when it is over.

use bytes::BytesMut;
use usrd_proto::{Cancelled, PeerFailure, RecvError, SendError, Service};

use crate::{Notification, Peer, RegionCompletion, TransferCompletion};

/// An operation that is over.
#[derive(Debug)]
pub enum Completion {
    /// A send.
    Send(SendCompletion),
    /// A receive; of one for several messages, one of them.
    Recv(RecvCompletion),
    /// A receive for several messages takes no more, and all of them are complete.
    RecvOver(RecvOver),
    /// A one-sided operation.
    Transfer(TransferCompletion),
    /// A deregistration.
    Deregistered(RegionCompletion),
    /// No operation of this engine's: a peer's transfer is in place, and this is what it says.
    Notified(Notification),
}

impl Completion {
    /// What the user called the operation; what the peer says in a notification.
    pub fn context(&self) -> u64 {
        match self {
            Self::Send(send) => send.context,
            Self::Recv(recv) => recv.context,
            Self::RecvOver(over) => over.context,
            Self::Transfer(transfer) => transfer.context,
            Self::Deregistered(region) => region.context,
            Self::Notified(notification) => notification.immediate,
        }
    }

    /// Which engine it comes from: what [`Builder::id`](crate::Builder::id) has set.
    pub fn engine(&self) -> u32 {
        match self {
            Self::Send(send) => send.engine,
            Self::Recv(recv) => recv.engine,
            Self::RecvOver(over) => over.engine,
            Self::Transfer(transfer) => transfer.engine,
            Self::Deregistered(region) => region.engine,
            Self::Notified(notification) => notification.engine,
        }
    }

    /// The send, if it is one.
    pub fn into_send(self) -> Option<SendCompletion> {
        match self {
            Self::Send(send) => Some(send),
            _ => None,
        }
    }

    /// The receive, if it is one.
    pub fn into_recv(self) -> Option<RecvCompletion> {
        match self {
            Self::Recv(recv) => Some(recv),
            _ => None,
        }
    }

    /// The end of a receive for several messages, if it is one.
    pub fn into_recv_over(self) -> Option<RecvOver> {
        match self {
            Self::RecvOver(over) => Some(over),
            _ => None,
        }
    }

    /// The one-sided operation, if it is one.
    pub fn into_transfer(self) -> Option<TransferCompletion> {
        match self {
            Self::Transfer(transfer) => Some(transfer),
            _ => None,
        }
    }

    /// The deregistration, if it is one.
    pub fn into_deregistered(self) -> Option<RegionCompletion> {
        match self {
            Self::Deregistered(region) => Some(region),
            _ => None,
        }
    }

    /// The notification, if it is one.
    pub fn into_notification(self) -> Option<Notification> {
        match self {
            Self::Notified(notification) => Some(notification),
            _ => None,
        }
    }
}

/// A send that is over. The engine has let go of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendCompletion {
    /// The id of its engine, as [`Builder::id`](crate::Builder::id) has set it.
    pub engine: u32,
    /// What the user called it.
    pub context: u64,
    /// To whom it was.
    pub peer: Peer,
    /// How it ended.
    pub result: Result<(), SendFailure>,
}

/// A receive that is over, with its buffer.
#[derive(Debug)]
pub struct RecvCompletion {
    /// The id of its engine, as [`Builder::id`](crate::Builder::id) has set it.
    pub engine: u32,
    /// What the user called it.
    pub context: u64,
    /// The buffer, as long as it was when it was posted; the message is its front. Of a receive for
    /// several messages, the message's part of it.
    pub buffer: BytesMut,
    /// How it ended.
    pub result: Result<Received, RecvFailure>,
}

impl RecvCompletion {
    /// The bytes of the message that are in the buffer: all of them, those that fitted if it was
    /// too small, none if it failed otherwise.
    pub fn message(&self) -> &[u8] {
        let len = match self.result {
            Ok(received) | Err(RecvFailure::Truncated { received, .. }) => received.len,
            Err(_) => 0,
        };
        &self.buffer[..len]
    }
}

/// A receive for several messages ([`RecvOptions::many`](crate::RecvOptions::many)) that is over.
#[derive(Debug)]
pub struct RecvOver {
    /// The id of its engine, as [`Builder::id`](crate::Builder::id) has set it.
    pub engine: u32,
    /// What the user called it.
    pub context: u64,
    /// What no message was given: the end of the buffer. Once its other parts are dropped,
    /// [`BytesMut::reserve`] gives it all of the memory again.
    pub rest: BytesMut,
    /// How many messages it was given.
    pub messages: u32,
    /// Whether it was used up, or why it has ended before that.
    pub result: Result<(), RecvFailure>,
}

/// A message that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// From whom.
    pub peer: Peer,
    /// How it was carried.
    pub service: Service,
    /// Where the message began in the buffer of a receive for several; else zero.
    pub offset: usize,
    /// Bytes in the buffer.
    pub len: usize,
    /// Its tag, if it has one.
    pub tag: Option<u64>,
    /// What was sent along with it.
    pub immediate: Option<u64>,
}

/// A tagged message that waits for its receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// From whom.
    pub peer: Peer,
    /// Its tag.
    pub tag: u64,
    /// What was sent along with it.
    pub immediate: Option<u64>,
    /// Its length, in bytes: what a receive for it needs.
    pub len: u64,
}

/// How a send failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFailure {
    /// Nothing of the message had left: it was certainly not delivered.
    #[error("not delivered: {0}")]
    NotSent(PeerFailure),
    /// Some of the message had left: it may have been delivered, or not.
    #[error("outcome unknown, the message may have been delivered: {0}")]
    Unknown(PeerFailure),
    /// The receive that it was matched with is shorter than the message. Told of messages that ask for
    /// delivery, of which the front was placed, and of long ones with a tag, of which nothing was.
    #[error("the receive that it was matched with is too short; post a longer one there")]
    Truncated,
    /// It was taken back with [`Engine::cancel`](crate::Engine::cancel).
    #[error("cancelled: {0}")]
    Cancelled(Cancelled),
    /// It was not taken for sending.
    #[error("refused: {0}")]
    Refused(#[from] SendError),
}

/// How a receive failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvFailure {
    /// The message was longer than the buffer, which holds its front, or nothing of a long one with a
    /// tag.
    #[error("the message has {message_bytes} bytes, more than the buffer; post a larger one")]
    Truncated {
        /// What is in the buffer.
        received: Received,
        /// The whole message, in bytes.
        message_bytes: u64,
    },
    /// The sender was lost before all of the message had arrived; the buffer's contents are
    /// undefined.
    #[error("the message did not arrive whole: {reason}")]
    Aborted {
        /// The sender.
        peer: Peer,
        /// What became of it.
        reason: PeerFailure,
    },
    /// The sender took the message back, which has a tag, before all of it had come; the buffer's
    /// contents are undefined.
    #[error("the sender has taken the message back")]
    Withdrawn {
        /// The sender.
        peer: Peer,
    },
    /// It was taken back with [`Engine::cancel_recv`](crate::Engine::cancel_recv).
    #[error("cancelled")]
    Cancelled,
    /// The engine was closed before a message came.
    #[error("the engine was closed")]
    Closed,
    /// It was not taken.
    #[error("refused: {0}")]
    Refused(#[from] RecvError),
}
