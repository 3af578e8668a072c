//! What comes back: ACKs.
//!
//! Everything in an ACK is checked against what was sent before any of it is believed (rule A5).
//! Then, in this order: arrivals leave the window, paths learn how far they got, gaps on paths
//! become losses, and congestion control hears of it all once.

use super::{Sender, wire_bytes};
use crate::cc::AckSample;
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::ids::PeerId;
use crate::path::probe_timeout_ns;
use crate::psn::{PathSeq, Psn};
use crate::send_window::SentState;
use crate::shared::Shared;
use crate::time::Instant;
use crate::times::Times;
use crate::wire::{AckView, MAX_ACK_PATHS, Transmission};

/// An ACK whose numbers have been put back to full length and checked.
pub(super) struct Checked {
    cumulative: Psn,
    pub(super) trigger_seq: PathSeq,
    /// Of the path reports, in their order.
    pub(super) path_seqs: [PathSeq; MAX_ACK_PATHS],
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
        let limited = self.in_flight_bytes + wire_bytes(self.mtu) > self.pace.cwnd_bytes();
        let is_newest = self.take_credit(ack);
        let in_flight_before = self.in_flight_bytes;
        let acked_bytes = self.take_arrivals(now, checked.cumulative, ack, shared);
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
    fn take_arrivals(
        &mut self,
        now: Instant,
        cumulative: Psn,
        ack: AckView<'_>,
        shared: &mut Shared,
    ) -> u64 {
        let mut bytes = 0;
        while self.window.unacknowledged() < cumulative {
            bytes += self.arrived(now, self.window.unacknowledged(), shared);
        }
        for block in ack.blocks() {
            let number = cumulative.block() + u64::from(block.offset);
            let mut news = self.window.news(number, block.bits);
            while news != 0 {
                let psn = Psn::new(number * 64 + u64::from(news.trailing_zeros()));
                news &= news - 1;
                bytes += self.arrived(now, psn, shared);
            }
        }
        bytes
    }

    /// One packet has arrived: it needs nothing more.
    #[inline]
    fn arrived(&mut self, now: Instant, psn: Psn, shared: &mut Shared) -> u64 {
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
                    path.age_ns = now.nanos_since(sent_at);
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

    /// Rule C4: losses count as congestion where the path was congested, once per round trip.
    pub(super) fn react_to_loss(&mut self, now: Instant, congested_bytes: u64) {
        if congested_bytes > 0 {
            self.pace.on_loss(now, congested_bytes, self.in_flight_bytes);
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
        match state {
            SentState::Lost => self.window.insert_in_order(&mut self.lost, psn),
            _ => self.window.append(&mut self.refused, psn),
        }
        message
    }
}

/// Whether `number` comes after `reference`, around the wrap.
fn is_newer(number: u32, reference: u32) -> bool {
    let ahead = number.wrapping_sub(reference);
    ahead != 0 && ahead <= u32::MAX / 2
}

/// A round trip beyond this is a damaged or ancient timestamp: peers are dead long before.
const MAX_RTT_NS: u64 = 2_000_000_000;
