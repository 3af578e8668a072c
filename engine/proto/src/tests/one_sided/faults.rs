//! Duplicates, restarts, and links that do their worst.

use core::time::Duration;
use std::boxed::Box;
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use super::{LIMIT, Memory, assert_outcome, moved, pattern, shuffled};
use crate::boundary::Disposition;
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::region::Access;
use crate::tests::pair::{A, B, Link, Pair, config};
use crate::transfer::TransferFailure;
use crate::wire::{Data, MAX_HEADER_BYTES, Op, Packet};

/// Keeps the header of the first WRITE that passes.
fn keep_first_write(pair: &mut Pair) -> Arc<Mutex<Option<Data>>> {
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    pair.link.filter = Some(Box::new(move |from, packet| {
        if let (A, Packet::Data(data)) = (from, packet)
            && data.op == Op::Write
        {
            keep.lock().unwrap().get_or_insert(*data);
        }
        true
    }));
    kept
}

fn datagram(data: &Data, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; MAX_HEADER_BYTES];
    let len = data.encode(&mut bytes);
    bytes.truncate(len);
    bytes.extend_from_slice(payload);
    bytes
}

/// Writes "old", then "new" to the same place; then a copy of the first packet arrives.
fn overwritten() -> (Pair, Memory, Vec<u8>) {
    let mut pair = Pair::plain();
    let memory = pair.register(B, vec![0; 3], Access::ALL);
    let kept = keep_first_write(&mut pair);
    pair.write(A, b"old", memory.start, None);
    pair.run_until_quiet(LIMIT);
    pair.write(A, b"new", memory.start, None);
    pair.run_until_quiet(LIMIT);
    let late = datagram(&kept.lock().unwrap().unwrap(), b"old");
    (pair, memory, late)
}

/// At most once: a copy never overwrites what is newer.
#[test]
fn a_late_duplicate_does_not_overwrite() {
    let (mut pair, memory, late) = overwritten();
    let outcome = pair.deliver(B, &late, false);
    assert_eq!(outcome, Disposition::Dropped(DropReason::Duplicate));
    assert_eq!(pair.contents(B, memory), b"new");
    pair.settle_down();
}

/// Nor does it after the region is gone, and another has its slot.
#[test]
fn a_late_duplicate_does_not_reach_another_region() {
    let (mut pair, memory, late) = overwritten();
    pair.revoke(B, memory);
    let next = pair.register(B, b"fresh".to_vec(), Access::ALL);
    pair.deliver(B, &late, false);
    assert_eq!(pair.contents(B, next), b"fresh");
    assert_eq!(pair.contents(B, memory), b"new");
    pair.settle_down();
}

/// Nor after the context has ended, on either side.
#[test]
fn a_late_packet_of_an_ended_context_does_not_write() {
    let (mut pair, memory, late) = overwritten();
    let (now, peer) = (pair.now, pair.a.peer.unwrap());
    pair.a.endpoint.remove_peer(now, peer);
    pair.a.peer = Some(pair.a.endpoint.add_peer(now).unwrap());
    let token = pair.write(A, b"3rd", memory.start, None);
    pair.run_until_quiet(LIMIT);
    assert_outcome_is_last(&mut pair, token);
    pair.deliver(B, &late, false);
    assert_eq!(pair.contents(B, memory), b"3rd");
    // The target's side ends as well: to its next context the packet is a stranger's.
    let peer = pair.b.peer.unwrap();
    let now = pair.now;
    pair.b.endpoint.remove_peer(now, peer);
    let outcome = pair.deliver(B, &late, false);
    assert!(matches!(outcome, Disposition::Reply(_)), "{outcome:?}");
    assert_eq!(pair.contents(B, memory), b"3rd");
}

#[track_caller]
fn assert_outcome_is_last(pair: &mut Pair, token: u64) {
    assert_eq!(pair.a.outcomes().last(), Some(&(token, Ok(0))));
}

/// A restarted target has other regions: keys of the old ones are worthless, and the initiator is
/// told that its operation failed.
#[test]
fn a_restarted_target_refuses_old_keys() {
    let mut pair = Pair::plain();
    let memory = pair.register(B, vec![0; 1 << 20], Access::ALL);
    let token = pair.write(A, &pattern(1, 1 << 20), memory.start, Some(1));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
    pair.restart(B, Config { seed: 77, ..config(2) });
    let next = pair.register(B, vec![7; 1 << 20], Access::ALL);
    pair.run_out(A);
    let outcomes = pair.a.outcomes();
    let failed = |outcome: &_| matches!(outcome, Err(TransferFailure::Unknown(_)));
    assert!(outcomes.len() == 1 && outcomes[0].0 == token && failed(&outcomes[0].1));
    let again = pair.write(A, &pattern(1, 1 << 20), memory.start, Some(1));
    pair.settle_down();
    let outcomes = pair.a.outcomes();
    let refused = matches!(outcomes[..], [(it, Err(TransferFailure::Refused(_)))] if it == again);
    assert!(refused, "{outcomes:?}");
    assert!(pair.contents(B, next).iter().all(|&byte| byte == 7));
    assert!(pair.b.notified().is_empty());
    let token = pair.write(A, b"hello", next.start, Some(2));
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
}

/// An initiator that restarts in the middle leaves nothing behind at the target, and its successor
/// starts clean.
#[test]
fn a_restarted_initiator_starts_clean() {
    let mut pair = Pair::plain();
    let memory = pair.register(B, vec![0; 1 << 20], Access::ALL);
    pair.write(A, &pattern(1, 1 << 20), memory.start, Some(1));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
    pair.restart(A, Config { seed: 77, ..config(1) });
    let now = pair.now;
    pair.a.peer = Some(pair.a.endpoint.add_peer(now).unwrap());
    let token = pair.write(A, &pattern(2, 1 << 20), memory.start, Some(2));
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    assert_eq!(pair.b.notified(), [(2, 1 << 20)], "the first was never whole");
    assert!(pair.contents(B, memory) == pattern(2, 1 << 20));
}

#[test]
fn vectored_transfers_survive_a_hostile_link() {
    for seed in 0..8 {
        let mut pair = Pair::new(config(seed), config(seed + 50), Link::hostile());
        pair.a.placing_takes = Duration::from_micros(seed * 20);
        pair.b.placing_takes = Duration::from_micros(seed * 30);
        let (count, len) = (200, 3000);
        let size = (count * len) as usize;
        let from = pair.register(A, pattern(1, size), Access::READ);
        let to = pair.register(B, vec![0; size], Access::ALL);
        let back = pair.register(A, vec![0; size], Access::LOCAL);
        let there = shuffled(from, to, count, len);
        let mut expected = vec![0; size];
        moved(&there, &pattern(1, size), &mut expected);
        pair.write_blocks(A, there, Some(1));
        pair.run_until_quiet(LIMIT);
        assert!(pair.contents(B, to) == expected, "WRITE, seed {seed}");
        pair.read_blocks(A, shuffled(back, to, count, len), Some(2));
        pair.settle_down();
        let mut again = vec![0; size];
        for block in shuffled(back, to, count, len) {
            let (at, from) = (block.local.offset() as usize, block.remote.offset() as usize);
            again[at..at + 3000].copy_from_slice(&expected[from..from + 3000]);
        }
        assert!(pair.contents(A, back) == again, "READ, seed {seed}");
        assert_eq!(pair.a.outcomes().iter().filter(|it| it.1.is_ok()).count(), 2);
        let mut notified = pair.b.notified();
        notified.sort_unstable();
        assert_eq!(notified, [(1, size as u64), (2, 0)]);
    }
}

/// A path that swallows everything costs a transfer nothing but time.
#[test]
fn transfers_leave_dead_paths() {
    let mut pair = Pair::plain();
    let memory = pair.register(B, vec![0; 1 << 20], Access::ALL);
    for path in [1, 5, 9] {
        pair.link.black_holes.insert((A, path));
        pair.link.black_holes.insert((B, path));
    }
    let token = pair.write(A, &pattern(4, 1 << 20), memory.start, Some(1));
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    assert!(pair.contents(B, memory) == pattern(4, 1 << 20));
    let token = pair.read(A, memory.start, 1 << 20);
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
}

/// A peer is removed while its bytes are still being placed: they are waited for.
#[test]
fn placements_outlive_their_peer() {
    let mut pair = Pair::plain();
    pair.b.placing_takes = Duration::from_millis(1);
    let memory = pair.register(B, vec![0; 1 << 20], Access::ALL);
    pair.write(A, &pattern(1, 1 << 20), memory.start, Some(1));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 3);
    let (now, peer) = (pair.now, pair.b.peer.take().unwrap());
    pair.b.endpoint.remove_peer(now, peer);
    pair.revoke(B, memory);
    assert!(pair.b.released().is_empty());
    pair.run_for(Duration::from_millis(3));
    pair.flush(B);
    assert_eq!(pair.b.released(), [memory.buffer]);
    assert!(pair.b.notified().is_empty());
}
