//! Sides that have nothing to do with each other forget each other. Rule O11.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, Side, config, pattern};
use crate::boundary::{Event, PeerFailure};
use crate::config::Config;
use crate::ids::{CompletionLevel, Service, TagFilter};
use crate::region::Access;
use crate::transfer::AtomicOp;
use crate::wire::Packet;

const LIMIT: Duration = Duration::from_secs(20);
const EXPIRY: Duration = Duration::from_millis(20);

fn short_lived(seed: u64) -> Config {
    Config { idle_after: Duration::from_millis(5), expire_after: EXPIRY, ..config(seed) }
}

fn pair_of(config_b: Config, link: Link) -> Pair {
    let mut pair = Pair::new(short_lived(1), config_b, link);
    for seed in 0..2 {
        pair.post(B, 100);
        pair.send(A, Service::Rd, &pattern(seed, 100));
        pair.run_until_quiet(LIMIT);
    }
    pair.b.received();
    pair.a.sent();
    pair
}

fn ends(pair: &mut Pair, at: Side) -> Vec<PeerFailure> {
    let events = pair.node(at).events.iter();
    let down = events.filter_map(|event| match event {
        Event::PeerDown { reason, .. } => Some(*reason),
        _ => None,
    });
    down.collect()
}

/// One asks, the other agrees; whoever speaks next opens another context, and order begins anew.
#[test]
fn idle_sides_part_and_meet_again() {
    for speaker in [A, B] {
        for both in [false, true] {
            let other = if both { short_lived(2) } else { config(2) };
            let mut pair = pair_of(other, Link::default());
            pair.trace = Some(Vec::new());
            pair.run_for(EXPIRY * 3);
            assert_eq!(ends(&mut pair, A), [PeerFailure::Expired]);
            assert_eq!(ends(&mut pair, B), [PeerFailure::Expired]);
            assert_eq!(pair.a.endpoint.stats().contexts_expired, 1);
            assert!(pair.trace.as_ref().unwrap().len() <= 4, "few words are lost about it");
            for seed in 5..8 {
                pair.post(speaker.other(), 100);
                pair.send(speaker, Service::Rd, &pattern(seed, 100));
            }
            pair.run_until_quiet(LIMIT);
            let received = pair.node(speaker.other()).received();
            let bytes: Vec<_> = received.into_iter().map(|it| it.bytes).collect();
            assert_eq!(bytes, [5, 6, 7].map(|seed| pattern(seed, 100)));
            assert!(pair.node(speaker).sent().iter().all(|it| it.1));
        }
    }
}

/// Nothing expires by default, nor while something is under way.
#[test]
fn who_waits_for_something_does_not_part() {
    let mut pair = pair_of(short_lived(2), Link::default());
    // No receive is posted, and a report is asked for.
    let token = pair.send_with(B, Service::Srd, CompletionLevel::Delivered, &pattern(1, 100));
    pair.run_for(EXPIRY * 20);
    assert_eq!((ends(&mut pair, A), ends(&mut pair, B)), (vec![], vec![]));
    pair.post(A, 100);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.sent(), [(token, true)]);
    pair.run_for(EXPIRY * 5);
    assert_eq!(ends(&mut pair, A), [PeerFailure::Expired]);
    let mut pair = Pair::plain();
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_for(Duration::from_secs(100));
    assert_eq!(ends(&mut pair, A), []);
}

/// The other side does not answer any more: it is forgotten without it, after as long as a peer may be
/// silent.
#[test]
fn nobody_need_be_there_to_part_from() {
    let mut pair = pair_of(config(2), Link::default());
    pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
    pair.run_for(Duration::from_secs(3));
    assert_eq!(ends(&mut pair, A), [PeerFailure::Expired]);
    assert_eq!(pair.a.endpoint.poll_timeout(), None);
}

/// Late copies of proposals to part agree to nothing once something has been said since.
#[test]
fn an_old_proposal_is_void() {
    let mut pair = pair_of(config(2), Link::default());
    let (proposals, taken) = (Vec::new(), std::rc::Rc::new(std::cell::Cell::new(0)));
    let mut proposals: Vec<Vec<u8>> = proposals;
    let count = std::rc::Rc::clone(&taken);
    pair.link.filter = Some(std::boxed::Box::new(move |_, packet| {
        count.set(count.get() + u32::from(matches!(packet, Packet::Part(_))));
        true
    }));
    while taken.get() == 0 {
        pair.step();
        pair.flush(A);
        proposals = pair.flights.iter().map(|it| it.0.bytes.clone()).collect();
    }
    // It is lost; then A has something to say after all.
    pair.flights.clear();
    pair.post(B, 100);
    let token = pair.send(A, Service::Srd, &pattern(7, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.sent(), [(token, true)]);
    for proposal in proposals {
        pair.deliver(B, &proposal, false);
    }
    pair.run_for(Duration::from_millis(1));
    assert_eq!((ends(&mut pair, A), ends(&mut pair, B)), (vec![], vec![]));
}

/// Whatever is submitted whenever, on a network that loses and doubles: nothing fails, nothing comes
/// twice, and RD stays in order within what one context carries.
#[test]
fn nothing_is_lost_to_an_expiry() {
    for step in 0..400_u64 {
        let link = if step % 2 == 0 { Link::default() } else { Link::hostile() };
        let mut pair = Pair::new(
            Config { seed: step, ..short_lived(1) },
            Config { seed: step + 9, ..short_lived(2) },
            link,
        );
        let there = pair.register(B, vec![0; 4096], Access::ALL);
        let mut sent = 0;
        for round in 0..4_u64 {
            for (side, service) in [(A, Service::Rd), (B, Service::Srd)] {
                if (step + round) % 3 != side as u64 {
                    pair.post(side.other(), 5000);
                    let bytes = pattern(round * 2 + side as u64, 5000);
                    let level = match round % 2 {
                        0 => CompletionLevel::Acknowledged,
                        _ => CompletionLevel::Delivered,
                    };
                    pair.ready(side);
                    pair.send_with(side, service, level, &bytes);
                    sent += 1;
                }
            }
            if step % 5 < 3 {
                pair.atomic(A, there.start, AtomicOp::FetchAdd(1));
                pair.write(A, &pattern(round, 100), there.start.plus(64 + round * 128), Some(1));
                pair.read(A, there.start, 64);
                pair.post_tagged(B, TagFilter::exact(round), 9000);
                pair.send_tagged(A, round, &pattern(round, 9000));
            }
            pair.run_until_quiet(LIMIT);
            // About when one of them asks, or has the answer.
            pair.run_for(EXPIRY + Duration::from_micros(step * 37 % 12_000));
        }
        pair.run_until_quiet(LIMIT);
        let received = [A, B].map(|side| pair.node(side).received());
        let mut all: Vec<_> = received.iter().flatten().map(|it| it.bytes.clone()).collect();
        assert!(received.iter().flatten().all(|it| it.result.is_ok()));
        assert_eq!(all.len(), sent, "at {step}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), sent, "each once");
        for side in [A, B] {
            assert!(pair.node(side).sent().iter().all(|it| it.1), "at {step}");
            for (_, outcome) in pair.node(side).outcomes() {
                outcome.unwrap();
            }
            let reasons = ends(&mut pair, side);
            assert!(reasons.iter().all(|it| *it == PeerFailure::Expired), "{reasons:?} at {step}");
        }
        if step % 5 < 3 {
            let counter = pair.contents(B, there)[..8].try_into().unwrap();
            assert_eq!(u64::from_ne_bytes(counter), 4);
            assert_eq!(pair.b.notified().len(), 4);
            assert_eq!(pair.tagged(B).len(), 4);
        }
        pair.a.endpoint.assert_at_rest();
        pair.b.endpoint.assert_at_rest();
    }
}
