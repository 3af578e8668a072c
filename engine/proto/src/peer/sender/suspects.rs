//! Paths that are not trusted, and what they are asked. Rules P3, P4, P6 and P7.

use super::Sender;
use crate::config::Config;
use crate::ids::PeerId;
use crate::path::{PathState, ProbeAction};
use crate::psn::PathSeq;
use crate::set256::Set256;
use crate::shared::Shared;
use crate::time::Instant;

impl Sender {
    /// Rule P3.
    pub(super) fn suspect_path(&mut self, now: Instant, peer: PeerId, id: u8, shared: &mut Shared) {
        let Some(path) = self.paths.get_mut(id) else { return };
        if path.on_timeout(now, &shared.config.path) {
            self.path_changed(peer, id, PathState::Suspect, shared);
        }
    }

    /// Rules P3 and P6: asks the paths that timed out, unless they are too many to blame.
    pub(super) fn suspect_paths(
        &mut self,
        now: Instant,
        peer: PeerId,
        mut timed_out: Set256,
        shared: &mut Shared,
    ) {
        if timed_out.is_empty() {
            return;
        }
        while let Some(path) = timed_out.pop_first() {
            self.suspect_path(now, peer, path, shared);
        }
        if self.paths.most_are_suspects() && now >= self.recovery.absolved_until {
            // They have until then to show that they live, or it was the paths after all.
            let rto_ns = self.rtt.rto_ns(shared.times.ack_delay_ns, shared.times.min_rto_ns);
            self.recovery.absolved_until = now.plus_nanos(ABSOLVED_RTOS * rto_ns);
            self.absolve_paths(peer, shared);
            let bytes = self.in_flight_bytes;
            self.pace.on_loss(now, bytes.max(1), bytes);
        }
    }

    /// It was not the paths.
    fn absolve_paths(&mut self, peer: PeerId, shared: &mut Shared) {
        let mut absolved = Set256::default();
        let suspects = self.paths.iter_mut().filter(|(_, path)| path.state() == PathState::Suspect);
        for (id, path) in suspects {
            path.make_good();
            absolved.insert(id);
        }
        while let Some(path) = absolved.pop_first() {
            self.path_changed(peer, path, PathState::Good, shared);
        }
    }

    /// The next path that is to be asked whether it lives, and the number of the question.
    pub(crate) fn next_probe(
        &mut self,
        now: Instant,
        peer: PeerId,
        shared: &mut Shared,
    ) -> Option<(u8, PathSeq)> {
        if now < self.recovery.path_at {
            return None;
        }
        self.recovery.path_at = Instant::NEVER;
        for id in 0..self.paths.opened() {
            let id = id as u8;
            let fallback_ns = self.recovery.peer_timeout_ns;
            let Some(path) = self.paths.get_mut(id) else {
                break;
            };
            let delivered_until = self.recovery.delivered_until;
            let srtt_ns = path.srtt_ns(&self.rtt);
            let (action, changed) =
                path.on_timer(now, (delivered_until, srtt_ns), &shared.config.path);
            if action == ProbeAction::Ask {
                let seq = path.take_seq();
                let timeout_ns = path.probe_timeout_ns(&shared.times, fallback_ns);
                path.probe_sent(now, seq, timeout_ns);
                // The others keep their turn: look again right away.
                self.recovery.path_at = now;
                return Some((id, seq));
            }
            let (timer, state) = (path.timer(), path.state());
            self.recovery.watch(timer);
            if changed {
                self.path_changed(peer, id, state, shared);
            }
        }
        None
    }

    /// A path on which to ask whether the peer still lives, and the number of the question. Rule P7.
    pub(crate) fn ask_peer(&mut self, config: &Config) -> (u8, PathSeq) {
        let path = self.sprayer.for_question(&self.paths);
        (path, self.paths.open(path, config).take_seq())
    }

    /// The peer sends something again: it may not have heard what it was told of it. Rule P7.
    pub(crate) fn answer_along(&mut self, path: u8) {
        self.sprayer.answer_along(&self.paths, path);
    }

    /// The path for a packet that needs no number.
    pub(crate) fn control_path(&mut self) -> u8 {
        self.sprayer.for_control(&self.paths)
    }

    /// A path for a packet of which it does not matter whether others overtake it.
    pub(crate) fn any_path(&mut self) -> u8 {
        self.sprayer.next(&mut self.paths)
    }

    /// When [`next_probe`](Self::next_probe) has something to do; may be early.
    #[inline]
    pub(crate) fn probe_due(&self) -> Instant {
        self.recovery.path_at
    }
}

/// Paths that time out again before so many RTOs are over are not absolved another time. A peer that was
/// away for a moment, or an incast, is over by then; dead paths have timed out again several times.
const ABSOLVED_RTOS: u64 = 8;
