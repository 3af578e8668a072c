//! What ACKs tell of paths: how far each got, how long it took, and what arrived twice.

use super::Sender;
use crate::boundary::Event;
use crate::config::SprayPolicy;
use crate::ids::{PathId, PeerId};
use crate::path::{Path, PathState};
use crate::psn::{PathSeq, Psn};
use crate::send_window::SendWindow;
use crate::set256::Set256;
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::{AckPath, AckView};

use super::acknowledge::Checked;

impl Sender {
    /// Each reported path learns how far it got. Returns whether a packet was marked.
    pub(super) fn take_paths(
        &mut self,
        now: Instant,
        peer: PeerId,
        ack: AckView<'_>,
        checked: &Checked,
        shared: &mut Shared,
    ) -> bool {
        let mut marked = false;
        let mut trigger_told = false;
        let trigger = ack.trigger().path;
        let fair_ns = self.rtt.srtt_ns().max(LATE_RTTS * self.rtt.min_ns());
        for (report, &seq) in ack.paths().zip(&checked.path_seqs) {
            trigger_told |= report.highest.path == trigger;
            marked |= report.ce_packets > 0;
            self.take_path(now, peer, &report, (seq, fair_ns), shared);
        }
        if !trigger_told
            && let Some(path) = self.paths.get_mut(trigger)
            && note_arrival(path, trigger, checked.trigger_seq, &self.window, &mut self.overtaken)
        {
            self.path_answered(now, peer, trigger, shared);
        }
        self.take_duplicates(ack, shared);
        marked
    }

    /// What an ACK says of one path. If it brought nothing late and nothing marked, it is free.
    #[inline]
    fn take_path(
        &mut self,
        now: Instant,
        peer: PeerId,
        report: &AckPath,
        (seq, fair_ns): (PathSeq, u64),
        shared: &mut Shared,
    ) {
        let (id, marked) = (report.highest.path, report.ce_packets > 0);
        let Some(path) = self.paths.get_mut(id) else { return };
        let is_answer = note_arrival(path, id, seq, &self.window, &mut self.overtaken);
        let age_ns = core::mem::take(&mut path.age_ns);
        if !marked && age_ns <= fair_ns && path.rtt.has_sample() {
            self.sprayer.on_clean(id);
        } else {
            self.judge_path(now, id, marked, (age_ns, fair_ns), shared);
        }
        if is_answer {
            self.path_answered(now, peer, id, shared);
        }
    }

    /// A path that brought something late or marked skips turns. Rule P1.
    fn judge_path(
        &mut self,
        now: Instant,
        id: u8,
        marked: bool,
        (age_ns, fair_ns): (u64, u64),
        shared: &Shared,
    ) {
        let Some(path) = self.paths.get_mut(id) else { return };
        if !path.rtt.has_sample() && age_ns > 0 {
            // Too much by what the ACK waited for, and far better than to take the peer's average.
            path.rtt.update(now, age_ns);
        }
        let config = &shared.config.path;
        let turn_ns = (self.rtt.min_ns() / TURNS_PER_RTT).max(1);
        let late = age_ns.saturating_sub(fair_ns) / turn_ns;
        let late_counts = config.spray != SprayPolicy::Bitmap;
        let late = if late_counts { late.min(config.max_penalty.into()) as u8 } else { 0 };
        let mark_counts = config.spray != SprayPolicy::Hybrid;
        let mark = if marked && mark_counts { config.ce_penalty } else { 0 };
        path.add_penalty(config, late.saturating_add(mark));
        if late == 0 && !marked {
            self.sprayer.on_clean(id);
        }
    }

    /// The path has answered the question whether it lives. Rule P4.
    #[cold]
    fn path_answered(&mut self, now: Instant, peer: PeerId, id: u8, shared: &mut Shared) {
        let Some(path) = self.paths.get_mut(id) else { return };
        let changed = path.on_answer(now, &shared.config.path);
        let (timer, state) = (path.timer(), path.state());
        self.recovery.watch(timer);
        if changed {
            self.path_changed(peer, id, state, shared);
        }
    }

    pub(super) fn path_changed(
        &mut self,
        peer: PeerId,
        id: u8,
        state: PathState,
        shared: &mut Shared,
    ) {
        self.paths.recount();
        if let Some(path) = self.paths.get(id) {
            self.recovery.watch(path.timer());
        }
        shared.events.push_back(Event::PathChanged { peer, path: PathId(id), state });
    }

    /// The peer had some packets already when they came again. Rule L3: the path on which the first
    /// transmission was given up reorders more than was thought.
    fn take_duplicates(&mut self, ack: AckView<'_>, shared: &mut Shared) {
        let more = ack.duplicates().wrapping_sub(self.reported_duplicates);
        // A late ACK shows an older count; forward is the shorter way round.
        if more == 0 || more > u16::MAX / 2 {
            return;
        }
        self.reported_duplicates = ack.duplicates();
        self.spurious = self.spurious.saturating_add(more.into());
        shared.stats.spurious_retransmissions += u64::from(more);
        let psn = Psn::reconstruct(ack.duplicate(), self.window.unacknowledged());
        if let Some(path) = self.recovery.retransmitted_from(psn) {
            self.paths.open(path, &shared.config).reorder.on_duplicate();
        }
    }
}

/// Notes how far a path got, and whether something sent on it before has been overtaken. Returns
/// whether that answers a question put to the path.
#[inline]
fn note_arrival(
    path: &mut Path,
    id: u8,
    seq: PathSeq,
    window: &SendWindow,
    overtaken: &mut Set256,
) -> bool {
    let is_answer = path.on_arrived(seq);
    // What was sent before it on this path has arrived, too, or has been overtaken.
    if window.seq_of_first(&path.in_flight).is_some_and(|first| first < path.arrived_end) {
        overtaken.insert(id);
    }
    is_answer
}

/// A packet is late from this many undisturbed round trips on, or from the average of its peer, if
/// that is more. Below, queues are as long as congestion control wants them: a slower path fills its
/// own just as well, and would stand idle if it were left for that.
const LATE_RTTS: u64 = 2;
/// How many turns a path skips per undisturbed round trip that its packet was late: a queue as long
/// as that takes a round trip to drain, in which all paths together get a window of packets.
const TURNS_PER_RTT: u64 = 8;
