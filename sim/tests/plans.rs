//! Every plan runs, and shows what it was written to show.

use std::path::PathBuf;

use usrd_sim::experiments::Index;
use usrd_sim::units::Bytes;
use usrd_sim::{Report, Scenario, Simulation, Status};

fn plan(name: &str) -> Scenario {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans").join(name);
    Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn run(name: &str) -> Report {
    let scenario = plan(name);
    let report = Simulation::new(&scenario, scenario.seed).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report
}

#[test]
fn hello_survives_every_fault() {
    let report = run("hello.toml");
    assert!(report.drops["network.loss"] > 0, "{report}");
    assert!(report.totals.duplicated > 0 && report.totals.reordered > 0, "{report}");
    assert!(report.totals.retransmissions > 0, "{report}");
}

#[test]
fn a_permutation_over_a_star_runs_at_line_rate() {
    let report = run("star-permutation.toml");
    assert_eq!(report.totals.retransmissions, 0, "{report}");
    assert!(report.totals.max_fct_ns * 100 < report.totals.ideal_ns * 105, "{report}");
}

#[test]
fn an_incast_keeps_the_last_link_busy() {
    let report = run("incast.toml");
    assert!(report.totals.marked > 0, "{report}");
    assert!(report.totals.max_fct_ns * 100 < report.totals.ideal_ns * 115, "{report}");
}

/// Little room at a receiver is shared fairly, in a network that drops late and in one that trims.
#[test]
fn room_at_a_receiver_is_shared_fairly() {
    for (queue, trimming, seed) in
        [(4_000_000, false, 1), (4_000_000, false, 2), (178_450, true, 1)]
    {
        let mut scenario = plan("bounce-credit.toml");
        (scenario.links.queue, scenario.links.trimming) = (Bytes(queue), trimming);
        let report = Simulation::new(&scenario, seed).unwrap().run();
        assert_eq!(report.status, Status::Ok, "{report}");
        assert!(report.drops["endpoint.no_buffer"] > 0, "there was room for all: {report}");
        assert!(report.totals.fairness > 0.95, "{report}");
        assert_eq!(report.totals.rtos, 0, "{report}");
    }
}

#[test]
fn paths_that_differ_are_no_reason_to_send_twice() {
    let report = run("paths-10x.toml");
    assert_eq!(report.totals.retransmissions, 0, "{report}");
    assert!(report.drops.is_empty(), "{report}");
}

/// The experiments at scale, and how many percent of the ideal the slowest flow may take. Some seeds
/// of the faults are far worse than the medians in docs/EXPERIMENTS.md, and so are their bounds: they
/// notice when something goes wrong, not when it gets a little worse.
const EXPERIMENTS: &[(&str, u64)] = &[
    ("perm-128-100g.toml", 115),
    ("perm-128-400g.toml", 118),
    ("perm-128-slow-link.toml", 170),
    ("perm-128-two-tiers.toml", 106),
    ("perm-128-slow-spine.toml", 140),
    ("uplink-half.toml", 125),
    ("uplinks-fail.toml", 190),
];

/// With receiver credits.
const INCASTS: &[(&str, u64)] = &[("incast-32-100g.toml", 101), ("incast-400g.toml", 104)];

fn check_experiments(experiments: &[(&str, u64)], receiver_credits: bool) {
    for &(name, percent) in experiments {
        let mut scenario = plan(&format!("experiments/{name}"));
        scenario.core.receiver_credits = receiver_credits;
        let report = Simulation::new(&scenario, 1).unwrap().run();
        assert_eq!(report.status, Status::Ok, "{name}: {:?}", report.violations);
        let totals = &report.totals;
        let (took, ideal) = (totals.max_fct_ns, totals.ideal_ns);
        assert!(took * 100 < ideal * percent, "{name}: {took} ns, ideal {ideal} ns");
        assert!(!receiver_credits || totals.fairness > 0.99, "{name}: {}", totals.fairness);
    }
}

#[test]
fn experiments_stay_within_their_bounds() {
    // In two halves, for two processors.
    let (first, second) = EXPERIMENTS.split_at(3);
    std::thread::scope(|scope| {
        scope.spawn(|| check_experiments(first, false));
        check_experiments(second, false);
        check_experiments(INCASTS, true);
    });
}

/// With messages of a tenth, so that tests stay quick.
#[test]
fn a_thousand_hosts_exchange_messages() {
    for name in ["perm-1024-100g.toml", "perm-1024-leaf-spine.toml"] {
        let mut scenario = plan(&format!("experiments/{name}"));
        scenario.workload.size = Some(Bytes(200_000));
        let report = Simulation::new(&scenario, 1).unwrap().run();
        assert_eq!(report.status, Status::Ok, "{name}");
        assert_eq!(report.totals.flows_done, 1_024);
    }
}

#[test]
fn every_request_gets_its_blocks_and_its_notification() {
    let report = run("kv-transfer.toml");
    assert_eq!(report.totals.job_us.unwrap().count, 24, "{report}");
    assert!(report.totals.retransmissions * 100 < report.totals.packets, "{report}");
}

#[test]
fn every_cache_is_read_by_one_operation() {
    let report = run("kv-read.toml");
    assert_eq!((report.totals.job_us.unwrap().count, report.flows.len()), (24, 24), "{report}");
    assert!(report.totals.retransmissions * 100 < report.totals.packets, "{report}");
}

#[test]
fn a_ring_runs_at_line_rate() {
    let report = run("ring-all-reduce.toml");
    assert_eq!(report.totals.retransmissions, 0, "{report}");
    assert!(report.simulated_ns * 100 < report.totals.ideal_ns * 102, "{report}");
}

#[test]
fn no_plan_is_left_out() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with("experiments"));
    names.sort();
    let tested = [
        "bounce-credit.toml",
        "hello.toml",
        "incast.toml",
        "kv-read.toml",
        "kv-transfer.toml",
        "paths-10x.toml",
        "ring-all-reduce.toml",
        "star-permutation.toml",
    ];
    assert_eq!(names, tested, "give a new plan its test above");
}

#[test]
fn every_row_of_the_experiments_can_run() {
    let plans = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans");
    let index = Index::load(&plans.join("experiments.toml")).unwrap();
    let mut used = std::collections::BTreeSet::new();
    for experiment in &index.experiment {
        used.insert(experiment.plan.clone());
        for row in &experiment.rows {
            let (plan, runs) = index.sweep(experiment, row, 1, 1).unwrap();
            plan.scenario(&runs[0]).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        }
    }
    let there = std::fs::read_dir(plans.join("experiments")).unwrap();
    let there = there.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(used, there.collect(), "a plan without an experiment, or the other way round");
}
