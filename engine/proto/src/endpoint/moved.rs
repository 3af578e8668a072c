//! A peer is somewhere else, as its user knows: the context goes on there. Rule O10.
//!
//! Addresses are the driver's. The core is told, since what was sent to the old address has not arrived
//! there, and nothing that was learnt of the ways to it holds any more.

use super::Endpoint;
use crate::ids::PeerId;
use crate::time::Instant;

impl Endpoint {
    /// From now on the driver sends what is for this peer elsewhere. What is in flight is sent again,
    /// without waiting for timers; the context, and all that is pending, goes on.
    pub fn address_changed(&mut self, now: Instant, peer: PeerId) {
        let Some(moved) = self.peers.get_mut(peer.0 as usize) else { return };
        moved.sender.start_afresh(now, &mut self.shared);
        moved.touch(now, &self.shared.times);
        self.mark(peer.0);
    }
}
