//! READ and atomics.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{LIMIT, assert_outcome, moved, pair_with_region, pattern, shuffled};
use crate::boundary::{Event, PeerFailure};
use crate::config::Config;
use crate::ids::BufferId;
use crate::region::Access;
use crate::tests::pair::{A, B, Link, Pair, config};
use crate::transfer::{AtomicOp, Block, TransferFailure};
use crate::wire::{Op, Packet};

#[test]
fn sizes_around_every_edge_are_read() {
    for len in [1, 7, 8, 4095, 4096, 4097, 8192, 100_000] {
        let mut pair = Pair::plain();
        let memory = pair.register(B, pattern(3, 100_010), Access::READ);
        let token = pair.read(A, memory.start.plus(5), len);
        pair.settle_down();
        assert_outcome(&mut pair, token, Ok(0));
        let bytes = &pair.a.buffers[&BufferId(token as u32)];
        assert_eq!(bytes[..], pattern(3, 100_010)[5..5 + len]);
        assert_eq!(pair.b.endpoint.stats().reads_served, 1);
    }
}

/// Rule T8: one request names all blocks, however many.
#[test]
fn many_blocks_are_read_with_one_request() {
    for (count, len) in [(1, 4096), (100, 100), (1000, 4096), (3, 50_000)] {
        let mut pair = Pair::plain();
        let to = pair.register(A, vec![0; (count * len) as usize], Access::LOCAL);
        let from = pair.register(B, pattern(5, (count * len) as usize), Access::READ);
        let blocks = shuffled(to, from, count, len);
        let back: Vec<Block> =
            blocks.iter().map(|it| Block::new(it.remote, it.local, it.len)).collect();
        let mut expected = vec![0; to.len];
        moved(&back, &pattern(5, from.len), &mut expected);
        pair.trace = Some(Vec::new());
        let token = pair.read_blocks(A, blocks, Some(6));
        pair.settle_down();
        assert!(pair.contents(A, to) == expected, "{count} blocks of {len}");
        assert_outcome(&mut pair, token, Ok(0));
        assert_eq!(pair.b.notified(), [(6, 0)], "the owner is told, once");
        let lists = pair.trace.take().unwrap().into_iter().filter(|(_, side, packet)| {
            *side == A && matches!(packet, Packet::Data(data) if data.op == Op::ReadList)
        });
        let list_bytes = if count == 1 { 0 } else { 24 * count as usize };
        assert_eq!(lists.count(), list_bytes.div_ceil(4096));
    }
}

/// A READ's notification leaves when all is in place on the reader's side.
#[test]
fn the_owner_is_told_after_the_bytes_are_placed() {
    let mut pair = Pair::plain();
    pair.a.placing_takes = Duration::from_millis(1);
    let to = pair.register(A, vec![0; 8192], Access::LOCAL);
    let from = pair.register(B, pattern(5, 8192), Access::READ);
    let token = pair.read_blocks(A, vec![Block::new(to.start, from.start, 8192)], Some(1));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().payload_bytes_received == 8192);
    pair.run_for(Duration::from_micros(500));
    assert!(pair.b.notified().is_empty() && pair.a.outcomes().is_empty());
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.notified(), [(1, 0)]);
    assert_outcome(&mut pair, token, Ok(0));
    assert_eq!(pair.contents(A, to), pattern(5, 8192));
}

#[test]
fn atomics_return_the_value_before() {
    let (mut pair, memory) = pair_with_region(64);
    let at = memory.start.plus(16);
    let swap = |expected, new| AtomicOp::CompareSwap { expected, new };
    let steps = [
        (AtomicOp::FetchAdd(5), 0, 5),
        (AtomicOp::FetchAdd(u64::MAX), 5, 4),
        (swap(9, 1), 4, 4),
        (swap(4, u64::MAX), 4, u64::MAX),
        (AtomicOp::FetchAdd(3), u64::MAX, 2),
    ];
    for (op, before, after) in steps {
        let token = pair.atomic(A, at, op);
        pair.settle_down();
        assert_outcome(&mut pair, token, Ok(before));
        let contents = pair.contents(B, memory);
        assert_eq!(contents[16..24], after.to_ne_bytes());
        assert!(contents[..16].iter().chain(&contents[24..]).all(|&byte| byte == 0));
    }
    assert_eq!(pair.b.endpoint.stats().atomics_served, 5);
}

/// Rule T9: exactly once, whatever the network does.
#[test]
fn atomics_are_exact_over_a_hostile_link() {
    let mut pair = Pair::new(config(3), config(4), Link::hostile());
    let memory = pair.register(B, vec![0; 8], Access::ATOMIC);
    let back = pair.register(A, vec![0; 8], Access::ATOMIC);
    for _ in 0..500 {
        pair.atomic(A, memory.start, AtomicOp::FetchAdd(1));
        pair.atomic(B, back.start, AtomicOp::FetchAdd(1));
    }
    pair.run_until_quiet(LIMIT);
    for (side, memory) in [(A, back), (B, memory)] {
        assert_eq!(pair.contents(side, memory), 500u64.to_ne_bytes());
        let mut before: Vec<u64> =
            pair.node(side).outcomes().into_iter().map(|(_, old)| old.unwrap()).collect();
        before.sort_unstable();
        assert_eq!(before, (0..500).collect::<Vec<_>>(), "each value was seen once");
    }
}

/// However many operations peers ask for, only so many are worked at.
#[test]
fn what_is_worked_at_for_others_is_bounded() {
    let few = Config { max_served: 4, ..config(2) };
    let mut pair = Pair::new(config(1), few, Link::default());
    let memory = pair.register(B, pattern(1, 50_000), Access::ALL);
    for at in 0..40 {
        pair.read(A, memory.start.plus(at), 40_000);
        pair.atomic(A, memory.start.plus(8 * at), AtomicOp::FetchAdd(0));
    }
    // What all others of the peer's may have to wait for comes on top of that, one at a time.
    let began = pair.now;
    pair.run_until(LIMIT, |pair| {
        let let_in = pair.now.since(began).as_micros() / 100;
        assert!(u128::from(pair.b.endpoint.served()) <= 4 + 1 + let_in);
        pair.a.endpoint.pending_sends() == 0
    });
    pair.flush(A);
    assert_eq!(pair.a.outcomes().iter().filter(|it| it.1.is_ok()).count(), 80);
    pair.settle_down();
}

/// The rest of what was begun lies beyond the window, which does not move while what is refused is missing.
#[test]
fn what_a_window_waits_for_is_let_in() {
    let one = Config { max_served: 1, mtu_bytes: 256, recv_window_packets: 64, ..config(2) };
    let mut pair = Pair::new(config(1), one, Link::default());
    let memory = pair.register(B, pattern(1, 50_000), Access::READ);
    let to = pair.register(A, vec![0; 50_000], Access::LOCAL);
    pair.read(A, memory.start, 1);
    pair.settle_down();
    // Of the lists that follow only the one at the edge of the window gets through, in part.
    let mut lists = 0;
    pair.link.filter = Some(std::boxed::Box::new(move |from, packet| {
        let Packet::Data(data) = packet else { return true };
        lists += u32::from(from == A && data.op == Op::ReadList);
        from == B || data.op != Op::ReadList || lists > 63
    }));
    for first in 0..40u64 {
        let block = |at: u64| Block::new(to.start.plus(at), memory.start.plus(2 * at), 8);
        pair.read_blocks(A, (0..30).map(|nth| block(first * 300 + nth * 10)).collect(), None);
    }
    pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
    pair.flush(A);
    assert_eq!(pair.a.outcomes().iter().filter(|it| it.1.is_ok()).count(), 41);
}

/// An owner that does not answer is found out, also while nothing is sent.
#[test]
fn a_read_whose_owner_dies_fails() {
    let mut pair = Pair::plain();
    let memory = pair.register(B, pattern(1, 1 << 20), Access::READ);
    let token = pair.read(A, memory.start, 1 << 20);
    pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().data_packets_received > 5);
    let answered = pair.read(A, memory.start, 1 << 20);
    pair.link.filter = Some(std::boxed::Box::new(|from, _| from == A));
    pair.run_out(A);
    let mut outcomes = pair.a.outcomes();
    outcomes.sort_by_key(|it| it.0);
    let unreachable = Err(TransferFailure::Unknown(PeerFailure::Unreachable));
    assert_eq!(outcomes, [(token, unreachable), (answered, unreachable)]);
    let down = pair.a.events.iter().any(|event| matches!(event, Event::PeerDown { .. }));
    assert!(down);
}

/// What has not left when the peer is found gone has had no effect, and is said to have had none.
#[test]
fn what_was_never_sent_is_said_not_to_be_carried_out() {
    let (mut pair, memory) = pair_with_region(64);
    pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
    let tokens = [
        pair.write(A, b"abc", memory.start, Some(1)),
        pair.read(A, memory.start, 8),
        pair.atomic(A, memory.start, AtomicOp::FetchAdd(1)),
    ];
    pair.run_out(A);
    let mut outcomes = pair.a.outcomes();
    outcomes.sort_by_key(|it| it.0);
    let not_sent = Err(TransferFailure::NotSent(PeerFailure::Unreachable));
    assert_eq!(outcomes, tokens.map(|token| (token, not_sent)));
    pair.a.endpoint.assert_at_rest();
}

/// What somebody waits for does not queue behind bytes.
#[test]
fn requests_overtake_transfers() {
    let mut pair = Pair::plain();
    let memory = pair.register(B, vec![0; 4 << 20], Access::ALL);
    let write = pair.write(A, &pattern(1, 4 << 20), memory.start, None);
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
    let read = pair.read(A, memory.start, 8);
    let add = pair.atomic(A, memory.start.plus(8), AtomicOp::FetchAdd(0));
    pair.settle_down();
    let order: Vec<u64> = pair.a.outcomes().into_iter().map(|it| it.0).collect();
    assert!(order == [read, add, write] || order == [add, read, write], "{order:?}");
}

/// The answer can be faster than the acknowledgement of the request, whose memory is needed until
/// then: it may have to be sent again.
#[test]
fn a_list_is_kept_until_it_is_acknowledged() {
    for notify in [None, Some(7)] {
        let mut pair = Pair::plain();
        let to = pair.register(A, vec![0; 8000], Access::LOCAL);
        let from = pair.register(B, pattern(5, 8000), Access::READ);
        pair.write(B, b"", from.start, Some(0));
        pair.run_until_quiet(LIMIT);
        pair.a.notified();
        pair.link.filter = Some(std::boxed::Box::new(|from, packet| {
            from == A || matches!(packet, Packet::Data(_))
        }));
        let token = pair.read_blocks(A, shuffled(to, from, 80, 100), notify);
        pair.run_for(Duration::from_millis(3));
        assert_eq!(pair.a.endpoint.stats().payload_bytes_received, 8000, "it is all there");
        assert!(pair.a.endpoint.stats().retransmissions > 0);
        assert!(pair.a.outcomes().is_empty());
        pair.link.filter = None;
        pair.settle_down();
        assert_outcome(&mut pair, token, Ok(0));
        assert_eq!(pair.b.notified().len(), usize::from(notify.is_some()));
    }
}
