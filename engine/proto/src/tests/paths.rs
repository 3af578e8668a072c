//! Paths: section 5 of docs/PROTOCOL.md.

use core::time::Duration;
use std::vec::Vec;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::Event;
use crate::cc::Algorithm;
use crate::config::{Config, SprayPolicy};
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

/// Rule P8: a question goes as data does, and can be marked; but its mark is not reported.
#[test]
fn a_question_stays_in_line_with_the_data() {
    let mut pair = Pair::plain();
    transfer(&mut pair, 5);
    pair.link.mark_ce = true;
    pair.link.filter = Some(std::boxed::Box::new(
        |_, packet| !matches!(packet, Packet::Data(data) if data.transmission.path == 5),
    ));
    pair.trace = Some(Vec::new());
    pair.post(B, 100_000);
    pair.send(A, Service::Srd, &pattern(1, 100_000));
    let is_question =
        |bytes: &[u8]| matches!(Packet::decode(bytes, bytes.len()), Ok(Packet::Probe(_)));
    let asked = |pair: &Pair| pair.flights.iter().any(|it| is_question(&it.0.bytes) && it.0.ce);
    pair.flush(A);
    while !asked(&pair) {
        assert!(pair.step(), "no question was marked");
        pair.flush(A);
    }
    pair.run_for(Duration::from_millis(5));
    let trace = pair.trace.take().unwrap();
    let mut reports = trace.iter().filter_map(|(_, _, packet)| match packet {
        Packet::Ack(ack) => ack.paths().find(|it| it.highest.path == 5),
        _ => None,
    });
    // No data has come along path 5.
    assert!(reports.all(|it| it.ce_packets == 0));
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
    let mut pair = Pair::new(config(1), Config { paths: 4, ..config(2) }, Link::default());
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

/// Rule P1: where every path is marked, `hybrid` flees from none of them, and goes on in turn as `reps` does.
#[test]
fn marks_everywhere_drive_no_path_away() {
    let taken = |spray| {
        let mut one = config(1);
        one.path.spray = spray;
        one.cc.algorithm = Algorithm::Fixed;
        one.cc.fixed_cwnd_bytes = 40_000;
        let mut pair = Pair::new(one, config(2), Link { mark_ce: true, ..Link::default() });
        pair.trace = Some(Vec::new());
        transfer(&mut pair, 10);
        paths_taken(&mut pair)
    };
    let in_turn = taken(SprayPolicy::Reps);
    assert!(in_turn.len() > 200, "{}", in_turn.len());
    assert_eq!(taken(SprayPolicy::Hybrid), in_turn);
    assert_ne!(taken(SprayPolicy::Penalty), in_turn);
}

/// The paths of all data packets that A has sent since the trace began.
fn paths_taken(pair: &mut Pair) -> Vec<u8> {
    let trace = pair.trace.take().expect("the test traces");
    let data = trace.iter().filter_map(|(_, from, packet)| match packet {
        Packet::Data(data) if *from == A => Some(data.transmission.path),
        _ => None,
    });
    data.collect()
}

/// Rule P2: a device that sends trains gets them.
#[test]
fn a_train_stays_on_its_path() {
    let mut pair = Pair::new(Config { train_packets: 7, ..config(1) }, config(2), Link::default());
    transfer(&mut pair, 1);
    pair.trace = Some(Vec::new());
    transfer(&mut pair, 10);
    let paths = paths_taken(&mut pair);
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

/// Rule L4: a dead path that has never answered has no penalty points for being late, as living ones
/// may have, and must not be preferred to them time-out after time-out.
#[test]
fn two_dead_paths_do_not_pass_a_packet_to_each_other() {
    let mut sender = config(1);
    sender.cc.algorithm = Algorithm::Fixed;
    sender.cc.fixed_cwnd_bytes = 1_000_000;
    let link = Link { delay: Duration::from_micros(50), ..Link::default() };
    let mut pair = Pair::new(sender, config(2), link);
    pair.post(B, 10);
    pair.send(A, Service::Srd, b"warm");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 1);
    // All that leaves at once on the other paths will be late.
    pair.link.away = Some((B, pair.now, pair.now + Duration::from_micros(400)));
    pair.link.black_holes.extend([(A, 3), (A, 5)]);
    pair.post(B, 480_000);
    pair.send(A, Service::Srd, &pattern(1, 480_000));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 1);
    let stats = pair.a.endpoint.stats();
    assert_eq!(stats.rtos, 0, "the tail probe took a dead path: {stats:?}");
}

/// Rules L4 and L5, where up to half of the paths are dead before most have carried anything.
#[test]
fn whichever_half_of_the_paths_is_dead_the_peer_is_found() {
    for seed in 0..200 {
        let (mut pair, dead) = pair_with_dead_paths(seed);
        for message in 0..3 {
            pair.post(B, 1_000_000);
            pair.send(A, Service::Srd, &pattern(message, 1_000_000));
        }
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.b.received().len(), 3, "seed {seed}, {dead}");
        let rtos = pair.a.endpoint.stats().rtos;
        assert!(rtos <= 6, "{rtos} RTOs with seed {seed}, {dead}");
    }
}

/// A pair that has just met, and then loses up to half of its paths, one way or both.
fn pair_with_dead_paths(seed: u64) -> (Pair, std::string::String) {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let count = [4_u8, 16, 64][rng.random_range(0..3)];
    let config = |seed| Config { paths: count.into(), ..config(seed) };
    let delay_per_path = Duration::from_nanos(rng.random_range(0..4_000));
    let link = Link { delay_per_path, ..Link::default() };
    let mut pair = Pair::new(config(seed), config(seed + 1000), link);
    pair.post(B, 10);
    pair.send(A, Service::Srd, b"warm");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 1);
    let senders: &[_] = if rng.random_bool(0.5) { &[A, B] } else { &[A] };
    let first = rng.random_range(0..count);
    let stride = [1, 1, 2, 5][rng.random_range(0..4)];
    for nth in 0..rng.random_range(1..=count / 2) {
        let path = ((u16::from(first) + u16::from(nth) * stride) % u16::from(count)) as u8;
        pair.link.black_holes.extend(senders.iter().map(|&sender| (sender, path)));
    }
    let dead = std::format!("{count} paths, dead: {:?}", pair.link.black_holes);
    (pair, dead)
}

/// Rules P4 and P6: that most paths look bad at once is put down to the peer, once. If they really are
/// dead, they are left like any other.
#[test]
fn most_paths_dead_are_left_for_the_living_ones() {
    for dead in [9, 12, 15] {
        let mut pair = Pair::plain();
        transfer(&mut pair, 5);
        pair.link.black_holes.extend((0..dead).map(|path| (A, path)));
        transfer(&mut pair, 20);
        pair.run_for(Duration::from_millis(5));
        let found = (0..16).filter(|&path| state(&pair, path) == PathState::Bad);
        assert!(found.eq(0..dead), "with {dead} dead");
        let before = pair.a.endpoint.stats();
        transfer(&mut pair, 20);
        let after = pair.a.endpoint.stats();
        assert_eq!(after.retransmissions, before.retransmissions, "with {dead} dead");
        assert_eq!(after.rtos, 0, "with {dead} dead");
    }
}

/// The ACK that reports a path is lost, the next acknowledges what came along it: how long it takes is
/// known from then, not from when it happens to be reported again. (What was lost on it was waited for as
/// long as the pause in between had been.)
#[test]
fn a_pause_is_no_round_trip() {
    let two_paths = |seed| {
        let mut config = Config { paths: 2, ..config(seed) };
        config.path.spray = SprayPolicy::Oblivious;
        config
    };
    let mut pair = Pair::new(two_paths(1), two_paths(2), Link::default());
    let mut acks = 0;
    pair.link.filter = Some(std::boxed::Box::new(move |_, packet| {
        acks += u32::from(matches!(packet, Packet::Ack(_)));
        !matches!(packet, Packet::Ack(_)) || acks != 1
    }));
    for (services, pause_us) in [
        (&[Service::Srd][..], 20),
        (&[Service::Srd], 300_000),
        (&[Service::Ud, Service::Srd], 1_000),
    ] {
        for &service in services {
            pair.post(B, 100);
            pair.send(A, service, b"along the next path");
        }
        pair.run_for(Duration::from_micros(pause_us));
    }
    for path in pair.a.endpoint.path_stats(pair.a.peer.unwrap()).unwrap() {
        assert!(path.srtt_ns < 1_000_000, "{path:?}");
    }
}
