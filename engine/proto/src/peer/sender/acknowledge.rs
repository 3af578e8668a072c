//! What comes back: ACKs and NACKs.
//!
//! Everything in an ACK is checked against what was sent before any of it is believed (rule A5).
//! Then, in this order: arrivals leave the window, paths learn how far they got, gaps on paths
//! become losses, and congestion control hears of it all once.

use super::{Sender, wire_bytes};
use crate::boundary::Event;
use crate::cc::AckSample;
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::ids::{PathId, PeerId};
use crate::path::{Path, probe_timeout_ns};
use crate::psn::{PathSeq, Psn};
use crate::send_window::{SendWindow, SentState};
use crate::set256::Set256;
use crate::shared::Shared;
use crate::time::Instant;
use crate::times::Times;
use crate::wire::{AckPath, AckView, MAX_ACK_PATHS, Nack, NackReason, Transmission};

/// What a NACK brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NackOutcome {
    /// The packet waits, or is to be sent again.
    Taken,
    /// It is not about anything in flight.
    Unsolicited,
}

/// An ACK whose numbers have been put back to full length and checked.
struct Checked {
    cumulative: Psn,
    trigger_seq: PathSeq,
    /// Of the path reports, in their order.
    path_seqs: [PathSeq; MAX_ACK_PATHS],
}

/// What the packets that an ACK reported add up to.
#[derive(Default)]
struct Progress {
    acked_bytes: u64,
    in_flight_before: u64,
}

impl Sender {
    /// Takes an ACK in, or says why it is not believed.
    pub(crate) fn on_ack(
        &mut self,
        now: Instant,
        peer: PeerId,
        ack: AckView<'_>,
        shared: &mut Shared,
    ) -> Result<(), DropReason> {
        let checked = self.check(ack).ok_or(DropReason::AckBeyondSent)?;
        let limited =
            self.in_flight_bytes + wire_bytes(self.mtu) > self.pace.cwnd_bytes(&shared.config);
        let is_newest = self.take_credit(ack);
        let in_flight_before = self.in_flight_bytes;
        let acked_bytes = self.take_arrivals(checked.cumulative, ack, shared);
        let progress = Progress { acked_bytes, in_flight_before };
        let rtt = match is_newest {
            true => self.take_round_trip(now, ack, &shared.times),
            // A late ACK, or one that the network doubled: its time says nothing about now.
            false => None,
        };
        let marked = self.take_paths(now, peer, ack, &checked, shared);
        self.heard(now, peer, shared);
        if is_newest && !self.overtaken.is_empty() {
            self.find_gaps(now, checked.cumulative, ack, shared);
        }
        if progress.acked_bytes > 0 || rtt.is_some() {
            self.inform_controller(now, ack, &progress, (rtt, marked, limited), &shared.config);
        }
        Ok(())
    }

    /// Rule A5: nothing in the ACK may lie beyond what was sent.
    fn check(&self, ack: AckView<'_>) -> Option<Checked> {
        let next = self.window.next_psn();
        let cumulative = Psn::reconstruct(ack.cumulative(), self.window.unacknowledged());
        if cumulative > next {
            return None;
        }
        for block in ack.blocks() {
            let first = (cumulative.block() + u64::from(block.offset)) * 64;
            let last = first + u64::from(63 - block.bits.leading_zeros());
            if last >= next.as_u64() {
                return None;
            }
        }
        let mut path_seqs = [PathSeq::ZERO; MAX_ACK_PATHS];
        for (seq, report) in path_seqs.iter_mut().zip(ack.paths()) {
            *seq = self.sent_on(report.highest)?;
        }
        let trigger_seq = self.sent_on(ack.trigger())?;
        Some(Checked { cumulative, trigger_seq, path_seqs })
    }

    /// Whether this transmission was sent.
    pub(crate) fn has_sent(&self, transmission: Transmission) -> bool {
        self.sent_on(transmission).is_some()
    }

    /// The full number of a transmission, if it was sent.
    fn sent_on(&self, transmission: Transmission) -> Option<PathSeq> {
        let path = self.paths.get(transmission.path)?;
        PathSeq::reconstruct_below(transmission.seq, path.next_seq)
    }

    /// Credit is absolute, and a newer ACK overrules an older one, also downwards. Returns whether
    /// this one is the newest.
    fn take_credit(&mut self, ack: AckView<'_>) -> bool {
        if !is_newer(ack.number(), self.newest_ack) {
            return false;
        }
        self.newest_ack = ack.number();
        self.credit = Psn::reconstruct(ack.credit(), self.window.next_psn());
        true
    }

    /// Takes what has arrived out of the window. Returns how many bytes of it are news.
    fn take_arrivals(&mut self, cumulative: Psn, ack: AckView<'_>, shared: &mut Shared) -> u64 {
        let mut bytes = 0;
        while self.window.unacknowledged() < cumulative {
            bytes += self.arrived(self.window.unacknowledged(), shared);
        }
        for block in ack.blocks() {
            let number = cumulative.block() + u64::from(block.offset);
            let mut news = self.window.news(number, block.bits);
            while news != 0 {
                let psn = Psn::new(number * 64 + u64::from(news.trailing_zeros()));
                news &= news - 1;
                bytes += self.arrived(psn, shared);
            }
        }
        bytes
    }

    /// One packet has arrived: it needs nothing more.
    #[inline]
    fn arrived(&mut self, psn: Psn, shared: &mut Shared) -> u64 {
        let Some(packet) = self.window.get_mut(psn) else {
            return 0;
        };
        let state = core::mem::replace(&mut packet.state, SentState::Done);
        let (message, id, bytes) = (packet.message, packet.path, wire_bytes(packet.len));
        let sent_at = packet.sent_at;
        match state {
            SentState::InFlight => {
                self.in_flight_bytes -= bytes;
                if let Some(path) = self.paths.get_mut(id) {
                    path.left_at = sent_at;
                    self.window.unlink(&mut path.in_flight, psn);
                    if path.in_flight.is_empty() {
                        self.busy.remove(id);
                    }
                }
            }
            SentState::Lost => self.window.unlink(&mut self.lost, psn),
            SentState::Refused => self.window.unlink(&mut self.refused, psn),
            SentState::Done => return 0,
        }
        self.window.set_arrived(psn);
        shared.packet_arrived(message);
        bytes
    }

    /// The round trip of the packet that the ACK answers, in nanoseconds, the peer's own time taken
    /// out. Unambiguous whatever was sent again: the timestamp is of that very transmission. Rule R1.
    fn take_round_trip(&mut self, now: Instant, ack: AckView<'_>, times: &Times) -> Option<u64> {
        let elapsed = (now.as_nanos() as u32).wrapping_sub(ack.echo());
        let sample = u64::from(elapsed.checked_sub(ack.turnaround_ns())?).max(1);
        if sample > MAX_RTT_NS {
            return None;
        }
        self.rtt.update(now, sample);
        self.recovery
            .on_delivered(Instant::from_nanos(now.as_nanos().saturating_sub(elapsed.into())));
        self.recovery.set_peer_timeout(probe_timeout_ns(times, &self.rtt));
        self.paths.get_mut(ack.trigger().path)?.rtt.update(now, sample);
        Some(sample)
    }

    /// Each reported path learns how far it got. Returns whether a packet was marked.
    fn take_paths(
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
        let age_ns = now.nanos_since(core::mem::replace(&mut path.left_at, Instant::NEVER));
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
        let late = late.min(config.max_penalty.into()) as u8;
        let mark = if marked { config.ce_penalty } else { 0 };
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
        state: crate::path::PathState,
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
        self.spurious += u64::from(more);
        shared.stats.spurious_retransmissions += u64::from(more);
        let psn = Psn::reconstruct(ack.duplicate(), self.window.unacknowledged());
        if let Some(path) = self.recovery.retransmitted_from(psn) {
            self.paths.open(path, &shared.config).reorder.on_duplicate();
        }
    }

    /// Rule C4: losses count as congestion where the path was congested, once per round trip.
    pub(super) fn react_to_loss(&mut self, now: Instant, congested_bytes: u64, config: &Config) {
        if congested_bytes > 0 {
            self.pace.on_loss(now, congested_bytes, self.in_flight_bytes, config);
        }
    }

    fn inform_controller(
        &mut self,
        now: Instant,
        ack: AckView<'_>,
        progress: &Progress,
        (rtt_ns, ce, cwnd_limited): (Option<u64>, bool, bool),
        config: &Config,
    ) {
        let path = self.paths.get(ack.trigger().path);
        let base_rtt_ns = path.map_or_else(|| self.rtt.min_ns(), |path| path.rtt.min_ns());
        self.pace.on_ack(
            now,
            &AckSample {
                acked_bytes: progress.acked_bytes,
                rtt_ns,
                base_rtt_ns,
                srtt_ns: self.rtt.srtt_ns(),
                ce,
                in_flight_bytes: progress.in_flight_before,
                cwnd_limited,
            },
            config,
        );
    }

    /// Takes a NACK in.
    pub(crate) fn on_nack(
        &mut self,
        now: Instant,
        peer: PeerId,
        nack: &Nack,
        shared: &mut Shared,
    ) -> NackOutcome {
        let psn = Psn::reconstruct(nack.psn, self.window.unacknowledged());
        let Some(&packet) = self.window.get(psn) else {
            return NackOutcome::Unsolicited;
        };
        let same_transmission =
            packet.path == nack.transmission.path && packet.seq.wire() == nack.transmission.seq;
        if packet.state == SentState::Refused && same_transmission {
            return self.take_call(now, nack);
        }
        if packet.state != SentState::InFlight || !same_transmission {
            return NackOutcome::Unsolicited;
        }
        let is_request = shared.messages[packet.message as usize].op.is_request();
        if matches!(nack.reason, NackReason::Refused(_)) && !is_request {
            return NackOutcome::Unsolicited;
        }
        shared.stats.nacks_received += 1;
        self.heard(now, peer, shared);
        // A NACK has no number, so it may only lower the credit; the next ACK sets it right.
        self.credit = self.credit.min(Psn::reconstruct(nack.credit, self.window.next_psn()));
        match nack.reason {
            NackReason::ReceiverNotReady => self.refuse(now, psn, nack, shared),
            NackReason::Refused(refusal) => {
                // Its PSN is sent again, without what was refused. Rule T5.
                let message = self.take_out_of_flight(psn, SentState::Lost, shared);
                self.stop_transfer(message, refusal, shared);
            }
            NackReason::Trimmed => {
                let penalty = shared.config.path.nack_penalty;
                let path = self.paths.open(packet.path, &shared.config);
                path.add_penalty(&shared.config.path, penalty);
                self.take_out_of_flight(psn, SentState::Lost, shared);
                // Rule C7: where the receiver has taken credit back, it sees to the congestion.
                if self.credit >= self.window.next_psn() {
                    self.pace.on_nack(now, wire_bytes(packet.len), &shared.config);
                }
            }
        }
        NackOutcome::Taken
    }

    /// The receiver has no room for this message now: set it aside. Rule M4.
    fn refuse(&mut self, now: Instant, psn: Psn, nack: &Nack, shared: &mut Shared) {
        let message = self.take_out_of_flight(psn, SentState::Refused, shared);
        self.queue.park(message);
        self.transfers.park(message);
        // The delay is the peer's to choose, within reason: a forged one must not stall for long.
        let delay_ns = u64::from(nack.delay_ns).min(MAX_NOT_READY_NS);
        self.not_ready_until = self.not_ready_until.max(now.plus_nanos(delay_ns));
    }

    /// The receiver has room before the delay is over that it had named. Rule M7.
    fn take_call(&mut self, now: Instant, nack: &Nack) -> NackOutcome {
        if nack.reason != NackReason::ReceiverNotReady {
            return NackOutcome::Unsolicited;
        }
        self.not_ready_until = self.not_ready_until.min(now.plus_nanos(nack.delay_ns.into()));
        if self.not_ready_until <= now {
            self.receiver_may_be_ready();
        }
        NackOutcome::Taken
    }

    /// Moves a packet in flight to the queue that goes with `state`. Returns its message.
    pub(super) fn take_out_of_flight(
        &mut self,
        psn: Psn,
        state: SentState,
        shared: &Shared,
    ) -> u32 {
        let Some(record) = self.window.get_mut(psn) else { unreachable!("the PSN is in flight") };
        debug_assert_eq!(record.state, SentState::InFlight);
        record.state = state;
        let (message, len, id) = (record.message, record.len, record.path);
        let path = self.paths.open(id, &shared.config);
        self.window.unlink(&mut path.in_flight, psn);
        if path.in_flight.is_empty() {
            self.busy.remove(id);
        }
        self.in_flight_bytes -= wire_bytes(len);
        let queue = if state == SentState::Lost { &mut self.lost } else { &mut self.refused };
        self.window.append(queue, psn);
        message
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

/// Whether `number` comes after `reference`, around the wrap.
fn is_newer(number: u32, reference: u32) -> bool {
    let ahead = number.wrapping_sub(reference);
    ahead != 0 && ahead <= u32::MAX / 2
}

/// A packet is late from this many undisturbed round trips on, or from the average of its peer, if
/// that is more. Below, queues are as long as congestion control wants them: a slower path fills its
/// own just as well, and would stand idle if it were left for that.
const LATE_RTTS: u64 = 2;
/// How many turns a path skips per undisturbed round trip that its packet was late: a queue as long
/// as that takes a round trip to drain, in which all paths together get a window of packets.
const TURNS_PER_RTT: u64 = 8;

/// A round trip beyond this is a damaged or ancient timestamp: peers are dead long before.
const MAX_RTT_NS: u64 = 2_000_000_000;

/// Most a receiver can make a sender wait at a time.
const MAX_NOT_READY_NS: u64 = 1_000_000_000;
