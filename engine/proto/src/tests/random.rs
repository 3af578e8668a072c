//! Random interaction: whatever two users do over whatever link, every promise holds.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::pair::{A, B, Link, Pair, Side, config, pattern};
use crate::boundary::Event;
use crate::config::Config;
use crate::ids::{CompletionLevel, Service};

/// What a user, or the network, does next.
#[derive(Clone, Debug)]
enum Operation {
    Send { from_a: bool, service: Service, delivered: bool, immediate: bool, len: usize },
    Post { at_a: bool, count: usize },
    Run { micros: u64 },
    Idle,
    BlackHole { from_a: bool, path: u8, on: bool },
    Outage { on: bool },
}

fn operation() -> impl Strategy<Value = Operation> {
    let service = prop_oneof![Just(Service::Srd), Just(Service::Rd)];
    let len = prop_oneof![Just(0usize), 1usize..200, 4000usize..4200, 0usize..60_000];
    prop_oneof![
        8 => (any::<(bool, bool, bool)>(), service, len).prop_map(
            |((from_a, delivered, immediate), service, len)| {
                Operation::Send { from_a, service, delivered, immediate, len }
            }
        ),
        5 => (any::<bool>(), 1usize..8).prop_map(|(at_a, count)| Operation::Post { at_a, count }),
        8 => (1u64..500).prop_map(|micros| Operation::Run { micros }),
        1 => Just(Operation::Idle),
        1 => (any::<bool>(), 0u8..16, any::<bool>())
            .prop_map(|(from_a, path, on)| Operation::BlackHole { from_a, path, on }),
        1 => any::<bool>().prop_map(|on| Operation::Outage { on }),
    ]
}

fn link() -> impl Strategy<Value = (f64, f64, f64, u64)> {
    let level = prop_oneof![Just(0.0), 0.0..0.05, 0.0..0.2];
    (level.clone(), level.clone(), level, 0u64..2000)
}

fn endpoint_config(seed: u64) -> impl Strategy<Value = Config> {
    let bounce = prop_oneof![Just(0u64), Just(20_000), Just(16 << 20)];
    (bounce, 1u16..20, 1u16..8, prop_oneof![Just(64u16), Just(4096)], any::<bool>()).prop_map(
        move |(bounce_bytes, paths, train_packets, recv_window_packets, pace)| Config {
            bounce_bytes,
            paths,
            train_packets,
            recv_window_packets,
            pacing_gain_percent: if pace { 200 } else { 0 },
            ..config(seed)
        },
    )
}

fn side(a: bool) -> Side {
    if a { A } else { B }
}

/// What was sent, by sender and number: the number is the message's first eight bytes, or its place
/// among the empty ones.
#[derive(Default)]
struct Ledger {
    sent: BTreeMap<Side, Vec<(Service, usize, Option<u64>)>>,
    received: BTreeMap<Side, Vec<(Service, Contents)>>,
    posted: BTreeMap<Side, usize>,
}

/// A message's bytes and its immediate.
type Contents = (Vec<u8>, Option<u64>);

const BIGGEST: usize = 60_000;

impl Ledger {
    fn bytes(from: Side, number: usize, len: usize) -> Vec<u8> {
        pattern((number as u64) << 1 | from as u64, len)
    }

    fn perform(&mut self, pair: &mut Pair, operation: &Operation) {
        match *operation {
            Operation::Send { from_a, service, delivered, immediate, len } => {
                let from = side(from_a);
                let sent = self.sent.entry(from).or_default();
                let bytes = Self::bytes(from, sent.len(), len);
                let immediate = immediate.then_some(!(sent.len() as u64));
                sent.push((service, len, immediate));
                let level = match delivered {
                    true => CompletionLevel::Delivered,
                    false => CompletionLevel::Acknowledged,
                };
                pair.send_along(from, (service, level), immediate, &bytes);
            }
            Operation::Post { at_a, count } => {
                for _ in 0..count {
                    pair.post(side(at_a), BIGGEST);
                }
                *self.posted.entry(side(at_a)).or_default() += count;
            }
            Operation::Run { micros } => pair.run_for(Duration::from_micros(micros)),
            Operation::Idle => pair.run_for(Duration::from_millis(1500)),
            Operation::BlackHole { from_a, path, on } => {
                // One path stays, or it is an outage, and a long one.
                let hole = (side(from_a), path);
                match on && path != 0 {
                    true => pair.link.black_holes.insert(hole),
                    false => pair.link.black_holes.remove(&hole),
                };
            }
            Operation::Outage { on } => {
                for path in 0..20 {
                    for from in [A, B] {
                        match on {
                            true => pair.link.black_holes.insert((from, path)),
                            false => pair.link.black_holes.remove(&(from, path)),
                        };
                    }
                }
                // Shorter than a peer's patience.
                pair.run_for(Duration::from_millis(3));
                pair.link.black_holes.clear();
            }
        }
    }

    fn collect(&mut self, pair: &mut Pair) {
        for at in [A, B] {
            for message in pair.node(at).received() {
                assert_eq!(message.result, Ok(()));
                self.received
                    .entry(at)
                    .or_default()
                    .push((message.service, (message.bytes, message.immediate)));
            }
        }
    }

    /// Posts what is missing, so that everything can be delivered.
    fn post_the_rest(&mut self, pair: &mut Pair) {
        for at in [A, B] {
            let needed = self.sent.get(&at.other()).map_or(0, Vec::len);
            let posted = self.posted.entry(at).or_default();
            while *posted < needed {
                pair.post(at, BIGGEST);
                *posted += 1;
            }
        }
    }

    /// Exactly once, whole, and RD in order.
    fn check(&self, at: Side) {
        let from = at.other();
        let sent = self.sent.get(&from).map_or(&[][..], |it| it);
        let received = self.received.get(&at).map_or(&[][..], |it| it);
        assert_eq!(received.len(), sent.len(), "messages to {at:?}");
        for service in [Service::Srd, Service::Rd] {
            let mut expected: Vec<Contents> = sent
                .iter()
                .enumerate()
                .filter(|(_, it)| it.0 == service)
                .map(|(number, it)| (Self::bytes(from, number, it.1), it.2))
                .collect();
            let mut got: Vec<Contents> =
                received.iter().filter(|it| it.0 == service).map(|it| it.1.clone()).collect();
            if service == Service::Srd {
                expected.sort();
                got.sort();
            }
            assert!(got == expected, "{service} to {at:?}: contents or order differ");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(0x5eed), ..ProptestConfig::default() })]
    #[test]
    fn promises_hold(
        seed in any::<u64>(),
        (loss, reordering, duplication, delay_per_path_ns) in link(),
        config_a in endpoint_config(1),
        config_b in endpoint_config(2),
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let link = Link {
            loss,
            reordering,
            duplication,
            delay_per_path: Duration::from_nanos(delay_per_path_ns),
            ..Link::default()
        };
        let config_a = Config { seed, ..config_a };
        let config_b = Config { seed: seed ^ 0xb, ..config_b };
        let mut pair = Pair::new(config_a, config_b, link);
        let mut ledger = Ledger::default();
        for operation in &operations {
            ledger.perform(&mut pair, operation);
            ledger.collect(&mut pair);
        }
        // Faults end; then everything has to complete: liveness.
        pair.link.black_holes.clear();
        pair.link.loss = pair.link.loss.min(0.1);
        ledger.post_the_rest(&mut pair);
        let total = |ledger: &Ledger| ledger.received.values().map(Vec::len).sum::<usize>();
        let expected: usize = ledger.sent.values().map(Vec::len).sum();
        let end = pair.now + Duration::from_secs(120);
        loop {
            let more = pair.step();
            ledger.collect(&mut pair);
            let pending = pair.a.endpoint.pending_sends() + pair.b.endpoint.pending_sends();
            if total(&ledger) == expected && pending == 0 {
                break;
            }
            prop_assert!(more, "stuck with {} of {expected}", total(&ledger));
            prop_assert!(pair.now < end, "{} of {expected} in two minutes", total(&ledger));
        }
        pair.run_for(Duration::from_millis(50));
        ledger.collect(&mut pair);
        ledger.check(A);
        ledger.check(B);
        for node in [&mut pair.a, &mut pair.b] {
            let tokens: Vec<u64> = node.sent().into_iter().map(|(token, success)| {
                assert!(success, "no peer was lost");
                token
            }).collect();
            let distinct: BTreeSet<u64> = tokens.iter().copied().collect();
            prop_assert_eq!(distinct.len(), tokens.len(), "each completes once");
            let down = node.events.iter().any(|event| matches!(event, Event::PeerDown { .. }));
            prop_assert!(!down);
        }
    }
}
