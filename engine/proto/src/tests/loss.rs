//! Loss detection: section 4 of docs/PROTOCOL.md.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::Event;
use crate::config::{Config, SprayPolicy};
use crate::ids::Service;
use crate::wire::{Data, DataFlags, Packet};

const LIMIT: Duration = Duration::from_secs(10);

fn data(pair: &Pair) -> Vec<(u64, Data)> {
    let trace = pair.trace.as_ref().expect("tracing is on");
    trace
        .iter()
        .filter_map(|(at, from, packet)| match packet {
            Packet::Data(data) if *from == A => Some((at.as_nanos(), *data)),
            _ => None,
        })
        .collect()
}

/// Drops the first transmission of the PSNs in `psns`.
fn drop_once(pair: &mut Pair, psns: &'static [u32]) {
    let mut dropped = Vec::new();
    pair.link.filter = Some(Box::new(move |_, packet| match packet {
        Packet::Data(data) if psns.contains(&data.psn) && !dropped.contains(&data.psn) => {
            dropped.push(data.psn);
            false
        }
        _ => true,
    }));
}

/// Rule L1: three later packets on the same path are enough; no timer is needed.
#[test]
fn a_gap_of_three_on_one_path_is_a_loss() {
    let one_path = Config { paths: 1, ..config(1) };
    let mut pair = Pair::new(one_path, config(2), Link::default());
    pair.trace = Some(Vec::new());
    drop_once(&mut pair, &[2]);
    pair.post(B, 40_000);
    pair.send(A, Service::Srd, &pattern(1, 40_000));
    pair.run_until_quiet(LIMIT);
    let again: Vec<_> =
        data(&pair).into_iter().filter(|(_, it)| it.flags.has(DataFlags::RETRANSMISSION)).collect();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1.psn, 2);
    let stats = pair.a.endpoint.stats();
    assert_eq!((stats.losses_by_path_gap, stats.losses_by_timeout), (1, 0));
    assert_eq!(stats.spurious_retransmissions, 0);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 40_000));
}

/// Rule L2: with fewer than three behind it, a packet is lost when its path had time enough.
#[test]
fn a_shorter_gap_is_a_loss_after_the_reordering_window() {
    let one_path = Config { paths: 1, ..config(1) };
    let mut pair = Pair::new(one_path, config(2), Link::default());
    // A sample first, so that the window is the path's own.
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.trace = Some(Vec::new());
    drop_once(&mut pair, &[1]);
    pair.post(B, 12_000);
    let begin = pair.now;
    pair.send(A, Service::Srd, &pattern(1, 12_000));
    pair.run_until_quiet(LIMIT);
    let stats = pair.a.endpoint.stats();
    assert_eq!((stats.losses_by_path_gap, stats.losses_by_timeout), (1, 0));
    let took = pair.now.since(begin);
    assert!(took < Duration::from_micros(50), "{took:?} is no timeout's time");
}

/// Rule L6: what was lost leaves on another path.
#[test]
fn a_retransmission_takes_another_path() {
    let mut pair = Pair::plain();
    pair.trace = Some(Vec::new());
    drop_once(&mut pair, &[0, 3, 7, 20]);
    pair.post(B, 200_000);
    pair.send(A, Service::Srd, &pattern(1, 200_000));
    pair.run_until_quiet(LIMIT);
    let sent = data(&pair);
    for (_, again) in sent.iter().filter(|(_, it)| it.flags.has(DataFlags::RETRANSMISSION)) {
        let first = sent.iter().find(|(_, it)| it.psn == again.psn).unwrap();
        assert_ne!(first.1.transmission.path, again.transmission.path, "PSN {}", again.psn);
    }
    assert_eq!(pair.a.endpoint.stats().retransmissions, 4);
}

/// Rule L4: the last packet of all is probed for on another path, long before an RTO.
#[test]
fn a_lost_tail_is_probed_for() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.trace = Some(Vec::new());
    drop_once(&mut pair, &[1]);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    let sent = data(&pair);
    assert_eq!(sent.len(), 2);
    assert!(sent[1].1.flags.has(DataFlags::ACK_REQUEST));
    assert_ne!(sent[0].1.transmission.path, sent[1].1.transmission.path);
    assert_eq!(pair.a.endpoint.stats().rtos, 0);
}

/// Rule L5: RTO after RTO, each wait twice as long, until the peer is dead.
#[test]
fn silence_backs_off_and_ends_in_death() {
    let mut patient = config(1);
    patient.loss.peer_dead_after = Duration::from_millis(40);
    let mut pair = Pair::new(patient, config(2), Link::default());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.trace = Some(Vec::new());
    pair.link.loss = 1.0;
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
    let times: Vec<u64> = data(&pair).into_iter().map(|(at, _)| at).collect();
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).skip(1).collect();
    assert!(waits.len() >= 7, "{waits:?}");
    for pair in waits.windows(2) {
        assert!(pair[1] > pair[0] * 3 / 2, "{waits:?}");
    }
    pair.flush(A);
    assert!(pair.a.sent().contains(&(1, false)));
    let dead = pair.a.events.iter().any(|event| matches!(event, Event::PeerDown { .. }));
    assert!(dead);
}

#[test]
fn a_silent_peer_is_dead_after_two_seconds_at_most() {
    let mut pair = Pair::plain();
    pair.link.loss = 1.0;
    let begin = pair.now;
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
    assert!(pair.now.since(begin) <= Duration::from_millis(2100));
}

/// The claim that path-aware loss detection stands on: disorder between paths is no loss, even if
/// one path takes ten times as long as another.
#[test]
fn disorder_between_64_paths_is_not_taken_for_loss() {
    for spray in [SprayPolicy::Oblivious, SprayPolicy::Hybrid, SprayPolicy::Reps] {
        let mut sprayed = Config { paths: 64, ..config(1) };
        sprayed.path.spray = spray;
        let link = Link {
            delay: Duration::from_micros(10),
            // 10 us on the first path, 100 us on the last.
            delay_per_path: Duration::from_nanos(90_000 / 63),
            ..Link::default()
        };
        let mut pair = Pair::new(sprayed, Config { paths: 64, ..config(2) }, link);
        for message in 0..20 {
            pair.post(B, 1 << 20);
            pair.send(A, Service::Srd, &pattern(message, 1 << 20));
        }
        pair.run_until_quiet(LIMIT);
        let stats = pair.a.endpoint.stats();
        assert_eq!(stats.retransmissions, 0, "{spray:?}: {stats:?}");
        assert!(stats.data_packets_sent >= 20 * 256);
        let used = pair.a.endpoint.path_stats(pair.a.peer.unwrap()).unwrap();
        // Recycling settles on some; going round uses all.
        let used = used.iter().filter(|path| path.packets_sent > 0).count();
        assert!(used >= if spray == SprayPolicy::Oblivious { 64 } else { 32 }, "{spray:?}: {used}");
    }
}

/// Rule L3: a path that does reorder teaches the sender to wait longer.
#[test]
fn a_path_that_reorders_is_given_more_time() {
    let one_path = Config { paths: 1, ..config(1) };
    let link = Link { reordering: 0.05, held_for: Duration::from_micros(3), ..Link::default() };
    let mut pair = Pair::new(one_path, config(2), link);
    let mut spurious = Vec::new();
    for round in 0..2 {
        let before = pair.a.endpoint.stats().spurious_retransmissions;
        for message in 0..200 {
            pair.post(B, 8192);
            pair.send(A, Service::Srd, &pattern(message, 8192));
            pair.run_until_quiet(LIMIT);
        }
        spurious.push(pair.a.endpoint.stats().spurious_retransmissions - before);
        assert_eq!(pair.b.received().len(), 200, "round {round}");
    }
    assert!(spurious[1] <= spurious[0], "{spurious:?}");
}

/// A lost ACK alone makes nothing be sent again: the next one repeats what it said.
#[test]
fn a_lost_ack_is_made_up_for_by_the_next() {
    let mut pair = Pair::plain();
    let mut count = 0;
    pair.link.filter = Some(Box::new(move |_, packet| match packet {
        Packet::Ack(_) => {
            count += 1;
            count % 5 != 0
        }
        _ => true,
    }));
    for message in 0..20 {
        pair.post(B, 1 << 20);
        pair.send(A, Service::Srd, &pattern(message, 1 << 20));
    }
    pair.run_until_quiet(LIMIT);
    let stats = pair.a.endpoint.stats();
    assert!(
        stats.retransmissions * 1000 < stats.data_packets_sent,
        "{} of {} packets",
        stats.retransmissions,
        stats.data_packets_sent
    );
}
