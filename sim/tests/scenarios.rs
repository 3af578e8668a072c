//! Scenarios that cannot be right are refused, with the line and the reason.

use std::process::Command;

use usrd_sim::{Scenario, ScenarioError};

/// Line by line what is changed below.
const GOOD: &str = r#"name = "good"
end = "10ms"
[topology]
kind = "star"
hosts = 4
[links]
rate = "100Gbps"
latency = "1us"
queue = "1MiB"
ecn_min = "100KiB"
[core]
paths = 16
[workload]
kind = "pairs"
pairs = [
  { src = 0, dst = 1, messages = 2, size = "10kB" },
]
"#;

fn refused(line: &str, with: &str) -> ScenarioError {
    assert!(GOOD.contains(line), "{line}");
    let text = GOOD.replacen(line, with, 1);
    Scenario::parse(&text, "test.toml").expect_err(with)
}

/// (the line to change, what to, the line at fault, part of the reason)
const BAD: &[(&str, &str, usize, &str)] = &[
    ("hosts = 4", "hots = 4", 5, "unknown field `hots`"),
    ("hosts = 4", "hosts = 1", 5, "topology.hosts: must be 2 to"),
    ("\"star\"", "\"torus\"", 4, "unknown variant `torus`"),
    ("\"100Gbps\"", "\"100GBps\"", 7, "\"100GBps\" is not a rate"),
    ("\"1us\"", "1", 8, "\"1\" is not a time"),
    ("\"1MiB\"", "\"1kB\"", 9, "links.queue: holds not even one packet of 4160 bytes"),
    ("\"100KiB\"", "\"2MiB\"", 10, "links.ecn_min: is more than the queue holds"),
    ("ecn_min", "ecn_max", 10, "links.ecn_max: needs ecn_min"),
    ("paths = 16", "paths = 300", 11, "core: paths is 300"),
    ("paths = 16", "mtu = \"100kB\"", 12, "core.mtu: must be 1 to"),
    ("paths = 16", "window = \"1MB\"", 12, "core.window: only the controller"),
    ("paths = 16", "controller = \"fixed\"", 12, "\"fixed\" needs core.window"),
    ("src = 0", "src = 4", 16, "workload.pairs[0].src: there are only hosts 0 to 3"),
    ("src = 0", "src = 1", 16, "does not send to itself"),
    ("\"10kB\"", "\"0B\"", 16, "workload.pairs[0].size: a message has"),
    ("\"10kB\"", "\"10kB\", service = \"ud\"", 16, "a UD message is one packet"),
    ("kind = \"pairs\"", "kind = \"incast\"", 13, "workload.size: is missing; \"incast\" needs it"),
    ("kind = \"pairs\"", "kind = \"trace\"", 13, "workload.file: is missing"),
    ("src = 0", "after = [0], src = 0", 16, "workload.pairs[0].after: flow 0 can only wait for"),
    ("kind = \"pairs\"", "kind = \"pairs\"\nsize = \"1B\"", 15, "means nothing to \"pairs\""),
    ("\"10ms\"", "\"1us\"", 2, "end: is too short: an ideal network needs"),
];

#[test]
fn each_mistake_is_named_with_its_line() {
    Scenario::parse(GOOD, "test.toml").unwrap();
    for &(line, with, number, reason) in BAD {
        let error = refused(line, with);
        assert!(error.message().contains(reason), "{with}: {error}");
        assert_eq!(error.line(), Some(number), "{with}: {error}");
        assert!(error.to_string().starts_with(&format!("test.toml:{number}: ")), "{error}");
    }
}

#[test]
fn faults_must_make_sense() {
    let with_faults = |faults: &str| {
        Scenario::parse(&format!("{GOOD}[faults]\n{faults}"), "test.toml")
            .map_err(|e| e.to_string())
    };
    with_faults("loss = \"5%\"\nreorder = 0.01\nreorder_delay = \"1us\"").unwrap();
    let bad = [
        ("loss = \"200%\"", "test.toml:19: \"200%\" is not a probability"),
        ("loss = 1.5", "\"1.5\" is not a probability"),
        ("reorder = 0.1", "test.toml:19: faults.reorder: needs reorder_delay"),
        ("reorder_delay = \"1us\"", "faults.reorder_delay: needs reorder"),
        (
            "[[faults.link]]\nhost = 9\ndirection = \"up\"",
            "test.toml:20: faults.link[0].host: there are only hosts 0 to 3",
        ),
        (
            "[[faults.packet]]\nlink = \"host0>switch0\"\nnth = 1\nloss = true",
            "faults.packet: needs faults.recorded = true",
        ),
        (
            "recorded = true\npacket = [{ link = \"host0-switch0\", nth = 1, loss = true }]",
            "test.toml:20: faults.packet[0].link: name one direction",
        ),
        (
            "recorded = true\npacket = [{ link = \"host0>switch0\", nth = 0, loss = true }]",
            "faults.packet[0].nth: packets are counted from 1",
        ),
        (
            "recorded = true\npacket = [{ link = \"host0>switch0\", nth = 1 }]",
            "faults.packet[0].link: needs loss, flip, copy, hold or jitter",
        ),
    ];
    for (faults, reason) in bad {
        let error = with_faults(faults).unwrap_err();
        assert!(error.contains(reason), "{faults}: {error}");
    }
}

#[test]
fn a_bad_scenario_has_its_own_exit_code() {
    let output = Command::new(env!("CARGO_BIN_EXE_usrd-sim"))
        .args(["run", "does-not-exist.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("does-not-exist.toml"));
}
