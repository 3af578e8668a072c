//! Random interaction: whatever is sent and posted over whatever link, each message of a peer is in
//! the receive that matching in order gives it, once and whole.
//!
//! The receivers here are posted in step with what is sent, so that the outcome does not depend on
//! when things arrive: which message each receive of one tag gets follows from the order of
//! submission alone. Masks would make it depend on arrival; the structure that decides about them
//! has a test of its own.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::pair::{A, B, Link, Pair, Side, config, pattern};
use crate::boundary::{Event, RecvFailure};
use crate::config::Config;
use crate::ids::{CompletionLevel, Service, TagFilter, Token};

#[derive(Clone, Debug)]
enum Step {
    Send { from_a: bool, tag: u64, len: usize, delivered: bool, immediate: bool },
    Post { at_a: bool, tag: u64, short: bool },
    Cancel { at_a: bool, which: usize },
    Untagged { from_a: bool, len: usize },
    Run { micros: u64 },
    Idle,
    BlackHole { from_a: bool, path: u8, on: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![
        3 => 0usize..200, 2 => 4000usize..4200, 2 => 4097usize..EAGER + 2, 1 => Just(100_000)
    ];
    let flags = any::<(bool, bool, bool)>();
    prop_oneof![
        10 => (flags, 0u64..3, len).prop_map(|((from_a, delivered, immediate), tag, len)| {
            Step::Send { from_a, tag, len, delivered, immediate }
        }),
        10 => (any::<bool>(), 0u64..3, prop::bool::weighted(0.1))
            .prop_map(|(at_a, tag, short)| Step::Post { at_a, tag, short }),
        1 => any::<(bool, usize)>().prop_map(|(at_a, which)| Step::Cancel { at_a, which }),
        1 => (any::<bool>(), 0usize..9000)
            .prop_map(|(from_a, len)| Step::Untagged { from_a, len }),
        8 => (1u64..300).prop_map(|micros| Step::Run { micros }),
        1 => Just(Step::Idle),
        1 => (any::<bool>(), 1u8..16, any::<bool>())
            .prop_map(|(from_a, path, on)| Step::BlackHole { from_a, path, on }),
    ]
}

/// A message that was sent.
#[derive(Clone, Debug)]
struct Sent {
    token: u64,
    bytes: Vec<u8>,
    immediate: Option<u64>,
    delivered: bool,
}

/// What was asked for and what has come of it, by receiving side and tag.
#[derive(Default)]
struct Ledger {
    sent: BTreeMap<(Side, u64), VecDeque<Sent>>,
    /// Tokens and lengths of receives, in the order of posting.
    posted: BTreeMap<(Side, u64), Vec<(u64, usize)>>,
    untagged: BTreeMap<Side, usize>,
    failed: Vec<(Side, u64)>,
}

fn side(is_a: bool) -> Side {
    if is_a { A } else { B }
}

/// Too short for all that is not empty.
const SHORT: usize = 1;
const ROOM: usize = 100_000;
/// Up to this, bytes come without having been asked for.
const EAGER: usize = 64 << 10;

impl Ledger {
    fn perform(&mut self, pair: &mut Pair, step: &Step) {
        match *step {
            Step::Send { from_a, tag, len, delivered, immediate } => {
                self.send(pair, side(from_a), tag, len, delivered, immediate);
            }
            Step::Post { at_a, tag, short } => {
                let len = if short { SHORT } else { ROOM };
                let token = pair.post_tagged(side(at_a), TagFilter::exact(tag), len);
                self.posted.entry((side(at_a), tag)).or_default().push((token, len));
            }
            Step::Cancel { at_a, which } => self.cancel(pair, side(at_a), which),
            Step::Untagged { from_a, len } => {
                pair.post(side(from_a).other(), 9000);
                pair.send(side(from_a), Service::Srd, &pattern(1, len));
                *self.untagged.entry(side(from_a).other()).or_default() += 1;
            }
            Step::Run { micros } => pair.run_for(Duration::from_micros(micros)),
            Step::Idle => pair.run_for(Duration::from_millis(2500)),
            Step::BlackHole { from_a, path, on } => {
                let hole = (side(from_a), path);
                match on {
                    true => pair.link.black_holes.insert(hole),
                    false => pair.link.black_holes.remove(&hole),
                };
            }
        }
    }

    fn send(
        &mut self,
        pair: &mut Pair,
        from: Side,
        tag: u64,
        len: usize,
        delivered: bool,
        immediate: bool,
    ) {
        let queue = self.sent.entry((from.other(), tag)).or_default();
        let bytes = pattern(queue.len() as u64 + 10 * tag, len);
        let immediate = immediate.then_some(queue.len() as u64);
        let level = match delivered {
            true => CompletionLevel::Delivered,
            false => CompletionLevel::Acknowledged,
        };
        let token = pair.send_tagged_with(from, tag, immediate, level, &bytes);
        queue.push_back(Sent { token, bytes, immediate, delivered });
    }

    /// Takes a receive back that has no message yet.
    fn cancel(&mut self, pair: &mut Pair, at: Side, which: usize) {
        let posted = self.posted.iter().filter(|(place, _)| place.0 == at);
        let all: Vec<u64> = posted.flat_map(|(_, list)| list.iter().map(|it| it.0)).collect();
        let Some(at_index) = which.checked_rem(all.len()) else { return };
        let token = all[at_index];
        if pair.node(at).endpoint.cancel_recv(Token(token)) {
            let own = self.posted.iter_mut().filter(|(place, _)| place.0 == at);
            own.for_each(|(_, list)| list.retain(|it| it.0 != token));
        }
    }

    /// Posts what is missing, and waits until all is said.
    fn finish(&mut self, pair: &mut Pair) {
        pair.link.black_holes.clear();
        let places: Vec<(Side, u64)> = self.sent.keys().copied().collect();
        for place in places {
            let missing =
                self.sent[&place].len().saturating_sub(self.posted.get(&place).map_or(0, Vec::len));
            for _ in 0..missing {
                let token = pair.post_tagged(place.0, TagFilter::exact(place.1), ROOM);
                self.posted.entry(place).or_default().push((token, ROOM));
            }
        }
        pair.run_until_quiet(Duration::from_secs(120));
        pair.run_for(Duration::from_secs(1));
    }

    fn check(&mut self, pair: &mut Pair) {
        for at in [A, B] {
            let received = pair.tagged(at);
            let expected: usize =
                self.sent.iter().filter(|(place, _)| place.0 == at).map(|it| it.1.len()).sum();
            let down = pair.node(at).events.iter().find(|it| matches!(it, Event::PeerDown { .. }));
            assert_eq!(down, None, "no peer was lost");
            assert_eq!(received.len(), expected, "each message completes one receive");
            for one in received {
                self.check_one(at, &one);
            }
            assert_eq!(
                pair.node(at).received().len(),
                self.untagged.get(&at).copied().unwrap_or(0),
                "messages without tags are not affected"
            );
            // Receives that no message came for.
            for token in self.posted.iter().filter(|it| it.0.0 == at).flat_map(|(place, list)| {
                list[self.sent.get(place).map_or(0, VecDeque::len)..].iter().map(|it| it.0)
            }) {
                assert!(pair.node(at).endpoint.cancel_recv(Token(token)), "still posted");
            }
        }
        self.check_sends(pair);
        pair.a.endpoint.assert_at_rest();
        pair.b.endpoint.assert_at_rest();
    }

    /// The n-th receive of a tag has the n-th message.
    fn check_one(&mut self, at: Side, one: &super::Tagged) {
        let place = (at, one.tag);
        let nth = self.posted[&place].iter().position(|it| it.0 == one.token).expect("was posted");
        let (sent, (_, room)) = (&self.sent[&place][nth], self.posted[&place][nth]);
        assert_eq!(one.immediate, sent.immediate);
        let len = sent.bytes.len();
        if len <= room {
            assert_eq!(one.result, Ok(()));
            assert!(one.bytes == sent.bytes, "message {nth} of tag {} is whole", one.tag);
            return;
        }
        assert_eq!(one.result, Err(RecvFailure::Truncated { message_len: len as u64 }));
        assert_eq!(one.bytes, sent.bytes[..one.bytes.len()]);
        let was_announced = len > EAGER;
        if was_announced || sent.delivered {
            self.failed.push((at.other(), sent.token));
        }
    }

    /// A send fails if, and only if, its receive was too short and it was to hear of that. Without
    /// room for its bytes a short one may have been announced, and hears of it as well.
    fn check_sends(&mut self, pair: &mut Pair) {
        for from in [A, B] {
            let outcomes: BTreeMap<u64, bool> = pair.node(from).sent().into_iter().collect();
            for ((at, _), queue) in &self.sent {
                for sent in queue.iter().filter(|_| at.other() == from) {
                    let failed = self.failed.contains(&(from, sent.token));
                    match outcomes.get(&sent.token) {
                        Some(true) => assert!(!failed, "a cut message is not a success"),
                        Some(false) => assert!(failed, "what arrived is one"),
                        None => panic!("a send without an end"),
                    }
                }
            }
        }
    }
}

fn run(steps: &[Step], seed: u64, hostile: bool, bounce_bytes: u64) {
    let link = if hostile { Link::hostile() } else { Link::default() };
    let limits = |seed| Config { bounce_bytes, ..config(seed) };
    let mut pair = Pair::new(limits(seed), limits(seed + 1), link);
    let mut ledger = Ledger::default();
    for step in steps {
        ledger.perform(&mut pair, step);
    }
    ledger.finish(&mut pair);
    ledger.check(&mut pair);
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(5), cases: 500, ..ProptestConfig::default()
    })]

    #[test]
    fn each_message_is_where_its_order_puts_it(
        steps in prop::collection::vec(step(), 1..80),
        seed in 0u64..1000,
        hostile in any::<bool>(),
    ) {
        run(&steps, seed, hostile, 16 << 20);
    }

    #[test]
    fn the_same_with_little_memory(
        steps in prop::collection::vec(step(), 1..60),
        seed in 0u64..1000,
        hostile in any::<bool>(),
    ) {
        let steps: Vec<Step> =
            steps.into_iter().filter(|it| !matches!(it, Step::Post { short: true, .. })).collect();
        run(&steps, seed, hostile, 12 << 10);
    }
}
