//! What a run has shown, as data.

mod html;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use usrd_proto::EndpointStats;

pub use self::html::{comparison_page, run_page};
use crate::check::{Checker, Violation};
use crate::host::{Host, Transport};
use crate::scenario::{Scenario, ServiceKey};
use crate::stats::{Distribution, jain};
use crate::time::Time;
use crate::traffic::{Flow, ideal_sender_fct, ideal_span};
use crate::workload::Plan;
use crate::world::World;

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The run's seed.
    pub seed: u64,
    /// How it ended.
    pub status: Status,
    /// Simulated time, in nanoseconds.
    pub simulated_ns: u64,
    /// One entry per flow, by number.
    pub flows: Vec<FlowReport>,
    /// Sums over everything.
    pub totals: Totals,
    /// Packets that came to nothing, by reason: the network's, then the endpoints'.
    pub drops: BTreeMap<String, u64>,
    /// What the checkers found; the first of it.
    pub violations: Vec<Violation>,
    /// How much they found.
    pub violation_count: u64,
    /// The fingerprint, in hexadecimal.
    pub digest: String,
    /// What the run cost. Not part of what a seed determines.
    pub cost: Cost,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Everything completed and every property holds.
    Ok,
    /// A property does not hold.
    Violated,
    /// Nothing moved any more, or a message was given up, though it should have completed.
    Liveness,
    /// The end came while messages still completed; all else holds.
    Unfinished,
}

impl Status {
    /// What the process exits with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Violated => 1,
            Self::Unfinished => 3,
            Self::Liveness => 4,
        }
    }

    /// As JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Violated => "violated",
            Self::Unfinished => "unfinished",
            Self::Liveness => "liveness",
        }
    }

    fn of<T: Transport>(world: &World, hosts: &[Host<T>]) -> Self {
        let violations = world.checkers.violations();
        if violations.is_empty() {
            return Self::Ok;
        }
        if violations.iter().any(|found| found.checker != Checker::Liveness) {
            return Self::Violated;
        }
        let flows = world.traffic.flows();
        let failed = flows.iter().any(|flow| flow.failed > 0);
        let to_come =
            flows.iter().any(|flow| world.now < flow.began_at && flow.began_at < Time::NEVER);
        let idle = world.fabric.packets.live() == 0
            && hosts.iter().all(|host| host.in_flight_bytes() == 0)
            && !to_come;
        let silence = world.now - world.traffic.progress_at();
        if failed || idle || silence > LONG_SILENCE { Self::Liveness } else { Self::Unfinished }
    }
}

/// One flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// Who sent.
    pub src: u32,
    /// Who received.
    pub dst: u32,
    /// How.
    pub service: ServiceKey,
    /// How many messages it had.
    pub messages: u32,
    /// Payload, in bytes.
    pub bytes: u64,
    /// The request, call or round that it was part of.
    pub job: Option<u32>,
    /// When it began, in nanoseconds; absent if what it waited for never came.
    pub began_ns: Option<u64>,
    /// From the flow's start to the sender's last completion, in nanoseconds; absent if unfinished.
    pub sender_fct_ns: Option<u64>,
    /// The same to the receiver's last completion.
    pub receiver_fct_ns: Option<u64>,
    /// The sender's time in a network with nothing else in it, in nanoseconds.
    pub ideal_ns: u64,
    /// The sender's time against that.
    pub slowdown: Option<f64>,
    /// Messages that failed.
    pub failed: u32,
    /// Data packets sent.
    pub packets: u64,
    /// Of those, repetitions.
    pub retransmissions: u64,
    /// Arrivals whose payload was there from another transmission.
    pub spurious: u64,
}

/// Sums over everything.
#[derive(Clone, Debug, Serialize)]
pub struct Totals {
    /// Flows that are done.
    pub flows_done: usize,
    /// The longest of the senders' times, in nanoseconds.
    pub max_fct_ns: u64,
    /// Their mean.
    pub mean_fct_ns: u64,
    /// The least time in which the links could carry all of it.
    pub ideal_ns: u64,
    /// Jain's index of the flows' throughputs: 1 is perfectly fair.
    pub fairness: f64,
    /// The senders' times, in microseconds.
    pub fct_us: Distribution,
    /// The receivers' times, in microseconds.
    pub receiver_fct_us: Distribution,
    /// The senders' times against an empty network.
    pub slowdown: Distribution,
    /// From a job's first start to its last delivery, in microseconds; absent if there are none.
    pub job_us: Option<Distribution>,
    /// Data packets sent.
    pub packets: u64,
    /// Of those, repetitions.
    pub retransmissions: u64,
    /// See [`FlowReport::spurious`].
    pub spurious: u64,
    /// Packets that senders gave up because of a gap on their path.
    pub lost_by_gap: u64,
    /// Packets that senders gave up because of their age.
    pub lost_by_time: u64,
    /// ACKs sent.
    pub acks: u64,
    /// Retransmission timeouts of whole peers.
    pub rtos: u64,
    /// CE marks set.
    pub marked: u64,
    /// Packets whose payload a full queue cut off.
    pub trimmed: u64,
    /// Packets held up by a fault.
    pub reordered: u64,
    /// Packets copied by a fault.
    pub duplicated: u64,
    /// The longest any switch queue was, in bytes.
    pub most_queued_bytes: u64,
    /// Packets started on a link.
    pub packet_hops: u64,
    /// Events planned.
    pub events: u64,
    /// The most packets that existed at once.
    pub most_packets: usize,
}

/// What a run cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Wall time, in seconds.
    pub wall_seconds: f64,
    /// Packet-hops per second of it.
    pub hops_per_second: f64,
}

impl Report {
    pub(crate) fn new<T: Transport>(
        scenario: &Scenario,
        seed: u64,
        world: &World,
        hosts: &[Host<T>],
        wall: Duration,
    ) -> Self {
        let stats: Vec<EndpointStats> = hosts.iter().flat_map(Host::all_stats).collect();
        let violations = world.checkers.violations().to_vec();
        let hops = world.fabric.counters().hops;
        let flows = world.traffic.flows();
        let flow_reports: Vec<_> =
            flows.iter().map(|flow| FlowReport::new(scenario, flow)).collect();
        Self {
            scenario: scenario.name.clone(),
            seed,
            status: Status::of(world, hosts),
            simulated_ns: world.now.as_ns(),
            totals: Totals::new(
                scenario,
                &scenario.traffic_plan(seed),
                world,
                &stats,
                &flow_reports,
            ),
            flows: flow_reports,
            drops: drops(world, &stats),
            violations,
            violation_count: world.checkers.violation_count(),
            digest: format!("{:016x}", world.observer.digest().value()),
            cost: Cost {
                wall_seconds: wall.as_secs_f64(),
                hops_per_second: hops as f64 / wall.as_secs_f64().max(f64::MIN_POSITIVE),
            },
        }
    }

    /// The figures that runs are compared by.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        let totals = &self.totals;
        let micros = |ns: u64| ns as f64 / 1e3;
        let mut figures = vec![
            ("max_fct_us", micros(totals.max_fct_ns)),
            ("mean_fct_us", micros(totals.mean_fct_ns)),
            ("p50_fct_us", totals.fct_us.p50),
            ("p99_fct_us", totals.fct_us.p99),
            ("max_receiver_fct_us", totals.receiver_fct_us.max),
            ("mean_slowdown", totals.slowdown.mean),
            ("p99_slowdown", totals.slowdown.p99),
            ("ideal_us", micros(totals.ideal_ns)),
            ("simulated_us", micros(self.simulated_ns)),
            ("fairness", totals.fairness),
            ("flows_done", totals.flows_done as f64),
            ("packets", totals.packets as f64),
            ("retransmissions", totals.retransmissions as f64),
            ("spurious", totals.spurious as f64),
            ("rtos", totals.rtos as f64),
            ("marked", totals.marked as f64),
            ("dropped", self.drops.values().sum::<u64>() as f64),
            ("most_queued_bytes", totals.most_queued_bytes as f64),
            ("packet_hops", totals.packet_hops as f64),
        ];
        if let Some(jobs) = &totals.job_us {
            figures.extend([
                ("mean_job_us", jobs.mean),
                ("p99_job_us", jobs.p99),
                ("max_job_us", jobs.max),
            ]);
        }
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// As JSON, indented.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has only string keys")
    }
}

impl FlowReport {
    fn new(scenario: &Scenario, flow: &Flow) -> Self {
        let spec = &flow.spec;
        let all = |count: u32, at: Time| (count >= spec.messages).then_some(at - flow.began_at);
        let sender = all(flow.completed, flow.sent_at);
        let ideal = ideal_sender_fct(scenario, spec);
        Self {
            src: spec.src,
            dst: spec.dst,
            service: spec.service,
            messages: spec.messages,
            bytes: u64::from(spec.messages) * spec.size,
            job: flow.job,
            began_ns: (flow.began_at < Time::NEVER).then(|| flow.began_at.as_ns()),
            sender_fct_ns: sender.map(Time::as_ns),
            receiver_fct_ns: all(flow.received, flow.received_at).map(Time::as_ns),
            ideal_ns: ideal.as_ns(),
            slowdown: sender.map(|fct| fct.as_ps() as f64 / ideal.as_ps() as f64),
            failed: flow.failed,
            packets: flow.packets,
            retransmissions: flow.retransmissions,
            spurious: flow.spurious,
        }
    }
}

impl Totals {
    fn new(
        scenario: &Scenario,
        plan: &Plan,
        world: &World,
        stats: &[EndpointStats],
        reports: &[FlowReport],
    ) -> Self {
        let flows = world.traffic.flows();
        let done: Vec<_> = flows.iter().filter(|flow| flow.is_done()).collect();
        let fcts: Vec<u64> =
            done.iter().map(|flow| (flow.sent_at - flow.began_at).as_ns()).collect();
        let counters = world.fabric.counters();
        let queues = world.fabric.links().iter().skip(scenario.topology.hosts as usize);
        Self {
            flows_done: done.len(),
            max_fct_ns: fcts.iter().copied().max().unwrap_or(0),
            mean_fct_ns: fcts.iter().sum::<u64>() / fcts.len().max(1) as u64,
            ideal_ns: ideal_span(scenario, plan).as_ns(),
            fairness: jain(done.iter().map(|flow| throughput(flow))),
            fct_us: micros_of(reports, |flow| flow.sender_fct_ns),
            receiver_fct_us: micros_of(reports, |flow| flow.receiver_fct_ns),
            slowdown: Distribution::of(
                &reports.iter().filter_map(|flow| flow.slowdown).collect::<Vec<_>>(),
            ),
            job_us: jobs(reports),
            packets: flows.iter().map(|flow| flow.packets).sum(),
            retransmissions: flows.iter().map(|flow| flow.retransmissions).sum(),
            spurious: flows.iter().map(|flow| flow.spurious).sum(),
            lost_by_gap: stats.iter().map(|stats| stats.losses_by_path_gap).sum(),
            lost_by_time: stats.iter().map(|stats| stats.losses_by_timeout).sum(),
            acks: stats.iter().map(|stats| stats.acks_sent).sum(),
            rtos: stats.iter().map(|stats| stats.rtos).sum(),
            marked: counters.marked,
            trimmed: counters.trimmed,
            reordered: counters.reordered,
            duplicated: counters.copied,
            most_queued_bytes: queues.map(|link| link.stats().most_queued_bytes).max().unwrap_or(0),
            packet_hops: counters.hops,
            events: world.queue.scheduled(),
            most_packets: world.fabric.packets.most(),
        }
    }
}

fn drops(world: &World, stats: &[EndpointStats]) -> BTreeMap<String, u64> {
    let counters = world.fabric.counters();
    let network = [
        ("network.full_queue", counters.dropped_tail),
        ("network.loss", counters.lost),
        ("network.down", counters.dropped_down),
        ("network.corrupt", counters.corrupted),
        ("host.down", world.missed),
    ];
    let mut drops = BTreeMap::new();
    for (name, count) in network.into_iter().filter(|&(_, count)| count > 0) {
        drops.insert(name.to_owned(), count);
    }
    for (name, count) in stats.iter().flat_map(EndpointStats::drops_by_name) {
        *drops.entry(format!("endpoint.{name}")).or_default() += count;
    }
    drops
}

/// Bytes per picosecond.
fn throughput(flow: &Flow) -> f64 {
    let bytes = f64::from(flow.spec.messages) * flow.spec.size as f64;
    bytes / (flow.sent_at - flow.began_at).as_ps().max(1) as f64
}

fn micros_of(flows: &[FlowReport], time: impl Fn(&FlowReport) -> Option<u64>) -> Distribution {
    let micros: Vec<f64> = flows.iter().filter_map(time).map(|ns| ns as f64 / 1e3).collect();
    Distribution::of(&micros)
}

/// How long the jobs took of which every flow has arrived.
fn jobs(flows: &[FlowReport]) -> Option<Distribution> {
    let mut spans: BTreeMap<u32, Option<(u64, u64)>> = BTreeMap::new();
    for flow in flows {
        let Some(job) = flow.job else { continue };
        let own = flow.began_ns.zip(flow.receiver_fct_ns).map(|(began, fct)| (began, began + fct));
        let span = spans.entry(job).or_insert(own);
        *span = span.zip(own).map(|(all, own)| (all.0.min(own.0), all.1.max(own.1)));
    }
    let took: Vec<f64> =
        spans.values().flatten().map(|(began, ended)| (ended - began) as f64 / 1e3).collect();
    (!spans.is_empty()).then(|| Distribution::of(&took))
}

/// Longer than a few retransmission timeouts, backed off: a run that moved since was cut short.
const LONG_SILENCE: Time = Time::from_ns(100_000_000);
