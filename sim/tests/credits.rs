//! Receiver credits: an incast is fair and keeps its link busy, and nothing gets stuck.

use usrd_sim::{Report, Scenario, Simulation, Status};

/// Eight hosts send to the first, several messages each.
fn run(links: &str, faults: &str) -> Report {
    run_senders(8, 20, "64KiB", links, faults)
}

fn run_senders(senders: u32, messages: u32, size: &str, links: &str, faults: &str) -> Report {
    let text = format!(
        r#"
        name = "credits"
        end = "1s"
        faults = {{ {faults} }}
        [topology]
        kind = "leaf-spine"
        hosts = 16
        leaves = 4
        spines = 4
        [links]
        rate = "100Gbps"
        latency = "1us"
        queue = "120kB"
        ecn_min = "25kB"
        ecn_max = "100kB"
        {links}
        [core]
        paths = 16
        receiver_credits = true
        [workload]
        kind = "incast"
        senders = {senders}
        messages = {messages}
        size = "{size}"
        outstanding = 4
        "#
    );
    let scenario = Scenario::parse(&text, "credits").unwrap_or_else(|error| panic!("{error}"));
    let report = Simulation::new(&scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report
}

#[test]
fn an_incast_is_fair_and_near_the_ideal() {
    let totals = run("trimming = true", "").totals;
    assert!(totals.max_fct_ns * 100 < totals.ideal_ns * 104, "{totals:?}");
    assert!(totals.fairness > 0.99, "{totals:?}");
    assert_eq!(totals.rtos, 0, "{totals:?}");
}

/// The hosts of the receiver's own leaf are there first, and find the link idle. They are done no sooner
/// than the others.
#[test]
fn who_is_nearest_is_not_done_first() {
    let totals = run_senders(15, 1, "128KiB", "trimming = true", "").totals;
    assert!(totals.fairness > 0.99, "{totals:?}");
}

/// A lost ACK takes a grant with it, a lost packet is missing for long: both are told again.
#[test]
fn lost_grants_and_packets_come_again() {
    run("trimming = true", "loss = 0.02");
    run("", "loss = 0.02, duplication = 0.01, reorder = 0.05, reorder_delay = \"20us\"");
}

/// A sender that stands still does not keep the others from sending.
#[test]
fn a_silent_sender_holds_up_nobody() {
    let pause =
        r#"event = [{ at = "50us", until = "20ms", kind = "host-pause", target = "host1" }]"#;
    let report = run("trimming = true", pause);
    let times: Vec<u64> = report.flows.iter().map(|flow| flow.sender_fct_ns.unwrap()).collect();
    assert!(times[0] > 20_000_000, "{report}");
    assert!(times[1..].iter().all(|&took| took < 2 * report.totals.ideal_ns), "{report}");
}

/// WRITEs need no grant; their PSNs are among those granted all the same. If they were not taken off
/// what is missing, the messages beside them would soon be granted nothing.
#[test]
fn messages_beside_writes_are_granted_their_share() {
    let text = r#"
        name = "beside writes"
        end = "100ms"
        topology = { kind = "star", hosts = 5 }
        links = { rate = "100Gbps", latency = "1us", queue = "256KiB", trimming = true }
        core = { receiver_credits = true }
        [workload]
        kind = "pairs"
        pairs = [
          { src = 1, dst = 0, messages = 30, size = "300kB" },
          { src = 2, dst = 0, messages = 30, size = "300kB" },
          { src = 3, dst = 0, messages = 30, size = "300kB" },
          { src = 1, dst = 0, messages = 400, size = "9kB", operation = "write" },
          { src = 2, dst = 0, messages = 400, size = "9kB", operation = "write" },
          { src = 4, dst = 0, messages = 400, size = "9kB", operation = "write" },
        ]
    "#;
    let report = Simulation::new(&Scenario::parse(text, "x").unwrap(), 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
}
