//! Whether the values of a scenario make sense together. Each check names the key at fault.

use usrd_proto::wire::{DATA_HEADER_BYTES, MAX_HEADER_BYTES};

use super::load::Fault;
use super::workload::{CompletionKey, Pair, Workload, WorkloadKind};
use super::{ControllerKey, Scenario, ServiceKey};
use crate::time::Time;
use crate::traffic::ideal_span;
use crate::units::Probability;

type Check = Result<(), Fault>;

impl Scenario {
    /// The first thing that cannot be right.
    pub(super) fn validate(&self) -> Check {
        require((2..=MAX_HOSTS).contains(&self.topology.hosts), "topology.hosts", || {
            format!("must be 2 to {MAX_HOSTS}")
        })?;
        self.check_core()?;
        self.check_links()?;
        self.check_faults()?;
        require(self.host.nic_packets > 0, "host.nic_packets", || "must be at least 1".into())?;
        self.check_workload()?;
        self.check_end()
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
        let ordered = links.path_delay.is_none_or(|delay| delay.min <= delay.max);
        require(ordered, "links.path_delay.max", || "must not be below min".into())
    }

    fn check_faults(&self) -> Check {
        let faults = &self.faults;
        check_reorder("faults", faults.reorder, faults.reorder_delay)?;
        for (nth, link) in faults.link.iter().enumerate() {
            let key = format!("faults.link[{nth}]");
            require(link.host < self.topology.hosts, &format!("{key}.host"), || {
                format!("there are only hosts 0 to {}", self.topology.hosts - 1)
            })?;
            check_reorder(&key, link.reorder, link.reorder_delay)?;
        }
        Ok(())
    }

    fn check_workload(&self) -> Check {
        let workload = &self.workload;
        require(workload.outstanding > 0, "workload.outstanding", || "must be at least 1".into())?;
        require(workload.receives_ahead() > 0, "workload.posted_receives", || {
            "must be at least 1, or nothing could be received".into()
        })?;
        workload.check_keys()?;
        match workload.kind {
            WorkloadKind::Pairs => self.check_pairs()?,
            WorkloadKind::Incast => self.check_incast()?,
            WorkloadKind::Permutation | WorkloadKind::AllToAll => {}
        }
        if workload.kind != WorkloadKind::Pairs {
            let (messages, size) = (workload.messages.unwrap_or(0), workload.size);
            require(messages > 0, "workload.messages", || "must be at least 1".into())?;
            let size = size.map_or(0, |size| size.0);
            self.check_size("workload.size", size, workload.service)?;
        }
        let flows = workload.flows(self.topology.hosts, self.seed);
        let total: u64 = flows.iter().map(|flow| u64::from(flow.messages)).sum();
        require(total <= MAX_MESSAGES, "workload", || {
            format!("{total} messages in all; at most {MAX_MESSAGES} fit")
        })
    }

    fn check_pairs(&self) -> Check {
        let pairs = self.workload.pairs.as_deref().unwrap_or_default();
        require(!pairs.is_empty(), "workload.pairs", || "lists nothing".into())?;
        pairs.iter().enumerate().try_for_each(|(nth, pair)| self.check_pair(nth, pair))
    }

    fn check_pair(&self, nth: usize, pair: &Pair) -> Check {
        let key = |name| format!("workload.pairs[{nth}].{name}");
        let hosts = self.topology.hosts;
        for (name, host) in [("src", pair.src), ("dst", pair.dst)] {
            require(host < hosts, &key(name), || {
                format!("there are only hosts 0 to {}", hosts - 1)
            })?;
        }
        require(pair.src != pair.dst, &key("dst"), || "a host does not send to itself".into())?;
        require(pair.messages > 0, &key("messages"), || "must be at least 1".into())?;
        require(pair.start < self.end, &key("start"), || "is not before the end".into())?;
        self.check_size(&key("size"), pair.size.0, pair.service.unwrap_or(self.workload.service))
    }

    fn check_incast(&self) -> Check {
        let hosts = self.topology.hosts;
        let senders = self.workload.senders.unwrap_or(0);
        require((1..hosts).contains(&senders), "workload.senders", || {
            format!("must be 1 to {}: every host but the receiver", hosts - 1)
        })?;
        require(self.workload.receiver.is_none_or(|host| host < hosts), "workload.receiver", || {
            format!("there are only hosts 0 to {}", hosts - 1)
        })
    }

    fn check_size(&self, key: &str, size: u64, service: ServiceKey) -> Check {
        require((1..=MAX_MESSAGE_BYTES).contains(&size), key, || {
            format!("a message has 1 to {MAX_MESSAGE_BYTES} bytes")
        })?;
        if service != ServiceKey::Ud {
            return Ok(());
        }
        require(size <= self.core.mtu.0, key, || {
            format!("a UD message is one packet: at most core.mtu, {} bytes", self.core.mtu.0)
        })?;
        require(
            self.workload.completion == CompletionKey::Acknowledged,
            "workload.completion",
            || "UD has no delivery reports".into(),
        )
    }

    /// An end that even an ideal network could not keep is a mistake, not a finding.
    fn check_end(&self) -> Check {
        let flows = self.workload.flows(self.topology.hosts, self.seed);
        let ideal = ideal_span(self, &flows);
        require(self.end > ideal, "end", || format!("is too short: an ideal network needs {ideal}"))
    }
}

impl Workload {
    /// Every key of the kind is there, and none of another kind.
    fn check_keys(&self) -> Check {
        let pairs = self.kind == WorkloadKind::Pairs;
        let incast = self.kind == WorkloadKind::Incast;
        let keys = [
            ("pairs", self.pairs.is_some(), pairs, pairs),
            ("messages", self.messages.is_some(), !pairs, !pairs),
            ("size", self.size.is_some(), !pairs, !pairs),
            ("senders", self.senders.is_some(), incast, incast),
            ("receiver", self.receiver.is_some(), incast, false),
        ];
        for (name, given, allowed, needed) in keys {
            let key = format!("workload.{name}");
            let kind = self.kind.name();
            require(allowed || !given, &key, || format!("means nothing to \"{kind}\""))?;
            require(given || !needed, &key, || format!("is missing; \"{kind}\" needs it"))?;
        }
        Ok(())
    }
}

fn check_reorder(table: &str, reorder: Probability, delay: Time) -> Check {
    let (often, long) = (reorder.share() > 0.0, delay > Time::ZERO);
    require(long || !often, &format!("{table}.reorder"), || "needs reorder_delay".into())?;
    require(often || !long, &format!("{table}.reorder_delay"), || "needs reorder".into())
}

fn require(holds: bool, key: &str, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Fault { key: key.to_owned(), message: message() }) }
}

/// Link, host and flow numbers stay far from their 32 bits, and memory within reason.
const MAX_HOSTS: u32 = 16_384;
/// An IPv4 UDP datagram less the header.
const MAX_MTU_BYTES: u64 = 65_507 - DATA_HEADER_BYTES as u64;
const MAX_ACK_BYTES: u64 = 1 << 30;
const MAX_MESSAGE_BYTES: u64 = 1 << 40;
/// Messages are numbered with 32 bits and each has a few dozen bytes of state.
const MAX_MESSAGES: u64 = 1 << 28;
