//! What transfers tell the peer's user: section 7 of docs/PROTOCOL.md, rule T6.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{LIMIT, NOTED, assert_outcome, note_of, shuffled};
use crate::boundary::Event;
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::error::TransferError;
use crate::ids::{BufferId, BufferRange, CompletionLevel, Service, Token};
use crate::region::{Access, Refusal, RegionAddress};
use crate::tests::pair::{A, B, Link, Pair, config, pattern};
use crate::transfer::{Layout, Notice, TransferFailure, WriteRequest};

/// An immediate with a note of 700 bytes.
const LONG: u64 = NOTED + 4;
const NOWHERE: RegionAddress = RegionAddress::new(0, 0, 0);

/// Small packets, so that notes are cut.
fn small_packets(seed: u64) -> Config {
    Config { mtu_bytes: 256, ..config(seed) }
}

#[test]
fn a_note_comes_whole_and_after_the_bytes() {
    let bad = Link { loss: 0.2, reordering: 0.5, duplication: 0.2, ..Link::default() };
    let mut pair = Pair::new(small_packets(1), small_packets(2), bad);
    pair.b.placing_takes = Duration::from_micros(300);
    let memory = pair.register(B, vec![0; 20_000], Access::WRITE);
    assert!(note_of(LONG).len() > 2 * 256);
    let token = pair.write(A, &pattern(1, 20_000), memory.start, Some(LONG));
    pair.run_until(LIMIT, |pair| {
        pair.b.events.iter().any(|event| matches!(event, Event::Notified { .. }))
    });
    assert_eq!(pair.contents(B, memory), pattern(1, 20_000));
    pair.settle_down();
    assert_eq!(pair.b.notified(), [(LONG, 20_000)]);
    assert_outcome(&mut pair, token, Ok(0));
}

#[test]
fn a_note_can_come_alone() {
    let mut pair = Pair::new(small_packets(1), small_packets(2), Link::default());
    for immediate in NOTED..NOTED + 5 {
        pair.write_with(A, b"", NOWHERE, Some(immediate), CompletionLevel::Delivered);
    }
    pair.settle_down();
    let mut told = pair.b.notified();
    told.sort_unstable();
    assert_eq!(told, (NOTED..NOTED + 5).map(|immediate| (immediate, 0)).collect::<Vec<_>>());
    assert_eq!(pair.a.outcomes().len(), 5);
}

#[test]
fn who_has_been_read_gets_a_note() {
    let mut pair = Pair::new(small_packets(1), small_packets(2), Link::default());
    let from = pair.register(B, pattern(1, 10_000), Access::READ);
    let to = pair.register(A, vec![0; 10_000], Access::LOCAL);
    let token = pair.read_blocks(A, shuffled(to, from, 10, 1000), Some(LONG));
    pair.settle_down();
    assert_eq!(pair.b.notified(), [(LONG, 0)]);
    assert_outcome(&mut pair, token, Ok(0));
}

/// Rules M4 and M7: the sender waits, and is told when there is room.
#[test]
fn a_note_waits_for_bounce_memory() {
    let little = Config { bounce_bytes: 1000, ..config(2) };
    let mut pair = Pair::new(config(1), little, Link::default());
    let memory = pair.register(B, vec![0; 1000], Access::WRITE);
    pair.send(A, Service::Srd, &pattern(1, 500));
    pair.run_for(Duration::from_millis(1));
    let token = pair.write(A, &pattern(2, 1000), memory.start, Some(LONG));
    pair.run_for(Duration::from_millis(50));
    assert!(pair.b.drops.contains(&DropReason::NoBuffer));
    assert!(pair.b.notified().is_empty() && pair.a.outcomes().is_empty());
    assert_eq!(pair.a.endpoint.stats().rtos, 0, "the sender was told");
    // The message that has the memory gets a receive.
    pair.post(B, 500);
    pair.settle_down();
    assert_eq!(pair.b.notified(), [(LONG, 1000)]);
    assert_outcome(&mut pair, token, Ok(0));
}

#[test]
fn a_note_that_could_never_be_kept_is_refused() {
    let little = Config { bounce_bytes: 900, ..config(2) };
    let mut pair = Pair::new(config(1), little, Link::default());
    let memory = pair.register(B, vec![0; 1000], Access::WRITE);
    let token = pair.write(A, &pattern(2, 1000), memory.start, Some(LONG));
    pair.settle_down();
    assert!(pair.b.notified().is_empty());
    assert_outcome(&mut pair, token, Err(TransferFailure::Refused(Refusal::NoteTooLong)));
}

/// What a failed transfer would have told leaves neither its memory nor its place behind.
#[test]
fn a_refused_write_gives_the_room_for_its_note_back() {
    let one = Config { max_notifications: 1, ..small_packets(2) };
    let mut pair = Pair::new(small_packets(1), one, Link::default());
    let memory = pair.register(B, vec![0; 1000], Access::WRITE);
    for _ in 0..3 {
        let beyond = memory.start.plus(500);
        let token = pair.write(A, &pattern(2, 1000), beyond, Some(LONG));
        pair.settle_down();
        assert_outcome(&mut pair, token, Err(TransferFailure::Refused(Refusal::Bounds)));
    }
    let token = pair.write(A, &pattern(2, 1000), memory.start, Some(LONG));
    pair.settle_down();
    assert_eq!(pair.b.notified(), [(LONG, 1000)]);
    assert_outcome(&mut pair, token, Ok(0));
}

#[test]
fn notes_that_are_too_long_are_not_taken() {
    let mut pair = Pair::plain();
    let now = pair.now;
    let node = pair.ready(A);
    let note = BufferRange { buffer: BufferId(7), offset: 0, len: 4097 };
    let request = WriteRequest {
        token: Token(1),
        layout: Layout::One { local: BufferRange { len: 0, ..note }, remote: NOWHERE },
        level: CompletionLevel::Acknowledged,
        notice: Some(Notice { immediate: 1, note }),
    };
    let refused = node.endpoint.write(now, node.peer.unwrap(), request);
    assert_eq!(refused, Err(TransferError::NoteTooLong { max_bytes: 4096 }));
    assert_eq!(pair.a.endpoint.pending_sends(), 0);
}

/// A peer with places of its own holds up nobody else, and waits for nobody else.
#[test]
fn places_of_its_own_are_a_peers_alone() {
    let few = Config { max_notifications: 2, ..config(2) };
    let mut pair = Pair::new(config(1), few, Link::default());
    pair.write_with(A, b"", NOWHERE, Some(LONG), CompletionLevel::Delivered);
    pair.settle_down();
    let a = pair.ready(B).peer.unwrap();
    assert!(pair.b.endpoint.reserve_notifications(a, 3));
    assert!(!pair.b.endpoint.reserve_notifications(a, 3), "once");
    // One of the shared places is taken, and no other one any more.
    assert_eq!((pair.b.notified().len(), pair.b.endpoint.free_notifications()), (1, 1));
    for immediate in NOTED..NOTED + 8 {
        pair.write_with(A, b"", NOWHERE, Some(immediate), CompletionLevel::Delivered);
    }
    let mut told = 0;
    while told < 8 {
        pair.run_for(Duration::from_millis(20));
        let reserved = |event: &&Event| matches!(event, Event::Notified { reserved: true, .. });
        let count = pair.b.events.iter().filter(reserved).count();
        assert_eq!(count, 3.min(8 - told), "as many as there are places");
        assert_eq!(pair.b.notified().len(), count);
        pair.b.endpoint.reserved_notifications_taken(a, count as u32);
        told += count;
    }
    pair.settle_down();
    assert_eq!(pair.b.endpoint.free_notifications(), 1);
    assert_eq!(pair.a.outcomes().len(), 9);
}

/// What is being placed for a peer that is removed is told nobody, and nothing of it is left.
#[test]
fn a_removed_peer_takes_its_places_along() {
    let mut pair = Pair::new(small_packets(1), small_packets(2), Link::default());
    let memory = pair.register(B, vec![0; 1000], Access::WRITE);
    pair.write(A, b"first", memory.start, None);
    pair.settle_down();
    let a = pair.ready(B).peer.unwrap();
    assert!(pair.b.endpoint.reserve_notifications(a, 1));
    pair.b.placing_takes = Duration::from_millis(1);
    pair.write(A, &pattern(1, 1000), memory.start, Some(LONG));
    // All of it has arrived, and is being placed.
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().payload_bytes_received == 1000 + 5 + 700);
    pair.leave(B);
    pair.run_for(Duration::from_millis(5));
    assert!(pair.b.notified().is_empty());
    pair.b.endpoint.assert_at_rest();
}

/// The rest of a note that has the last room could lie beyond a window that waits for room.
#[test]
fn notes_of_many_packets_do_not_wait_for_each_other() {
    for (seed, max_notifications, bounce_bytes) in
        (0..20).flat_map(|seed| [(seed, 1, 1 << 20), (seed, 100, 1000), (seed, 2, 2000)])
    {
        let little = |seed| Config {
            max_notifications,
            bounce_bytes,
            recv_window_packets: 64,
            mtu_bytes: 16,
            ..config(seed)
        };
        let bad = Link { loss: 0.1, reordering: 0.3, ..Link::default() };
        let mut pair = Pair::new(little(seed), little(seed + 100), bad);
        for number in 0..10 {
            let long = Some(LONG + 5 * number);
            pair.write_with(A, b"", NOWHERE, long, CompletionLevel::Delivered);
        }
        let (mut told, started) = (0, pair.now);
        while told < 10 {
            pair.run_for(Duration::from_millis(1));
            let now = pair.b.notified().len();
            pair.b.endpoint.notifications_taken(now as u32);
            told += now;
            assert!(pair.now.since(started) < LIMIT, "seed {seed}: they wait for each other");
        }
        pair.settle_down();
    }
}
