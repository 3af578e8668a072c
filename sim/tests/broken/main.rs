//! Hosts with a deliberate defect: every one is caught, by the checker whose property it breaks.

mod closing;
mod host;
mod operations;
mod shared;

use std::sync::Mutex;
use std::time::Duration;

use usrd_proto::{Config, Endpoint};
use usrd_sim::check::Checker;
use usrd_sim::scenario::TopologyKind;
use usrd_sim::search::{Finding, Fuzz, Shrink, caught as caught_panic};
use usrd_sim::units::Probability;
use usrd_sim::workload::FlowSpec;
use usrd_sim::{Report, Scenario, Simulation, Status};

use self::host::{Broken, Defect};

/// Few receives and slow placements, so that some messages come unexpected.
fn scenario(service: &str, integrity: bool) -> Scenario {
    let text = format!(
        r#"
        name = "broken"
        transport = "{service}"
        end = "20ms"
        integrity = {integrity}
        topology = {{ kind = "star", hosts = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "3us" }}
        [workload]
        kind = "pairs"
        outstanding = 16
        posted_receives = 2
        pairs = [{{ src = 0, dst = 1, messages = 100, size = "20kB" }}]
        "#
    );
    Scenario::parse(&text, "broken").unwrap()
}

fn run(service: &str, defect: Defect) -> Report {
    run_in(&scenario(service, false), defect)
}

fn run_in(scenario: &Scenario, defect: Defect) -> Report {
    let make = |_, config| Endpoint::new(config).map(|endpoint| Broken::new(endpoint, defect));
    Simulation::with_transports(scenario, 1, make).unwrap().run()
}

/// A run in which every host was given another configuration than the scenario says.
fn misconfigured(keys: &str, wrong: impl Fn(&mut Config)) -> Report {
    let text = format!(
        r#"
        name = "misconfigured"
        end = "20ms"
        topology = {{ kind = "star", hosts = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "20us" }}
        {keys}
        [workload]
        kind = "pairs"
        outstanding = 16
        posted_receives = 2
        pairs = [{{ src = 0, dst = 1, messages = 100, size = "20kB" }}]
        "#
    );
    let scenario = Scenario::parse(&text, "misconfigured").unwrap();
    let make = |_, mut config| {
        wrong(&mut config);
        Endpoint::new(config)
    };
    Simulation::with_transports(&scenario, 1, make).unwrap().run()
}

fn is_caught(report: &Report, by: Checker) -> bool {
    report.violations.iter().any(|violation| violation.checker == by)
}

fn caught(service: &str, defect: Defect, by: Checker) -> Report {
    let report = run(service, defect);
    let found = report.violations.iter().any(|violation| violation.checker == by);
    assert!(found, "{defect:?} was not caught by {by}:\n{report}");
    assert_ne!(report.status, Status::Ok);
    report
}

#[test]
fn without_a_defect_nothing_is_found() {
    for service in ["srd", "rd"] {
        let report = run(service, Defect::None);
        assert_eq!(report.status, Status::Ok, "{report}");
    }
}

#[test]
fn unexpected_messages_keep_their_bytes() {
    for service in ["srd", "rd"] {
        let report = Simulation::new(&scenario(service, true), 1).unwrap().run();
        assert_eq!(report.status, Status::Ok, "{report}");
    }
}

#[test]
fn forgotten_placements_are_caught() {
    let report = caught("srd", Defect::ForgetsPlacements, Checker::ExactlyOnce);
    assert_eq!(report.status.exit_code(), 1);
}

#[test]
fn misplaced_payload_is_caught() {
    caught("srd", Defect::MisplacesPayload, Checker::Integrity);
}

#[test]
fn double_delivery_is_caught() {
    caught("srd", Defect::DeliversTwice, Checker::ExactlyOnce);
}

#[test]
fn delivery_out_of_order_is_caught_where_order_is_promised() {
    caught("rd", Defect::SwapsDeliveries, Checker::Order);
    assert_eq!(run("srd", Defect::SwapsDeliveries).status, Status::Ok);
}

#[test]
fn a_lost_completion_is_caught() {
    let report = caught("srd", Defect::LosesCompletion, Checker::Liveness);
    assert_eq!(report.status.exit_code(), 4);
}

#[test]
fn needless_repetition_is_caught() {
    caught("srd", Defect::RepeatsItself, Checker::Spurious);
}

#[test]
fn a_window_that_is_too_large_is_caught() {
    let keys = "core = { controller = \"fixed\", window = \"20kB\" }";
    assert_eq!(misconfigured(keys, |_| {}).status, Status::Ok);
    let report = misconfigured(keys, |config| config.cc.fixed_cwnd_bytes *= 2);
    assert!(is_caught(&report, Checker::Window), "{report}");
}

#[test]
fn bounce_memory_beyond_the_budget_is_caught() {
    let keys = "core = { bounce = \"64KiB\" }";
    assert_eq!(misconfigured(keys, |_| {}).status, Status::Ok);
    let report = misconfigured(keys, |config| config.bounce_bytes *= 10);
    assert!(is_caught(&report, Checker::Memory), "{report}");
}

/// One path, so that whatever overtakes does so on its own path; and some loss, as an excuse.
#[test]
fn more_gaps_than_losses_are_caught() {
    let lossy = |defect| {
        let mut scenario = scenario("srd", false);
        scenario.core.paths = 1;
        scenario.faults.loss = Probability::new(0.002).unwrap();
        run_in(&scenario, defect)
    };
    let report = lossy(Defect::None);
    assert!(report.totals.lost_by_gap > 0, "{report}");
    assert_eq!(report.status, Status::Ok, "{report}");
    let report = lossy(Defect::SwapsPackets);
    assert!(is_caught(&report, Checker::Spurious), "{report}");
}

#[test]
fn leaked_bounce_memory_is_caught() {
    caught("srd", Defect::LeaksBounces, Checker::Leftovers);
}

/// Judges a run whose hosts forget placements.
fn forgetful(scenario: &Scenario, seed: u64) -> Option<Finding> {
    let make = |_, config| {
        Endpoint::new(config).map(|endpoint| Broken::new(endpoint, Defect::ForgetsPlacements))
    };
    caught_panic(|| Finding::of(&Simulation::with_transports(scenario, seed, make).unwrap().run()))
}

#[test]
fn fuzzing_finds_the_defect_and_shrinking_leaves_what_it_takes() {
    let found = Mutex::new(Vec::new());
    let fuzz = Fuzz { root_seed: 1, time: Duration::from_secs(600), runs: 12 };
    fuzz.search(forgetful, |failure| found.lock().unwrap().push(failure));
    let mut found = found.into_inner().unwrap();
    found.retain(|failure| failure.finding.sort == "exactly-once");
    found.sort_by_key(|failure| failure.seed);
    let failure = found.first().expect("one of twelve scenarios sends a hundred packets to a host");

    let shrink =
        Shrink::new(failure.document.clone(), failure.seed, Duration::from_secs(600), forgetful);
    let shrunk = shrink.unwrap().run(|_, _| Vec::new());
    let text = shrunk.document.to_toml();
    let small = shrunk.document.scenario().unwrap();
    assert_eq!(shrunk.finding.sort, "exactly-once", "{text}");
    assert_eq!(forgetful(&small, failure.seed), Some(shrunk.finding.clone()));
    // The hundredth placement of a host is forgotten: about so many packets, and all to one host.
    let flows = small.traffic_plan(failure.seed).flows;
    let packets = |flow: &FlowSpec| {
        // No packet holds bytes of two blocks.
        let block = flow.size.div_ceil(u64::from(flow.operation.vector));
        let blocks = flow.size.div_ceil(block);
        u64::from(flow.messages) * blocks * block.div_ceil(small.core.mtu.0)
    };
    let total: u64 = flows.iter().map(packets).sum();
    assert!((100..=125).contains(&total), "{total}: {text}");
    let to = flows[0].payload_to();
    assert!(flows.iter().all(|flow| flow.payload_to() == to), "{text}");
    assert_eq!(small.topology.kind, TopologyKind::Star, "{text}");
    assert!(small.topology.hosts as usize <= flows.len() + 1, "{text}");
    assert!(!text.contains("[faults"), "no fault is needed for it:\n{text}");
}
