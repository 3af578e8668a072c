//! Counters and conditions, as snapshots by value.

use std::time::Duration;

use usrd_device::{Address, Capabilities, DeviceStats};
use usrd_proto::{Config, EndpointStats, PathStats, PeerStats};

use crate::Peer;

/// What an engine is made of; constant for its life.
#[derive(Clone, Debug)]
pub struct EngineInfo {
    /// What its completions call it, see [`Builder::id`](crate::Builder::id).
    pub id: u32,
    /// What remote engines connect to.
    pub local_address: Address,
    /// What the device can do.
    pub capabilities: Capabilities,
    /// Every constant of the protocol, as it is in use.
    pub config: Config,
}

/// What an engine has done since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// The protocol's counters.
    pub endpoint: EndpointStats,
    /// The driver's counters.
    pub driver: DriverStats,
    /// What the device has counted.
    pub device: DeviceStats,
    /// Peers there are.
    pub peers: usize,
    /// Of these, those that came by themselves and have not shown yet that they are where they say.
    pub peers_half_open: usize,
    /// Regions that are registered, or revoked and still in use.
    pub regions: usize,
    /// Sends and one-sided operations the protocol has taken that are not completed.
    pub sends_pending: usize,
    /// Receives that are posted and not completed.
    pub receives_posted: usize,
}

/// What a driver has done since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverStats {
    /// Turns of its loop.
    pub turns: u64,
    /// Times it slept.
    pub waits: u64,
    /// Batches of arrivals.
    pub receive_batches: u64,
    /// Datagrams in them.
    pub datagrams_received: u64,
    /// Batches handed to the device.
    pub transmit_batches: u64,
    /// Datagrams that the device took.
    pub datagrams_sent: u64,
    /// Batches that the device did not take whole.
    pub device_full: u64,
    /// Messages copied from bounce memory to the receive that was posted for them.
    pub bounce_copies: u64,
    /// Events that did not fit into the event queue.
    pub events_dropped: u64,
}

/// One peer, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Which.
    pub peer: Peer,
    /// Where it is.
    pub address: Address,
    /// How things stand with it.
    pub stats: PeerStats,
    /// How things stand with each path to it.
    pub paths: Vec<PathStats>,
}

/// How closing a peer went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerReport {
    /// Sends and one-sided operations with it that were not complete at the deadline. Each has completed
    /// with an error that says what is known of it.
    pub aborted: usize,
    /// How long it took.
    pub elapsed: Duration,
}

impl PeerReport {
    /// Whether everything that had been submitted is complete.
    pub const fn is_drained(&self) -> bool {
        self.aborted == 0
    }
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Sends and one-sided operations that were not complete at the deadline. Each has completed with an error.
    pub sends_aborted: usize,
    /// Receives that no message came for. Each has completed with an error, its buffer with it.
    pub receives_returned: usize,
    /// How long it took.
    pub elapsed: Duration,
}

impl ShutdownReport {
    /// Whether everything that had been submitted was sent and acknowledged.
    pub const fn is_drained(&self) -> bool {
        self.sends_aborted == 0
    }
}
