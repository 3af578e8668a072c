//! What a sender knows of each path to one peer.

use super::PathState;
use super::reorder::{PathRtt, ReorderWindow};
use crate::config::{Config, LossConfig, PathConfig};
use crate::lines::lines_of;
use crate::loss::rtt::RttEstimator;
use crate::psn::PathSeq;
use crate::send_window::PacketList;
use crate::time::{Instant, nanos};
use crate::times::Times;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// One path, as the sender sees it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Path {
    /// The number of the next transmission.
    pub next_seq: PathSeq,
    /// One past the highest transmission that is reported to have arrived.
    pub arrived_end: PathSeq,
    /// Data packets in flight on this path, in the order of transmission.
    pub in_flight: PacketList,
    /// How long ago the data packet that arrived last had left when that was heard of, until the peer
    /// reports the path; zero: nothing says how long this path takes.
    pub age_ns: u64,
    /// Round-trip times.
    pub rtt: RttEstimator,
    pub packets_sent: u64,
    /// Only of a path that is not good.
    probe: Option<Box<ProbeTimer>>,
    /// How much disorder to bear.
    pub reorder: ReorderWindow,
    pub packets_lost: u64,
    /// Turns to skip.
    pub penalty: u8,
    state: PathState,
}

// Its memory has left the cache when the turn of one of thousands of peers comes: two lines.
const _: () = assert!(size_of::<Path>() == 128);

/// The questions to a path that is not good.
#[derive(Debug)]
struct ProbeTimer {
    /// When to ask next, or to judge the question that is open.
    at: Instant,
    /// The number of the open question: an answer to it, or to its repetitions, will do.
    asked: Option<PathSeq>,
    /// When it was put last.
    asked_at: Instant,
    wait_ns: u64,
    successes: u8,
    /// How often it was put again because the peer itself was silent.
    repetitions: u8,
}

/// What a path's timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeAction {
    Nothing,
    /// Send a probe.
    Ask,
}

impl Path {
    fn new(config: &Config, first_seq: PathSeq) -> Self {
        Self {
            next_seq: first_seq,
            arrived_end: first_seq,
            in_flight: PacketList::EMPTY,
            rtt: RttEstimator::new(config.loss.initial_rtt),
            reorder: ReorderWindow::default(),
            age_ns: 0,
            penalty: 0,
            packets_sent: 0,
            packets_lost: 0,
            state: PathState::Good,
            probe: None,
        }
    }

    pub(crate) fn state(&self) -> PathState {
        self.state
    }

    pub(crate) fn is_good(&self) -> bool {
        self.state == PathState::Good
    }

    /// Numbers a transmission.
    #[inline]
    pub(crate) fn take_seq(&mut self) -> PathSeq {
        let seq = self.next_seq;
        self.next_seq = seq.next();
        self.packets_sent += 1;
        seq
    }

    /// The smoothed round trip, or the peer's where this path has no sample yet.
    #[inline]
    pub(crate) fn srtt_ns(&self, peer: &RttEstimator) -> u64 {
        if self.rtt.has_sample() { self.rtt.srtt_ns() } else { peer.srtt_ns() }
    }

    /// How long a packet on this path may be without news, if `fallback_ns` is that of the peer.
    #[inline]
    pub(crate) fn probe_timeout_ns(&self, times: &Times, fallback_ns: u64) -> u64 {
        if !self.rtt.has_sample() {
            return fallback_ns;
        }
        probe_timeout_ns(times, &self.rtt)
    }

    /// The reordering window, see [`ReorderWindow`].
    pub(crate) fn reorder_ns(&self, config: &LossConfig, packet_ns: u64) -> u64 {
        let rtt = PathRtt { min_ns: self.rtt.min_ns(), srtt_ns: self.rtt.srtt_ns(), packet_ns };
        self.reorder.nanos(config, rtt)
    }

    /// Whether the last round trip says that losses come from queues: Rule P5.
    pub(crate) fn was_congested(&self) -> bool {
        self.rtt.has_sample() && self.rtt.latest_ns() >= CONGESTED_RTTS * self.rtt.min_ns()
    }

    pub(crate) fn add_penalty(&mut self, config: &PathConfig, penalty: u8) {
        self.penalty = self.penalty.saturating_add(penalty).min(config.max_penalty);
    }

    /// A packet got no answer. Returns whether the path is under suspicion because of it. Rule P3.
    pub(crate) fn on_timeout(&mut self, now: Instant, config: &PathConfig) -> bool {
        self.add_penalty(config, config.timeout_penalty);
        if self.state != PathState::Good {
            return false;
        }
        self.state = PathState::Suspect;
        self.probe = Some(Box::new(ProbeTimer {
            at: now,
            asked: None,
            asked_at: Instant::ZERO,
            wait_ns: nanos(config.first_probe),
            successes: 0,
            repetitions: 0,
        }));
        true
    }

    /// Something sent on this path has arrived, the latest being `seq`. Returns whether that answers
    /// a question: see [`on_answer`](Self::on_answer).
    #[inline]
    pub(crate) fn on_arrived(&mut self, seq: PathSeq) -> bool {
        self.arrived_end = self.arrived_end.max(seq.next());
        let asked = self.probe.as_ref().and_then(|probe| probe.asked);
        asked.is_some_and(|asked| self.arrived_end > asked)
    }

    /// The path has answered. Returns whether it changed its state. Rule P4.
    pub(crate) fn on_answer(&mut self, now: Instant, config: &PathConfig) -> bool {
        let Some(probe) = &mut self.probe else { return false };
        probe.asked = None;
        if self.state != PathState::Suspect {
            probe.successes += 1;
            probe.at = now;
            if probe.successes < config.probe_successes {
                return core::mem::replace(&mut self.state, PathState::Probing) == PathState::Bad;
            }
        }
        self.make_good();
        true
    }

    /// Forgets a suspicion: it was not this path. Rule P6.
    pub(crate) fn make_good(&mut self) {
        self.state = PathState::Good;
        self.probe = None;
    }

    /// When [`on_timer`](Self::on_timer) has something to do.
    pub(crate) fn timer(&self) -> Instant {
        self.probe.as_ref().map_or(Instant::NEVER, |probe| probe.at)
    }

    /// Asks, or judges a question that stayed unanswered. The latest transmission known to have
    /// arrived, on whatever path, left at `delivered_until`. Returns what to do, and whether the state changed. Rule P4.
    pub(crate) fn on_timer(
        &mut self,
        now: Instant,
        (delivered_until, srtt_ns): (Instant, u64),
        config: &PathConfig,
    ) -> (ProbeAction, bool) {
        let Some(probe) = self.probe.as_mut().filter(|probe| now >= probe.at) else {
            return (ProbeAction::Nothing, false);
        };
        if probe.asked.is_none() {
            return (ProbeAction::Ask, false);
        }
        let peer_is_there = delivered_until > probe.asked_at.plus_nanos(srtt_ns);
        let may_repeat = probe.repetitions < config.probe_successes;
        if self.state == PathState::Suspect && !peer_is_there && may_repeat {
            probe.repetitions += 1;
            return (ProbeAction::Ask, false);
        }
        // Unanswered: wait, each time longer, then ask again.
        probe.asked = None;
        probe.successes = 0;
        probe.at = now.plus_nanos(probe.wait_ns);
        probe.wait_ns = probe.wait_ns.saturating_mul(2).min(nanos(config.last_probe));
        let changed = self.state != PathState::Bad;
        self.state = PathState::Bad;
        (ProbeAction::Nothing, changed)
    }

    /// A probe leaves; it is to be answered within `timeout_ns`.
    pub(crate) fn probe_sent(&mut self, now: Instant, seq: PathSeq, timeout_ns: u64) {
        if let Some(probe) = &mut self.probe {
            probe.asked = probe.asked.or(Some(seq));
            probe.asked_at = now;
            probe.at = now.plus_nanos(timeout_ns);
        }
    }
}

/// How long to wait for news of a packet: rule L4.
pub(crate) fn probe_timeout_ns(times: &Times, rtt: &RttEstimator) -> u64 {
    let spread = (4 * rtt.rttvar_ns()).max(rtt.srtt_ns());
    (rtt.srtt_ns() + spread).max(times.min_probe_ns) + times.ack_delay_ns
}

/// All paths to one peer.
#[derive(Debug)]
pub(crate) struct PathTable {
    paths: Vec<Path>,
    count: u16,
    good: u16,
    /// Where path sequence numbers go on after a pause: a number must never be used twice on a path.
    first_seq: PathSeq,
}

impl PathTable {
    /// Nothing is known of any path yet.
    pub(crate) fn new(count: u16, first_seq: PathSeq) -> Self {
        Self { paths: Vec::new(), count, good: count, first_seq }
    }

    /// How many paths there are.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// How many of them are good.
    pub(crate) fn good(&self) -> u16 {
        self.good
    }

    /// Fewer paths, as agreed with the peer; what is in flight on the others is still accounted.
    pub(crate) fn limit(&mut self, count: u16) {
        self.count = self.count.min(count);
        self.recount();
    }

    /// How many paths have a record: the ids below this.
    pub(crate) fn opened(&self) -> usize {
        self.paths.len()
    }

    /// A path that may be sent on; its record is made on first use.
    #[inline]
    pub(crate) fn open(&mut self, path: u8, config: &Config) -> &mut Path {
        if self.paths.len() <= usize::from(path) {
            self.paths.resize_with(usize::from(path) + 1, || Path::new(config, self.first_seq));
        }
        &mut self.paths[usize::from(path)]
    }

    #[inline]
    pub(crate) fn get(&self, path: u8) -> Option<&Path> {
        self.paths.get(usize::from(path))
    }

    /// Names the memory of a path's record.
    pub(crate) fn lines_of_path(&self, path: u8, ask: &mut impl FnMut(*const u8)) {
        if let Some(path) = self.get(path) {
            lines_of(path, ask);
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, path: u8) -> Option<&mut Path> {
        self.paths.get_mut(usize::from(path))
    }

    /// Whether the path may carry data. One that was never used is as good as any.
    #[inline]
    pub(crate) fn is_good(&self, path: u8) -> bool {
        self.get(path).is_none_or(Path::is_good)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &Path)> {
        self.paths.iter().enumerate().map(|(path, it)| (path as u8, it))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u8, &mut Path)> {
        self.paths.iter_mut().enumerate().map(|(path, it)| (path as u8, it))
    }

    /// To be called when a path changed its state.
    pub(crate) fn recount(&mut self) {
        let bad = self.paths.iter().take(usize::from(self.count)).filter(|p| !p.is_good()).count();
        self.good = self.count - bad as u16;
    }

    /// Whether so many paths are under suspicion at once that it may be the peer, or an incast: more
    /// than are trusted. Those that are known to be bad have no part in it. Rule P6.
    pub(crate) fn most_are_suspects(&self) -> bool {
        let paths = self.paths.iter().take(usize::from(self.count));
        let suspects = paths.filter(|path| path.state == PathState::Suspect).count();
        self.count > 1 && suspects > usize::from(self.good)
    }

    /// They lead elsewhere now: whatever was held against them is forgotten.
    pub(crate) fn make_all_good(&mut self) {
        for path in &mut self.paths {
            path.make_good();
        }
        self.good = self.count;
    }

    /// A number that no path has used.
    pub(crate) fn next_unused_seq(&self) -> PathSeq {
        self.paths.iter().map(|path| path.next_seq).fold(self.first_seq, PathSeq::max)
    }
}

/// A round trip this many times the lowest one is taken to have waited in queues.
const CONGESTED_RTTS: u64 = 2;
