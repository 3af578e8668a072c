//! The user's name for a remote endpoint.

use std::fmt;

use usrd_proto::PeerId;

/// A remote endpoint of one engine: a small handle, good until the peer is disconnected. It says
/// nothing about whether the peer is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    pub(crate) id: PeerId,
    /// Tells apart the peers that have had the same id one after the other.
    pub(crate) generation: u32,
}

impl Peer {
    /// A dense index, for tables; reused once the peer is disconnected.
    pub const fn index(self) -> usize {
        self.id.0 as usize
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}.{}", self.id.0, self.generation)
    }
}
