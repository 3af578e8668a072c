//! Why a datagram changed nothing.

use crate::region::Refusal;
use crate::wire::DecodeError;

/// Why a datagram changed nothing. Each reason has a counter in
/// [`EndpointStats::drops`](crate::stats::EndpointStats).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// Not a packet of this protocol.
    #[error("not a packet: {0}")]
    Malformed(DecodeError),
    /// The context does not exist, or not in this incarnation.
    #[error("unknown or stale context")]
    UnknownContext,
    /// An incarnation of the peer that is known to be over.
    #[error("stale incarnation")]
    StaleIncarnation,
    /// A context is open with another incarnation of the peer, which is asked first.
    #[error("another incarnation of the peer is live")]
    IncarnationConflict,
    /// The sender's address is needed and not known.
    #[error("no peer at this address")]
    UnknownOrigin,
    /// There are as many peers as the configuration allows.
    #[error("too many peers")]
    TooManyPeers,
    /// As many peers as the configuration allows have come by themselves and have not been heard of
    /// since.
    #[error("too many half-open peers")]
    TooManyHalfOpen,
    /// The PSN has been received before.
    #[error("duplicate")]
    Duplicate,
    /// The PSN is beyond the receive window.
    #[error("beyond the receive window")]
    OutOfWindow,
    /// The packet contradicts what earlier packets of its message said.
    #[error("contradicts its message")]
    Inconsistent,
    /// No receive is posted, and the bounce pool has no room. The sender was told, except for UD.
    #[error("no buffer")]
    NoBuffer,
    /// An acknowledgement of something that was never sent.
    #[error("acknowledges what was not sent")]
    AckBeyondSent,
    /// A one-sided operation that the region it names does not allow. The sender was told.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// A NACK or RESET that answers nothing that is under way.
    #[error("answers nothing that was sent")]
    Unsolicited,
    /// A switch cut its payload off. The sender was told, except for UD.
    #[error("trimmed")]
    Trimmed,
}

impl From<DecodeError> for DropReason {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl DropReason {
    /// How many there are.
    pub const COUNT: usize = 15;

    /// A dense index, for counters.
    pub const fn index(self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::UnknownContext => 1,
            Self::StaleIncarnation => 2,
            Self::IncarnationConflict => 3,
            Self::UnknownOrigin => 4,
            Self::TooManyPeers => 5,
            Self::Duplicate => 6,
            Self::OutOfWindow => 7,
            Self::Inconsistent => 8,
            Self::NoBuffer => 9,
            Self::AckBeyondSent => 10,
            Self::Unsolicited => 11,
            Self::Refused(_) => 12,
            Self::Trimmed => 13,
            Self::TooManyHalfOpen => 14,
        }
    }

    /// The names of the counters, by [`index`](Self::index).
    pub const NAMES: [&'static str; Self::COUNT] = [
        "malformed",
        "unknown_context",
        "stale_incarnation",
        "incarnation_conflict",
        "unknown_origin",
        "too_many_peers",
        "duplicate",
        "out_of_window",
        "inconsistent",
        "no_buffer",
        "ack_beyond_sent",
        "unsolicited",
        "refused",
        "trimmed",
        "too_many_half_open",
    ];
}
