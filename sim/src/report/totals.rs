//! Sums over all flows, hosts and links of a run.

use std::collections::BTreeMap;

use serde::Serialize;
use usrd_proto::EndpointStats;

use super::FlowReport;
use crate::scenario::Scenario;
use crate::stats::{Distribution, jain};
use crate::traffic::{Flow, ideal_span};
use crate::workload::Plan;
use crate::world::World;

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

impl Totals {
    pub(super) fn new(
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

/// Packets that came to nothing, by reason: the network's, then the endpoints'.
pub(super) fn drops(world: &World, stats: &[EndpointStats]) -> BTreeMap<String, u64> {
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
