//! Packets that nobody has answered: path gaps, timeouts, the end of a peer. Rules L1 to L6.
//!
//! The order of suspicion:
//! 1. *Path gap*: later packets on the same path have arrived. That path lost it.
//! 2. *Path timeout*: the peer answers, and this path has been silent for longer than its round
//!    trips explain. The path is under suspicion; what it carried leaves on others.
//! 3. *Tail probe*: nobody answers. The oldest packet leaves again on another path, once, asking
//!    for an ACK.
//! 4. *RTO*: still nobody. Everything in flight counts as lost, the window collapses, and the wait
//!    doubles.
//! 5. *Death*: too many RTOs, or too long a silence.

use alloc::boxed::Box;

use super::{Sender, wire_bytes};
use crate::config::Config;
use crate::ids::PeerId;
use crate::path::{PathState, ProbeAction};
use crate::psn::{PathSeq, Psn};
use crate::send_window::{SentPacket, SentState};
use crate::set256::Set256;
use crate::shared::Shared;
use crate::time::Instant;
use crate::times::Times;

/// What a timer brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerOutcome {
    /// Packets may be ready to leave.
    Alive,
    /// The peer does not answer.
    Dead,
}

/// The timers of a sender, and what it needs to judge silence.
#[derive(Debug)]
pub(super) struct Recovery {
    /// No packet's time is over before this; moved lazily, so it may be early.
    loss_at: Instant,
    /// The pacer lets the next packet go.
    paced_until: Instant,
    /// No path's probe is due before this; may be early.
    path_at: Instant,
    /// The next RTO, once the tail has been probed.
    rto_at: Instant,
    /// When the latest transmission left that is known to have arrived.
    delivered_until: Instant,
    /// Since when something has been waiting for an answer.
    waiting_since: Instant,
    /// Nobody answers, and the oldest packet has been sent again because of it.
    tail_probed: bool,
    /// The transmission that the tail probe repeated: whose fault was it?
    tail: Option<Tail>,
    backoff: u32,
    /// Packets that may leave whatever the window says.
    probes: u8,
    peer_timeout_ns: u64,
    recent: Recent,
}

/// A transmission that got no answer, while nothing else did either.
#[derive(Clone, Copy, Debug)]
struct Tail {
    path: u8,
    seq: PathSeq,
    sent_at: Instant,
    /// Once the peer has answered: when all that it has to tell is known.
    judge_at: Instant,
}

/// The PSNs that were sent again last, and the paths on which they had been given up.
#[derive(Debug, Default)]
struct Recent {
    entries: Option<Box<[(u64, u8); RECENT_RETRANSMISSIONS]>>,
    next: u8,
}

/// A duplicate is reported within about one round trip of the retransmission that made it.
const RECENT_RETRANSMISSIONS: usize = 32;

impl Recovery {
    /// `peer_timeout_ns` is the timeout of a packet on a path without samples.
    pub(super) fn new(peer_timeout_ns: u64) -> Self {
        Self {
            loss_at: Instant::NEVER,
            paced_until: Instant::NEVER,
            path_at: Instant::NEVER,
            rto_at: Instant::NEVER,
            delivered_until: Instant::ZERO,
            waiting_since: Instant::NEVER,
            tail_probed: false,
            tail: None,
            backoff: 0,
            probes: 0,
            peer_timeout_ns,
            recent: Recent::default(),
        }
    }

    /// A packet leaves. `timeout_ns` is asked for only if the timer would otherwise be late.
    #[inline]
    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        times: &Times,
        timeout_ns: impl FnOnce(u64) -> u64,
    ) {
        self.waiting_since = self.waiting_since.min(now);
        if self.loss_at > now.plus_nanos(times.least_timeout_ns) {
            let timeout_at = now.plus_nanos(timeout_ns(self.peer_timeout_ns));
            self.loss_at = self.loss_at.min(timeout_at);
        }
    }

    /// The peer lives. After a silence, what else was sent before it is looked at again, but not
    /// before ACKs that are on their way had time to come.
    fn on_heard(&mut self, now: Instant, srtt_ns: u64) {
        self.waiting_since = now;
        if core::mem::take(&mut self.tail_probed) {
            self.rto_at = Instant::NEVER;
            let told_at = now.plus_nanos(srtt_ns);
            self.loss_at = self.loss_at.min(told_at);
            self.backoff = 0;
            if let Some(tail) = &mut self.tail {
                tail.judge_at = told_at;
            }
        }
    }

    /// What left at `sent_at` has arrived.
    pub(super) fn on_delivered(&mut self, sent_at: Instant) {
        self.delivered_until = self.delivered_until.max(sent_at);
    }

    /// Whether what left after `sent_at`, and by so much that no path's length explains it, has
    /// arrived: the peer is there, and so should be what left then.
    fn should_have_arrived(&self, sent_at: Instant, srtt_ns: u64) -> bool {
        self.delivered_until > sent_at.plus_nanos(srtt_ns)
    }

    /// Nothing waits for an answer.
    fn on_all_arrived(&mut self) {
        self.waiting_since = Instant::NEVER;
        self.loss_at = Instant::NEVER;
    }

    pub(super) fn set_peer_timeout(&mut self, timeout_ns: u64) {
        self.peer_timeout_ns = timeout_ns;
    }

    /// A packet's time may be over then.
    pub(super) fn look_at(&mut self, at: Instant) {
        self.loss_at = self.loss_at.min(at);
    }

    pub(super) fn wake_at(&mut self, at: Instant) {
        self.paced_until = at;
    }

    /// A path's timer may have become earlier.
    pub(super) fn watch(&mut self, at: Instant) {
        self.path_at = self.path_at.min(at);
    }

    /// Uses up the right to send one packet whatever the window says.
    pub(super) fn take_probe(&mut self) -> bool {
        let granted = self.probes > 0;
        self.probes = self.probes.saturating_sub(1);
        granted
    }

    pub(super) fn note_retransmission(&mut self, psn: Psn, lost_on: u8) {
        let recent = &mut self.recent;
        let entries =
            recent.entries.get_or_insert_with(|| Box::new([(u64::MAX, 0); RECENT_RETRANSMISSIONS]));
        entries[usize::from(recent.next) % RECENT_RETRANSMISSIONS] = (psn.as_u64(), lost_on);
        recent.next = recent.next.wrapping_add(1);
    }

    /// The path on which this PSN was given up lately.
    pub(super) fn retransmitted_from(&self, psn: Psn) -> Option<u8> {
        let entries = self.recent.entries.as_ref()?;
        entries.iter().find(|entry| entry.0 == psn.as_u64()).map(|entry| entry.1)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.loss_at.min(self.paced_until)
    }

    pub(super) fn release_idle(&mut self) {
        self.recent = Recent::default();
        self.tail = None;
        self.path_at = Instant::NEVER;
    }
}

/// How a packet that is overdue is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overdue {
    /// Wait until then.
    NotBefore(Instant),
    /// Its path carried later packets, and it had time enough.
    Overtaken,
    /// The peer answers, its path does not.
    PathSilent,
    /// Nobody answers.
    PeerSilent,
}

impl Sender {
    /// A believable answer came from the peer.
    pub(super) fn heard(&mut self, now: Instant, peer: PeerId, shared: &mut Shared) {
        self.recovery.on_heard(now, self.rtt.srtt_ns());
        if self.window.is_empty() {
            self.recovery.on_all_arrived();
        }
        if self.recovery.tail.is_some_and(|tail| now >= tail.judge_at) {
            self.judge_tail(now, peer, shared);
        }
    }

    /// Was it the path, or the peer, that did not answer? Known once something that left later has
    /// arrived. Rule L4.
    fn judge_tail(&mut self, now: Instant, peer: PeerId, shared: &mut Shared) {
        let Some(tail) = self.recovery.tail else { return };
        let Some(path) = self.paths.get(tail.path) else { return };
        if path.arrived_end > tail.seq {
            self.recovery.tail = None;
        } else if self.recovery.should_have_arrived(tail.sent_at, path.srtt_ns(&self.rtt)) {
            self.recovery.tail = None;
            self.suspect_path(now, peer, tail.path, shared);
        }
    }

    /// Rule P3.
    fn suspect_path(&mut self, now: Instant, peer: PeerId, id: u8, shared: &mut Shared) {
        let Some(path) = self.paths.get_mut(id) else { return };
        if path.on_timeout(now, &shared.config.path) {
            self.path_changed(peer, id, PathState::Suspect, shared);
        }
    }

    /// Looks at every timer that may be due.
    pub(crate) fn on_timer(
        &mut self,
        now: Instant,
        peer: PeerId,
        shared: &mut Shared,
    ) -> TimerOutcome {
        if now >= self.recovery.paced_until {
            self.recovery.paced_until = Instant::NEVER;
        }
        if now >= self.not_ready_until && self.not_ready_until > Instant::ZERO {
            self.receiver_may_be_ready();
        }
        if now >= self.recovery.loss_at {
            return self.on_loss_timer(now, peer, shared);
        }
        TimerOutcome::Alive
    }

    /// Tries again what the receiver had refused. Rule M4.
    fn receiver_may_be_ready(&mut self) {
        self.not_ready_until = Instant::ZERO;
        while let Some(psn) = self.refused.first() {
            self.window.unlink(&mut self.refused, psn);
            if let Some(record) = self.window.get_mut(psn) {
                record.state = SentState::Lost;
            }
            self.window.append(&mut self.lost, psn);
        }
        self.queue.unpark();
    }

    fn on_loss_timer(&mut self, now: Instant, peer: PeerId, shared: &mut Shared) -> TimerOutcome {
        if self.is_dead(now, shared) {
            return TimerOutcome::Dead;
        }
        if let Some(at) = self.nothing_overdue_until(shared)
            && now < at
        {
            self.recovery.loss_at = at;
            return TimerOutcome::Alive;
        }
        let mut scan = Scan::default();
        let mut busy = self.busy;
        while let Some(path) = busy.pop_first() {
            self.scan_path(now, path, shared, &mut scan);
        }
        self.react_to_loss(now, scan.congested_bytes, &shared.config);
        self.suspect_paths(now, peer, scan.timed_out, shared);
        if let Some(oldest) = scan.oldest_silent {
            self.on_peer_silent(now, oldest, shared, &mut scan);
        }
        let death_at = self.recovery.waiting_since.plus_nanos(shared.times.peer_dead_ns);
        self.recovery.loss_at = match self.in_flight_bytes {
            0 => Instant::NEVER,
            _ => scan.next_at.min(death_at),
        };
        TimerOutcome::Alive
    }

    /// Until when a look at every path would find nothing, if one packet tells: the lowest that has
    /// not arrived left before all others, if none of them was overtaken or sent again.
    fn nothing_overdue_until(&self, shared: &Shared) -> Option<Instant> {
        let oldest = self.window.get(self.window.unacknowledged())?;
        let tells = oldest.state == SentState::InFlight
            && self.overtaken.is_empty()
            && !self.recovery.tail_probed;
        tells.then(|| oldest.sent_at.plus_nanos(shared.times.least_timeout_ns))
    }

    fn is_dead(&self, now: Instant, shared: &Shared) -> bool {
        let loss = &shared.config.loss;
        let waiting = self.recovery.waiting_since != Instant::NEVER;
        let silence_ns = now.nanos_since(self.recovery.waiting_since);
        // On a fast network so many timeouts pass in no time: a link that is down for a moment, or a
        // process that is paused, is not a death.
        let tried_enough = self.recovery.backoff >= loss.max_rtos
            && silence_ns >= shared.times.peer_dead_ns / LEAST_SILENCE;
        waiting && (tried_enough || silence_ns >= shared.times.peer_dead_ns)
    }

    /// Takes what is overdue on one path out of flight, oldest first.
    fn scan_path(&mut self, now: Instant, path: u8, shared: &mut Shared, scan: &mut Scan) {
        let mut timed_out = false;
        while let Some(psn) = self.paths.get(path).and_then(|it| it.in_flight.first()) {
            let Some(&packet) = self.window.get(psn) else {
                break;
            };
            match self.judge(now, &packet, shared) {
                Overdue::NotBefore(at) => {
                    scan.next_at = scan.next_at.min(at);
                    break;
                }
                Overdue::PeerSilent => {
                    let older = scan.oldest_silent.is_none_or(|(at, _)| packet.sent_at < at);
                    if older {
                        scan.oldest_silent = Some((packet.sent_at, psn));
                    }
                    break;
                }
                Overdue::Overtaken => {
                    scan.congested_bytes += self.lose(psn, &packet, shared);
                    shared.stats.losses_by_path_gap += 1;
                }
                Overdue::PathSilent => {
                    timed_out = true;
                    scan.congested_bytes += self.lose(psn, &packet, shared);
                    shared.stats.losses_by_timeout += 1;
                }
            }
        }
        if timed_out {
            scan.timed_out.insert(path);
        }
    }

    /// Rules L2 and L4, for the oldest packet in flight on a path.
    fn judge(&self, now: Instant, packet: &SentPacket, shared: &Shared) -> Overdue {
        let Some(path) = self.paths.get(packet.path) else {
            return Overdue::NotBefore(Instant::NEVER);
        };
        let overtaken = packet.missing && packet.seq < path.arrived_end;
        let wait_ns = match overtaken {
            true => self.overtaken_wait_ns(packet.path, shared),
            false => path.probe_timeout_ns(&shared.times, self.recovery.peer_timeout_ns),
        };
        let due = packet.sent_at.plus_nanos(wait_ns);
        if now < due {
            return Overdue::NotBefore(due);
        }
        if overtaken {
            return Overdue::Overtaken;
        }
        match self.recovery.should_have_arrived(packet.sent_at, path.srtt_ns(&self.rtt)) {
            true => Overdue::PathSilent,
            false => Overdue::PeerSilent,
        }
    }

    /// How long after its transmission a packet that was overtaken is given up. Rule L2.
    pub(super) fn overtaken_wait_ns(&self, path: u8, shared: &Shared) -> u64 {
        let (loss, path) = (&shared.config.loss, self.paths.get(path));
        path.map_or(0, |path| path.rtt.srtt_ns() + path.reorder_ns(loss, self.packet_ns))
    }

    /// Gives a packet in flight up. Returns its bytes if they count as congestion.
    pub(super) fn lose(&mut self, psn: Psn, packet: &SentPacket, shared: &Shared) -> u64 {
        self.take_out_of_flight(psn, SentState::Lost, shared);
        let Some(path) = self.paths.get_mut(packet.path) else {
            return 0;
        };
        path.packets_lost += 1;
        path.reorder.on_recovery(&shared.config.loss);
        if path.was_congested() { wire_bytes(packet.len) } else { 0 }
    }

    /// Rules P3 and P6: asks the paths that timed out, unless they are too many to blame.
    fn suspect_paths(
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
        if self.paths.most_look_bad() {
            self.absolve_paths(peer, shared);
            let bytes = self.in_flight_bytes;
            self.pace.on_loss(now, bytes.max(1), bytes, &shared.config);
        }
    }

    /// It was not the paths.
    fn absolve_paths(&mut self, peer: PeerId, shared: &mut Shared) {
        let mut absolved = Set256::default();
        for (id, path) in self.paths.iter_mut().filter(|(_, path)| !path.is_good()) {
            path.make_good();
            absolved.insert(id);
        }
        while let Some(path) = absolved.pop_first() {
            self.path_changed(peer, path, PathState::Good, shared);
        }
    }

    /// The tail probe, then RTO after RTO. Rules L4 and L5.
    fn on_peer_silent(
        &mut self,
        now: Instant,
        (_, oldest): (Instant, Psn),
        shared: &mut Shared,
        scan: &mut Scan,
    ) {
        let times = shared.times;
        let rto_ns = self.rtt.rto_ns(times.ack_delay_ns, times.min_rto_ns);
        let max_rto_ns = times.max_rto_ns;
        if !self.recovery.tail_probed {
            self.recovery.tail_probed = true;
            self.recovery.tail = self.window.get(oldest).map(|packet| Tail {
                path: packet.path,
                seq: packet.seq,
                sent_at: packet.sent_at,
                judge_at: Instant::NEVER,
            });
            self.recovery.rto_at = now.plus_nanos(rto_ns.min(max_rto_ns));
            self.probe_tail(oldest, shared);
        } else if now >= self.recovery.rto_at {
            self.recovery.backoff += 1;
            let wait_ns = rto_ns.saturating_mul(1 << self.recovery.backoff.min(32));
            self.recovery.rto_at = now.plus_nanos(wait_ns.min(max_rto_ns));
            shared.stats.rtos += 1;
            self.lose_everything(shared);
            self.pace.on_timeout(now, &shared.config);
            self.recovery.probes = 1;
        }
        scan.next_at = scan.next_at.min(self.recovery.rto_at);
    }

    fn probe_tail(&mut self, psn: Psn, shared: &mut Shared) {
        self.take_out_of_flight(psn, SentState::Lost, shared);
        self.recovery.probes = 1;
        shared.stats.losses_by_timeout += 1;
    }

    fn lose_everything(&mut self, shared: &mut Shared) {
        let mut busy = self.busy;
        while let Some(id) = busy.pop_first() {
            while let Some(psn) = self.paths.get(id).and_then(|path| path.in_flight.first()) {
                self.take_out_of_flight(psn, SentState::Lost, shared);
                shared.stats.losses_by_timeout += 1;
            }
        }
        self.sprayer.end_train();
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

    /// A path on which to ask whether the peer still lives, and the number of the question.
    pub(crate) fn ask_peer(&mut self, config: &Config) -> (u8, PathSeq) {
        let path = self.sprayer.for_control(&self.paths);
        (path, self.paths.open(path, config).take_seq())
    }

    /// The peer sends something again: it may not have heard what it was told of it. Rule P7.
    pub(crate) fn leave_control_path(&mut self) {
        self.sprayer.leave_control_path(&self.paths);
    }

    /// The path for a packet that needs no number.
    pub(crate) fn control_path(&mut self) -> u8 {
        self.sprayer.for_control(&self.paths)
    }

    /// When [`next_probe`](Self::next_probe) has something to do; may be early.
    #[inline]
    pub(crate) fn probe_due(&self) -> Instant {
        self.recovery.path_at
    }
}

/// However many timeouts there were, a peer is not given up before this fraction of the longest
/// silence: with the default two seconds, half of one.
const LEAST_SILENCE: u64 = 4;

/// What one look at all paths found.
struct Scan {
    next_at: Instant,
    oldest_silent: Option<(Instant, Psn)>,
    congested_bytes: u64,
    timed_out: Set256,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            next_at: Instant::NEVER,
            oldest_silent: None,
            congested_bytes: 0,
            timed_out: Set256::default(),
        }
    }
}
