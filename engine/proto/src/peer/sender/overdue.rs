//! Packets that nobody has answered: timeouts, the tail probe, RTOs, the end of a peer. Rules L2, L4
//! and L5.
//!
//! The order of suspicion:
//! 1. *Path gap*: later packets on the same path have arrived. That path lost it. (In `gaps`.)
//! 2. *Path timeout*: the peer answers, and this path has been silent for longer than its round
//!    trips explain. The path is under suspicion; what it carried leaves on others.
//! 3. *Tail probe*: nobody answers. The oldest packet leaves again on another path, once, asking
//!    for an ACK.
//! 4. *RTO*: still nobody. Everything in flight counts as lost, the window collapses, and the wait
//!    doubles.
//! 5. *Death*: too many RTOs, or too long a silence.

use super::recovery::Tail;
use super::{Sender, wire_bytes};
use crate::config::Config;
use crate::ids::PeerId;
use crate::psn::Psn;
use crate::send_window::{SentPacket, SentState};
use crate::set256::Set256;
use crate::shared::Shared;
use crate::time::Instant;

/// What a timer brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerOutcome {
    /// Packets may be ready to leave.
    Alive,
    /// The peer does not answer.
    Dead,
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
        self.react_to_loss(now, scan.congested_bytes);
        self.suspect_paths(now, peer, scan.timed_out, shared);
        if let Some(oldest) = scan.oldest_silent {
            self.prefer_others(scan.silent, &shared.config);
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
            && oldest.sends == 1
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
                    scan.silent.insert(path);
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
        path.map_or(0, |path| path.rtt.srtt_ns() + path.reorder_ns(loss, self.packet_ns.into()))
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
            self.pace.on_timeout(now);
            self.recovery.probes = PROBES_PER_RTO;
        }
        scan.next_at = scan.next_at.min(self.recovery.rto_at);
    }

    /// Nobody can say whether it was these paths, but what is sent now had better try others: a path
    /// that never answered has no points for being late. Rule L4.
    fn prefer_others(&mut self, mut silent: Set256, config: &Config) {
        while let Some(id) = silent.pop_first() {
            if let Some(path) = self.paths.get_mut(id) {
                path.add_penalty(&config.path, config.path.timeout_penalty);
            }
        }
    }

    fn probe_tail(&mut self, psn: Psn, shared: &mut Shared) {
        self.take_out_of_flight(psn, SentState::Lost, shared);
        self.recovery.probes = 1;
        shared.stats.losses_by_timeout += 1;
    }

    /// The peer is somewhere else: nothing that was sent has arrived there, its paths are other ones, and
    /// its silence begins now. Rule O10.
    pub(crate) fn start_afresh(&mut self, now: Instant, shared: &mut Shared) {
        self.lose_everything(shared);
        self.paths.make_all_good();
        self.recovery.on_moved(now, PROBES_PER_RTO);
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
}

/// However many timeouts there were, a peer is not given up before this fraction of the longest
/// silence: with the default two seconds, half of one.
const LEAST_SILENCE: u64 = 4;

/// Packets that leave at an RTO whatever the window says, on as many paths: half of them may be dead.
/// As in RFC 9002, section 6.2.4.
const PROBES_PER_RTO: u8 = 2;

/// What one look at all paths found.
struct Scan {
    next_at: Instant,
    oldest_silent: Option<(Instant, Psn)>,
    congested_bytes: u64,
    timed_out: Set256,
    silent: Set256,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            next_at: Instant::NEVER,
            oldest_silent: None,
            congested_bytes: 0,
            timed_out: Set256::default(),
            silent: Set256::default(),
        }
    }
}
