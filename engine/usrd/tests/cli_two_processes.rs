//! `usrd perf` as a server and its clients, in processes of their own.

mod cli_support;

use std::time::Duration;

use cli_support::{Running, Server, text, usrd, usrd_json};
use serde_json::Value;

/// A client that would run for much longer than a test does.
const LONG: &[&str] = &["--size", "64K", "--duration", "600"];

fn client(address: &str, more: &[&str]) -> Value {
    let basic = ["perf", address, "--size", "8,100K", "--count", "20", "--json"];
    usrd_json(&[&basic, more].concat())
}

fn assert_measured(report: &Value) {
    assert_eq!(report["verified"], true);
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["messages_checked"], 60);
        assert_eq!(row["latency"]["round_trips"], 20);
        assert_eq!(row["bandwidth"]["messages"], 20);
    }
}

/// A client in the middle of its measurement: the server has said so.
fn client_under_way(server: &mut Server) -> Running {
    let short = ["perf", server.address.as_str(), "--size", "8", "--count", "1", "--only"];
    assert_eq!(usrd(&[&short[..], &["latency"]].concat()).status.code(), Some(0));
    assert!(server.line().contains("latency"));
    let client = Running::start(&[&["perf", server.address.as_str()], LONG].concat());
    // Whether it is under way or just about to begin: the outcome must be the same.
    std::thread::sleep(Duration::from_millis(500));
    client
}

#[test]
fn one_client_after_the_other_over_ipv4_and_ipv6() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let server = Server::start(listen, &[]);
        assert_measured(&client(&server.address, &[]));
        assert_measured(&client(&server.address, &["--service", "rd", "--mode", "thread"]));
        assert_measured(&client(&server.address, &["--loss", "0.05", "--reorder", "0.1"]));
    }
}

#[test]
fn memory_of_another_process() {
    let server = Server::start("127.0.0.1:0", &[]);
    let ops = ["perf", &server.address, "--op", "vwrite,vread,fadd", "--size", "1M"];
    for mode in ["inline", "thread"] {
        let report = usrd_json(&[&ops[..], &["--count", "3", "--json", "--mode", mode]].concat());
        assert_eq!(report["verified"], true);
        assert_eq!(report["rows"].as_array().unwrap().len(), 3);
    }
    // And messages after that.
    assert_measured(&client(&server.address, &[]));
}

#[test]
fn a_server_for_one_client_ends_with_it() {
    let server = Server::start("127.0.0.1:0", &["--once"]);
    assert_measured(&client(&server.address, &[]));
    let output = server.running.finish();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn a_client_whose_server_dies_says_so_and_the_address_works_again() {
    for only in ["latency", "bandwidth"] {
        let mut server = Server::start("127.0.0.1:0", &[]);
        let address = server.address.clone();
        let long = Running::start(&[&["perf", &address, "--only", only], LONG].concat());
        std::thread::sleep(Duration::from_millis(500));
        server.running.kill();
        let output = long.finish();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("the peer does not answer"), "{stderr}");
        assert!(stderr.contains("completed with this error"), "{stderr}");

        let again = Server::start(&address, &[]);
        assert_eq!(again.address, address);
        assert_measured(&client(&address, &[]));
    }
}

#[test]
fn a_server_outlives_a_client_that_is_killed_in_mid_message() {
    let server = Server::start("127.0.0.1:0", &[]);
    let large = ["perf", &server.address, "--size", "1M", "--only", "bandwidth"];
    let mut long = Running::start(&[&large[..], &["--duration", "600"]].concat());
    std::thread::sleep(Duration::from_millis(500));
    long.kill();
    assert_measured(&client(&server.address, &[]));
}

#[test]
fn a_client_notices_that_its_server_was_restarted() {
    let mut server = Server::start("127.0.0.1:0", &[]);
    let address = server.address.clone();
    let long = client_under_way(&mut server);
    server.running.kill();
    let again = Server::start(&address, &[]);
    let output = long.finish();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("restarted") || stderr.contains("does not answer"), "{stderr}");
    assert_measured(&client(&again.address, &[]));
}

#[test]
fn a_server_outlives_clients_that_vanish() {
    let mut server = Server::start("127.0.0.1:0", &[]);
    for _ in 0..2 {
        let mut long = client_under_way(&mut server);
        long.kill();
        assert_measured(&client(&server.address, &[]));
        for _ in 0..4 {
            assert!(server.line().contains("verified"));
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    let mut server = Server::start("127.0.0.1:0", &[]);
    let address = server.address.clone();
    server.running.kill();
    let output = usrd(&["perf", &address, "--count", "1", "--size", "8"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("not delivered") || text(&output).contains("does not answer"));
}

#[test]
fn what_a_server_cannot_do_is_refused() {
    let server = Server::start("127.0.0.1:0", &[]);
    let output = usrd(&[
        "perf",
        &server.address,
        "--size",
        "1G",
        "--in-flight",
        "4096",
        "--count",
        "1",
        "--only",
        "bandwidth",
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("the server refuses"), "{}", text(&output));
}
