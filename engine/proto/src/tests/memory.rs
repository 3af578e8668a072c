//! What an endpoint keeps: section 4 of docs/PROTOCOL.md.

use core::time::Duration;
use std::collections::BTreeSet;
use std::vec::Vec;

use super::pair::{A, B, Pair, pattern};
use crate::boundary::Disposition;
use crate::drop_reason::DropReason;
use crate::endpoint::SendRequest;
use crate::ids::{BufferId, BufferRange, CompletionLevel, Service, Token};
use crate::peer::IdlePeer;
use crate::wire::Packet;

/// An idle peer holds its own record and nothing else; benches measure the whole with an allocator
/// that counts.
#[test]
fn an_idle_peer_is_small() {
    assert!(size_of::<IdlePeer>() <= MOST_BYTES, "{} bytes", size_of::<IdlePeer>());
}

/// 400 bytes, less what the allocator, the timer, and the place in tables that double take.
const MOST_BYTES: usize = 400 - 16 - 2 * (16 + 32);

/// Windows are given back after a while, and what follows goes on as if they had not been.
#[test]
fn an_idle_peer_goes_on_where_it_was() {
    let mut pair = Pair::plain();
    for message in 0..5 {
        pair.post(B, 100_000);
        pair.send(A, Service::Rd, &pattern(message, 100_000));
        pair.run_until_quiet(Duration::from_secs(1));
        assert_eq!(pair.b.received()[0].bytes, pattern(message, 100_000));
        let idle_after = pair.a.endpoint.config().idle_after;
        pair.run_for(idle_after * 3);
        let (peer, node) = (pair.a.peer.unwrap(), &pair.a);
        assert!(node.endpoint.path_stats(peer).unwrap().is_empty(), "paths are given back");
    }
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
    assert_eq!(pair.a.endpoint.poll_timeout(), None, "an idle endpoint wakes for nothing");
    assert_eq!(pair.b.endpoint.poll_timeout(), None);
}

/// Lets both sides come to rest.
fn rest(pair: &mut Pair) {
    assert!((0..1_000).any(|_| !pair.step()), "something happens again and again");
    assert_eq!((pair.a.endpoint.active_peers(), pair.b.endpoint.active_peers()), (0, 0));
}

/// Whatever was under way before a pause, and comes once more after it, is known.
#[test]
fn what_is_late_by_a_pause_is_a_duplicate() {
    let mut pair = Pair::plain();
    let mut flights = BTreeSet::new();
    for message in 0..3 {
        pair.post(B, 20_000);
        pair.send(A, Service::Rd, &pattern(message, 20_000));
    }
    for _ in 0..100 {
        pair.flush(A);
        flights.extend(pair.flights.iter().map(|flight| flight.0.clone()));
        pair.step();
    }
    rest(&mut pair);
    pair.b.drops.clear();
    let is_data = |bytes: &[u8]| matches!(Packet::decode(bytes, bytes.len()), Ok(Packet::Data(_)));
    let late: Vec<_> = flights.into_iter().filter(|it| it.to == B && is_data(&it.bytes)).collect();
    assert!(late.len() >= 15, "{} datagrams", late.len());
    for flight in &late {
        let disposition = pair.deliver(B, &flight.bytes, false);
        assert_eq!(disposition, Disposition::Dropped(DropReason::Duplicate));
    }
    rest(&mut pair);
    assert_eq!(pair.b.endpoint.stats().messages_received, 3);
    pair.post(B, 20_000);
    pair.send(A, Service::Rd, &pattern(7, 20_000));
    rest(&mut pair);
    assert_eq!(pair.b.received().last().unwrap().bytes, pattern(7, 20_000));
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
}

/// A peer that wakes up for nothing rests again, and at once.
#[test]
fn who_wakes_up_for_nothing_rests_again() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    rest(&mut pair);
    let before = pair.now;
    let range = BufferRange { buffer: BufferId(0), offset: 0, len: u64::MAX };
    let (service, level) = (Service::Srd, CompletionLevel::Acknowledged);
    let request = SendRequest { token: Token(0), service, range, level, immediate: None };
    let peer = pair.a.peer.unwrap();
    assert!(pair.a.endpoint.send(before, peer, request).is_err());
    assert_eq!(pair.a.endpoint.active_peers(), 1);
    rest(&mut pair);
    assert_eq!(pair.now, before);
}
