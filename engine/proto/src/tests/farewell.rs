//! A side leaves and says so. Rule O8.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::pair::{A, B, Pair, Side, config, pattern};
use crate::boundary::{Disposition, Event, PeerFailure, RecvFailure, SendFailure};
use crate::drop_reason::DropReason;
use crate::ids::Service;
use crate::wire::{Close, MAX_HEADER_BYTES, Packet};

const LIMIT: Duration = Duration::from_secs(10);

/// Two sides that have talked, and have nothing left to say.
fn acquainted() -> Pair {
    let mut pair = Pair::plain();
    for side in [A, B] {
        pair.post(side.other(), 100);
        pair.send(side, Service::Srd, &pattern(1, 100));
        pair.run_until_quiet(LIMIT);
        pair.run_for(Duration::from_millis(1));
        pair.node(side.other()).received();
        pair.node(side).sent();
    }
    pair
}

fn departures(pair: &mut Pair, at: Side) -> Vec<PeerFailure> {
    let down = pair.node(at).events.iter().filter_map(|event| match event {
        Event::PeerDown { reason, .. } => Some(*reason),
        _ => None,
    });
    down.collect()
}

/// The peer knows one trip later, whatever its patience is, and can begin anew.
#[test]
fn a_departure_is_told() {
    let mut pair = acquainted();
    pair.trace = Some(Vec::new());
    pair.leave(A);
    assert_eq!(pair.a.endpoint.peers().count(), 0);
    pair.run_for(Duration::from_micros(5));
    assert_eq!(departures(&mut pair, B), [PeerFailure::Left]);
    assert_eq!(pair.b.drops, [DropReason::UnknownContext; 2], "it is said three times");
    let closes = pair.trace.take().unwrap().into_iter();
    let closes = closes.filter(|(_, from, it)| *from == A && matches!(it, Packet::Close(_)));
    assert_eq!(closes.count(), 3);
    // What B sends now opens another context.
    pair.post(A, 100);
    pair.send(B, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.received()[0].bytes, pattern(2, 100));
    assert_eq!(departures(&mut pair, B).len(), 1);
}

/// What is under way fails at once, on both sides.
#[test]
fn what_is_under_way_fails_at_once() {
    let mut pair = acquainted();
    pair.post(A, 1 << 20);
    let half_sent = pair.send(B, Service::Srd, &pattern(2, 1 << 20));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().data_packets_received > 3);
    let unsent = pair.send(B, Service::Srd, &pattern(3, 1 << 20));
    let left_at = pair.now;
    pair.leave(A);
    pair.run_until(LIMIT, |pair| pair.b.endpoint.pending_sends() == 0);
    pair.flush(B);
    assert!(pair.now.since(left_at) < Duration::from_micros(20), "no timer was needed");
    let failures: Vec<_> = pair
        .b
        .events
        .iter()
        .filter_map(|event| match event {
            Event::SendCompleted { token, result: Err(failure), .. } => Some((token.0, *failure)),
            _ => None,
        })
        .collect();
    assert_eq!(
        failures,
        [
            (half_sent, SendFailure::Unknown(PeerFailure::Left)),
            (unsent, SendFailure::NotSent(PeerFailure::Left)),
        ]
    );
    let aborted = pair.a.received();
    assert_eq!(aborted[0].result, Err(RecvFailure::Aborted(PeerFailure::Closed)));
}

/// Two of the three may be lost. If all are, the peer finds out as it does of a crash.
#[test]
fn a_departure_may_go_unheard() {
    for lost in [2, 3] {
        let mut pair = acquainted();
        let mut closes = 0;
        pair.link.filter = Some(Box::new(move |_, packet| {
            closes += usize::from(matches!(packet, Packet::Close(_)));
            !matches!(packet, Packet::Close(_)) || closes > lost
        }));
        pair.leave(A);
        pair.run_for(Duration::from_millis(10));
        assert_eq!(departures(&mut pair, B).len(), 3 - lost);
        let doomed = pair.send(B, Service::Srd, &pattern(2, 100));
        pair.post(A, 100);
        pair.run_until_quiet(LIMIT);
        if lost == 3 {
            assert_eq!(departures(&mut pair, B), [PeerFailure::Restarted]);
            assert_eq!(pair.b.sent(), [(doomed, false)]);
        } else {
            assert_eq!(pair.b.sent(), [(doomed, true)]);
        }
    }
}

/// Late packets of the incarnation that has left open nothing: there is one message, delivered once.
#[test]
fn what_comes_after_a_departure_is_stale() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.flush(A);
    let late = pair.flights.iter().next().unwrap().0.bytes.clone();
    pair.run_until_quiet(LIMIT);
    pair.leave(A);
    pair.run_for(Duration::from_micros(5));
    assert!(matches!(pair.deliver(B, &late, false), Disposition::Reply(_)));
    assert_eq!(pair.b.received().len(), 1);
}

/// Nor do those of a peer that was removed, though nothing is left of it.
#[test]
fn what_comes_from_a_peer_that_was_removed_is_stale() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.flush(A);
    let late = pair.flights.iter().next().unwrap().0.bytes.clone();
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 1);
    pair.leave(B);
    pair.run_for(Duration::from_micros(5));
    assert!(matches!(pair.deliver(B, &late, false), Disposition::Reply(_)));
    assert_eq!((pair.b.received().len(), pair.b.endpoint.peers().count()), (0, 0));
    // Its next incarnation is welcome.
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received()[0].bytes, pattern(2, 100));
}

/// Who opens to one that has left is told so by the first answer: by its own address, as it may not know
/// another, whatever numbers the two have given each other.
#[test]
fn who_opens_to_one_that_has_left_is_told() {
    for knows_the_other in [false, true] {
        let mut pair = acquainted();
        // From here on the two have contexts with different ids.
        pair.leave(A);
        pair.run_for(Duration::from_micros(5));
        pair.b.events.clear();
        pair.post(A, 100);
        let doomed = pair.send(B, Service::Srd, &pattern(2, 100));
        if knows_the_other {
            pair.a.peer = Some(pair.a.endpoint.add_peer(pair.now).unwrap());
            pair.send(A, Service::Srd, &pattern(3, 100));
        }
        // What A says is lost, but for its first packet.
        pair.link.filter = Some(Box::new(move |from, packet| {
            let is_data = matches!(packet, Packet::Data(_) | Packet::Reset(_));
            from == B || is_data
        }));
        pair.run_for(Duration::from_micros(6));
        pair.leave(A);
        let began = pair.now;
        pair.run_until(LIMIT, |pair| pair.b.endpoint.pending_sends() == 0);
        assert!(pair.now.since(began) < Duration::from_millis(1), "{:?}", pair.now.since(began));
        pair.flush(B);
        assert_eq!(departures(&mut pair, B), [PeerFailure::Restarted]);
        assert_eq!(pair.b.sent(), [(doomed, false)]);
        pair.post(A, 100);
        let next = pair.send(B, Service::Srd, &pattern(4, 100));
        pair.link.filter = None;
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.b.sent(), [(next, true)]);
    }
}

/// Only the incarnation itself can end its context: a tag is not enough, and nor is an address.
#[test]
fn a_forged_departure_changes_nothing() {
    let mut pair = acquainted();
    pair.trace = Some(Vec::new());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    let address = pair
        .trace
        .as_ref()
        .unwrap()
        .iter()
        .find_map(|(_, from, packet)| match packet {
            Packet::Data(data) if *from == A => Some(data.address),
            _ => None,
        })
        .unwrap();
    let mut bytes = [0; MAX_HEADER_BYTES];
    let len = Close { address, incarnation: 0x1234_5678 }.encode(&mut bytes);
    let stale = Disposition::Dropped(DropReason::StaleIncarnation);
    assert_eq!(pair.deliver(B, &bytes[..len], false), stale);
    assert_eq!(departures(&mut pair, B), []);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(3, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.sent().iter().filter(|(_, well)| *well).count(), 2);
}

/// A peer that was never heard of is told nothing.
#[test]
fn nothing_is_said_to_strangers() {
    let mut pair = Pair::plain();
    pair.leave(A);
    assert!(pair.flights.is_empty());
    let mut pair = Pair::new(config(1), config(2), super::pair::Link::default());
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.leave(A);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.endpoint.stats().messages_received, 0);
}
