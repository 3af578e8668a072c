//! WRITE: one block, many, immediates.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{LIMIT, assert_outcome, moved, pair_with_region, pattern, shuffled};
use crate::boundary::Event;
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::error::TransferError;
use crate::ids::{BufferId, BufferRange, CompletionLevel, Service, Token};
use crate::region::{Access, RegionAddress};
use crate::tests::pair::{A, B, Link, Pair, config};
use crate::transfer::{Block, Layout, WriteRequest};
use crate::wire::{Op, Packet};

#[test]
fn sizes_around_every_edge_are_written() {
    for len in [1, 7, 8, 4095, 4096, 4097, 8192, 100_000] {
        for level in [CompletionLevel::Acknowledged, CompletionLevel::Delivered] {
            let (mut pair, memory) = pair_with_region(100_010);
            let bytes = pattern(3, len);
            let token = pair.write_with(A, &bytes, memory.start.plus(5), None, level);
            pair.settle_down();
            assert_outcome(&mut pair, token, Ok(0));
            let contents = pair.contents(B, memory);
            assert_eq!(contents[5..5 + len], bytes);
            assert!(contents[..5].iter().chain(&contents[5 + len..]).all(|&byte| byte == 0));
            assert!(pair.b.notified().is_empty());
        }
    }
}

/// Rule T3: the header has no room for the open block, so a HELLO opens the context first.
#[test]
fn an_operation_waits_for_the_context() {
    let (mut pair, memory) = pair_with_region(100);
    pair.trace = Some(Vec::new());
    pair.write(A, b"one", memory.start, None);
    pair.write(A, b"two", memory.start.plus(50), None);
    pair.settle_down();
    let ops = |packet: &Packet| match packet {
        Packet::Data(data) => Some((data.op, data.open.is_some())),
        _ => None,
    };
    let trace = pair.trace.take().unwrap();
    let sent: Vec<_> = trace.iter().filter(|it| it.1 == A).filter_map(|it| ops(&it.2)).collect();
    assert_eq!(sent, [(Op::Hello, true), (Op::Write, false), (Op::Write, false)]);
    // Where the context is there already, nothing is waited for.
    pair.trace = Some(Vec::new());
    pair.write(A, b"three", memory.start, None);
    pair.settle_down();
    let trace = pair.trace.take().unwrap();
    let sent: Vec<_> = trace.iter().filter(|it| it.1 == A).filter_map(|it| ops(&it.2)).collect();
    assert_eq!(sent, [(Op::Write, false)]);
}

/// Both ends may begin at the same time, and with messages of any kind.
#[test]
fn both_sides_open_with_operations_and_messages() {
    let (mut pair, at_b) = pair_with_region(10_000);
    let at_a = pair.register(A, vec![0; 10_000], Access::ALL);
    pair.post(B, 5000);
    pair.write(A, &pattern(1, 9000), at_b.start, Some(1));
    pair.write(B, &pattern(2, 9000), at_a.start, Some(2));
    pair.send(A, Service::Srd, &pattern(3, 5000));
    pair.settle_down();
    assert_eq!(pair.contents(B, at_b)[..9000], pattern(1, 9000));
    assert_eq!(pair.contents(A, at_a)[..9000], pattern(2, 9000));
    assert_eq!(pair.b.received()[0].bytes, pattern(3, 5000));
    assert_eq!((pair.a.notified(), pair.b.notified()), (vec![(2, 9000)], vec![(1, 9000)]));
}

/// Rule T6: the immediate comes once, after all bytes are in place.
#[test]
fn an_immediate_comes_after_the_bytes() {
    let (mut pair, memory) = pair_with_region(100_000);
    pair.b.placing_takes = Duration::from_micros(300);
    let token = pair.write(A, &pattern(1, 100_000), memory.start, Some(77));
    pair.run_until(LIMIT, |pair| {
        let told = pair.b.events.iter().any(|event| matches!(event, Event::Notified { .. }));
        let placed = pair.b.endpoint.stats().payload_bytes_received == 100_000;
        assert!(!told || placed, "told before everything had arrived");
        told
    });
    assert_eq!(pair.contents(B, memory), pattern(1, 100_000));
    pair.settle_down();
    assert_eq!(pair.b.notified(), [(77, 100_000)]);
    assert_outcome(&mut pair, token, Ok(0));
}

#[test]
fn an_immediate_can_come_alone() {
    let (mut pair, _) = pair_with_region(8);
    let nowhere = RegionAddress::new(0, 0, 0);
    let token = pair.write_with(A, b"", nowhere, Some(9), CompletionLevel::Delivered);
    pair.settle_down();
    assert_eq!(pair.b.notified(), [(9, 0)]);
    assert_outcome(&mut pair, token, Ok(0));
}

/// Rule T6: immediates that nobody takes hold their senders up, and are never lost.
#[test]
fn immediates_that_are_not_taken_are_back_pressure() {
    let few = Config { max_notifications: 3, ..config(2) };
    let mut pair = Pair::new(config(1), few, Link::default());
    let memory = pair.register(B, vec![0; 1000], Access::WRITE);
    for immediate in 0..10 {
        pair.write(A, b"x", memory.start, Some(immediate));
    }
    pair.run_for(Duration::from_millis(5));
    let mut told = pair.b.notified();
    assert_eq!(told.len(), 3);
    assert!(pair.b.drops.contains(&DropReason::NoBuffer));
    assert_eq!(pair.a.endpoint.stats().rtos, 0, "the sender was told");
    while told.len() < 10 {
        pair.b.endpoint.notifications_taken(1);
        pair.run_for(Duration::from_millis(2));
        told.extend(pair.b.notified());
    }
    pair.settle_down();
    told.sort_unstable();
    assert_eq!(told, (0..10).map(|immediate| (immediate, 1)).collect::<Vec<_>>());
    assert_eq!(pair.a.outcomes().len(), 10);
}

#[test]
fn many_blocks_are_one_operation() {
    for (count, len) in [(1, 4096), (100, 100), (1000, 4096), (3, 50_000)] {
        let (mut pair, to) = pair_with_region((count * len) as usize);
        let from = pair.register(A, pattern(5, (count * len) as usize), Access::LOCAL);
        let blocks = shuffled(from, to, count, len);
        let mut expected = vec![0; to.len];
        moved(&blocks, &pattern(5, from.len), &mut expected);
        let token = pair.write_blocks(A, blocks, Some(4));
        pair.settle_down();
        assert!(pair.contents(B, to) == expected, "{count} blocks of {len}");
        assert_outcome(&mut pair, token, Ok(0));
        assert_eq!(pair.b.notified(), [(4, count * len)]);
    }
}

/// A receiver that is not ready for a message takes transfers all the same.
#[test]
fn a_refused_message_does_not_hold_transfers_up() {
    let no_bounce = Config { bounce_bytes: 0, ..config(2) };
    let mut pair = Pair::new(config(1), no_bounce, Link::default());
    let memory = pair.register(B, vec![0; 200_000], Access::WRITE);
    pair.send(A, Service::Srd, b"nobody waits for this");
    pair.run_for(Duration::from_millis(1));
    let token = pair.write(A, &pattern(1, 200_000), memory.start, None);
    pair.run_for(Duration::from_millis(2));
    assert_outcome(&mut pair, token, Ok(0));
    assert_eq!(pair.contents(B, memory), pattern(1, 200_000));
    pair.post(B, 100);
    pair.settle_down();
}

/// Messages and transfers take turns: neither waits for all of the other.
#[test]
fn messages_and_transfers_take_turns() {
    let (mut pair, memory) = pair_with_region(1 << 20);
    for _ in 0..20 {
        pair.post(B, 1 << 16);
        pair.send(A, Service::Srd, &pattern(1, 1 << 16));
        pair.write(A, &pattern(2, 1 << 16), memory.start, Some(0));
    }
    pair.run_until(LIMIT, |pair| {
        let count = |is: fn(&Event) -> bool| pair.b.events.iter().filter(|it| is(it)).count();
        let messages = count(|event| matches!(event, Event::RecvCompleted { .. }));
        let transfers = count(|event| matches!(event, Event::Notified { .. }));
        assert!(messages.abs_diff(transfers) <= 5, "{messages} and {transfers}");
        messages == 20 && transfers == 20
    });
}

#[test]
fn what_cannot_be_written_is_said_at_once() {
    let (mut pair, remote) = pair_with_region(100);
    let local = pair.register(A, vec![0; 100], Access::LOCAL);
    let now = pair.now;
    let (peer, endpoint) = (pair.a.peer.unwrap(), &mut pair.a.endpoint);
    let mut write = |peer, layout| {
        let (token, level) = (Token(0), CompletionLevel::Acknowledged);
        endpoint.write(now, peer, WriteRequest { token, layout, level, notice: None })
    };
    let block = |at, len| Block::new(local.start.plus(at), remote.start, len);
    assert_eq!(write(peer, Layout::Blocks(vec![])), Err(TransferError::Empty));
    let empty = BufferRange { buffer: BufferId(0), offset: 0, len: 0 };
    let nothing = Layout::One { local: empty, remote: remote.start };
    assert_eq!(write(peer, nothing.clone()), Err(TransferError::Empty));
    let holes = write(peer, Layout::Blocks(vec![block(0, 1), block(0, 0)]));
    assert!(matches!(holes, Err(TransferError::BadBlocks { .. })));
    let outside = write(peer, Layout::Blocks(vec![block(0, 100), block(1, 100)]));
    assert!(matches!(outside, Err(TransferError::Local { block: 1, .. })), "{outside:?}");
    let nobody = crate::ids::PeerId(9);
    assert_eq!(write(nobody, nothing), Err(TransferError::UnknownPeer));
    assert_eq!(pair.a.endpoint.pending_sends(), 0);
    pair.a.endpoint.assert_at_rest();
}
