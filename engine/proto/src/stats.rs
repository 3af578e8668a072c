//! Counters, taken as snapshots by value.

use crate::drop_reason::DropReason;
use crate::ids::PathId;
use crate::path::PathState;

/// What one endpoint has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointStats {
    /// Data packets sent, retransmissions included.
    pub data_packets_sent: u64,
    /// Payload bytes in them.
    pub payload_bytes_sent: u64,
    /// Data packets accepted.
    pub data_packets_received: u64,
    /// Payload bytes in them.
    pub payload_bytes_received: u64,
    /// Packets sent again.
    pub retransmissions: u64,
    /// Packets that the receiver had already when they were sent again, as it reports.
    pub spurious_retransmissions: u64,
    /// Packets found lost by a gap on their path.
    pub losses_by_path_gap: u64,
    /// Packets found lost by time, a tail-loss probe included.
    pub losses_by_timeout: u64,
    /// Packets refused by the receiver.
    pub nacks_received: u64,
    /// Retransmission timeouts of a whole peer.
    pub rtos: u64,
    /// ACKs sent.
    pub acks_sent: u64,
    /// ACKs accepted.
    pub acks_received: u64,
    /// Data packets that arrived marked CE.
    pub ce_marks_received: u64,
    /// Messages sent to completion.
    pub messages_sent: u64,
    /// Messages delivered.
    pub messages_received: u64,
    /// Messages that arrived before their receive was posted.
    pub unexpected_messages: u64,
    /// Tagged messages of this side's that were announced, and that their receivers have asked for.
    pub messages_pulled: u64,
    /// One-sided operations of this side's that have succeeded.
    pub transfers_completed: u64,
    /// Transfers of peers' that were written here, whole.
    pub writes_received: u64,
    /// READs of peers' that this side began to answer.
    pub reads_served: u64,
    /// Atomics of peers' that were carried out.
    pub atomics_served: u64,
    /// Pieces of answers that came after their operation was over.
    pub stale_answers: u64,
    /// Operations that their user has taken back, whether it was in time or not.
    pub cancellations: u64,
    /// Contexts that have ended because nothing was under way for long.
    pub contexts_expired: u64,
    /// Datagrams that changed nothing, by [`DropReason::index`].
    pub drops: [u64; DropReason::COUNT],
}

impl EndpointStats {
    /// Name and count of each reason that occurred.
    pub fn drops_by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DropReason::NAMES.into_iter().zip(self.drops).filter(|&(_, count)| count > 0)
    }
}

/// One peer, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// Whether the peer's context is known.
    pub established: bool,
    /// Largest payload of a packet, as agreed, in bytes.
    pub mtu_bytes: u32,
    /// Congestion window, in bytes.
    pub cwnd_bytes: u64,
    /// Sent and not known to have arrived or been lost, headers included, in bytes.
    pub in_flight_bytes: u64,
    /// Smoothed round-trip time, in nanoseconds; 0 before the first sample.
    pub srtt_ns: u64,
    /// Lowest recent round-trip time, in nanoseconds; 0 before the first sample.
    pub min_rtt_ns: u64,
    /// Paths that are in use.
    pub paths_good: u32,
    /// Messages not yet completed.
    pub messages_pending: u32,
    /// Packets sent again.
    pub retransmissions: u64,
    /// Of those, how many the receiver had already.
    pub spurious_retransmissions: u64,
}

/// One path, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathStats {
    /// Which.
    pub path: PathId,
    /// What it is thought of.
    pub state: PathState,
    /// Packets sent on it.
    pub packets_sent: u64,
    /// Packets on it that were found lost.
    pub packets_lost: u64,
    /// Smoothed round-trip time, in nanoseconds; 0 before the first sample.
    pub srtt_ns: u64,
}
