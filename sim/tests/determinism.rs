//! A seed determines a run, and nothing else does.

use std::path::PathBuf;
use std::process::Command;

use usrd_sim::event::QueueKind;
use usrd_sim::{Report, Scenario, Simulation};

fn hello() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans/hello.toml")
}

fn run(seed: u64) -> Report {
    let scenario = Scenario::load(&hello()).unwrap();
    Simulation::new(&scenario, seed).unwrap().run()
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (first, second) = (run(7), run(7));
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.simulated_ns, second.simulated_ns);
    assert_eq!(first.totals.events, second.totals.events);
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(run(7).digest, run(8).digest);
}

#[test]
fn the_event_queue_makes_no_difference() {
    let mut scenario = Scenario::load(&hello()).unwrap();
    for seed in 1..4 {
        let digest = |scenario: &Scenario| Simulation::new(scenario, seed).unwrap().run().digest;
        scenario.event_queue = QueueKind::Radix;
        let radix = digest(&scenario);
        scenario.event_queue = QueueKind::Binary;
        assert_eq!(radix, digest(&scenario));
    }
}

#[test]
fn the_command_says_so_too() {
    let output = Command::new(env!("CARGO_BIN_EXE_usrd-sim"))
        .arg("check-determinism")
        .arg(hello())
        .args(["--seed", "3"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().ends_with("same\n"));
}

#[test]
fn the_command_reports_as_json() {
    let output = Command::new(env!("CARGO_BIN_EXE_usrd-sim"))
        .arg("run")
        .arg(hello())
        .args(["--json", "--seed", "7"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["digest"], run(7).digest);
    assert_eq!(report["status"], "ok");
    assert_eq!(report["flows"].as_array().unwrap().len(), 4);
}
