//! Whether the traffic of a scenario makes sense. Each check names the key at fault.

use usrd_proto::MAX_NOTE_BYTES;

use super::{CompletionKey, Pair, SizeCdf, Workload, WorkloadKind};
use crate::memory::Areas;
use crate::scenario::{Check, Fault, Scenario, ServiceKey, require};

impl Scenario {
    /// The first thing about the workload that cannot be right.
    pub(crate) fn check_workload(&self) -> Check {
        let (workload, hosts) = (&self.workload, self.topology.hosts);
        require(workload.outstanding > 0, "workload.outstanding", || "must be at least 1".into())?;
        require(workload.receives_ahead() > 0, "workload.posted_receives", || {
            "must be at least 1, or nothing could be received".into()
        })?;
        let few = workload.many.is_none_or(|many| many.get() <= MOST_SHARERS);
        require(few, "workload.many", || format!("must be at most {MOST_SHARERS}"))?;
        let short = workload.note.is_none_or(|note| note.0 <= MAX_NOTE_BYTES);
        require(short, "workload.note", || format!("has at most {MAX_NOTE_BYTES} bytes"))?;
        workload.check_keys()?;
        let neither = workload.file.is_none() && workload.csv.is_none();
        require(workload.kind != WorkloadKind::Trace || !neither, "workload.file", || {
            "is missing; \"trace\" needs it, or csv".into()
        })?;
        let both = workload.file.is_some() && workload.csv.is_some();
        require(!both, "workload.csv", || "is the trace, and so is file: leave one out".into())?;
        workload.check_counts()?;
        workload.check_ranges()?;
        workload.check_hosts(hosts)?;
        self.check_sizes()?;
        self.check_pattern_operation()?;
        self.check_pairs()?;
        workload.check_amount(hosts)?;
        let total = self.traffic_plan(self.seed).message_count();
        require(total <= MAX_MESSAGES, "workload", || {
            format!("{total} messages in all; at most {MAX_MESSAGES} fit")
        })?;
        let areas = Areas::new(&self.traffic_plan(self.seed), hosts, workload.outstanding);
        require(areas.fit(), "workload", || {
            "operates on more memory of one host than a region can have".into()
        })
    }

    fn check_pairs(&self) -> Check {
        let workload = &self.workload;
        let (pairs, table) = match workload.kind {
            WorkloadKind::Trace => (&workload.traced[..], workload.trace_key()),
            _ => (workload.pairs.as_deref().unwrap_or_default(), "workload.pairs"),
        };
        let optional = !matches!(workload.kind, WorkloadKind::Pairs | WorkloadKind::Trace);
        require(optional || !pairs.is_empty(), table, || "lists nothing".into())?;
        pairs.iter().enumerate().try_for_each(|(nth, pair)| {
            let key = |name: &str| match workload.kind {
                WorkloadKind::Trace => table.to_owned(),
                _ => format!("{table}[{nth}].{name}"),
            };
            self.check_pair(&key, pair)?;
            self.check_after(&key, pairs, nth)
        })
    }

    fn check_pair(&self, key: &dyn Fn(&str) -> String, pair: &Pair) -> Check {
        let hosts = self.topology.hosts;
        for (name, host) in [("src", pair.src), ("dst", pair.dst)] {
            require(host < hosts, &key(name), || {
                format!("there are only hosts 0 to {}", hosts - 1)
            })?;
        }
        require(pair.src != pair.dst, &key("dst"), || "a host does not send to itself".into())?;
        require(pair.messages > 0, &key("messages"), || "must be at least 1".into())?;
        require(pair.start < self.end, &key("start"), || "is not before the end".into())?;
        let of_core = pair.service.is_none_or(ServiceKey::is_of_core);
        require(of_core, &key("service"), || "connections are a transport of their own".into())?;
        let service = pair.service.unwrap_or(self.workload.service);
        self.check_operation(key, pair.operation(), pair.size.0, service)?;
        self.check_size(&key("size"), pair.size.0, service)
    }

    /// A flow waits for earlier ones only, and for what its sender can know.
    fn check_after(&self, key: &dyn Fn(&str) -> String, pairs: &[Pair], nth: usize) -> Check {
        let pair = &pairs[nth];
        for &after in &pair.after {
            let earlier = pairs[..nth].get(after as usize);
            require(earlier.is_some(), &key("after"), || {
                format!("flow {nth} can only wait for flows before it in the list, not for {after}")
            })?;
            let Some(earlier) = earlier else { continue };
            require(earlier.dst == pair.src || earlier.src == pair.src, &key("after"), || {
                format!("host {} neither sends nor receives flow {after}", pair.src)
            })?;
            let is_told = !earlier.operation.is_one_sided() || earlier.operation().immediate;
            require(is_told || earlier.src == pair.src, &key("after"), || {
                format!("host {} does not learn of flow {after}, which has no immediate", pair.src)
            })?;
            let service = earlier.service.unwrap_or(self.workload.service);
            let known = earlier.dst != pair.src || service != ServiceKey::Ud;
            require(known, &key("after"), || format!("flow {after} is UD: it may never arrive"))?;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Check {
        let workload = &self.workload;
        let service = workload.service;
        let sizes = [
            ("workload.size", workload.size),
            ("workload.response", workload.response),
            ("workload.block_size", workload.block_size.map(|sizes| sizes.0)),
            ("workload.block_size", workload.block_size.map(|sizes| sizes.1)),
            ("workload.largest", workload.largest),
        ];
        for (key, size) in sizes {
            if let Some(size) = size {
                self.check_size(key, size.0, service)?;
            }
        }
        require(!workload.waits() || service != ServiceKey::Ud, "workload.service", || {
            format!("\"{}\" waits for what arrives, and UD may lose it", workload.kind.name())
        })?;
        if let Some(sizes) = &workload.sizes {
            SizeCdf::new(sizes, None)
                .map_err(|message| Fault { key: "workload.sizes".into(), message })?;
            require(service != ServiceKey::Ud, "workload.service", || {
                "UD messages are one packet; the sizes have larger ones".into()
            })?;
        }
        Ok(())
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
}

impl Workload {
    /// Every key of the kind is there, and none of another kind.
    fn check_keys(&self) -> Check {
        let kind = self.kind.name();
        for (name, given) in self.given_keys() {
            let (needed, allowed) = self.kind.keys();
            let key = format!("workload.{name}");
            let known = needed.contains(&name)
                || allowed.contains(&name)
                || self.kind.operation_keys().contains(&name);
            // Flows can be listed besides any pattern.
            require(known || name == "pairs" || !given, &key, || {
                format!("means nothing to \"{kind}\"")
            })?;
            require(given || !needed.contains(&name), &key, || {
                format!("is missing; \"{kind}\" needs it")
            })?;
        }
        Ok(())
    }

    /// Where the flows of a trace come from.
    fn trace_key(&self) -> &'static str {
        if self.csv.is_some() { "workload.csv" } else { "workload.file" }
    }

    fn given_keys(&self) -> [(&'static str, bool); 25] {
        [
            ("operation", self.operation.is_some()),
            ("vector", self.vector.is_some()),
            ("immediate", self.immediate.is_some()),
            ("pairs", self.pairs.is_some()),
            ("messages", self.messages.is_some()),
            ("size", self.size.is_some()),
            ("senders", self.senders.is_some()),
            ("receiver", self.receiver.is_some()),
            ("ranks", self.ranks.is_some()),
            ("rounds", self.rounds.is_some()),
            ("requests", self.requests.is_some()),
            ("prefill", self.prefill.is_some()),
            ("blocks", self.blocks.is_some()),
            ("block_size", self.block_size.is_some()),
            ("gap", self.gap.is_some()),
            ("servers", self.servers.is_some()),
            ("response", self.response.is_some()),
            ("concurrency", self.concurrency.is_some()),
            ("think", self.think.is_some()),
            ("sizes", self.sizes.is_some()),
            ("largest", self.largest.is_some()),
            ("load", self.load.is_some()),
            ("flows", self.flows.is_some()),
            ("file", self.file.is_some()),
            ("csv", self.csv.is_some()),
        ]
    }

    fn check_counts(&self) -> Check {
        let counts = [
            ("messages", self.messages),
            ("rounds", self.rounds),
            ("requests", self.requests),
            ("concurrency", self.concurrency),
            ("flows", self.flows),
            ("ranks", self.ranks),
        ];
        for (name, count) in counts {
            require(count != Some(0), &format!("workload.{name}"), || "must be at least 1".into())?;
        }
        require(self.load.is_none_or(|load| load.share() > 0.0), "workload.load", || {
            "must be above zero".into()
        })
    }

    fn check_ranges(&self) -> Check {
        let range = |key: &str, ordered: bool| {
            require(ordered, key, || "is [least, most]: least must not be above most".into())
        };
        range("workload.blocks", self.blocks.is_none_or(|(least, most)| least <= most))?;
        range("workload.block_size", self.block_size.is_none_or(|(least, most)| least <= most))?;
        require(self.blocks.is_none_or(|(least, _)| least > 0), "workload.blocks", || {
            "must be at least 1".into()
        })
    }

    fn check_hosts(&self, hosts: u32) -> Check {
        let is = |kind| self.kind == kind;
        let senders = self.senders.unwrap_or(0);
        require(
            !is(WorkloadKind::Incast) || (1..hosts).contains(&senders),
            "workload.senders",
            || format!("must be 1 to {}: every host but the receiver", hosts - 1),
        )?;
        require(self.receiver.is_none_or(|host| host < hosts), "workload.receiver", || {
            format!("there are only hosts 0 to {}", hosts - 1)
        })?;
        let collective = is(WorkloadKind::RingAllReduce) || is(WorkloadKind::TreeAllReduce);
        require(!collective || (2..=hosts).contains(&self.ranks(hosts)), "workload.ranks", || {
            format!("must be 2 to {hosts}, the number of hosts")
        })?;
        let some = |key: &str, count: u32| {
            require((1..hosts).contains(&count), key, || {
                format!("must be 1 to {}, so that both sides have hosts", hosts - 1)
            })
        };
        some("workload.prefill", self.prefill(hosts))?;
        some("workload.servers", self.servers.unwrap_or(1))
    }

    /// Flows are counted before they are made: a slip of the pen should not take all memory.
    fn check_amount(&self, hosts: u32) -> Check {
        let (hosts, ranks) = (u64::from(hosts), u64::from(self.ranks(hosts)));
        let times = |count: Option<u32>, by: u64| u64::from(count.unwrap_or(1)).saturating_mul(by);
        let flows = match self.kind {
            WorkloadKind::AllToAll => hosts * (hosts - 1),
            WorkloadKind::Bisection => times(self.ranks, hosts / 2),
            WorkloadKind::RingAllReduce => times(self.rounds, 2 * (ranks - 1) * ranks),
            WorkloadKind::TreeAllReduce => times(self.messages, times(self.rounds, 2 * ranks)),
            WorkloadKind::KvTransfer => times(self.requests, 2),
            WorkloadKind::Rpc => times(self.requests, 2 * hosts),
            WorkloadKind::Poisson => times(self.flows, 1),
            _ => hosts,
        };
        require(flows <= MAX_FLOWS, "workload", || {
            format!("has {flows} flows; at most {MAX_FLOWS} fit")
        })
    }

    /// Whether some flows wait until others are received.
    pub(super) fn waits(&self) -> bool {
        use WorkloadKind::{KvTransfer, RingAllReduce, Rpc, TreeAllReduce};
        matches!(self.kind, RingAllReduce | TreeAllReduce | KvTransfer | Rpc)
    }
}

impl WorkloadKind {
    /// The keys that say what its flows do: listed flows say so themselves.
    fn operation_keys(self) -> &'static [&'static str] {
        match self {
            Self::Pairs | Self::Trace => &[],
            Self::KvTransfer => &["operation"],
            _ => &["operation", "vector", "immediate"],
        }
    }

    /// The keys that it needs, and those that it may have.
    fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Pairs => (&["pairs"], &[]),
            Self::Permutation | Self::AllToAll => (&["size"], &["messages"]),
            Self::Incast => (&["size", "senders"], &["messages", "receiver"]),
            Self::Bisection => (&["size"], &["messages", "ranks"]),
            Self::RingAllReduce | Self::TreeAllReduce => {
                (&["size"], &["messages", "ranks", "rounds", "think"])
            }
            Self::KvTransfer => (&["requests", "blocks", "block_size"], &["prefill", "gap"]),
            Self::Rpc => (&["requests", "servers", "size", "response"], &["concurrency", "think"]),
            Self::Poisson => (&["sizes", "load", "flows"], &["largest"]),
            Self::Trace => (&[], &["file", "csv"]),
        }
    }
}

const MAX_MESSAGE_BYTES: u64 = 1 << 40;
/// What shares a buffer is looked for one by one.
const MOST_SHARERS: u32 = 1024;
/// Messages are numbered with 32 bits and each has a few dozen bytes of state.
const MAX_MESSAGES: u64 = 1 << 28;
/// Each has a few hundred bytes of state.
const MAX_FLOWS: u64 = 1 << 24;
