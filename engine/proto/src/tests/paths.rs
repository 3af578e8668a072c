//! Paths: section 5 of docs/PROTOCOL.md.

use core::time::Duration;
use std::vec::Vec;

use super::pair::{A, B, Pair, config, pattern};
use crate::boundary::Event;
use crate::config::Config;
use crate::ids::{PathId, Service};
use crate::path::PathState;
use crate::wire::Packet;

const LIMIT: Duration = Duration::from_secs(10);

fn transfer(pair: &mut Pair, messages: u64) {
    for message in 0..messages {
        pair.post(B, 100_000);
        pair.send(A, Service::Srd, &pattern(message, 100_000));
    }
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len() as u64, messages);
}

fn state(pair: &Pair, path: u8) -> PathState {
    let paths = pair.a.endpoint.path_stats(pair.a.peer.unwrap()).unwrap();
    // A path without a record is as good as new.
    paths.iter().find(|it| it.path == PathId(path)).map_or(PathState::Good, |it| it.state)
}

#[test]
fn every_path_is_used() {
    let mut pair = Pair::plain();
    transfer(&mut pair, 20);
    let paths = pair.a.endpoint.path_stats(pair.a.peer.unwrap()).unwrap();
    assert_eq!(paths.len(), 16);
    for path in paths {
        assert!(path.packets_sent > 4, "{path:?}");
    }
}

/// Rules P3 and P4: a dead path is left at once, reported, asked now and then, and comes back.
#[test]
fn a_dead_path_is_found_left_and_taken_back() {
    let mut pair = Pair::plain();
    transfer(&mut pair, 5);
    pair.link.black_holes.insert((A, 3));
    transfer(&mut pair, 20);
    pair.run_for(Duration::from_millis(2));
    assert_eq!(state(&pair, 3), PathState::Bad);
    let changes: Vec<_> = pair
        .a
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PathChanged { path, state, .. } => Some((path.0, *state)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(3, PathState::Suspect), (3, PathState::Bad)]);
    let sent = |pair: &Pair| {
        let paths = pair.a.endpoint.path_stats(pair.a.peer.unwrap()).unwrap();
        paths.get(3).map_or(0, |path| path.packets_sent)
    };
    let (before, lost) = (sent(&pair), pair.a.endpoint.stats().retransmissions);
    transfer(&mut pair, 20);
    assert!(sent(&pair) - before < 10, "only questions go there");
    assert_eq!(pair.a.endpoint.stats().retransmissions, lost, "nothing more is lost there");
    pair.link.black_holes.clear();
    pair.run_for(Duration::from_secs(2));
    assert_eq!(state(&pair, 3), PathState::Good);
    let before = sent(&pair);
    transfer(&mut pair, 20);
    assert!(sent(&pair) - before > 10, "it carries data again");
}

/// A single slow answer is not held against a path that lives.
#[test]
fn a_suspect_that_answers_is_good_again() {
    let mut pair = Pair::plain();
    transfer(&mut pair, 5);
    let mut dropped = false;
    pair.link.filter = Some(std::boxed::Box::new(move |_, packet| match packet {
        Packet::Data(data) if !dropped && data.transmission.path == 5 => {
            dropped = true;
            false
        }
        _ => true,
    }));
    transfer(&mut pair, 1);
    pair.run_for(Duration::from_millis(5));
    assert_eq!(state(&pair, 5), PathState::Good);
    assert!(
        !pair
            .a
            .events
            .iter()
            .any(|event| matches!(event, Event::PathChanged { state: PathState::Bad, .. }))
    );
}

/// Rule P6: when most paths look bad at once it is not the paths.
#[test]
fn a_stall_of_the_peer_retires_no_path() {
    let mut pair = Pair::plain();
    transfer(&mut pair, 5);
    pair.post(B, 1 << 20);
    pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    pair.run_for(Duration::from_micros(20));
    pair.link.loss = 1.0;
    pair.run_for(Duration::from_millis(2));
    pair.link.loss = 0.0;
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_millis(20));
    for path in 0..16 {
        assert_eq!(state(&pair, path), PathState::Good, "path {path}");
    }
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 1 << 20));
}

/// Rules L4 and P4: a peer that is away for a moment answers late on all paths, which is no path's
/// fault, whichever of them carried what when it left.
#[test]
fn a_peer_that_is_away_costs_no_path() {
    for away_us in [30, 60, 120, 500, 3000] {
        let mut pair = Pair::plain();
        transfer(&mut pair, 5);
        for round in 0..20 {
            pair.post(B, 1 << 20);
            pair.send(A, Service::Srd, &pattern(round, 1 << 20));
            let leaves = pair.now.plus_nanos(20_000 + 1_700 * round);
            pair.link.away = Some((B, leaves, leaves.plus_nanos(away_us * 1000)));
            pair.run_until_quiet(LIMIT);
            pair.run_for(Duration::from_millis(1));
        }
        let judged = |event: &&Event| matches!(event, Event::PathChanged { .. });
        let changes: Vec<_> = pair.a.events.iter().filter(judged).collect();
        assert!(changes.is_empty(), "away for {away_us} us: {changes:?}");
    }
}

/// The smaller number of paths is used.
#[test]
fn path_counts_are_agreed() {
    let mut pair =
        Pair::new(config(1), Config { paths: 4, ..config(2) }, super::pair::Link::default());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.received().len(), 1);
    pair.trace = Some(Vec::new());
    transfer(&mut pair, 10);
    for (_, from, packet) in pair.trace.take().unwrap() {
        if let (A, Packet::Data(data)) = (from, packet) {
            assert!(data.transmission.path < 4);
        }
    }
}

/// Rule P2: a device that sends trains gets them.
#[test]
fn a_train_stays_on_its_path() {
    let mut pair = Pair::new(
        Config { train_packets: 7, ..config(1) },
        config(2),
        super::pair::Link::default(),
    );
    transfer(&mut pair, 1);
    pair.trace = Some(Vec::new());
    transfer(&mut pair, 10);
    let trace = pair.trace.take().unwrap();
    let paths: Vec<u8> = trace
        .iter()
        .filter_map(|(_, from, packet)| match packet {
            Packet::Data(data) if *from == A => Some(data.transmission.path),
            _ => None,
        })
        .collect();
    let switches = paths.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(switches <= paths.len() / 7 + 10, "{switches} switches in {} packets", paths.len());
}

/// Rule P7: of a rail that fails, both directions are dead at once, and with them the path that a
/// receiver answers on. What is sent again along the other rail is answered along it.
#[test]
fn half_of_the_paths_dead_both_ways_is_not_a_dead_peer() {
    for dead in [0, 1] {
        let mut pair = Pair::plain();
        transfer(&mut pair, 5);
        for path in (0..16).filter(|path| path % 2 == dead) {
            pair.link.black_holes.extend([(A, path), (B, path)]);
        }
        transfer(&mut pair, 20);
        let stats = pair.a.endpoint.stats();
        assert!(stats.rtos <= 3, "{stats:?}");
        assert!(!pair.a.events.iter().any(|event| matches!(event, Event::PeerDown { .. })));
    }
}
