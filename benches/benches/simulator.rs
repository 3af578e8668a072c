//! How fast the simulator is with the real core in every host and nobody watching: packet-hops per
//! second of one processor, and the most memory. The median of some runs; goals in brackets.

use std::path::Path;

use usrd_sim::{Scenario, Simulation, Status};

fn main() {
    // Less memory first: the most ever held is what the kernel remembers.
    for (plan, goal) in [("perm-128-100g.toml", 2.0), ("perm-1024-100g.toml", 1.0)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/plans/experiments");
        let scenario = Scenario::load(&folder.join(plan)).unwrap_or_else(|error| panic!("{error}"));
        let mut speeds: Vec<f64> = (1..=RUNS).map(|seed| speed(&scenario, seed)).collect();
        speeds.sort_by(f64::total_cmp);
        println!(
            "{plan}: {:.2} million packet-hops/s [{goal}], at most {} MB [100]",
            speeds[speeds.len() / 2],
            most_memory_kib()
                .map_or_else(|| "?".to_owned(), |kib| (kib * 1024 / 1_000_000).to_string()),
        );
    }
}

/// Million packet-hops per second.
fn speed(scenario: &Scenario, seed: u64) -> f64 {
    let simulation = Simulation::new(scenario, seed).expect("a scenario that was checked");
    let report = simulation.run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report.cost.hops_per_second / 1e6
}

/// The most memory that this process ever held.
fn most_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

const RUNS: u64 = 3;
