//! Time passes.

use super::Endpoint;
use crate::boundary::PeerFailure;
use crate::peer::Look;
use crate::peer::sender::TimerOutcome;
use crate::time::Instant;

impl Endpoint {
    /// Does everything that was due by `now`.
    #[inline]
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
        if self.timers.next_deadline().is_some_and(|due| due <= now) {
            self.run_timers(now);
        }
    }

    /// Apart from the above, which is called for every batch.
    #[inline(never)]
    fn run_timers(&mut self, now: Instant) {
        while let Some(index) = self.timers.pop_expired(now) {
            let Some(peer) = self.peers.get_mut(index as usize) else { continue };
            let outcome = peer.sender.on_timer(now, peer.id, &mut self.shared);
            let look = peer.look(now, &self.shared.times);
            match (outcome, look) {
                (_, Look::Unconfirmed) => {
                    self.end_context(now, index, PeerFailure::Unconfirmed);
                }
                (_, Look::Expired) => self.expire(now, index),
                (TimerOutcome::Dead, _) | (_, Look::Gone) => {
                    self.end_context(now, index, PeerFailure::Unreachable);
                }
                (TimerOutcome::Alive, Look::Idle { until }) => {
                    self.peers.rest(index as usize);
                    self.timers.arm(index, until);
                    continue;
                }
                (TimerOutcome::Alive, Look::Fine) => {}
            }
            self.mark(index);
        }
        self.settle(now);
    }
}
