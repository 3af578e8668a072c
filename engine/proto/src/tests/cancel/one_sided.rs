//! WRITE, READ and atomics.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::super::one_sided::{Outcome, pair_with_region, shuffled};
use super::super::pair::{A, B, Link, Pair, config, pattern};
use super::{LIMIT, assert_well};
use crate::boundary::PeerFailure;
use crate::cancelled::Cancelled;
use crate::ids::{BufferId, CompletionLevel};
use crate::region::Access;
use crate::transfer::{AtomicOp, TransferFailure};
use crate::wire::Op;

const fn cancelled(how: Cancelled) -> Outcome {
    Err(TransferFailure::Cancelled(how))
}

/// Runs until A's operation is over. Its memory is taken away then: whoever touches it panics.
fn outcome_of(pair: &mut Pair, token: u64) -> Outcome {
    let end = pair.now + LIMIT;
    loop {
        let outcomes = pair.a.outcomes();
        if let [(done, outcome)] = outcomes[..] {
            assert_eq!(done, token);
            pair.a.buffers.remove(&BufferId(token as u32));
            return outcome;
        }
        assert!(outcomes.is_empty(), "one operation, one end");
        assert!(pair.step() && pair.now < end, "it never ends");
    }
}

#[test]
fn what_has_not_left_has_no_effect() {
    let (mut pair, there) = pair_with_region(1000);
    let write = pair.write(A, &pattern(1, 100), there.start, Some(7));
    let read = pair.read(A, there.start, 100);
    let add = pair.atomic(A, there.start, AtomicOp::FetchAdd(1));
    for token in [write, read, add] {
        assert!(pair.cancel_transfer(A, token));
        assert!(!pair.cancel_transfer(A, token));
    }
    pair.flush(A);
    let outcome = cancelled(Cancelled::NotSent);
    assert_eq!(pair.a.outcomes(), [write, read, add].map(|token| (token, outcome)));
    pair.run_for(Duration::from_millis(5));
    assert_eq!(pair.contents(B, there), vec![0; 1000]);
    assert_eq!(pair.b.notified(), []);
    assert_well(&mut pair);
}

/// No more is written once it is over, whatever comes late; and nobody is notified.
#[test]
fn no_write_lands_after_the_end_of_a_cancelled_one() {
    for step in 0..60_u64 {
        for hostile in [false, true] {
            let link = if hostile { Link::hostile() } else { Link::default() };
            let mut pair = Pair::new(config(step), config(step + 99), link);
            let there = pair.register(B, vec![0; 100_000], Access::ALL);
            pair.b.placing_takes = Duration::from_micros(step % 13);
            pair.acquaint();
            let bytes = pattern(step, 90_000);
            let level = match step % 2 {
                0 => CompletionLevel::Acknowledged,
                _ => CompletionLevel::Delivered,
            };
            let token = pair.write_with(A, &bytes, there.start, Some(7), level);
            pair.run_for(Duration::from_micros(step));
            let was_pending = pair.cancel_transfer(A, token);
            let mut late = Vec::new();
            let outcome = loop {
                // What is on its way now comes again, later.
                late.extend(
                    pair.flights.iter().filter(|it| it.0.to == B).map(|it| it.0.bytes.clone()),
                );
                let outcomes = pair.a.outcomes();
                if let [(_, outcome)] = outcomes[..] {
                    break outcome;
                }
                assert!(pair.step());
            };
            pair.a.buffers.remove(&BufferId(token as u32));
            if matches!(outcome, Err(TransferFailure::Cancelled(_))) {
                assert!(was_pending);
                assert!(!pair.b.is_placing(), "the peer has said that nothing is being placed");
            }
            let at_the_end = pair.contents(B, there);
            pair.link.loss = 0.0;
            pair.run_for(Duration::from_millis(20));
            for datagram in late {
                pair.deliver(B, &datagram, false);
            }
            pair.run_for(Duration::from_millis(20));
            let notified = pair.b.notified();
            match outcome {
                Ok(_) => {
                    assert_eq!(notified, [(7, 90_000)]);
                    assert_eq!(pair.contents(B, there)[..90_000], bytes);
                }
                Err(TransferFailure::Cancelled(how)) => {
                    assert!(pair.contents(B, there) == at_the_end, "written after its end");
                    assert!(how == Cancelled::Unknown || notified.is_empty(), "{how:?}");
                }
                Err(failure) => panic!("no peer was lost: {failure:?}"),
            }
            assert_well(&mut pair);
        }
    }
}

/// Blocks between regions: both are free after the end, and can be taken back.
#[test]
fn regions_are_free_after_the_end() {
    for step in (0..100).step_by(3) {
        for reads in [false, true] {
            let mut pair = Pair::plain();
            pair.a.placing_takes = Duration::from_micros(4);
            pair.b.placing_takes = Duration::from_micros(7);
            let here = pair.register(A, pattern(1, 256 << 10), Access::LOCAL);
            let there = pair.register(B, pattern(2, 256 << 10), Access::ALL);
            pair.acquaint();
            let blocks = shuffled(here, there, 64, 4096);
            let token = match reads {
                true => pair.read_blocks(A, blocks, Some(5)),
                false => pair.write_blocks(A, blocks, Some(5)),
            };
            pair.run_for(Duration::from_micros(step));
            pair.cancel_transfer(A, token);
            let outcome = outcome_of(&mut pair, token);
            assert!(
                outcome.is_ok()
                    || outcome.is_err_and(|it| !matches!(it, TransferFailure::Unknown(_)))
            );
            pair.revoke(A, here);
            assert_eq!(pair.a.released(), [here.buffer], "nothing uses it any more");
            pair.a.buffers.remove(&here.buffer);
            pair.run_for(Duration::from_millis(5));
            if matches!(
                outcome,
                Err(TransferFailure::Cancelled(Cancelled::NotSent | Cancelled::Partly))
            ) {
                assert_eq!(pair.b.notified(), []);
            }
            pair.revoke(B, there);
            pair.run_for(Duration::from_millis(5));
            assert_eq!(pair.b.released(), [there.buffer]);
            assert_well(&mut pair);
        }
    }
}

/// The peer does not go on sending what nobody reads.
#[test]
fn the_answer_to_a_cancelled_read_stops() {
    let (mut pair, there) = pair_with_region(8 << 20);
    pair.acquaint();
    let token = pair.read(A, there.start, 8 << 20);
    pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().data_packets_received > 10);
    assert!(pair.cancel_transfer(A, token));
    assert_eq!(outcome_of(&mut pair, token), cancelled(Cancelled::Partly));
    pair.run_for(Duration::from_millis(20));
    let sent = pair.b.endpoint.stats().payload_bytes_sent;
    assert!(sent < 1 << 20, "{sent} bytes of 8 MiB");
    assert_well(&mut pair);
}

/// A request that is lost is not carried out later.
#[test]
fn a_lost_request_is_not_sent_again() {
    let (mut pair, there) = pair_with_region(1000);
    pair.acquaint();
    for reads in [false, true] {
        pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
        let token = match reads {
            true => pair.read(A, there.start, 100),
            false => pair.atomic(A, there.start, AtomicOp::FetchAdd(1)),
        };
        pair.flush(A);
        pair.link.filter = None;
        assert!(pair.cancel_transfer(A, token));
        let outcome = outcome_of(&mut pair, token);
        let how = if reads { Cancelled::Partly } else { Cancelled::Unknown };
        assert_eq!(outcome, cancelled(how));
        pair.run_for(Duration::from_millis(20));
        let stats = pair.b.endpoint.stats();
        assert_eq!((stats.atomics_served, stats.reads_served), (0, 0));
        assert_well(&mut pair);
    }
}

/// An atomic happens at most once, and if its value is told it has.
#[test]
fn atomics_are_told_truly() {
    for step in 0..40_u64 {
        let mut pair = Pair::new(config(step), config(step + 99), Link::hostile());
        let there = pair.register(B, vec![0; 8], Access::ALL);
        pair.acquaint();
        let token = pair.atomic(A, there.start, AtomicOp::FetchAdd(1));
        pair.run_for(Duration::from_micros(step));
        pair.cancel_transfer(A, token);
        let outcome = outcome_of(&mut pair, token);
        pair.run_for(Duration::from_millis(20));
        let value = u64::from_ne_bytes(pair.contents(B, there).try_into().unwrap());
        match outcome {
            Ok(before) => assert_eq!((before, value), (0, 1)),
            Err(TransferFailure::Cancelled(Cancelled::NotSent)) => assert_eq!(value, 0),
            Err(TransferFailure::Cancelled(Cancelled::Unknown)) => assert!(value <= 1),
            other => panic!("{other:?}"),
        }
        assert_well(&mut pair);
    }
}

/// The peer is lost before it has answered: nobody knows.
#[test]
fn a_peer_may_be_lost_meanwhile() {
    let (mut pair, there) = pair_with_region(1 << 20);
    pair.acquaint();
    pair.trace = Some(Vec::new());
    let token = pair.write(A, &pattern(1, 1 << 20), there.start, None);
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 10);
    pair.cancel_transfer(A, token);
    pair.run_until(LIMIT, |pair| pair.trace_operations(A).contains(&Op::Abandon));
    pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
    let unknown = Err(TransferFailure::Unknown(PeerFailure::Unreachable));
    assert_eq!(outcome_of(&mut pair, token), unknown);
    pair.a.endpoint.assert_at_rest();
}
