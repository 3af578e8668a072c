//! Peers that are closed in mid-run and used again: what ends, what is told, and what goes on. The checkers
//! watch; here it is shown that they had something to watch.

use usrd_sim::report::FlowReport;
use usrd_sim::{Report, Scenario, Simulation, Status};

/// Operations of every kind between hosts 0 and 1, both ways, and some that have no part in it.
const FLOWS: &str = r#"
    { src = 0, dst = 1, messages = 60, size = "20kB" },
    { src = 0, dst = 1, messages = 60, size = "9kB", service = "rd" },
    { src = 1, dst = 0, messages = 60, size = "20kB" },
    { src = 0, dst = 1, messages = 60, size = "20kB", operation = "write", immediate = true },
    { src = 0, dst = 1, messages = 60, size = "20kB", operation = "read", vector = 9 },
    { src = 1, dst = 0, messages = 60, size = "20kB", operation = "read" },
    { src = 0, dst = 1, messages = 100, size = "8B", operation = "fadd" },
    { src = 1, dst = 0, messages = 100, size = "8B", operation = "notify" },
    { src = 0, dst = 1, messages = 60, size = "2kB", operation = "tagged", immediate = true },
    { src = 0, dst = 1, messages = 60, size = "40kB", operation = "tagged" },
    { src = 2, dst = 1, messages = 60, size = "20kB" },
    { src = 0, dst = 2, messages = 60, size = "20kB" },
"#;

fn run(close: &str, more: &str) -> Report {
    let text = format!(
        r#"
        name = "closing"
        end = "20s"
        integrity = true
        topology = {{ kind = "star", hosts = 3 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        core = {{ paths = 16 }}
        host = {{ placement_delay = "2us" }}
        workload = {{ kind = "pairs", outstanding = 8, pairs = [{FLOWS}] }}
        [faults]
        {more}
        event = [{close}]
        "#
    );
    let scenario = Scenario::parse(&text, "closing").unwrap_or_else(|error| panic!("{error}"));
    let report = Simulation::new(&scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    assert_eq!(report.totals.flows_done, 12, "{report}");
    report
}

/// Closing a peer at a time, in so many ways: (how, more keys).
fn close(at: u32, keys: &str) -> String {
    format!(r#"{{ at = "{at}us", kind = "peer-close", target = "host0", peer = "host1", {keys} }}"#)
}

const BAD: &str = "loss = 0.03\nduplication = 0.05\nreorder = 0.1\nreorder_delay = \"50us\"";

fn failed(flow: &FlowReport) -> bool {
    flow.failed > 0
}

#[test]
fn what_is_given_time_ends_well_and_the_rest_goes_on() {
    for more in ["", BAD] {
        let report = run(&close(60, r#"patience = "20ms""#), more);
        // What the other side had under way towards host 0 was not waited for.
        for flow in &report.flows {
            assert!(!failed(flow) || (flow.src, flow.dst) == (1, 0), "{report}");
        }
    }
}

#[test]
fn what_is_cut_off_fails_on_both_sides_and_no_more() {
    for more in ["", BAD] {
        let report = run(&close(60, ""), more);
        for flow in &report.flows {
            let is_between = flow.src.min(1) + flow.dst.min(1) == 1 && flow.src + flow.dst == 1;
            assert_eq!(failed(flow), is_between, "{report}");
            assert!(flow.failed <= 8, "only what was under way: {report}");
        }
    }
}

#[test]
fn a_peer_is_used_again_as_often_as_it_is_closed() {
    for (keys, more) in [(r#"patience = "0us""#, ""), (r#"patience = "15us""#, BAD)] {
        let times: Vec<String> = (1..12).map(|nth| close(30 * nth, keys)).collect();
        let report = run(&times.join(", "), more);
        assert!(failed(&report.flows[0]), "{report}");
        assert!(report.flows[0].failed < report.flows[0].messages, "{report}");
        assert!(!failed(&report.flows[10]) && !failed(&report.flows[11]), "{report}");
    }
}

#[test]
fn a_peer_that_rests_is_used_again_when_it_is_time() {
    let report = run(&close(60, r#"until = "900us""#), "");
    assert!(report.flows[0].sender_fct_ns > Some(900_000), "{report}");
    assert!(report.flows[11].sender_fct_ns < Some(900_000), "{report}");
}

#[test]
fn both_sides_may_close_at_once_and_a_crash_may_come_between() {
    let other = r#"{ at = "60us", kind = "peer-close", target = "host1", peer = "host0" }"#;
    run(&format!("{}, {other}", close(60, "")), BAD);
    let crash = r#"{ at = "65us", until = "80us", kind = "host-crash", target = "host1" }"#;
    run(&format!("{}, {crash}", close(60, r#"patience = "10us""#)), "");
    let crash = r#"{ at = "65us", until = "80us", kind = "host-crash", target = "host0" }"#;
    run(&format!("{}, {crash}", close(60, r#"patience = "50us", until = "90us""#)), "");
}

#[test]
fn what_cannot_be_closed_is_refused_and_its_line_named() {
    for (event, reason) in [
        (r#"target = "host0""#, "peer: is missing"),
        (r#"target = "host0", peer = "host0""#, "no peer of its own"),
        (r#"target = "switch0", peer = "host0""#, "needs a host"),
        (r#"target = "host0", peer = "host7""#, "no node"),
    ] {
        let text = format!(
            "name = \"x\"\nend = \"1s\"\ntopology = {{ kind = \"star\", hosts = 3 }}\n\
             links = {{ rate = \"1Gbps\", latency = \"1us\", queue = \"1MB\" }}\n\
             workload = {{ kind = \"permutation\", size = \"8B\" }}\n\
             [[faults.event]]\nat = \"1us\"\nkind = \"peer-close\"\n{}",
            event.replace(", ", "\n")
        );
        let error = Scenario::parse(&text, "x.toml").unwrap_err().to_string();
        assert!(error.contains(reason), "{event}: {error}");
    }
}
