//! RC and TCP run under the same rules as the core: everything arrives once and in order, whatever
//! the network does, and the same seed gives the same run.

use usrd_sim::event::QueueKind;
use usrd_sim::{Report, Scenario, Simulation, Status};

const TRANSPORTS: [&str; 3] = ["rc", "rc-sr", "tcp"];

fn scenario(transport: &str, rest: &str) -> Scenario {
    let text = format!(
        r#"
        name = "baseline"
        transport = "{transport}"
        end = "5s"
        integrity = true
        {rest}
        [links]
        rate = "100Gbps"
        latency = "1us"
        queue = "178450B"
        ecn_min = "37350B"
        ecn_max = "145250B"
        "#
    );
    Scenario::parse(&text, "baseline").unwrap_or_else(|error| panic!("{error}"))
}

fn run(scenario: &Scenario) -> Report {
    let report = Simulation::new(scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    report
}

/// Two flows between the same hosts, one after the other, and one back.
const PAIRS: &str = r#"
    topology = { kind = "star", hosts = 3 }
    workload = { kind = "pairs", pairs = [
        { src = 0, dst = 1, messages = 40, size = "50kB" },
        { src = 0, dst = 1, messages = 20, size = "5kB", after = [0] },
        { src = 1, dst = 0, messages = 60, size = "9kB" },
        { src = 0, dst = 2, size = "100B" },
    ] }
"#;

const INCAST: &str = r#"
    topology = { kind = "leaf-spine", hosts = 16, leaves = 4, spines = 4 }
    workload = { kind = "incast", senders = 15, size = "300kB", messages = 2 }
"#;

#[test]
fn where_nothing_goes_wrong_nothing_is_sent_twice() {
    for transport in TRANSPORTS {
        let report = run(&scenario(transport, PAIRS));
        assert_eq!(report.totals.retransmissions, 0, "{transport}: {report}");
        assert!(report.drops.is_empty(), "{transport}: {report}");
    }
}

#[test]
fn one_flow_fills_a_link() {
    let flow = r#"
        topology = { kind = "pair", hosts = 2 }
        workload = { kind = "pairs", pairs = [{ src = 0, dst = 1, size = "20MB" }] }
    "#;
    for transport in TRANSPORTS {
        let totals = run(&scenario(transport, flow)).totals;
        assert!(totals.max_fct_ns * 100 < totals.ideal_ns * 103, "{transport}: {totals:?}");
    }
}

#[test]
fn everything_arrives_once_and_in_order_whatever_is_lost_copied_and_overtaken() {
    let faults = r#"
        [faults]
        loss = "2%"
        duplication = "1%"
        reorder = "1%"
        reorder_delay = "5us"
        corruption = "0.5%"
    "#;
    for transport in TRANSPORTS {
        let rtos = (1..6).map(|seed| {
            let scenario = scenario(transport, &format!("{PAIRS}{faults}"));
            let report = Simulation::new(&scenario, seed).unwrap().run();
            assert_eq!(report.status, Status::Ok, "{transport}: {report}");
            assert!(report.totals.retransmissions > 0, "{transport}: {report}");
            report.totals.rtos
        });
        assert!(rtos.sum::<u64>() > 0, "{transport}");
    }
}

#[test]
fn go_back_n_repeats_what_selective_repeat_does_not() {
    let again = |transport: &str| {
        let faults = "[faults]\nloss = \"0.5%\"\n";
        let report = run(&scenario(transport, &format!("{PAIRS}{faults}")));
        report.totals.retransmissions as f64 / report.drops["network.loss"] as f64
    };
    let (go_back, selective, tcp) = (again("rc"), again("rc-sr"), again("tcp"));
    assert!(go_back > 3.0 * selective, "{go_back} against {selective}");
    assert!(selective < 1.5 && tcp < 1.5, "{selective}, {tcp}: about one for each loss");
}

#[test]
fn marks_slow_rdma_down_and_losses_tcp() {
    for transport in ["rc", "rc-sr"] {
        let report = run(&scenario(transport, INCAST));
        assert!(report.totals.marked > 0, "{transport}: {report}");
    }
    let report = run(&scenario("tcp", INCAST));
    assert_eq!(report.totals.marked, 0, "TCP does not say that it understands marks: {report}");
    assert!(report.drops["network.full_queue"] > 0, "{report}");
}

#[test]
fn a_seed_gives_one_run_whatever_the_event_queue() {
    for transport in TRANSPORTS {
        let mut scenario = scenario(transport, INCAST);
        let radix = run(&scenario);
        assert_eq!(radix.digest, run(&scenario).digest);
        scenario.event_queue = QueueKind::Binary;
        assert_eq!(radix.digest, run(&scenario).digest, "{transport}");
        assert_ne!(radix.digest, Simulation::new(&scenario, 2).unwrap().run().digest);
    }
}

#[test]
fn a_flow_keeps_to_one_path() {
    // With 8 spines and a flow each, two flows meet on one of them for most seeds.
    let flows = r#"
        topology = { kind = "leaf-spine", hosts = 16, leaves = 2, spines = 8 }
        workload = { kind = "bisection", size = "2MB" }
    "#;
    for transport in TRANSPORTS {
        let totals = run(&scenario(transport, flows)).totals;
        assert!(totals.max_fct_ns > totals.ideal_ns * 3 / 2, "{transport}: {totals:?}");
    }
}

#[test]
fn keys_of_others_are_refused_with_their_line() {
    let refused = |transport: &str, line: &str| {
        let text = format!(
            "transport = \"{transport}\"\nname = \"x\"\nend = \"1s\"\n{PAIRS}\n[links]\nrate = \"1Gbps\"\n\
             latency = \"1us\"\nqueue = \"1MB\"\n{line}\n"
        );
        let error = Scenario::parse(&text, "x.toml").expect_err(line);
        assert_eq!(error.line(), Some(text.lines().count()), "{error}");
        error.message().to_owned()
    };
    let own = "baseline.min_rto: means nothing to \"srd\"";
    assert!(refused("srd", "[baseline]\nmin_rto = \"1ms\"").contains(own));
    let window = "baseline.initial_window: \"rc\" has a rate, and no window";
    assert!(refused("rc", "[baseline]\ninitial_window = 4").contains(window));
    assert!(refused("tcp", "[baseline]\ninitial_window = 0").contains("at least 1"));
    assert!(refused("tcp", "[baseline]\nmin_rto = \"1ns\"").contains("at least 1.000 us"));
    let core =
        ["spray = \"reps\"", "ack_packets = 1", "receiver_credits = true", "window = \"1MB\""];
    for key in core {
        let message = refused("rc-sr", &format!("[core]\n{key}"));
        assert!(message.contains("means nothing to transport \"rc-sr\""), "{message}");
    }
    assert!(refused("tcp", "trimming = true").contains("links.trimming: means nothing"));
}
