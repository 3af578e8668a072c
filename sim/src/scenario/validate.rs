//! Whether the values of a scenario make sense together. Each check names the key at fault.

use usrd_proto::wire::{DATA_HEADER_BYTES, MAX_HEADER_BYTES};

use super::load::Fault;
use super::{ControllerKey, Scenario, TopologyKind};
use crate::traffic::ideal_span;

pub(crate) type Check = Result<(), Fault>;

impl Scenario {
    /// The first thing that cannot be right.
    pub(super) fn validate(&self) -> Check {
        self.check_baseline()?;
        self.check_core()?;
        self.check_links()?;
        self.check_faults()?;
        require(self.host.nic_packets > 0, "host.nic_packets", || "must be at least 1".into())?;
        self.check_workload()?;
        self.check_end()
    }

    /// What has to hold before the network can be laid out.
    pub(super) fn check_size_of_network(&self) -> Check {
        let (hosts, pair) = (self.topology.hosts, self.topology.kind == TopologyKind::Pair);
        require((2..=MAX_HOSTS).contains(&hosts), "topology.hosts", || {
            format!("must be 2 to {MAX_HOSTS}")
        })?;
        require(!pair || hosts == 2, "topology.hosts", || "a pair has 2".into())
    }

    fn check_core(&self) -> Check {
        let core = &self.core;
        require((1..=MAX_MTU_BYTES).contains(&core.mtu.0), "core.mtu", || {
            format!("must be 1 to {MAX_MTU_BYTES} bytes, so that header and payload fit a datagram")
        })?;
        let fixed = core.controller == ControllerKey::Fixed;
        require(fixed || core.window.is_none(), "core.window", || {
            "only the controller \"fixed\" has a window of its own".into()
        })?;
        require(!fixed || core.window.is_some(), "core.controller", || {
            "\"fixed\" needs core.window".into()
        })?;
        require(!fixed || core.max_window.is_none(), "core.max_window", || {
            "\"fixed\" has the window that core.window names".into()
        })?;
        for (key, most) in [
            ("core.max_served", core.max_served),
            ("core.max_notifications", core.max_notifications),
        ] {
            require(most != Some(0), key, || "must be at least 1".into())?;
        }
        require(
            core.ack_bytes.is_none_or(|bytes| bytes.0 <= MAX_ACK_BYTES),
            "core.ack_bytes",
            || format!("must be at most {MAX_ACK_BYTES} bytes"),
        )?;
        self.core_config()
            .validate()
            .map_err(|error| Fault { key: "core".into(), message: error.to_string() })
    }

    fn check_links(&self) -> Check {
        let links = &self.links;
        let packet = self.packet_bytes().max(MAX_HEADER_BYTES as u64 + links.overhead.0);
        require(links.queue.0 >= packet, "links.queue", || {
            format!("holds not even one packet of {packet} bytes")
        })?;
        let min = links.ecn_min.unwrap_or_default();
        let max = links.ecn_max.unwrap_or(min);
        let orphan = links.ecn_min.is_none() && links.ecn_max.is_some();
        require(!orphan, "links.ecn_max", || "needs ecn_min".into())?;
        require(min <= max, "links.ecn_max", || "must not be below ecn_min".into())?;
        let highest = if links.ecn_max.is_some() { "links.ecn_max" } else { "links.ecn_min" };
        require(max <= links.queue, highest, || {
            "is more than the queue holds: it would drop before it marks".into()
        })?;
        let shared = links.shared_buffer.is_some();
        require(shared || links.alpha.is_none(), "links.alpha", || "needs shared_buffer".into())?;
        require(links.alpha.is_none_or(|alpha| alpha > 0.0), "links.alpha", || {
            "must be more than zero".into()
        })?;
        require(
            links.shared_buffer.is_none_or(|buffer| buffer >= links.queue),
            "links.shared_buffer",
            || "is less than one queue may take".into(),
        )?;
        let ordered = links.path_delay.is_none_or(|delay| delay.min <= delay.max);
        require(ordered, "links.path_delay.max", || "must not be below min".into())
    }

    /// An end that even an ideal network could not keep is a mistake, not a finding.
    fn check_end(&self) -> Check {
        let ideal = ideal_span(self, &self.traffic_plan(self.seed));
        require(self.end > ideal, "end", || format!("is too short: an ideal network needs {ideal}"))
    }
}

pub(crate) fn require(holds: bool, key: &str, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Fault { key: key.to_owned(), message: message() }) }
}

/// Link, host and flow numbers stay far from their 32 bits, and memory within reason.
const MAX_HOSTS: u32 = 16_384;
/// An IPv4 UDP datagram less the header.
const MAX_MTU_BYTES: u64 = 65_507 - DATA_HEADER_BYTES as u64;
const MAX_ACK_BYTES: u64 = 1 << 30;
