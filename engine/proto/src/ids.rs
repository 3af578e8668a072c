//! The small handles that cross the core's boundary.

use core::fmt;

/// A remote endpoint, as this endpoint numbers it: dense, reused after removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u32);

/// One of up to 256 network paths to a peer. What it stands for (a queue pair and flow label, a
/// UDP source port, a simulated entropy value) is the device's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub u8);

/// Memory that the driver knows: what a send reads from or a receive writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub u32);

/// Driver memory that holds one unexpected message until a receive is posted for it. Dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BounceId(pub u32);

/// What the user calls an operation; handed back in its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// A stretch of a send buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferRange {
    /// The buffer.
    pub buffer: BufferId,
    /// Where the stretch starts in it, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len: u64,
}

/// How a message is to be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Unreliable, one packet.
    Ud,
    /// Reliable, exactly once, delivered as it completes, in any order.
    Srd,
    /// Reliable, exactly once, delivered in submission order per peer.
    Rd,
}

impl Service {
    /// The field's abbreviation, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ud => "ud",
            Self::Srd => "srd",
            Self::Rd => "rd",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When a send completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompletionLevel {
    /// The peer's engine holds every packet and will place it; the buffer may be reused.
    #[default]
    Acknowledged,
    /// The peer reports the message placed in the receiver's buffer and visible there.
    Delivered,
}

/// Which tagged messages a receive is for. A tag is 64 bits of the user's choosing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TagFilter {
    pub(crate) tag: u64,
    pub(crate) mask: u64,
    pub(crate) peer: Option<PeerId>,
}

impl TagFilter {
    /// Messages whose tag is `tag` in those bits that are set in `mask`, from `peer`, or from
    /// whoever it is.
    pub const fn new(tag: u64, mask: u64, peer: Option<PeerId>) -> Self {
        Self { tag: tag & mask, mask, peer }
    }

    /// Messages with this very tag, from anybody.
    pub const fn exact(tag: u64) -> Self {
        Self::new(tag, u64::MAX, None)
    }

    /// Whether a message of this peer's with this tag is one of them.
    pub fn takes(&self, peer: PeerId, tag: u64) -> bool {
        tag & self.mask == self.tag && self.peer.is_none_or(|it| it == peer)
    }
}
