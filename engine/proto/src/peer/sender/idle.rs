//! What a sender goes on from after a pause.

use super::{SEND_WINDOW_PACKETS, Sender, packet_ns};
use crate::config::Config;
use crate::loss::rtt::RttEstimator;
use crate::path::{PathTable, SprayPosition, Sprayer, probe_timeout_ns};
use crate::peer::Fresh;
use crate::psn::{PathSeq, Psn};
use crate::send_window::{PacketList, SendWindow};
use crate::set256::Set256;
use crate::stats::PeerStats;
use crate::time::Instant;

/// See the module's head.
#[derive(Clone, Debug)]
pub(crate) struct IdleSender {
    next_psn: Psn,
    /// No path was numbered so far.
    next_seq: PathSeq,
    credit: Psn,
    rtt: RttEstimator,
    retransmissions: u64,
    spurious: u32,
    peer_window: u32,
    next_message: u32,
    next_order: u32,
    next_tagged: u32,
    newest_ack: u32,
    reported_duplicates: u16,
    mtu: u16,
    paths: u16,
    spray: SprayPosition,
}

impl IdleSender {
    /// Nothing has been sent, and nothing is known. `first_path` should differ from peer to peer.
    pub(crate) fn new(config: &Config, first_path: u8) -> Self {
        Self {
            next_psn: Psn::ZERO,
            next_seq: PathSeq::ZERO,
            credit: Psn::new(config.open_credit_packets.into()),
            rtt: RttEstimator::new(config.loss.initial_rtt),
            retransmissions: 0,
            spurious: 0,
            peer_window: config.open_credit_packets.into(),
            next_message: 0,
            next_order: 0,
            next_tagged: 0,
            newest_ack: 0,
            reported_duplicates: 0,
            mtu: config.mtu_bytes.min(config.open_mtu_bytes),
            paths: config.paths,
            spray: SprayPosition::new(first_path),
        }
    }

    pub(crate) fn stats(&self) -> PeerStats {
        let has_sample = self.rtt.has_sample();
        PeerStats {
            mtu_bytes: self.mtu.into(),
            srtt_ns: if has_sample { self.rtt.srtt_ns() } else { 0 },
            min_rtt_ns: if has_sample { self.rtt.min_ns() } else { 0 },
            paths_good: self.paths.into(),
            retransmissions: self.retransmissions,
            spurious_retransmissions: self.spurious.into(),
            ..PeerStats::default()
        }
    }
}

impl Sender {
    pub(crate) fn wake(idle: &IdleSender, fresh: &Fresh) -> Self {
        let Fresh { config, times, pace } = fresh;
        Self {
            window: SendWindow::starting_at(idle.next_psn, SEND_WINDOW_PACKETS),
            queue: Default::default(),
            transfers: Default::default(),
            datagrams: Default::default(),
            lost: PacketList::EMPTY,
            refused: PacketList::EMPTY,
            paths: PathTable::new(idle.paths, idle.next_seq),
            sprayer: Sprayer::new(config.path.spray, config.train_packets, idle.spray),
            pace: pace.clone(),
            recovery: super::Recovery::new(probe_timeout_ns(times, &idle.rtt)),
            rtt: idle.rtt.clone(),
            reports: Default::default(),
            credit: idle.credit,
            in_flight_bytes: 0,
            not_ready_until: Instant::ZERO,
            mtu: idle.mtu,
            packet_ns: packet_ns(config, idle.mtu),
            peer_window: idle.peer_window,
            next_message: idle.next_message,
            next_order: idle.next_order,
            next_tagged: idle.next_tagged,
            newest_ack: idle.newest_ack,
            reported_duplicates: idle.reported_duplicates,
            busy: Set256::default(),
            overtaken: Set256::default(),
            retransmissions: idle.retransmissions,
            spurious: idle.spurious,
        }
    }

    /// What is to be kept of a sender that [`may_rest`](Self::may_rest), or shown of one.
    pub(crate) fn rest(&self) -> IdleSender {
        IdleSender {
            next_psn: self.window.next_psn(),
            next_seq: self.paths.next_unused_seq(),
            credit: self.credit,
            rtt: self.rtt.clone(),
            retransmissions: self.retransmissions,
            spurious: self.spurious,
            peer_window: self.peer_window,
            next_message: self.next_message,
            next_order: self.next_order,
            next_tagged: self.next_tagged,
            newest_ack: self.newest_ack,
            reported_duplicates: self.reported_duplicates,
            mtu: self.mtu,
            paths: self.paths.count(),
            spray: self.sprayer.position(),
        }
    }

    /// Whether nothing is pending, or waited for.
    pub(crate) fn may_rest(&self) -> bool {
        self.is_idle() && self.not_ready_until == Instant::ZERO
    }

    pub(crate) fn stats(&self) -> PeerStats {
        PeerStats {
            cwnd_bytes: self.pace.cwnd_bytes(),
            in_flight_bytes: self.in_flight_bytes,
            paths_good: self.paths.good().into(),
            ..self.rest().stats()
        }
    }
}
