//! What a run has shown, as data.

mod flow;
mod html;
mod status;
mod table;
mod totals;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use usrd_proto::EndpointStats;

pub use self::flow::FlowReport;
pub use self::html::{comparison_page, run_page};
pub use self::status::Status;
pub use self::totals::Totals;
use self::totals::drops;
use crate::check::Violation;
use crate::host::{Host, Transport};
use crate::scenario::Scenario;
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
