//! Hosts that close their peers, and do wrong by it.

use usrd_sim::check::Checker;
use usrd_sim::{Report, Scenario, Status};

use super::host::Defect;
use super::{is_caught, run_in};

fn run(defect: Defect) -> Report {
    let text = r#"
        name = "broken"
        end = "1s"
        topology = { kind = "star", hosts = 2 }
        links = { rate = "100Gbps", latency = "1us", queue = "1MiB" }
        [workload]
        kind = "pairs"
        pairs = [
          { src = 0, dst = 1, messages = 100, size = "20kB" },
          { src = 0, dst = 1, messages = 100, size = "20kB", operation = "write" },
        ]
        [[faults.event]]
        at = "60us"
        kind = "peer-close"
        target = "host0"
        peer = "host1"
    "#;
    run_in(&Scenario::parse(text, "broken").unwrap(), defect)
}

#[test]
fn without_a_defect_nothing_is_found() {
    let report = run(Defect::None);
    assert_eq!(report.status, Status::Ok, "{report}");
    assert!(report.flows.iter().all(|flow| flow.failed > 0), "{report}");
}

#[test]
fn operations_that_do_not_end_with_their_peer_are_caught() {
    let report = run(Defect::KeepsCutOff);
    assert!(is_caught(&report, Checker::Closing), "{report}");
}

#[test]
fn false_words_about_who_has_left_are_caught() {
    let report = run(Defect::BlamesTheOther);
    assert!(is_caught(&report, Checker::Closing), "{report}");
}
