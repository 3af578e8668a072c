//! Memory that is taken back. Rules T1 and T2: nothing touches it afterwards.

use core::time::Duration;
use std::vec;

use super::{LIMIT, assert_outcome, pair_with_region, pattern};
use crate::drop_reason::DropReason;
use crate::region::{Access, Refusal};
use crate::tests::pair::{A, B, Pair};
use crate::transfer::{AtomicOp, Block, TransferFailure};

const REVOKED_KEY: Result<u64, TransferFailure> = Err(TransferFailure::Refused(Refusal::Key));
const REVOKED: Result<u64, TransferFailure> = Err(TransferFailure::Refused(Refusal::Revoked));

#[test]
fn an_unused_region_comes_back_at_once() {
    let (mut pair, memory) = pair_with_region(10);
    assert_eq!(pair.b.endpoint.regions(), 1);
    pair.revoke(B, memory);
    assert_eq!(pair.b.released(), [memory.buffer]);
    assert_eq!(pair.b.endpoint.regions(), 0);
    let now = pair.now;
    assert_eq!(pair.b.endpoint.revoke(now, memory.start), Err(Refusal::Key));
    let token = pair.write(A, b"late", memory.start, Some(1));
    pair.settle_down();
    assert_outcome(&mut pair, token, REVOKED_KEY);
    assert!(pair.b.notified().is_empty());
}

/// Revoked in the middle of a transfer: what is being placed is waited for, the rest refused.
#[test]
fn a_transfer_into_a_revoked_region_fails() {
    let (mut pair, memory) = pair_with_region(1 << 20);
    pair.b.placing_takes = Duration::from_micros(100);
    let token = pair.write(A, &pattern(1, 1 << 20), memory.start, Some(1));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
    pair.revoke(B, memory);
    assert!(pair.b.released().is_empty(), "placements are under way");
    pair.run_until(LIMIT, |pair| pair.b.endpoint.regions() == 0);
    pair.flush(B);
    assert_eq!(pair.b.released(), [memory.buffer]);
    let contents = pair.contents(B, memory);
    pair.settle_down();
    assert_outcome(&mut pair, token, REVOKED_KEY);
    assert!(pair.contents(B, memory) == contents, "written after it was given back");
    assert!(pair.b.drops.contains(&DropReason::Refused(Refusal::Key)));
    assert!(pair.b.notified().is_empty());
}

/// The slot may have another region soon: the old key opens nothing of it.
#[test]
fn an_old_key_does_not_open_a_new_region() {
    let (mut pair, memory) = pair_with_region(1 << 20);
    let token = pair.write(A, &pattern(1, 1 << 20), memory.start, None);
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
    pair.revoke(B, memory);
    let next = pair.register(B, vec![7; 1 << 20], Access::ALL);
    assert_eq!(next.start.slot(), memory.start.slot());
    pair.settle_down();
    assert_outcome(&mut pair, token, REVOKED_KEY);
    assert!(pair.contents(B, next).iter().all(|&byte| byte == 7));
}

/// Revoked while it is read: the reader is told, and the memory comes back once no packet can leave
/// from it any more.
#[test]
fn a_read_of_a_revoked_region_fails() {
    for many in [false, true] {
        let mut pair = Pair::plain();
        let from = pair.register(B, pattern(1, 1 << 20), Access::READ);
        let to = pair.register(A, vec![0; 1 << 20], Access::LOCAL);
        let block = |n: u64| Block::new(to.start.plus(n << 12), from.start.plus(n << 12), 4096);
        let token = match many {
            true => pair.read_blocks(A, (0..256).map(block).collect(), Some(3)),
            false => pair.read(A, from.start, 1 << 20),
        };
        pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().data_packets_received > 20);
        pair.revoke(B, from);
        pair.run_until(LIMIT, |pair| pair.b.endpoint.regions() == 0);
        pair.flush(B);
        assert_eq!(pair.b.released(), [from.buffer]);
        // From here on a packet that leaves from it would not find it.
        pair.b.buffers.remove(&from.buffer);
        pair.settle_down();
        assert_outcome(&mut pair, token, REVOKED);
        assert!(pair.b.notified().is_empty());
    }
}

/// Revoked before anything of the answer has left.
#[test]
fn a_read_can_be_refused_before_it_is_answered() {
    let mut pair = Pair::plain();
    let from = pair.register(B, pattern(1, 4096), Access::READ);
    let token = pair.read(A, from.start, 4096);
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().reads_served == 1);
    // The request has been taken; the answer leaves with the next turn.
    let now = pair.now;
    pair.b.endpoint.revoke(now, from.start).unwrap();
    pair.settle_down();
    assert_outcome(&mut pair, token, REVOKED);
    assert_eq!(pair.b.released(), [from.buffer]);
}

/// Operations of the owner's own that use it are waited for, and succeed.
#[test]
fn the_owners_own_operations_are_waited_for() {
    let mut pair = Pair::plain();
    let local = pair.register(A, pattern(1, 1 << 18), Access::LOCAL);
    let remote = pair.register(B, vec![0; 1 << 18], Access::ALL);
    let block = Block::new(local.start, remote.start, 1 << 18);
    let write = pair.write_blocks(A, vec![block], Some(1));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 5);
    pair.revoke(A, local);
    assert!(pair.a.released().is_empty());
    pair.run_until_quiet(LIMIT);
    assert_outcome(&mut pair, write, Ok(0));
    assert_eq!(pair.a.released(), [local.buffer]);
    assert_eq!(pair.contents(B, remote), pattern(1, 1 << 18));
    let to = pair.register(A, vec![0; 1 << 18], Access::LOCAL);
    let read = pair.read_blocks(A, vec![Block::new(to.start, remote.start, 1 << 18)], None);
    pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().data_packets_received > 5);
    pair.revoke(A, to);
    pair.settle_down();
    assert_outcome(&mut pair, read, Ok(0));
    assert_eq!(pair.a.released(), [to.buffer]);
    assert_eq!(pair.contents(A, to), pattern(1, 1 << 18));
}

#[test]
fn an_atomic_under_way_is_waited_for() {
    let (mut pair, memory) = pair_with_region(8);
    pair.b.hold_atomics = true;
    let token = pair.atomic(A, memory.start, AtomicOp::FetchAdd(4));
    pair.run_until(LIMIT, |pair| !pair.b.held_atomics.is_empty());
    pair.revoke(B, memory);
    assert!(pair.b.released().is_empty());
    pair.b.hold_atomics = false;
    let now = pair.now;
    pair.b.perform_held(now);
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    assert_eq!(pair.b.released(), [memory.buffer]);
}

#[test]
fn there_are_only_so_many_and_each_key_differs() {
    let mut pair = Pair::plain();
    let mut keys = std::collections::BTreeSet::new();
    let request = |buffer| crate::region::RegionRequest {
        buffer,
        len: 1,
        access: Access::LOCAL,
        peers: None,
    };
    let buffer = pair.a.buffer(vec![0]);
    while let Ok(start) = pair.a.endpoint.register(request(buffer)) {
        assert!(keys.insert(start.key()));
    }
    assert_eq!(keys.len(), 1 << 16);
}
