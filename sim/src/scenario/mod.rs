//! A scenario: everything about an experiment except its seed, as a TOML file.
//!
//! Reading has two steps. The shape (keys, types, units) is checked while the file is read; whether
//! the values make sense together is checked afterwards, in `validate`. Both kinds of error name
//! the line.

mod baseline;
mod core;
mod document;
mod faults;
mod load;
mod packets;
mod planned;
mod topology;
mod validate;

use std::sync::Arc;

use serde::Deserialize;

use crate::event::QueueKind;
use crate::time::Time;
use crate::topology::Network;
use crate::workload::Workload;

pub use self::baseline::BaselineOptions;
pub use self::core::{ControllerKey, CoreOptions, ServiceKey, SprayKey, TransportKey};
pub use self::document::{Document, shown, value_of};
pub use self::faults::{Burst, Direction, Faults, LinkFaults, Odds};
pub(crate) use self::load::Fault;
pub use self::load::ScenarioError;
pub use self::packets::PacketFault;
pub use self::planned::{FaultAction, FaultEvent, FaultKind, FaultStep};
pub use self::topology::{CableKey, Links, PathDelay, Routing, Topology, TopologyKind};
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
    /// Which event queue; they differ in speed only.
    #[serde(default)]
    pub event_queue: QueueKind,
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
    /// How messages are carried.
    #[serde(default)]
    pub transport: TransportKey,
    /// The protocol's options.
    #[serde(default)]
    pub core: CoreOptions,
    /// The options of what it is compared with.
    #[serde(default)]
    pub baseline: BaselineOptions,
    /// What the hosts are like.
    #[serde(default)]
    pub host: HostOptions,
    /// Who sends what to whom.
    pub workload: Workload,
    /// The network, laid out when the scenario is read.
    #[serde(skip)]
    network: Arc<Network>,
}

impl Scenario {
    /// The network, laid out.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }
}

/// What the hosts are like; all are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostOptions {
    /// How long a placement takes after its packet's arrival.
    pub placement_delay: Time,
    /// How many packets the network interface holds; more stay with the protocol.
    pub nic_packets: u32,
    /// How long its program leaves an immediate that it was told untaken.
    pub notice_delay: Time,
}

impl Default for HostOptions {
    fn default() -> Self {
        // One on the wire and one ready to follow it: the line is never idle for want of a packet,
        // and what waits, waits where the protocol still can choose.
        Self { placement_delay: Time::ZERO, nic_packets: 2, notice_delay: Time::ZERO }
    }
}

fn default_seed() -> u64 {
    1
}
