//! Receives for several messages, over networks that lose, reorder and double packets, and with messages that
//! are taken back, hosts that crash, and peers that are closed. The checkers watch.

use usrd_sim::units::Probability;
use usrd_sim::{Report, Scenario, Simulation, Status};

/// Messages of every kind and of many sizes to the same hosts.
const FLOWS: &str = r#"
    { src = 0, dst = 1, messages = 100, size = "20kB" },
    { src = 2, dst = 1, messages = 100, size = "100B", immediate = true },
    { src = 3, dst = 1, messages = 60, size = "3kB", service = "ud" },
    { src = 0, dst = 1, messages = 60, size = "5000B", service = "rd" },
    { src = 0, dst = 3, messages = 60, size = "8kB", operation = "tagged", immediate = true },
    { src = 0, dst = 3, messages = 60, size = "80kB", operation = "tagged" },
    { src = 1, dst = 3, messages = 100, size = "300B", operation = "tagged" },
    { src = 2, dst = 3, messages = 60, size = "20kB", operation = "tagged" },
"#;

fn scenario(many: u32, more: &str) -> Scenario {
    let text = format!(
        r#"
        name = "shared"
        end = "1s"
        integrity = true
        topology = {{ kind = "star", hosts = 4 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "256KiB" }}
        host = {{ placement_delay = "3us" }}
        [workload]
        kind = "pairs"
        many = {many}
        posted_receives = 2
        pairs = [{FLOWS}]
        [faults]
        loss = 0.01
        duplication = 0.01
        reorder = 0.1
        reorder_delay = "20us"
        {more}
        "#
    );
    Scenario::parse(&text, "shared").unwrap_or_else(|error| panic!("{error}"))
}

fn run(scenario: &Scenario) -> Report {
    let report = Simulation::new(scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report
}

fn failures(report: &Report) -> u32 {
    report.flows.iter().map(|flow| flow.failed).sum()
}

#[test]
fn messages_share_buffers() {
    for many in [1, 2, 7] {
        let report = run(&scenario(many, ""));
        assert_eq!((report.totals.flows_done, failures(&report)), (8, 0), "{report}");
    }
}

#[test]
fn messages_that_are_taken_back_leave_room_to_others() {
    let mut scenario = scenario(5, "");
    scenario.workload.cancel = Probability::new(0.5);
    assert!(failures(&run(&scenario)) > 100);
}

#[test]
fn buffers_outlive_peers_and_end_with_their_host() {
    for kind in ["peer-close\", peer = \"host0", "host-crash\", until = \"300us"] {
        let event = format!("event = [{{ at = \"90us\", target = \"host3\", kind = \"{kind}\" }}]");
        let report = run(&scenario(4, &event));
        assert!(report.totals.flows_done == 8, "{kind}: {report}");
    }
    let report = run(&scenario(
        4,
        "event = [{ at = \"90us\", until = \"300us\", target = \"host0\", kind = \"host-crash\" }]",
    ));
    assert!(failures(&report) > 0, "{report}");
}
