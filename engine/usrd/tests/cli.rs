//! The `usrd` command as its users run it.

mod cli_support;

use cli_support::{Running, text, usrd, usrd_json};

const SIZES: &str = "0,3,8,64,9000,1M";

#[test]
fn perf_verifies_every_message_through_a_bad_network() {
    for service in ["srd", "rd"] {
        let report = usrd_json(&[
            "perf",
            "--service",
            service,
            "--size",
            SIZES,
            "--count",
            "50",
            "--loss",
            "0.02",
            "--reorder",
            "0.1",
            "--duplicate",
            "0.05",
            "--json",
        ]);
        assert_eq!(report["version"], 1);
        assert_eq!(report["verified"], true);
        assert_eq!(report["settings"]["service"], service);
        let rows = report["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 6);
        for row in rows {
            assert_eq!(row["verified"], true);
            assert_eq!(row["latency"]["round_trips"], 50);
            assert_eq!(row["bandwidth"]["messages"], 50);
            // Pings, their answers, and one direction.
            assert_eq!(row["messages_checked"], 150);
            assert_eq!(row["contents_checked"], 150);
            assert!(row["packets"].as_u64().unwrap() >= 150);
            for field in ["p50_us", "p99_us", "p999_us", "max_us"] {
                assert!(row["latency"][field].as_f64().unwrap() > 0.0, "{field}");
            }
            assert!(row["bandwidth"]["messages_per_s"].as_f64().unwrap() > 0.0);
            assert!(row["paths_used"].as_u64().unwrap() <= 16);
            assert!(row["goodput_ratio"].is_null());
        }
        let resent: u64 = rows.iter().map(|row| row["retransmissions"].as_u64().unwrap()).sum();
        assert!(resent > 0, "of so many packets some are lost");
    }
}

#[test]
fn perf_measures_messages_with_tags() {
    let report = usrd_json(&[
        "perf",
        "--op",
        "tagged",
        "--size",
        "64,1000,64K,1M",
        "--count",
        "60",
        "--loss",
        "0.01",
        "--reorder",
        "0.05",
        "--json",
    ]);
    assert_eq!(report["verified"], true);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        // Both ways of the round trips, and one way of the bulk.
        assert_eq!(row["messages_checked"], 180);
        assert!(row["bandwidth"]["messages_per_s"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn perf_moves_memory_through_a_bad_network() {
    let report = usrd_json(&[
        "perf",
        "--op",
        "write,vwrite,read,vread,fadd",
        "--size",
        "64K,1M",
        "--block",
        "4K",
        "--count",
        "4",
        "--loss",
        "0.01",
        "--reorder",
        "0.05",
        "--json",
    ]);
    assert_eq!((&report["version"], &report["verified"]), (&1.into(), &true.into()));
    let rows = report["rows"].as_array().unwrap();
    let ops: Vec<_> = rows.iter().map(|row| row["op"].as_str().unwrap()).collect();
    let each = ["write", "vwrite", "read", "vread", "fadd"];
    assert_eq!(ops, [each, each].concat());
    for row in rows {
        assert_eq!((&row["rounds"], &row["wrong"]), (&4.into(), &0.into()));
        for field in ["p50_us", "p99_us", "gbps", "submit_us", "submit_ns_per_block", "ratio"] {
            assert!(row[field].as_f64().unwrap() > 0.0, "{field}");
        }
    }
    assert_eq!((&rows[0]["blocks"], &rows[1]["blocks"]), (&1.into(), &16.into()));
    assert_eq!((&rows[6]["blocks"], &rows[8]["blocks"]), (&256.into(), &256.into()));
}

#[test]
fn perf_says_what_cannot_be_moved() {
    for (args, says) in [
        (&["--op", "vread", "--size", "5000"][..], "must be a multiple of --block"),
        (&["--op", "send,write"], "measured by itself"),
        (&["--op", "write", "--blackhole", "1"], "are for --op send and tagged"),
        (&["--op", "tagged,read"], "measured by itself"),
        (&["--op", "tagged", "--service", "rd"], "leave --service out"),
        (&["--op", "vread", "--block", "0"], "at least one byte"),
    ] {
        let output = usrd(&[&["perf"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(says), "{}", text(&output));
    }
}

#[test]
fn perf_prints_a_table_and_captures_packets() {
    let file = std::env::temp_dir().join(format!("usrd-cli-{}.pcapng", std::process::id()));
    let path = file.to_str().unwrap();
    let output = usrd(&["perf", "--size", "64,4K", "--count", "20", "--pcap", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for words in ["round trip, us", "Gb/s", "messages/s", "spurious", "64 B |", "4 KiB |"] {
        assert!(table.contains(words), "{words} is missing:\n{table}");
    }
    assert!(table.contains("120 messages arrived, contents of 120 compared: verified"), "{table}");
    let capture = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    // A section header, and at least the packets that carried the messages.
    assert_eq!(capture[..4], 0x0a0d_0d0a_u32.to_le_bytes());
    assert!(capture.len() > 60 * 64);
}

#[test]
fn perf_measures_unreliable_datagrams() {
    let report =
        usrd_json(&["perf", "--service", "ud", "--size", "64", "--count", "100", "--json"]);
    let row = &report["rows"][0];
    assert_eq!(row["verified"], true);
    let answered = row["latency"]["round_trips"].as_u64().unwrap();
    let lost = row["latency"]["lost"].as_u64().unwrap();
    assert_eq!(answered + lost, 100);
    assert_eq!(row["bandwidth"]["in_flight"], 512);
}

#[test]
fn perf_runs_with_threads_and_other_settings() {
    let report = usrd_json(&[
        "perf",
        "--mode",
        "thread",
        "--paths",
        "3",
        "--cc",
        "swift",
        "--mtu",
        "1500",
        "--size",
        "100K",
        "--count",
        "20",
        "--in-flight",
        "3",
        "--verify-every",
        "2",
        "--json",
    ]);
    let row = &report["rows"][0];
    assert_eq!(row["verified"], true);
    assert_eq!(row["contents_checked"], 30);
    assert_eq!(row["bandwidth"]["in_flight"], 3);
    // 60 messages of 70 packets each.
    assert!(row["packets"].as_u64().unwrap() >= 60 * 70);
    assert!((1..=3).contains(&row["paths_used"].as_u64().unwrap()));
}

#[test]
fn a_black_hole_is_reported_and_compared() {
    let report =
        usrd_json(&["perf", "--blackhole", "1", "--size", "64,1M", "--count", "600", "--json"]);
    assert_eq!(report["verified"], true);
    let bad = report["paths_not_good"].as_array().unwrap();
    assert!(bad.iter().any(|path| path["path"] == 1 && path["state"] == "BAD"), "{report:#}");
    for row in report["rows"].as_array().unwrap() {
        assert!(row["goodput_ratio"].as_f64().unwrap() > 0.0);
        // Pings, their answers, and one direction of both pairs of ends.
        assert_eq!(row["messages_checked"], 2400);
    }
}

#[test]
fn damaged_contents_are_noticed() {
    let output = usrd(&[
        "perf",
        "--size",
        "64K",
        "--count",
        "200",
        "--corrupt",
        "0.2",
        "--only",
        "bandwidth",
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("contents did not verify"), "{stderr}");
}

#[test]
fn bad_input_is_refused_with_code_2() {
    for (args, expected) in [
        (&["perf", "--size", "huge"][..], "`huge` is not a size"),
        (&["perf", "--loss", "2"], "`2` is not a probability"),
        (&["perf", "--duration", "0"], "is not a duration"),
        (&["perf", "--service", "tcp"], "invalid value 'tcp'"),
        (&["perf", "--paths", "257"], "257 is not in 1..=256"),
        (&["perf", "--in-flight", "0"], "0 is not in 1..=4096"),
        (&["perf", "--blackhole", "16"], "paths are 0 to 15"),
        (&["perf", "--blackhole", "x"], "invalid digit"),
        (&["perf", "nowhere"], "bad address `nowhere`"),
        (&["perf", "--listen", "127.0.0.1"], "bad address `127.0.0.1`"),
        (&["perf", "--listen", "192.0.2.1:4800"], "cannot bind 192.0.2.1:4800"),
        (&["perf", "127.0.0.1:1", "--listen", "127.0.0.1:0"], "cannot be used with"),
        (&["perf", "--count", "1", "--duration", "1"], "cannot be used with"),
        (&["perf", "--pcap", "/no/such/folder/file"], "cannot write /no/such/folder/file"),
        (&["perf", "--service", "ud", "--size", "1M"], "a UD message is one packet"),
        (&["perf", "--wat"], "unexpected argument"),
        (&["wat"], "unrecognized subcommand"),
        (&[], "Usage"),
    ] {
        let output = usrd(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}: {}", text(&output));
    }
}

#[test]
fn help_names_the_exit_codes() {
    let output = usrd(&["perf", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("3  contents did not verify"), "{help}");
}

#[test]
fn info_shows_devices_and_why_some_are_unavailable() {
    let info = usrd_json(&["info", "--json"]);
    let devices = info["devices"].as_array().unwrap();
    let named = |name: &str| devices.iter().find(|device| device["name"] == name).unwrap();
    for name in ["udp v4", "loopback"] {
        assert_eq!(named(name)["available"], true);
        assert!(named(name)["capabilities"]["max_datagram_bytes"].as_u64().unwrap() > 1000);
    }
    for name in ["verbs", "cuda"] {
        assert_eq!(named(name)["available"], false);
        assert!(!named(name)["reason"].as_str().unwrap().is_empty());
    }
    let output = usrd(&["info"]);
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("udp v4") && shown.contains("unavailable: "), "{shown}");
}

/// As in `usrd perf | head`: no panic, and nobody left that waits for somebody who is gone.
#[test]
fn a_reader_that_stops_reading_ends_it() {
    let mut running = Running::start(&["perf", "--size", "64,4K", "--duration", "100ms"]);
    drop(running.child.stdout.take());
    let output = running.finish();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
}
