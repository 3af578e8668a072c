//! Peers that come by themselves, and peers that move. Rules O9 and O10.

use core::time::Duration;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::{Disposition, Event, Inbound, PeerFailure};
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::ids::{PeerId, Service};
use crate::wire::{DATA_HEADER_BYTES, MAX_HEADER_BYTES, Packet};

const LIMIT: Duration = Duration::from_secs(20);

/// The first packet of an endpoint that does not exist, from an address that nobody has.
fn stranger(number: u64) -> Vec<u8> {
    let mut pair = Pair::plain();
    pair.trace = Some(Vec::new());
    pair.send(A, Service::Srd, b"");
    pair.flush(A);
    let Packet::Data(mut data) = pair.trace.unwrap()[0].2 else { panic!("data goes first") };
    let open = data.open.as_mut().unwrap();
    open.incarnation = 0x1000_0001 + (number << 32);
    open.context = number as u32;
    data.address.context = number as u32;
    let mut bytes = [0; MAX_HEADER_BYTES];
    let len = data.encode(&mut bytes);
    bytes[..len].to_vec()
}

fn knock(pair: &mut Pair, number: u64) -> (Disposition, Option<PeerId>) {
    let bytes = stranger(number);
    let head = &bytes[..DATA_HEADER_BYTES];
    let inbound = Inbound { head, len: bytes.len(), ce: false, trimmed: false, origin: None };
    let handled = pair.b.endpoint.handle_datagram(pair.now, &inbound);
    if let Disposition::Place(placement) = handled.disposition {
        pair.b.endpoint.handle_placed(pair.now, placement.message);
    }
    (handled.disposition, handled.accepted)
}

fn small(seed: u64) -> Config {
    Config { max_half_open: 8, ..config(seed) }
}

/// A flood of first packets takes the places that there are, and disturbs nobody who is known.
#[test]
fn a_flood_of_first_packets_takes_so_many_places() {
    let mut pair = Pair::new(config(1), small(2), Link::default());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.post(B, 100);
    pair.run_until_quiet(LIMIT);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(3, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.endpoint.half_open_peers(), 0, "A is known to be where it says");
    for number in 0..1000 {
        let (disposition, accepted) = knock(&mut pair, number);
        let has_room = number < 8;
        assert_eq!(accepted.is_some(), has_room);
        let full = Disposition::Dropped(DropReason::TooManyHalfOpen);
        assert_eq!(disposition == full, !has_room);
    }
    assert_eq!(pair.b.endpoint.half_open_peers(), 8);
    assert_eq!(pair.b.endpoint.peers().count(), 9);
    let drops = pair.b.endpoint.stats().drops[DropReason::TooManyHalfOpen.index()];
    assert_eq!(drops, 992);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(4, 100));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
}

/// They are asked, do not answer, and end; their places go to others.
#[test]
fn who_never_answers_is_forgotten() {
    let mut pair = Pair::new(config(1), small(2), Link::default());
    pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
    for number in 0..9 {
        knock(&mut pair, number);
    }
    pair.run_for(Duration::from_secs(4));
    let ended =
        pair.b.events.iter().filter(|event| {
            matches!(event, Event::PeerDown { reason: PeerFailure::Unconfirmed, .. })
        });
    assert_eq!(ended.count(), 8);
    assert_eq!(pair.b.endpoint.half_open_peers(), 0);
    assert_eq!(pair.b.endpoint.poll_timeout(), None, "nothing is left to be done for them");
    assert!(knock(&mut pair, 10).1.is_some());
}

/// They may have had nothing more to say. With others at the door they are asked at once, so that these
/// need not wait until silence has become suspicious.
#[test]
fn places_of_the_quiet_are_free_as_soon_as_others_need_them() {
    let mut pair = Pair::new(config(1), Config { max_half_open: 1, ..config(2) }, Link::default());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.endpoint.half_open_peers(), 1);
    pair.run_for(Duration::from_millis(2));
    assert!(knock(&mut pair, 1).1.is_none());
    pair.flush(B);
    pair.run_for(Duration::from_micros(50));
    assert!(knock(&mut pair, 1).1.is_some());
}

/// One message and no more: it is asked once, answers, and is a peer like any other.
#[test]
fn a_quiet_peer_answers_when_it_is_asked() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.endpoint.half_open_peers(), 1);
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.b.endpoint.half_open_peers(), 0);
    let down = |event: &Event| matches!(event, Event::PeerDown { .. });
    assert!(!pair.a.events.iter().any(down) && !pair.b.events.iter().any(down));
    assert_eq!(pair.b.endpoint.poll_timeout(), None);
    pair.post(B, 100);
    let token = pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    assert!(pair.a.sent().contains(&(token, true)), "in the same context");
}

/// What was on its way to the old address is sent again at once, and arrives once.
#[test]
fn a_peer_that_moves_goes_on_at_once() {
    for service in [Service::Srd, Service::Rd] {
        let mut pair = Pair::plain();
        let messages: Vec<_> = (0..5).map(|seed| pattern(seed, 100_000)).collect();
        for bytes in &messages {
            pair.post(B, 100_000);
            pair.send(A, service, bytes);
        }
        pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 40);
        // It is gone from where it was, and longer than several timeouts take.
        pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
        pair.run_for(Duration::from_millis(100));
        assert!(pair.a.endpoint.stats().rtos > 3);
        pair.link.filter = None;
        let (now, peer) = (pair.now, pair.a.peer.unwrap());
        pair.a.endpoint.address_changed(now, peer);
        pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
        assert!(pair.now.since(now) < Duration::from_millis(2), "no timer was waited for");
        pair.flush(B);
        let mut received: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
        if service == Service::Srd {
            received.sort();
        }
        let mut expected = messages;
        if service == Service::Srd {
            expected.sort();
        }
        assert!(received == expected, "each once");
        pair.a.endpoint.assert_at_rest();
    }
}

/// Nothing is under way, or there is no such peer: then there is nothing to do.
#[test]
fn an_idle_peer_can_move() {
    let mut pair = Pair::plain();
    let (now, peer) = (pair.now, pair.a.peer.unwrap());
    pair.a.endpoint.address_changed(now, PeerId(77));
    pair.a.endpoint.address_changed(now, peer);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_secs(10));
    let now = pair.now;
    pair.a.endpoint.address_changed(now, peer);
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.a.endpoint.poll_timeout(), None);
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(2, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 2);
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
}
