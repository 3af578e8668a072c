//! A side leaves, and says so: its peer need not find out by silence. Rule O8.
//!
//! ```text
//!   remove_peer --> everything pending fails --> CLOSE, CLOSE, CLOSE ... the record is gone
//!                                                  \
//!                                                   +--> the context ends: "the peer has closed"
//! ```
//! Nothing answers a CLOSE, so that nobody has to stay for the answer. It is said on several paths;
//! were all of them lost, the peer would find out as it does of a crash (O6, O7).

use super::Endpoint;
use super::receive::{Outcome, find};
use crate::boundary::{Disposition, HeaderBuffer, PeerFailure, Transmit};
use crate::drop_reason::DropReason;
use crate::ids::{PathId, PeerId};
use crate::time::Instant;
use crate::wire::Close;

/// A CLOSE that is still to be said, to a peer that is no longer known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    peer: PeerId,
    path: u8,
    close: Close,
}

impl Endpoint {
    /// What is to be said to a peer that was removed, if anything is left; for the driver, after
    /// [`remove_peer`](Self::remove_peer) and before the peer's id comes to mean another.
    pub fn poll_farewell(&mut self, header: &mut HeaderBuffer) -> Option<Transmit> {
        let Farewell { peer, path, close } = self.farewells.pop_front()?;
        let header_len = close.encode(header);
        Some(Transmit { peer, path: PathId(path), header_len, payload: None, ecn_capable: false })
    }

    /// The context with a peer is about to end, on this side's account.
    pub(super) fn plan_farewell(&mut self, index: u32) {
        let peer = &mut self.peers[index as usize];
        // Who has never been heard of would not know what is over.
        let Some(address) = peer.context.remote() else { return };
        let incarnation = peer.context.local_incarnation();
        let close = Close { address, incarnation };
        for _ in 0..COPIES {
            let path = peer.sender.any_path();
            self.farewells.push_back(Farewell { peer: peer.id, path, close });
        }
    }

    /// The peer leaves. Believed only if it names its whole incarnation.
    #[cold]
    pub(super) fn on_close(&mut self, now: Instant, close: &Close) -> Outcome {
        let Some((index, peer)) = find(&mut self.peers, close.address) else {
            return Err(DropReason::UnknownContext);
        };
        if peer.context.remote_incarnation() != close.incarnation {
            return Err(DropReason::StaleIncarnation);
        }
        self.end_context(now, index, PeerFailure::Left);
        Ok(Disposition::Consumed)
    }
}

/// How often it is said: with a tenth of all packets lost, one in a thousand is not heard.
const COPIES: usize = 3;
