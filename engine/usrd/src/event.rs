//! What happens to peers and paths, beside the completions.

use usrd_proto::{PathId, PathState, PeerFailure};

use crate::Peer;

/// News about a peer. Kept in a bounded queue of its own: what does not fit, because nobody
/// reads it, is counted in [`DriverStats::events_dropped`](crate::DriverStats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer has answered for the first time, or again.
    PeerUp {
        /// Which.
        peer: Peer,
    },
    /// The peer is lost, and everything that was under way with it has completed with an error.
    /// The next send tries afresh.
    PeerDown {
        /// Which.
        peer: Peer,
        /// Why.
        reason: PeerFailure,
    },
    /// A path was judged anew.
    PathChanged {
        /// To whom.
        peer: Peer,
        /// Which path.
        path: PathId,
        /// What it is now.
        state: PathState,
    },
}
