//! Hosts that crash, and come back or not: what was under way fails or has arrived, nothing arrives
//! twice, and what is sent afterwards arrives.

use usrd_sim::{Report, Scenario, Simulation, Status};

fn scenario(service: &str, events: &str) -> Scenario {
    let text = format!(
        r#"
        name = "crash"
        transport = "{service}"
        end = "30s"
        integrity = true
        topology = {{ kind = "star", hosts = 4 }}
        links = {{ rate = "10Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "2us" }}
        workload = {{ kind = "all-to-all", size = "20kB", messages = 60 }}
        [faults]
        {events}
        "#
    );
    Scenario::parse(&text, "crash").unwrap_or_else(|error| panic!("{error}"))
}

fn run(service: &str, events: &str) -> Report {
    let report = Simulation::new(&scenario(service, events), 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{service}: {report}");
    assert_eq!(report.totals.flows_done, 12, "{report}");
    report
}

const RESTARTS: &str =
    r#"event = [{ at = "500us", until = "900us", kind = "host-crash", target = "host2" }]"#;

#[test]
fn what_was_under_way_fails_and_the_rest_arrives() {
    for service in ["srd", "rd"] {
        let report = run(service, RESTARTS);
        let touched = |flow: &&usrd_sim::report::FlowReport| flow.src == 2 || flow.dst == 2;
        let (touched, others): (Vec<_>, Vec<_>) = report.flows.iter().partition(touched);
        assert!(others.iter().all(|flow| flow.failed == 0), "{report}");
        assert!(
            touched.iter().all(|flow| flow.failed <= 16),
            "no more than was under way: {report}"
        );
        assert!(touched.iter().any(|flow| flow.src == 2 && flow.failed > 0), "{report}");
        assert!(touched.iter().any(|flow| flow.dst == 2 && flow.failed > 0), "{report}");
        assert!(report.drops["host.down"] > 0, "{report}");
    }
}

#[test]
fn a_host_may_crash_twice_and_another_one_besides() {
    let events = r#"event = [
        { at = "200us", until = "210us", kind = "host-crash", target = "host2" },
        { at = "205us", until = "400us", kind = "host-crash", target = "host1" },
        { at = "600us", until = "1ms", kind = "host-crash", target = "host2" },
        { at = "700us", until = "800us", kind = "host-crash", target = "host2" },
    ]"#;
    for service in ["srd", "rd"] {
        assert!(run(service, events).flows.iter().any(|flow| flow.failed > 0));
    }
}

#[test]
fn a_host_that_never_comes_back_is_given_up() {
    let report = run("srd", r#"event = [{ at = "300us", kind = "host-crash", target = "host3" }]"#);
    for flow in &report.flows {
        let is_over = flow.src == 3 || flow.dst == 3;
        assert_eq!(flow.failed > 0, is_over, "{flow:?}");
    }
}

/// The sender never heard that the message had arrived, nor of whom it reached: it reaches the next
/// incarnation as well, once.
#[test]
fn each_life_of_a_receiver_counts_for_itself() {
    let text = r#"
        name = "two lives"
        end = "1s"
        topology = { kind = "star", hosts = 2 }
        links = { rate = "100Gbps", latency = "10us", queue = "1MiB" }
        workload = { kind = "pairs", pairs = [{ src = 1, dst = 0, size = "1B" }] }
        [faults]
        event = [
            { at = "15us", until = "900us", kind = "link-down", target = "host1" },
            { at = "60us", until = "900us", kind = "host-crash", target = "host0" },
        ]
    "#;
    let report = Simulation::new(&Scenario::parse(text, "x").unwrap(), 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    assert_eq!((report.flows[0].failed, report.totals.retransmissions > 0), (0, true), "{report}");
}

#[test]
fn a_crash_is_part_of_what_a_seed_determines() {
    let scenario = scenario("srd", RESTARTS);
    let run = |seed| Simulation::new(&scenario, seed).unwrap().run().digest;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn connections_do_not_survive_a_crash() {
    let text = r#"
        name = "x"
        transport = "tcp"
        end = "1s"
        topology = { kind = "star", hosts = 2 }
        links = { rate = "10Gbps", latency = "1us", queue = "1MiB" }
        workload = { kind = "permutation", size = "1kB" }
        [[faults.event]]
        at = "1us"
        kind = "host-crash"
        target = "host0"
    "#;
    let error = Scenario::parse(text, "x.toml").unwrap_err();
    assert!(
        error.message().contains("faults.event[0].kind: \"tcp\" has no incarnations"),
        "{error}"
    );
    assert_eq!(error.line(), Some(10));
}
