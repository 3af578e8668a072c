//! What a region does not allow is refused, told, and leaves nothing behind. Rules T2, T4, T5.

use core::time::Duration;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use super::{LIMIT, Outcome, assert_outcome, pair_with_region, pattern};
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::ids::{CompletionLevel, PeerId};
use crate::region::{Access, Refusal, RegionAddress, RegionRequest};
use crate::tests::pair::{A, B, Link, Pair, config};
use crate::transfer::{AtomicOp, Block, TransferFailure};

fn refused(refusal: Refusal) -> Outcome {
    Err(TransferFailure::Refused(refusal))
}

const ADD: AtomicOp = AtomicOp::FetchAdd(1);

#[test]
fn keys_rights_bounds_and_alignment() {
    let mut pair = Pair::plain();
    let open = pair.register(B, vec![0; 100], Access::ALL);
    let shut = pair.register(B, vec![0; 100], Access::LOCAL);
    let forged = RegionAddress::new(open.start.slot(), open.start.key() ^ 1, 0);
    let cases = [
        (forged, Refusal::Key),
        (RegionAddress::new(4000, 1, 0), Refusal::Key),
        (shut.start, Refusal::Denied),
        (open.start.plus(97), Refusal::Bounds),
        (open.start.plus(1 << 40), Refusal::Bounds),
    ];
    for (address, refusal) in cases {
        for level in [CompletionLevel::Acknowledged, CompletionLevel::Delivered] {
            let token = pair.write_with(A, b"four", address, Some(1), level);
            pair.settle_down();
            assert_outcome(&mut pair, token, refused(refusal));
        }
        let token = pair.read(A, address, 4);
        pair.settle_down();
        assert_outcome(&mut pair, token, refused(refusal));
        let token = pair.atomic(A, address, ADD);
        pair.settle_down();
        assert_outcome(&mut pair, token, refused(refusal));
    }
    let token = pair.atomic(A, open.start.plus(4), ADD);
    pair.settle_down();
    assert_outcome(&mut pair, token, refused(Refusal::Alignment));
    assert_eq!(pair.contents(B, open), [0; 100]);
    assert_eq!(pair.contents(B, shut), [0; 100]);
    assert!(pair.b.notified().is_empty(), "no immediate of what was refused");
    assert!(pair.b.drops.contains(&DropReason::Refused(Refusal::Key)));
    // And the peers go on as if nothing had been.
    let token = pair.write(A, b"fine", open.start, Some(2));
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    assert_eq!(pair.b.notified(), [(2, 4)]);
}

#[test]
fn a_region_for_others_is_refused() {
    let mut pair = Pair::plain();
    let buffer = pair.b.buffer(vec![0; 8]);
    let request =
        RegionRequest { buffer, len: 8, access: Access::ALL, peers: Some([PeerId(7)].into()) };
    let start = pair.b.endpoint.register(request).unwrap();
    let token = pair.write(A, b"x", start, None);
    pair.settle_down();
    assert_outcome(&mut pair, token, refused(Refusal::Denied));
}

/// One bad block among many fails the transfer; nothing of it waits for the rest, and no immediate
/// comes.
#[test]
fn one_bad_block_fails_a_transfer() {
    for hostile in [false, true] {
        let link = if hostile { Link::hostile() } else { Link::default() };
        let mut pair = Pair::new(config(1), config(2), link);
        let to = pair.register(B, vec![0; 1 << 20], Access::ALL);
        let from = pair.register(A, pattern(1, 1 << 20), Access::LOCAL);
        let bad = RegionAddress::new(to.start.slot(), 1, 0);
        let block = |n: u64| {
            let remote = if n == 100 { bad } else { to.start.plus(n * 4096) };
            Block::new(from.start.plus(n * 4096), remote, 4096)
        };
        let token = pair.write_blocks(A, (0..256).map(block).collect(), Some(1));
        pair.settle_down();
        assert_outcome(&mut pair, token, refused(Refusal::Key));
        assert!(pair.b.notified().is_empty());
        let token = pair.read_blocks(A, (0..256).map(block).collect(), Some(1));
        pair.settle_down();
        assert_outcome(&mut pair, token, refused(Refusal::Key));
        assert!(pair.b.notified().is_empty(), "a READ that failed is not announced");
    }
}

#[test]
fn lists_that_cannot_be_are_refused() {
    let small = Config { bounce_bytes: 1000, ..config(2) };
    let mut pair = Pair::new(config(1), small, Link::default());
    let from = pair.register(B, vec![0; 4096], Access::READ);
    let to = pair.register(A, vec![0; 4096], Access::LOCAL);
    let blocks = |count: u64| -> Vec<Block> {
        (0..count).map(|n| Block::new(to.start.plus(n), from.start.plus(n), 1)).collect()
    };
    let token = pair.read_blocks(A, blocks(32), None);
    pair.settle_down();
    assert_outcome(&mut pair, token, refused(Refusal::ListTooLong));
    let token = pair.read_blocks(A, blocks(31), None);
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    // A driver that cannot make sense of a list says so.
    pair.b.spoil_lists = true;
    let token = pair.read_blocks(A, blocks(31), None);
    pair.settle_down();
    assert_outcome(&mut pair, token, refused(Refusal::List));
}

/// Lists wait for room like messages.
#[test]
fn a_list_waits_for_bounce_memory() {
    let small = Config { bounce_bytes: 1000, ..config(2) };
    let mut pair = Pair::new(config(1), small, Link::default());
    let from = pair.register(B, pattern(1, 4096), Access::READ);
    let to = pair.register(A, vec![0; 4096], Access::LOCAL);
    pair.send(A, crate::ids::Service::Srd, &pattern(1, 700));
    pair.run_until_quiet(LIMIT);
    let block = |n: u64| Block::new(to.start.plus(n * 128), from.start.plus(n * 128), 128);
    let token = pair.read_blocks(A, (0..30).map(block).collect(), None);
    pair.run_for(Duration::from_millis(3));
    assert!(pair.a.outcomes().is_empty());
    assert!(pair.b.drops.contains(&DropReason::NoBuffer));
    pair.post(B, 700);
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    assert_eq!(pair.contents(A, to)[..30 * 128], pattern(1, 4096)[..30 * 128]);
}

/// The NACK that refuses may be lost, and any other packet as well.
#[test]
fn refusals_survive_a_hostile_link() {
    for seed in 0..20 {
        let mut pair = Pair::new(config(seed), config(seed + 100), Link::hostile());
        let memory = pair.register(B, vec![0; 1 << 16], Access::WRITE);
        let denied = pair.read(A, memory.start, 8);
        let beyond = pair.write(A, &pattern(1, 40_000), memory.start.plus(40_000), Some(1));
        let fine = pair.write(A, &pattern(2, 40_000), memory.start, Some(2));
        pair.settle_down();
        let mut outcomes = pair.a.outcomes();
        outcomes.sort_by_key(|it| it.0);
        let expected =
            [(denied, refused(Refusal::Denied)), (beyond, refused(Refusal::Bounds)), (fine, Ok(0))];
        assert_eq!(outcomes, expected);
        assert_eq!(pair.b.notified(), [(2, 40_000)]);
        assert_eq!(pair.contents(B, memory)[..40_000], pattern(2, 40_000));
    }
}

/// A peer that dies while its transfer is being refused leaves nothing behind either.
#[test]
fn a_refusal_that_never_arrives() {
    let (mut pair, memory) = pair_with_region(100);
    let token = pair.write(A, b"x", memory.start, None);
    pair.settle_down();
    assert_outcome(&mut pair, token, Ok(0));
    pair.link.filter = Some(Box::new(|from, _| from == A));
    pair.write(A, &pattern(1, 50_000), memory.start, Some(1));
    pair.run_out(A);
    assert!(matches!(pair.a.outcomes()[..], [(_, Err(TransferFailure::Unknown(_)))]));
    pair.a.endpoint.assert_at_rest();
}
