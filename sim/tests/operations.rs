//! Operations on memory, each over networks that lose, reorder, double and swallow packets, and with hosts
//! that crash or take their memory back. The checkers watch; here it is shown that they had something to
//! watch.

use usrd_sim::report::FlowReport;
use usrd_sim::time::Time;
use usrd_sim::units::Bytes;
use usrd_sim::{Report, Scenario, Simulation, Status};

/// Flows of every operation between four hosts at two leaves, some of them between the same two.
const FLOWS: &str = r#"
    { src = 0, dst = 2, messages = 60, size = "20kB", operation = "write" },
    { src = 0, dst = 2, messages = 60, size = "1kB", operation = "write", immediate = true },
    { src = 2, dst = 0, messages = 40, size = "30000B", operation = "write", vector = 23, immediate = true },
    { src = 1, dst = 2, messages = 60, size = "20kB", operation = "read" },
    { src = 3, dst = 1, messages = 40, size = "30000B", operation = "read", vector = 23, immediate = true },
    { src = 0, dst = 2, messages = 200, size = "8B", operation = "fadd" },
    { src = 1, dst = 2, messages = 200, size = "8B", operation = "fadd" },
    { src = 3, dst = 2, messages = 100, size = "8B", operation = "cas" },
    { src = 1, dst = 2, messages = 100, size = "8B", operation = "cas" },
    { src = 0, dst = 2, messages = 30, size = "9kB", immediate = true },
    { src = 0, dst = 2, messages = 60, size = "3kB", operation = "tagged", immediate = true },
    { src = 0, dst = 2, messages = 60, size = "100B", operation = "tagged" },
    { src = 1, dst = 2, messages = 40, size = "40kB", operation = "tagged", immediate = true },
    { src = 3, dst = 2, messages = 40, size = "17kB", operation = "tagged" },
    { src = 1, dst = 2, messages = 200, size = "8B", operation = "notify" },
    { src = 2, dst = 0, messages = 200, size = "8B", operation = "notify", service = "rd" },
"#;

fn scenario(transport: &str, more: &str) -> Scenario {
    let text = format!(
        r#"
        name = "operations"
        transport = "{transport}"
        end = "20s"
        integrity = true
        topology = {{ kind = "leaf-spine", hosts = 4, leaves = 2, spines = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "256KiB", ecn_min = "64KiB" }}
        core = {{ paths = 16 }}
        workload = {{ kind = "pairs", outstanding = 8, pairs = [{FLOWS}] }}
        {more}
        "#
    );
    Scenario::parse(&text, "operations").unwrap_or_else(|error| panic!("{error}"))
}

fn run_in(scenario: &Scenario) -> Report {
    let report = Simulation::new(scenario, 1).unwrap().run();
    assert_eq!(report.status, Status::Ok, "{report}");
    assert_eq!(report.totals.flows_done, 16, "{report}");
    report
}

fn run(more: &str) -> Report {
    run_in(&scenario("srd", more))
}

fn failures(report: &Report) -> u32 {
    report.flows.iter().map(|flow| flow.failed).sum()
}

#[test]
fn every_operation_works_over_srd_and_beside_rd() {
    for transport in ["srd", "rd"] {
        let report = run_in(&scenario(transport, ""));
        assert_eq!(failures(&report), 0, "{report}");
    }
}

#[test]
fn notes_come_whole_through_loss_and_crashes() {
    let crash =
        "event = [{ at = \"40us\", until = \"90us\", kind = \"host-crash\", target = \"host2\" }]";
    for (len, more) in [(1, ""), (4_096, ""), (700, crash)] {
        let faults = format!(
            "[faults]\nloss = 0.02\nduplication = 0.02\nreorder = 0.1\nreorder_delay = \"20us\"\n{more}"
        );
        let mut scenario = scenario("srd", &faults);
        scenario.workload.note = Some(Bytes(len));
        scenario.core.mtu = Bytes(1_024);
        // A READ is complete before its note is placed.
        scenario.host.placement_delay = Time::from_ns(15_000);
        assert_eq!(failures(&run_in(&scenario)) > 0, !more.is_empty());
    }
}

#[test]
fn what_is_complete_can_mean_delivered() {
    let mut scenario = scenario("srd", "host = { placement_delay = \"15us\" }");
    scenario.workload.completion = usrd_sim::workload::CompletionKey::Delivered;
    assert_eq!(failures(&run_in(&scenario)), 0);
}

#[test]
fn late_placements_keep_their_order() {
    assert_eq!(failures(&run("host = { placement_delay = \"15us\" }")), 0);
}

#[test]
fn a_bad_network_changes_nothing_about_the_outcome() {
    let bad = [
        "faults = { loss = 0.05 }",
        "faults = { reorder = 0.2, reorder_delay = \"50us\" }",
        "faults = { duplication = 0.2 }",
        "faults = { loss = 0.05, duplication = 0.1, reorder = 0.2, reorder_delay = \"100us\" }",
        "faults = { corruption = 0.02, jitter = \"3us\" }",
        "faults = { burst = { begin = 0.002, end = 0.1, loss = 0.5 } }",
    ];
    for faults in bad {
        let report = run(&format!("{faults}\nhost = {{ placement_delay = \"2us\" }}"));
        assert_eq!(failures(&report), 0, "{faults}: {report}");
    }
}

#[test]
fn black_holes_and_dead_links_are_survived() {
    for event in [
        r#"{ at = "10us", kind = "black-hole", share = 0.4, target = "leaf0>spine1" }"#,
        r#"{ at = "10us", until = "300us", kind = "link-down", target = "host2" }"#,
        r#"{ at = "10us", until = "300us", kind = "switch-reboot", target = "leaf1" }"#,
        r#"{ at = "10us", until = "400us", kind = "host-pause", target = "host2" }"#,
    ] {
        let report = run(&format!("faults = {{ event = [{event}] }}"));
        assert_eq!(failures(&report), 0, "{event}: {report}");
    }
}

fn touches(flow: &FlowReport, host: u32) -> bool {
    flow.src == host || flow.dst == host
}

/// Small limits, a program that takes its time, and a network that loses.
#[test]
fn limits_hold_operations_up_and_nothing_fails() {
    for core in [
        "max_served = 1, max_notifications = 1, recv_window_packets = 64",
        "max_served = 2, eager = \"0B\", quantum = \"100B\", train_packets = 4",
        "max_half_open = 2, recv_window = \"40kB\", rnr_delay = \"20us\", idle_after = \"30us\"",
    ] {
        let mut scenario = scenario(
            "srd",
            "faults = { loss = 0.02 }\nhost = { notice_delay = \"5us\", placement_delay = \"1us\" }",
        );
        let text = format!("mtu = \"1024B\"\npaths = 16\n{}", core.replace(", ", "\n"));
        scenario.core = toml::from_str(&text).unwrap();
        assert_eq!(failures(&run_in(&scenario)), 0, "{core}");
    }
}

#[test]
fn a_crash_fails_what_was_under_way_and_no_more() {
    let event = r#"{ at = "40us", until = "90us", kind = "host-crash", target = "host2" }"#;
    let report = run(&format!("faults = {{ loss = 0.01, event = [{event}] }}"));
    assert!(failures(&report) > 0, "{report}");
    for flow in &report.flows {
        assert!(touches(flow, 2) || flow.failed == 0, "{report}");
    }
    let forever = r#"{ at = "40us", kind = "host-crash", target = "host2" }"#;
    let report = run(&format!("faults = {{ event = [{forever}] }}"));
    assert!(report.flows.iter().all(|flow| touches(flow, 2) == (flow.failed > 0)), "{report}");
}

#[test]
fn memory_that_is_taken_back_is_refused_and_left_alone() {
    let again = |from: u32| {
        let until = from + 12;
        format!(
            r#"{{ at = "{from}us", until = "{until}us", kind = "region-revoke", target = "host2" }},"#
        )
    };
    let events: String = (0..6).map(|nth| again(20 + 15 * nth)).collect();
    for more in ["", "loss = 0.03, duplication = 0.1, reorder = 0.2, reorder_delay = \"60us\","] {
        let report = run(&format!(
            "faults = {{ {more} event = [{events}] }}\nhost = {{ placement_delay = \"3us\" }}"
        ));
        assert!(failures(&report) > 0, "{report}");
        // Only operations on the memory of host 2 are refused; messages to it are not.
        for flow in &report.flows {
            assert!(flow.dst == 2 || flow.failed == 0, "{report}");
        }
        assert!(report.flows[9..].iter().all(|flow| flow.failed == 0), "{report}");
        assert!(report.flows[0].failed < report.flows[0].messages, "{report}");
    }
}

#[test]
fn memory_that_never_comes_back_refuses_all_that_follows() {
    let event = r#"{ at = "30us", kind = "region-revoke", target = "host2" }"#;
    let report = run(&format!("faults = {{ event = [{event}] }}"));
    let failing: Vec<_> = report.flows.iter().map(|flow| flow.failed > 0).collect();
    assert_eq!(failing.iter().filter(|&&failed| failed).count(), 7, "{report}");
}

fn error(more: &str, pair: &str) -> String {
    let text = format!(
        "name = \"x\"\nend = \"1s\"\n{more}\ntopology = {{ kind = \"star\", hosts = 3 }}\n\
         links = {{ rate = \"1Gbps\", latency = \"1us\", queue = \"1MB\" }}\n[workload]\n\
         kind = \"pairs\"\npairs = [\n  {{ src = 0, dst = 1, size = \"8B\", operation = \"write\" }},\n  {pair}\n]"
    );
    Scenario::parse(&text, "x.toml").unwrap_err().to_string()
}

#[test]
fn what_cannot_be_is_refused_and_its_line_named() {
    let wrong = [
        ("", r#"{ src = 0, dst = 1, size = "9B", operation = "fadd" }"#, "10", "has 8 bytes"),
        ("", r#"{ src = 0, dst = 1, size = "8B", vector = 2 }"#, "10", "means nothing to \"send\""),
        (
            "",
            r#"{ src = 0, dst = 1, size = "8B", operation = "read", vector = 0 }"#,
            "10",
            "at least 1",
        ),
        (
            "",
            r#"{ src = 0, dst = 1, size = "8B", operation = "cas", immediate = true }"#,
            "10",
            "nothing",
        ),
        (
            "",
            r#"{ src = 0, dst = 1, size = "8B", operation = "read", service = "ud" }"#,
            "10",
            "only srd and rd",
        ),
        ("", r#"{ src = 1, dst = 2, size = "8B", after = [0] }"#, "10", "has no immediate"),
        ("", r#"{ src = 0, dst = 1, size = "9B", operation = "notify" }"#, "10", "has 8 bytes"),
        ("core = { max_served = 0 }", "", "3", "at least 1"),
        ("transport = \"tcp\"", "", "8", "means nothing to transport \"tcp\""),
        ("transport = \"ud\"", "", "9", "only srd and rd"),
    ];
    for (more, pair, line, reason) in wrong {
        let error = error(more, pair);
        assert!(error.contains(reason), "{pair}: {error}");
        assert!(error.starts_with(&format!("x.toml:{line}: ")), "{pair}: {error}");
    }
}

#[test]
fn the_baselines_carry_no_immediates() {
    let text = r#"
        name = "x"
        end = "1s"
        transport = "rc"
        topology = { kind = "star", hosts = 2 }
        links = { rate = "1Gbps", latency = "1us", queue = "1MB" }
        workload = { kind = "pairs", pairs = [{ src = 0, dst = 1, size = "8B", immediate = true }] }
    "#;
    let error = Scenario::parse(text, "x.toml").unwrap_err().to_string();
    assert!(error.contains("means nothing to \"send\""), "{error}");
}

#[test]
fn a_cache_is_moved_by_one_operation_a_request() {
    for operation in ["write", "read"] {
        let text = format!(
            r#"
            name = "kv"
            end = "1s"
            integrity = true
            topology = {{ kind = "star", hosts = 4 }}
            links = {{ rate = "100Gbps", latency = "1us", queue = "256KiB" }}
            faults = {{ loss = 0.01 }}
            [workload]
            kind = "kv-transfer"
            operation = "{operation}"
            requests = 6
            blocks = [100, 400]
            block_size = ["500B", "9000B"]
            "#
        );
        let scenario = Scenario::parse(&text, "kv").unwrap_or_else(|error| panic!("{error}"));
        let report = Simulation::new(&scenario, 1).unwrap().run();
        assert_eq!(report.status, Status::Ok, "{report}");
        assert_eq!((report.flows.len(), report.totals.flows_done), (6, 6), "{report}");
        assert!(report.totals.packets > 600, "{report}");
    }
}

#[test]
fn what_is_taken_back_ends_and_the_rest_goes_on() {
    for transport in ["srd", "rd"] {
        for more in [
            "",
            "faults = { loss = 0.05, duplication = 0.1, reorder = 0.2, reorder_delay = \"60us\" }",
        ] {
            let mut scenario =
                scenario(transport, &format!("{more}\nhost = {{ placement_delay = \"3us\" }}"));
            scenario.workload.cancel = usrd_sim::units::Probability::new(0.4);
            let report = run_in(&scenario);
            assert!(report.flows.iter().all(|flow| flow.failed > 0), "{report}");
            assert!(report.flows.iter().all(|flow| flow.failed < flow.messages), "{report}");
        }
    }
}

/// Between the first and the second operation of each flow the hosts forget each other.
#[test]
fn hosts_that_have_forgotten_each_other_begin_anew() {
    let text = r#"
        name = "expiry"
        end = "1s"
        integrity = true
        topology = { kind = "star", hosts = 2 }
        links = { rate = "100Gbps", latency = "1us", queue = "256KiB" }
        core = { expire_after = "200us" }
        faults = { loss = 0.02 }
        [workload]
        kind = "pairs"
        pairs = [
          { src = 0, dst = 1, messages = 3, size = "9kB", operation = "write", immediate = true },
          { src = 1, dst = 0, messages = 3, size = "9kB", operation = "tagged", after = [0], start = "3ms" },
          { src = 0, dst = 1, messages = 3, size = "8B", operation = "fadd", after = [1], start = "3ms" },
          { src = 1, dst = 0, messages = 3, size = "9kB", operation = "read", start = "9ms" },
          { src = 0, dst = 1, messages = 3, size = "9kB", start = "12ms" },
        ]
    "#;
    let report = Simulation::new(&Scenario::parse(text, "x").unwrap(), 1).unwrap().run();
    assert_eq!((report.status, failures(&report)), (Status::Ok, 0), "{report}");
}
