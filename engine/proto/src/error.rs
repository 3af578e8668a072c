//! One error per command, from the caller's point of view.

use crate::ids::Service;
use crate::region::Refusal;

/// Why a message was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer was never added, or was removed.
    #[error("there is no such peer; add it first")]
    UnknownPeer,
    /// UD carries one packet.
    #[error("a UD message is one packet of at most {max_bytes} bytes; use srd or rd for more")]
    TooLongForUd {
        /// The most that fits, in bytes.
        max_bytes: u32,
    },
    /// UD has nobody who could report.
    #[error("{service} messages cannot ask for delivery reports; use srd or rd")]
    NoReport {
        /// The service asked for.
        service: Service,
    },
    /// Longer than the wire can say.
    #[error("a message is at most {max_bytes} bytes long")]
    TooLong {
        /// The most that can be sent, in bytes.
        max_bytes: u64,
    },
    /// As many messages as the configuration allows are pending.
    #[error("{limit} messages are pending; wait for completions, or raise max_pending_messages")]
    TooManyPending {
        /// The configured limit.
        limit: u32,
    },
}

/// Why a receive was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// As many receives as the configuration allows are posted.
    #[error("{limit} receives are posted; wait for completions, or raise max_posted_receives")]
    TooManyPosted {
        /// The configured limit.
        limit: u32,
    },
    /// It is for messages of a peer that was never added, or was removed.
    #[error("there is no such peer to receive from; add it first")]
    UnknownPeer,
}

/// Why a peer was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddPeerError {
    /// There are as many peers as the configuration allows.
    #[error("{limit} peers exist; remove some, or raise max_peers")]
    TooManyPeers {
        /// The configured limit.
        limit: u32,
    },
}

/// Why memory was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// As many regions as their numbers can tell apart.
    #[error("{limit} regions are registered; deregister some, or register larger ones")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Longer than an offset can say.
    #[error("a region is at most {max_bytes} bytes long")]
    TooLong {
        /// The most.
        max_bytes: u64,
    },
}

/// Why a one-sided operation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The peer was never added, or was removed.
    #[error("there is no such peer; add it first")]
    UnknownPeer,
    /// It moves nothing, and tells nothing.
    #[error("there is nothing to move; leave the operation out, or write an immediate")]
    Empty,
    /// A block is empty, or they are too long together.
    #[error("a transfer is at most {max_bytes} bytes long, and its blocks are not empty")]
    BadBlocks {
        /// The most that can be moved at once, in bytes.
        max_bytes: u64,
    },
    /// Its note is too long.
    #[error("a note is at most {max_bytes} bytes long; send what is longer as a message")]
    NoteTooLong {
        /// The most that it may be, in bytes.
        max_bytes: u64,
    },
    /// A block names memory of this side that is not there.
    #[error("block {block}: on this side, {refusal}")]
    Local {
        /// Which, from zero.
        block: usize,
        /// What is wrong.
        refusal: Refusal,
    },
    /// As many operations as the configuration allows are pending.
    #[error("{limit} operations are pending; wait for completions, or raise max_pending_messages")]
    TooManyPending {
        /// The configured limit.
        limit: u32,
    },
}
