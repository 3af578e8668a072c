//! Every kind of fault happens, and the protocol gets over it.

use usrd_sim::{Report, Scenario, Simulation, Status};

/// Four hosts at two leaves with two spines between them; everybody sends across.
fn run(faults: &str) -> Report {
    let text = format!(
        r#"
        name = "faults"
        end = "1s"
        integrity = true
        topology = {{ kind = "leaf-spine", hosts = 4, leaves = 2, spines = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "256KiB", ecn_min = "64KiB" }}
        {faults}
        [core]
        paths = 16
        [workload]
        kind = "pairs"
        pairs = [
            {{ src = 0, dst = 2, messages = 40, size = "64KiB" }},
            {{ src = 1, dst = 3, messages = 40, size = "64KiB" }},
        ]
        "#
    );
    let scenario = Scenario::parse(&text, "faults").unwrap_or_else(|error| panic!("{error}"));
    let report = Simulation::new(&scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report
}

fn drops(report: &Report, what: &str) -> u64 {
    report.drops.get(what).copied().unwrap_or(0)
}

#[test]
fn without_faults_nothing_is_dropped() {
    let report = run("");
    assert!(report.drops.is_empty(), "{report}");
}

#[test]
fn corrupted_frames_are_caught() {
    let report = run("faults = { corruption = \"1%\" }");
    assert!(drops(&report, "network.corrupt") > 20, "{report}");
    assert_eq!(drops(&report, "endpoint.malformed"), 0, "{report}");
}

#[test]
fn bursts_of_loss_are_survived() {
    let report = run("faults = { burst = { begin = 0.002, end = 0.1, loss = 0.5 } }");
    assert!(drops(&report, "network.loss") > 20, "{report}");
}

#[test]
fn jitter_keeps_the_order_and_is_no_loss() {
    let report = run("faults = { jitter = \"3us\" }");
    assert_eq!(report.totals.retransmissions, 0, "{report}");
}

#[test]
fn a_link_goes_down_and_comes_back() {
    let event = r#"{ at = "20us", until = "300us", kind = "link-down", target = "leaf0>spine1" }"#;
    let report = run(&format!("faults = {{ event = [{event}] }}"));
    assert!(drops(&report, "network.down") > 0, "{report}");
}

#[test]
fn a_switch_reboots() {
    let event = r#"{ at = "50us", until = "400us", kind = "switch-reboot", target = "spine0" }"#;
    let report = run(&format!("faults = {{ event = [{event}] }}"));
    assert!(drops(&report, "network.down") > 0, "{report}");
}

#[test]
fn a_slow_link_and_a_lossy_one_and_a_black_hole() {
    let slow = r#"{ at = "0us", kind = "link-rate", target = "leaf0>spine1", rate = "10Gbps" }"#;
    let lossy =
        r#"{ at = "10us", until = "1ms", kind = "link-loss", target = "spine0", share = 0.01 }"#;
    let hole =
        r#"{ at = "30us", until = "1ms", kind = "black-hole", target = "leaf0", share = "20%" }"#;
    let plain = run("").totals.max_fct_ns;
    assert!(run(&format!("faults = {{ event = [{slow}] }}")).totals.max_fct_ns > plain);
    for event in [lossy, hole] {
        let report = run(&format!("faults = {{ event = [{event}] }}"));
        assert!(drops(&report, "network.loss") > 0, "{report}");
    }
}

#[test]
fn a_paused_host_goes_on_where_it_was() {
    let event = r#"{ at = "30us", until = "900us", kind = "host-pause", target = "host2" }"#;
    let report = run(&format!("faults = {{ event = [{event}] }}"));
    assert!(report.totals.max_fct_ns > 900_000, "{report}");
}

#[test]
fn clocks_that_drift_disturb_nobody() {
    let event = r#"{ at = "1us", kind = "clock-drift", target = "host0", ppm = 300 }"#;
    let other = r#"{ at = "1us", kind = "clock-drift", target = "host2", ppm = -300 }"#;
    let report = run(&format!("faults = {{ event = [{event}, {other}] }}"));
    assert_eq!(report.totals.retransmissions, 0, "{report}");
}
