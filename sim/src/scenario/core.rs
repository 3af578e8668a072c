//! The protocol's options, under the names that the field uses.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use usrd_proto::cc::Algorithm;
use usrd_proto::wire::DATA_HEADER_BYTES;
use usrd_proto::{Config, Service, SprayPolicy};

use super::Scenario;
use crate::baseline::Kind;
use crate::time::Time;
use crate::units::Bytes;

/// Options of every endpoint. What is absent keeps the core's own default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoreOptions {
    /// Largest payload of a packet.
    pub mtu: Bytes,
    /// How many paths.
    pub paths: u16,
    /// How the next path is chosen.
    pub spray: Option<SprayKey>,
    /// The congestion controller.
    pub controller: ControllerKey,
    /// The window of the `fixed` controller.
    pub window: Option<Bytes>,
    /// The largest window of the other controllers.
    pub max_window: Option<Bytes>,
    /// The round trip that the controller takes for undisturbed; by default the topology's.
    pub base_rtt: Option<Time>,
    /// Acknowledge after this many packets.
    pub ack_packets: Option<u32>,
    /// Acknowledge after this many bytes.
    pub ack_bytes: Option<Bytes>,
    /// Acknowledge after this time.
    pub ack_delay: Option<Time>,
    /// PSNs accepted beyond the lowest missing one.
    pub recv_window_packets: Option<u16>,
    /// Memory for messages without a posted receive.
    pub bounce: Option<Bytes>,
    /// Pacing rate as a share of cwnd per RTT, in percent; 0 turns pacing off.
    pub pacing_percent: Option<u32>,
    /// Whether receivers with several backlogged senders grant what each may send.
    pub receiver_credits: bool,
    /// Least retransmission timeout.
    pub min_rto: Option<Time>,
    /// Least time before a packet without news is probed on another path.
    pub min_probe: Option<Time>,
    /// How long the first probe of a bad path waits.
    pub first_probe: Option<Time>,
    /// After how long without anything under way two hosts forget each other; by default never.
    pub expire_after: Option<Time>,
    /// Most operations of peers that are carried out or answered at a time.
    pub max_served: Option<u32>,
    /// Most immediates that wait for the program.
    pub max_notifications: Option<u32>,
    /// Most peers that have come by themselves and have not been heard of since.
    pub max_half_open: Option<u32>,
    /// The longest tagged message that is sent without being asked for.
    pub eager: Option<Bytes>,
    /// How much of the receive window a peer may fill.
    pub recv_window: Option<Bytes>,
    /// A peer's turn when several have data to send.
    pub quantum: Option<Bytes>,
    /// Consecutive packets that take the same path.
    pub train_packets: Option<u16>,
    /// How long a sender waits after a refusal for want of room.
    pub rnr_delay: Option<Time>,
    /// After how long without anything under way a peer gives its windows back.
    pub idle_after: Option<Time>,
}

impl Default for CoreOptions {
    fn default() -> Self {
        let core = Config::default();
        Self {
            mtu: Bytes(core.mtu_bytes.into()),
            paths: core.paths,
            spray: None,
            controller: ControllerKey::default(),
            window: None,
            max_window: None,
            base_rtt: None,
            ack_packets: None,
            ack_bytes: None,
            ack_delay: None,
            recv_window_packets: None,
            bounce: None,
            pacing_percent: None,
            receiver_credits: false,
            min_rto: None,
            min_probe: None,
            first_probe: None,
            expire_after: None,
            max_served: None,
            max_notifications: None,
            max_half_open: None,
            eager: None,
            recv_window: None,
            quantum: None,
            train_packets: None,
            rnr_delay: None,
            idle_after: None,
        }
    }
}

/// What the hosts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportKey {
    /// The protocol core: reliable, unordered.
    #[default]
    Srd,
    /// The protocol core: reliable, ordered.
    Rd,
    /// The protocol core: neither.
    Ud,
    /// RDMA's reliable connection: one path, go-back-N, DCQCN.
    Rc,
    /// The same with selective repeat.
    RcSr,
    /// TCP: one path, SACK, CUBIC.
    Tcp,
}

impl TransportKey {
    /// What carries a message that does not say otherwise.
    pub const fn service(self) -> ServiceKey {
        match self {
            Self::Srd => ServiceKey::Srd,
            Self::Rd => ServiceKey::Rd,
            Self::Ud => ServiceKey::Ud,
            Self::Rc => ServiceKey::Rc,
            Self::RcSr => ServiceKey::RcSr,
            Self::Tcp => ServiceKey::Tcp,
        }
    }

    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        self.service().name()
    }

    /// Which of the transports it is that SRD is compared with, if it is one.
    pub const fn baseline(self) -> Option<Kind> {
        match self {
            Self::Srd | Self::Rd | Self::Ud => None,
            Self::Rc => Some(Kind::Rc),
            Self::RcSr => Some(Kind::RcSr),
            Self::Tcp => Some(Kind::Tcp),
        }
    }
}

/// How messages are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKey {
    /// Reliable, unordered.
    #[default]
    Srd,
    /// Reliable, ordered.
    Rd,
    /// Neither.
    Ud,
    /// All of the transport `rc`: reliable, ordered in each flow.
    Rc,
    /// All of the transport `rc-sr`: the same.
    RcSr,
    /// All of the transport `tcp`: the same.
    Tcp,
}

impl ServiceKey {
    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Srd => "srd",
            Self::Rd => "rd",
            Self::Ud => "ud",
            Self::Rc => "rc",
            Self::RcSr => "rc-sr",
            Self::Tcp => "tcp",
        }
    }

    /// Whether it is one of the core's.
    pub const fn is_of_core(self) -> bool {
        matches!(self, Self::Srd | Self::Rd | Self::Ud)
    }
}

impl From<ServiceKey> for Service {
    fn from(key: ServiceKey) -> Self {
        match key {
            ServiceKey::Srd => Self::Srd,
            // What a connection is told makes no difference to it.
            ServiceKey::Rd | ServiceKey::Rc | ServiceKey::RcSr | ServiceKey::Tcp => Self::Rd,
            ServiceKey::Ud => Self::Ud,
        }
    }
}

/// How the next path is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SprayKey {
    /// Always the same.
    Single,
    /// All in turn.
    Oblivious,
    /// All in turn, skipping by penalty.
    Penalty,
    /// The same where lateness is no reason.
    Bitmap,
    /// Paths of clean ACKs again.
    Reps,
    /// REPS, then by penalty.
    Hybrid,
}

impl From<SprayKey> for SprayPolicy {
    fn from(key: SprayKey) -> Self {
        match key {
            SprayKey::Single => Self::Single,
            SprayKey::Oblivious => Self::Oblivious,
            SprayKey::Penalty => Self::Penalty,
            SprayKey::Bitmap => Self::Bitmap,
            SprayKey::Reps => Self::Reps,
            SprayKey::Hybrid => Self::Hybrid,
        }
    }
}

/// The congestion controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerKey {
    /// Window, by delay and ECN.
    #[default]
    Nscc,
    /// Window, by delay.
    Swift,
    /// A window that never changes.
    Fixed,
}

impl From<ControllerKey> for Algorithm {
    fn from(key: ControllerKey) -> Self {
        match key {
            ControllerKey::Nscc => Self::Nscc,
            ControllerKey::Swift => Self::Swift,
            ControllerKey::Fixed => Self::Fixed,
        }
    }
}

impl Scenario {
    /// The configuration of every endpoint, but for its seed.
    ///
    /// Only for a scenario whose MTU has been checked.
    pub fn core_config(&self) -> Config {
        let core = &self.core;
        let mut config = Config {
            mtu_bytes: core.mtu.0 as u16,
            // Every host of a scenario has the same MTU and window, so the first packets may be as
            // large and as many.
            open_mtu_bytes: core.mtu.0 as u16,
            paths: core.paths,
            max_peers: self.topology.hosts,
            ..Config::default()
        };
        set(&mut config.path.spray, core.spray.map(SprayPolicy::from));
        set(&mut config.ack.every_packets, core.ack_packets);
        set(&mut config.ack.every_bytes, core.ack_bytes.map(|bytes| bytes.0 as u32));
        set(&mut config.ack.max_delay, core.ack_delay.map(duration));
        set(&mut config.recv_window_packets, core.recv_window_packets);
        set(&mut config.bounce_bytes, core.bounce.map(|bytes| bytes.0));
        set(&mut config.pacing_gain_percent, core.pacing_percent);
        set(&mut config.loss.min_rto, core.min_rto.map(duration));
        set(&mut config.loss.min_probe, core.min_probe.map(duration));
        set(&mut config.path.first_probe, core.first_probe.map(duration));
        set(&mut config.max_served, core.max_served);
        set(&mut config.max_notifications, core.max_notifications);
        set(&mut config.max_half_open, core.max_half_open);
        set(&mut config.eager_bytes, core.eager.map(|bytes| bytes.0 as u32));
        set(&mut config.recv_window_bytes, core.recv_window.map(|bytes| bytes.0));
        set(&mut config.quantum_bytes, core.quantum.map(|bytes| bytes.0 as u32));
        set(&mut config.train_packets, core.train_packets);
        set(&mut config.rnr_delay, core.rnr_delay.map(duration));
        set(&mut config.idle_after, core.idle_after.map(duration));
        if let Some(expire_after) = core.expire_after.map(duration) {
            config.expire_after = expire_after;
            config.idle_after = config.idle_after.min(expire_after);
        }
        config.open_credit_packets = config.recv_window_packets;
        // Every window has so many, however few bytes may fill it.
        if core.recv_window.is_some() {
            config.open_credit_packets =
                config.open_credit_packets.min(Config::default().open_credit_packets);
        }
        config.loss.initial_rtt = duration(self.base_rtt()).max(config.loss.initial_rtt);
        self.set_controller(&mut config);
        config
    }

    /// The wire bytes of a full data packet.
    pub fn packet_bytes(&self) -> u64 {
        self.core.mtu.0 + DATA_HEADER_BYTES as u64 + self.links.overhead.0
    }

    /// A full packet there and a short one back, on the slowest path between the hosts that are
    /// farthest apart, in an empty network.
    pub fn base_rtt(&self) -> Time {
        let slowest = self.links.path_delay.map_or(Time::ZERO, |delay| delay.max);
        let (from, to) = self.network().farthest();
        self.round_trip(from, to) + slowest + slowest
    }

    /// The same between two hosts on the fastest path.
    pub fn least_rtt(&self, from: u32, to: u32) -> Time {
        let fastest = self.links.path_delay.map_or(Time::ZERO, |delay| delay.min);
        self.round_trip(from, to) + fastest + fastest
    }

    fn round_trip(&self, from: u32, to: u32) -> Time {
        let (network, ack) = (self.network(), self.ack_bytes());
        network.one_way(from, to, self.packet_bytes()) + network.one_way(to, from, ack)
    }

    /// The extra delay of a path.
    pub fn path_delay(&self, path: u16) -> Time {
        let Some(delay) = self.links.path_delay else {
            return Time::ZERO;
        };
        let last = u64::from(self.core.paths.max(2) - 1);
        let span = (delay.max - delay.min).as_ps();
        delay.min + Time::from_ps(span / last * u64::from(path).min(last))
    }

    /// About the size of an ACK: its fixed part and a SACK block or two.
    fn ack_bytes(&self) -> u64 {
        TYPICAL_ACK_BYTES + self.links.overhead.0
    }

    fn set_controller(&self, config: &mut Config) {
        let core = &self.core;
        config.cc.algorithm = core.controller.into();
        config.cc.link_bps = self.links.rate.bps;
        config.cc.trimming = self.links.trimming;
        config.cc.receiver_credits = core.receiver_credits;
        config.cc.base_rtt = duration(core.base_rtt.unwrap_or_else(|| self.base_rtt()));
        config.cc.mtu_bytes = (core.mtu.0 + DATA_HEADER_BYTES as u64) as u32;
        config.cc.max_cwnd_bytes = core.max_window.map(|bytes| bytes.0);
        set(&mut config.cc.fixed_cwnd_bytes, core.window.map(|bytes| bytes.0));
    }
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

fn duration(time: Time) -> Duration {
    Duration::from_nanos(time.as_ns())
}

const TYPICAL_ACK_BYTES: u64 = 60;
