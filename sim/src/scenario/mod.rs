//! A scenario: everything about an experiment except its seed, as a TOML file.
//!
//! Reading has two steps. The shape (keys, types, units) is checked while the file is read; whether
//! the values make sense together is checked afterwards, in `validate`. Both kinds of error name
//! the line.

mod core;
mod load;
mod validate;

use serde::Deserialize;

use crate::time::Time;
use crate::units::{Bytes, Probability, Rate};
use crate::workload::Workload;

pub use self::core::{ControllerKey, CoreOptions, ServiceKey, SprayKey};
pub(crate) use self::load::Fault;
pub use self::load::ScenarioError;
pub(crate) use self::validate::{Check, require};

/// One experiment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What reports call it.
    pub name: String,
    /// The seed if the command line gives none.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What is not done by then is a violation of liveness.
    pub end: Time,
    /// Whether packets carry real bytes, which are compared on delivery.
    #[serde(default)]
    pub integrity: bool,
    /// Hosts and how they are connected.
    pub topology: Topology,
    /// What the links are like.
    pub links: Links,
    /// What goes wrong on them.
    #[serde(default)]
    pub faults: Faults,
    /// The protocol's options.
    #[serde(default)]
    pub core: CoreOptions,
    /// What the hosts are like.
    #[serde(default)]
    pub host: HostOptions,
    /// Who sends what to whom.
    pub workload: Workload,
}

/// Hosts and how they are connected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The shape.
    pub kind: TopologyKind,
    /// How many hosts.
    pub hosts: u32,
}

/// The shape of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyKind {
    /// Every host has one link up to, and one link down from, the only switch.
    Star,
}

/// What the links are like; all are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// How fast.
    pub rate: Rate,
    /// How long a bit takes from end to end.
    pub latency: Time,
    /// How much a switch port queues before it drops.
    pub queue: Bytes,
    /// A queue this long marks ECN-capable packets when they leave it...
    pub ecn_min: Option<Bytes>,
    /// ...and one this long marks all, with a rising share in between. Absent: all from `ecn_min`.
    pub ecn_max: Option<Bytes>,
    /// What each packet takes on the wire beyond what the protocol sends.
    #[serde(default)]
    pub overhead: Bytes,
    /// How the paths differ.
    pub path_delay: Option<PathDelay>,
}

/// Extra delay of the paths, in even steps from the first path to the last.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathDelay {
    /// Of path 0.
    pub min: Time,
    /// Of the last path.
    pub max: Time,
}

/// What goes wrong: on all links, or on those named.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// A packet is lost this often.
    #[serde(default)]
    pub loss: Probability,
    /// A packet arrives twice this often.
    #[serde(default)]
    pub duplication: Probability,
    /// A packet is held up this often, so that later ones overtake it.
    #[serde(default)]
    pub reorder: Probability,
    /// For how long at most.
    #[serde(default)]
    pub reorder_delay: Time,
    /// Links with faults of their own, which replace the ones above.
    #[serde(default)]
    pub link: Vec<LinkFaults>,
}

/// What goes wrong on one link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkFaults {
    /// Whose link.
    pub host: u32,
    /// Which of its two.
    pub direction: Direction,
    /// See [`Faults::loss`].
    #[serde(default)]
    pub loss: Probability,
    /// See [`Faults::duplication`].
    #[serde(default)]
    pub duplication: Probability,
    /// See [`Faults::reorder`].
    #[serde(default)]
    pub reorder: Probability,
    /// See [`Faults::reorder_delay`].
    #[serde(default)]
    pub reorder_delay: Time,
}

/// One of a host's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the host.
    Up,
    /// To the host.
    Down,
}

/// What the hosts are like; all are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostOptions {
    /// How long a placement takes after its packet's arrival.
    pub placement_delay: Time,
    /// How many packets the network interface holds; more stay with the protocol.
    pub nic_packets: u32,
}

impl Default for HostOptions {
    fn default() -> Self {
        // One on the wire and one ready to follow it: the line is never idle for want of a packet,
        // and what waits, waits where the protocol still can choose.
        Self { placement_delay: Time::ZERO, nic_packets: 2 }
    }
}

fn default_seed() -> u64 {
    1
}
