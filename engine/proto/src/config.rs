//! Every constant of the protocol, with the value that works where nothing better is known.

use core::time::Duration;

use crate::cc::{CcConfig, CcConfigError};

/// How an endpoint behaves. Both ends may differ; what must agree is agreed when they open.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Seed of all randomness: incarnations, first paths. Give each endpoint its own, from the
    /// operating system's generator; the same seed and the same inputs give the same outputs.
    pub seed: u64,
    /// Largest payload of a data packet, in bytes; the smaller of both ends' is used.
    pub mtu_bytes: u16,
    /// Largest payload before the peer's MTU is known, in bytes. Fits any Ethernet.
    pub open_mtu_bytes: u16,
    /// PSNs sent before the peer's receive window is known. Every window has 64; more saves a round
    /// trip of waiting on a fast network, if all peers are known to have them.
    pub open_credit_packets: u16,
    /// What the peer's device needs to find this one; opaque.
    pub locator: u16,
    /// How many paths to use, 1 to 256; the smaller of both ends' is used.
    pub paths: u16,
    /// Consecutive packets that take the same path: 1, or a segmentation-offload train.
    pub train_packets: u16,
    /// Most peers.
    pub max_peers: u32,
    /// Most peers that have come by themselves and have not yet shown that they are where they say.
    /// What others send is dropped meanwhile, and comes again.
    pub max_half_open: u32,
    /// Most messages that are submitted and not completed.
    pub max_pending_messages: u32,
    /// Most receives that are posted and not completed.
    pub max_posted_receives: u32,
    /// PSNs accepted beyond the lowest missing one: a power of two, 64 to 8,192.
    pub recv_window_packets: u16,
    /// How much of the receive window a peer may fill, in bytes; what the device can hold unpolled.
    pub recv_window_bytes: u64,
    /// Memory for messages that arrive before their receive is posted, and for the lists of READs,
    /// in bytes.
    pub bounce_bytes: u64,
    /// A tagged message up to this long is sent as it is; a longer one is announced, and pulled into
    /// its receive.
    pub eager_bytes: u32,
    /// Most immediates that have arrived and that the user has not taken.
    pub max_notifications: u32,
    /// Most operations of peers that are being carried out or answered here.
    pub max_served: u32,
    /// How long a sender waits after "receiver not ready".
    pub rnr_delay: Duration,
    /// A peer's turn when several have data to send, in bytes (deficit round robin).
    pub quantum_bytes: u32,
    /// A peer with nothing under way gives its windows back after this long.
    pub idle_after: Duration,
    /// A peer with which nothing has been under way for this long is asked to part, and both sides
    /// forget their context; zero: never. Longer than any packet can be on its way: what comes after
    /// that is taken for new.
    pub expire_after: Duration,
    /// When to acknowledge.
    pub ack: AckConfig,
    /// When a packet is lost.
    pub loss: LossConfig,
    /// When a path is bad.
    pub path: PathConfig,
    /// How fast to send.
    pub cc: CcConfig,
    /// Sending rate as a multiple of cwnd per SRTT, in percent; 0 turns pacing off.
    pub pacing_gain_percent: u32,
    /// Bytes that may leave back to back after a pause, when pacing.
    pub pacing_burst_bytes: u32,
}

/// When a receiver acknowledges. Rules A1 to A4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckConfig {
    /// After this many packets.
    pub every_packets: u32,
    /// Or after this many payload bytes.
    pub every_bytes: u32,
    /// Or this long after the first of them.
    pub max_delay: Duration,
    /// The end of a message is acknowledged this soon. Not at once: an answer that the
    /// application sends right away then leaves first, and the ends of several small messages
    /// share an ACK.
    pub message_end_delay: Duration,
}

/// When a sender takes a packet for lost. Rules L1 to L6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossConfig {
    /// A packet is lost once a packet this many transmissions later on its path has arrived.
    pub gap_packets: u32,
    /// The first reordering window of a path is its lowest RTT divided by this.
    pub reorder_divisor: u32,
    /// The step by which that window grows is the lowest RTT divided by this.
    pub reorder_step_divisor: u32,
    /// The window shrinks again after this many recoveries without a duplicate.
    pub reorder_decay_recoveries: u32,
    /// Round-trip time assumed before the first sample.
    pub initial_rtt: Duration,
    /// Least time before a packet without news is probed on another path.
    pub min_probe: Duration,
    /// Least retransmission timeout.
    pub min_rto: Duration,
    /// Most, after doubling.
    pub max_rto: Duration,
    /// A peer is dead after this many timeouts in a row and a quarter of `peer_dead_after`...
    pub max_rtos: u32,
    /// ...or when it has not answered for this long.
    pub peer_dead_after: Duration,
}

/// How paths are judged and chosen. Rules P1 to P7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathConfig {
    /// How the next path is chosen.
    pub spray: SprayPolicy,
    /// Penalty of a path for a CE mark; not by `Hybrid`.
    pub ce_penalty: u8,
    /// Penalty for a NACK.
    pub nack_penalty: u8,
    /// Penalty for a timeout.
    pub timeout_penalty: u8,
    /// The most that penalties add up to.
    pub max_penalty: u8,
    /// The first probe of a bad path waits this long; each further one twice as long.
    pub first_probe: Duration,
    /// The longest wait between two probes.
    pub last_probe: Duration,
    /// A bad path is good again after this many answers in a row.
    pub probe_successes: u8,
}

/// How the next path is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SprayPolicy {
    /// Always the same path, as ECMP does it for a connection.
    Single,
    /// All in turn, whatever they report.
    Oblivious,
    /// All in turn, skipping by penalty.
    Penalty,
    /// The same where only marks, refusals and time-outs earn penalties, not lateness.
    Bitmap,
    /// The path of a clean ACK again; otherwise all in turn.
    Reps,
    /// The path of a clean ACK again; otherwise all in turn, skipping by penalty. A mark earns none:
    /// it keeps its path from being used again at once, and where the network as a whole has too
    /// little room, all paths are marked, and to flee from one crowds the next.
    Hybrid,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            mtu_bytes: 4096,
            open_mtu_bytes: 1388,
            open_credit_packets: 64,
            locator: 0,
            paths: 128,
            train_packets: 1,
            max_peers: 1 << 20,
            max_half_open: 1 << 14,
            max_pending_messages: 1 << 20,
            max_posted_receives: 1 << 20,
            recv_window_packets: 4096,
            recv_window_bytes: 64 << 20,
            bounce_bytes: 16 << 20,
            eager_bytes: 64 << 10,
            max_notifications: 4096,
            max_served: 1 << 16,
            rnr_delay: Duration::from_micros(100),
            quantum_bytes: 16 << 10,
            idle_after: Duration::from_secs(1),
            expire_after: Duration::ZERO,
            ack: AckConfig::default(),
            loss: LossConfig::default(),
            path: PathConfig::default(),
            cc: CcConfig::default(),
            pacing_gain_percent: 200,
            pacing_burst_bytes: 64 << 10,
        }
    }
}

impl Default for AckConfig {
    fn default() -> Self {
        Self {
            every_packets: 4,
            every_bytes: 16 << 10,
            max_delay: Duration::from_micros(8),
            message_end_delay: Duration::from_micros(2),
        }
    }
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            gap_packets: 3,
            reorder_divisor: 8,
            reorder_step_divisor: 4,
            reorder_decay_recoveries: 16,
            initial_rtt: Duration::from_micros(100),
            min_probe: Duration::from_micros(30),
            min_rto: Duration::from_micros(100),
            max_rto: Duration::from_secs(1),
            max_rtos: 8,
            peer_dead_after: Duration::from_secs(2),
        }
    }
}

impl Default for PathConfig {
    fn default() -> Self {
        Self {
            spray: SprayPolicy::Hybrid,
            ce_penalty: 1,
            nack_penalty: 4,
            timeout_penalty: 15,
            max_penalty: 15,
            first_probe: Duration::from_micros(50),
            last_probe: Duration::from_secs(1),
            probe_successes: 3,
        }
    }
}

/// The largest receive window: the sets of SACK blocks name a block by its number modulo 256, and
/// a window must not reach the same name twice.
pub const MAX_RECV_WINDOW_PACKETS: u16 = 8_192;

/// What every sender may rely on before it has heard of its peer.
const MIN_WINDOW_PACKETS: u16 = 64;

const _: () = assert!(MAX_RECV_WINDOW_PACKETS as usize / 64 < 256);

impl Config {
    /// How many full packets a peer may have under way, whatever they are, as far as PSNs and
    /// device go.
    pub(crate) fn window_packets(&self) -> u16 {
        let packets = self.recv_window_bytes / u64::from(self.mtu_bytes);
        packets.clamp(MIN_WINDOW_PACKETS.into(), self.recv_window_packets.into()) as u16
    }

    /// Whether every value can work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let window = self.recv_window_packets;
        if !window.is_power_of_two()
            || !(MIN_WINDOW_PACKETS..=MAX_RECV_WINDOW_PACKETS).contains(&window)
        {
            return Err(ConfigError::RecvWindow { packets: window });
        }
        if !(1..=256).contains(&self.paths) {
            return Err(ConfigError::Paths { paths: self.paths });
        }
        if self.mtu_bytes == 0 || self.open_mtu_bytes == 0 {
            return Err(ConfigError::Zero { name: "mtu_bytes and open_mtu_bytes" });
        }
        if !self.expire_after.is_zero() && self.expire_after < self.idle_after {
            return Err(ConfigError::ExpireOrder);
        }
        if self.max_half_open == 0 {
            return Err(ConfigError::Zero { name: "max_half_open" });
        }
        if self.open_credit_packets == 0 {
            return Err(ConfigError::Zero { name: "open_credit_packets" });
        }
        if self.train_packets == 0 {
            return Err(ConfigError::Zero { name: "train_packets" });
        }
        if self.ack.every_packets == 0 || self.ack.every_bytes == 0 {
            return Err(ConfigError::Zero { name: "ack.every_packets and ack.every_bytes" });
        }
        let loss = &self.loss;
        if loss.gap_packets == 0 || loss.reorder_divisor == 0 || loss.reorder_step_divisor == 0 {
            return Err(ConfigError::Zero { name: "loss.gap_packets and the divisors" });
        }
        if loss.initial_rtt.is_zero() || loss.min_rto.is_zero() || loss.max_rtos == 0 {
            return Err(ConfigError::Zero { name: "loss.initial_rtt, min_rto and max_rtos" });
        }
        if loss.min_rto > loss.max_rto {
            return Err(ConfigError::RtoOrder);
        }
        if self.path.first_probe.is_zero() || self.path.first_probe > self.path.last_probe {
            return Err(ConfigError::ProbeOrder);
        }
        if self.path.probe_successes == 0 || self.quantum_bytes == 0 {
            return Err(ConfigError::Zero { name: "path.probe_successes and quantum_bytes" });
        }
        Ok(self.cc.validate()?)
    }
}

/// A value that cannot work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// See the message.
    #[error("recv_window_packets is {packets}; it must be a power of two from 64 to 8192")]
    RecvWindow {
        /// What was given.
        packets: u16,
    },
    /// See the message.
    #[error("paths is {paths}; it must be 1 to 256")]
    Paths {
        /// What was given.
        paths: u16,
    },
    /// See the message.
    #[error("{name} must not be zero")]
    Zero {
        /// The field or fields.
        name: &'static str,
    },
    /// See the message.
    #[error("loss.min_rto is larger than loss.max_rto")]
    RtoOrder,
    /// See the message.
    #[error("expire_after must be zero or at least idle_after")]
    ExpireOrder,
    /// See the message.
    #[error("path.first_probe must be more than zero and at most path.last_probe")]
    ProbeOrder,
    /// A value of the congestion controller.
    #[error("cc: {0}")]
    Cc(#[from] CcConfigError),
}
