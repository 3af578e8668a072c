//! Contexts: section 3 of docs/PROTOCOL.md.

use core::time::Duration;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::{Disposition, Event, PeerFailure, SendFailure};
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::ids::Service;
use crate::wire::{DataFlags, Packet};

const LIMIT: Duration = Duration::from_secs(10);

/// Rule O1: data leaves with the very first packet, and OPEN is gone once both sides know.
#[test]
fn data_needs_no_handshake() {
    let mut pair = Pair::plain();
    pair.trace = Some(Vec::new());
    pair.post(B, 5000);
    let begin = pair.now;
    pair.send(A, Service::Srd, &pattern(1, 5000));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().messages_received == 1);
    assert_eq!(pair.now.since(begin), pair.link.delay, "one way, no more");
    pair.run_until_quiet(LIMIT);
    pair.post(B, 5000);
    pair.send(A, Service::Srd, &pattern(2, 5000));
    pair.run_until_quiet(LIMIT);
    let trace = pair.trace.take().unwrap();
    let opens: Vec<bool> = trace
        .iter()
        .filter_map(|(_, from, packet)| match packet {
            Packet::Data(data) if *from == A => Some(data.flags.has(DataFlags::OPEN)),
            _ => None,
        })
        .collect();
    assert_eq!(opens, [true, true, false, false]);
}

/// The smaller MTU is used, and until it is known, one that fits any Ethernet.
#[test]
fn the_smaller_mtu_wins() {
    let small = Config { mtu_bytes: 2000, ..config(2) };
    let big = Config { open_mtu_bytes: 1388, ..config(1) };
    let mut pair = Pair::new(big, small, Link::default());
    pair.trace = Some(Vec::new());
    for _ in 0..2 {
        pair.post(B, 10_000);
        pair.send(A, Service::Srd, &pattern(1, 10_000));
        pair.run_until_quiet(LIMIT);
    }
    let trace = pair.trace.take().unwrap();
    let largest = |open: bool| {
        let sizes = trace.iter().filter_map(|(_, _, packet)| match packet {
            Packet::Data(data) if data.flags.has(DataFlags::OPEN) == open => Some(data.payload_len),
            _ => None,
        });
        sizes.max()
    };
    assert_eq!((largest(true), largest(false)), (Some(1388), Some(2000)));
}

/// Rule O4: the answer to OPEN may be lost, again and again.
#[test]
fn opening_survives_loss() {
    for seed in 0..20 {
        let link = Link { loss: 0.5, ..Link::default() };
        let mut pair = Pair::new(config(seed), config(seed + 100), link);
        pair.post(B, 100);
        pair.send(A, Service::Srd, &pattern(1, 100));
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.b.received().len(), 1, "seed {seed}");
    }
}

/// Rules O5 and O6: a restarted peer is noticed by what it answers; what was pending fails, and the
/// next message opens a new context.
#[test]
fn a_restarted_receiver_is_noticed() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.restart(B, config(77));
    let peer = pair.b.endpoint.add_peer(pair.now).unwrap();
    pair.b.peer = Some(peer);
    let doomed = pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
    pair.flush(A);
    let failure = pair.a.events.iter().find_map(|event| match event {
        Event::SendCompleted { token, result: Err(failure), .. } if token.0 == doomed => {
            Some(*failure)
        }
        _ => None,
    });
    assert_eq!(failure, Some(SendFailure::Unknown(PeerFailure::Restarted)));
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(3, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received()[0].bytes, pattern(3, 100));
}

/// Rule O5: a restarted sender is believed once its old incarnation proves dead.
#[test]
fn a_restarted_sender_gets_through() {
    let mut pair = Pair::plain();
    pair.post(B, 100_000);
    pair.post(B, 100_000);
    pair.send(A, Service::Srd, &pattern(1, 100_000));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 2);
    // Whatever is on its way now is of the old incarnation, and stays on its way.
    pair.restart(A, config(77));
    let peer = pair.a.endpoint.add_peer(pair.now).unwrap();
    pair.a.peer = Some(peer);
    pair.send(A, Service::Srd, &pattern(2, 100_000));
    pair.run_until_quiet(LIMIT);
    pair.flush(B);
    let received = pair.b.received();
    let whole: Vec<_> = received.iter().filter(|it| it.result.is_ok()).collect();
    assert!(whole.last().is_some_and(|it| it.bytes == pattern(2, 100_000)));
    assert!(pair.b.drops.contains(&DropReason::IncarnationConflict));
}

/// Rule O5: packets of an ended incarnation, however late, open nothing.
#[test]
fn late_packets_of_an_ended_incarnation_are_stale() {
    let mut pair = Pair::plain();
    let mut kept = Vec::new();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.flush(A);
    for flight in pair.flights.iter() {
        kept.push(flight.0.bytes.clone());
    }
    pair.run_until_quiet(LIMIT);
    pair.restart(A, config(77));
    pair.a.peer = Some(pair.a.endpoint.add_peer(pair.now).unwrap());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 2);
    pair.post(B, 100);
    for bytes in kept {
        let turned_away = pair.deliver(B, &bytes, false);
        assert!(matches!(turned_away, Disposition::Reply(_)));
    }
    pair.run_for(Duration::from_millis(5));
    assert!(pair.b.received().is_empty(), "delivered once, never again");
}

/// Rule O6: a late packet makes a restarted peer talk to an incarnation that is over. It learns so from
/// the first that it sends, and what it sends from then on arrives.
#[test]
fn a_restarted_peer_forgets_whom_a_late_packet_made_it_know() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.flush(A);
    let late = pair.flights.peek().expect("a packet with OPEN").0.bytes.clone();
    pair.run_until_quiet(LIMIT);
    pair.restart(B, config(77));
    pair.post(B, 100);
    pair.deliver(B, &late, false);
    // A hears that B has restarted, and its incarnation is over: B alone still believes in it.
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.a.endpoint.pending_sends(), 0);
    pair.post(A, 100);
    let doomed = pair.send(B, Service::Srd, &pattern(3, 100));
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.sent(), [(doomed, false)]);
    pair.send(B, Service::Srd, &pattern(4, 100));
    pair.run_for(Duration::from_millis(1));
    let received = pair.a.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].bytes, pattern(4, 100));
}

/// Rule O6: so does a side that nobody has ever confirmed, of a peer that has restarted.
#[test]
fn who_was_never_confirmed_learns_of_a_restart_at_once() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    // B's answers do not get through.
    pair.link.filter = Some(std::boxed::Box::new(|from, _| from == A));
    pair.run_for(Duration::from_millis(1));
    pair.link.filter = None;
    let opened = pair.b.events.iter().any(|event| matches!(event, Event::PeerUp { .. }));
    assert!(opened);
    pair.restart(A, config(77));
    pair.a.peer = None;
    let doomed = pair.send(B, Service::Srd, &pattern(2, 100));
    pair.run_for(Duration::from_millis(1));
    let failure = pair.b.sent().into_iter().find(|sent| sent.0 == doomed);
    assert_eq!(failure, Some((doomed, false)));
}

#[test]
fn removing_a_peer_fails_what_is_pending() {
    let mut pair = Pair::plain();
    pair.link.loss = 1.0;
    let token = pair.send(A, Service::Srd, &pattern(1, 100));
    let never_sent = pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    let untouched = pair.send(A, Service::Srd, &pattern(1, 100));
    pair.flush(A);
    let (now, peer) = (pair.now, pair.a.peer.unwrap());
    pair.a.endpoint.remove_peer(now, peer);
    pair.flush(A);
    let failures: Vec<_> = pair
        .a
        .events
        .iter()
        .filter_map(|event| match event {
            Event::SendCompleted { token, result, .. } => Some((token.0, *result)),
            _ => None,
        })
        .collect();
    let unknown = Err(SendFailure::Unknown(PeerFailure::Closed));
    let not_sent = Err(SendFailure::NotSent(PeerFailure::Closed));
    assert_eq!(failures, [(token, unknown), (never_sent, unknown), (untouched, not_sent)]);
    assert_eq!(pair.a.endpoint.pending_sends(), 0);
    assert!(pair.a.endpoint.peer_stats(peer).is_none());
}

#[test]
fn peers_are_limited() {
    let few = Config { max_peers: 1, ..config(2) };
    let mut pair = Pair::new(config(1), few, Link::default());
    pair.b.endpoint.add_peer(pair.now).unwrap();
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.drops.first(), Some(&DropReason::TooManyPeers));
}

/// Rule O7: a receiver that waits for the rest of a message finds out that its sender is gone.
#[test]
fn a_sender_that_dies_in_mid_message_is_noticed() {
    let mut pair = Pair::plain();
    pair.post(B, 1 << 20);
    pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 10);
    pair.link.loss = 1.0;
    pair.flights.clear();
    pair.run_for(Duration::from_secs(3));
    pair.flush(B);
    let received = pair.b.received();
    assert_eq!(received.len(), 1);
    let aborted = crate::boundary::RecvFailure::Aborted(PeerFailure::Unconfirmed);
    assert_eq!(received[0].result, Err(aborted));
}
