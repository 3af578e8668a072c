//! Time passes.

use super::Endpoint;
use crate::boundary::PeerFailure;
use crate::peer::sender::TimerOutcome;
use crate::time::Instant;

impl Endpoint {
    /// Does everything that was due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(index) = self.timers.pop_expired(now) {
            let Some(peer) = self.peers.get_mut(index as usize) else {
                continue;
            };
            match peer.sender.on_timer(now, peer.id, &mut self.shared) {
                TimerOutcome::Alive => {
                    peer.rest_if_idle(now, &self.shared.config);
                    self.settle(now, index);
                }
                TimerOutcome::Dead => self.end_context(now, index, PeerFailure::Unreachable),
            }
        }
    }
}
