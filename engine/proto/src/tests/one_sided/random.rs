//! Random interaction: whatever two users do to each other's memory over whatever link, what is
//! said to have happened has happened, once, and nothing else has.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Memory, NOTED, Outcome, pattern};
use crate::boundary::Event;
use crate::config::Config;
use crate::ids::{BufferId, CompletionLevel, Service};
use crate::region::Access;
use crate::tests::pair::{A, B, Link, Pair, Side, config};
use crate::transfer::{AtomicOp, Block, TransferFailure};

/// A region: a counter, room for writes (each byte is written at most once), and what can be read.
const COUNTER: usize = 0;
const WRITES: usize = 8;
const READS: usize = 96 << 10;
const SIZE: usize = 128 << 10;

/// What a user, or the network, does next.
#[derive(Clone, Debug)]
enum Operation {
    Write { from_a: bool, delivered: bool, notify: bool, blocks: u64, len: u64 },
    Read { from_a: bool, notify: bool, at: u64, blocks: u64, len: u64 },
    Add { from_a: bool },
    Send { from_a: bool, len: usize },
    Revoke { at_a: bool },
    Take { at_a: bool, count: u32 },
    Run { micros: u64 },
    Idle,
    BlackHole { from_a: bool, path: u8, on: bool },
}

fn operation() -> impl Strategy<Value = Operation> {
    let blocks = prop_oneof![Just(1u64), 2u64..8];
    let len = prop_oneof![1u64..100, 4000u64..4200, 1u64..2000];
    prop_oneof![
        8 => (any::<(bool, bool, bool)>(), blocks.clone(), len.clone()).prop_map(
            |((from_a, delivered, notify), blocks, len)| {
                Operation::Write { from_a, delivered, notify, blocks, len }
            }
        ),
        6 => (any::<(bool, bool)>(), 0u64..100, blocks, len).prop_map(
            |((from_a, notify), at, blocks, len)| {
                Operation::Read { from_a, notify, at, blocks, len: len.min(4000) }
            }
        ),
        3 => any::<bool>().prop_map(|from_a| Operation::Add { from_a }),
        2 => (any::<bool>(), 0usize..9000).prop_map(|(from_a, len)| Operation::Send { from_a, len }),
        1 => any::<bool>().prop_map(|at_a| Operation::Revoke { at_a }),
        2 => (any::<bool>(), 1u32..5).prop_map(|(at_a, count)| Operation::Take { at_a, count }),
        8 => (1u64..300).prop_map(|micros| Operation::Run { micros }),
        1 => Just(Operation::Idle),
        1 => (any::<bool>(), 1u8..16, any::<bool>())
            .prop_map(|(from_a, path, on)| Operation::BlackHole { from_a, path, on }),
    ]
}

fn side(a: bool) -> Side {
    if a { A } else { B }
}

/// What an operation was to do.
#[derive(Clone, Debug)]
enum Intent {
    /// Write these bytes to these places of this memory.
    Write {
        to: Memory,
        seed: u64,
        blocks: Vec<(usize, usize, usize)>,
    },
    /// Read into this memory what these places of the other hold.
    Read {
        into: Memory,
        blocks: Vec<(usize, usize, usize)>,
    },
    Add {
        to: Memory,
    },
}

#[derive(Default)]
struct Ledger {
    live: BTreeMap<Side, Memory>,
    revoked: Vec<(Side, Memory)>,
    /// What released memory held.
    released: BTreeMap<(Side, u32), Vec<u8>>,
    intents: BTreeMap<(Side, u64), (Intent, Option<u64>)>,
    outcomes: BTreeMap<(Side, u64), Outcome>,
    notified: BTreeMap<Side, Vec<u64>>,
    /// Where the next write goes.
    next_write: BTreeMap<Side, usize>,
    next_immediate: u64,
    untaken: BTreeMap<Side, u32>,
    messages: BTreeMap<Side, usize>,
}

impl Ledger {
    fn new(pair: &mut Pair) -> Self {
        let mut ledger = Self::default();
        for side in [A, B] {
            ledger.open(pair, side);
        }
        ledger
    }

    fn open(&mut self, pair: &mut Pair, side: Side) {
        let mut bytes = vec![0; SIZE];
        bytes[READS..].copy_from_slice(&pattern(side as u64, SIZE - READS));
        self.live.insert(side, pair.register(side, bytes, Access::ALL));
        self.next_write.insert(side, WRITES);
    }

    fn immediate(&mut self, wanted: bool) -> Option<u64> {
        self.next_immediate += 1;
        wanted.then_some(NOTED + self.next_immediate)
    }

    fn perform(&mut self, pair: &mut Pair, operation: &Operation) {
        match *operation {
            Operation::Write { from_a, delivered, notify, blocks, len } => {
                self.write(pair, side(from_a), delivered, notify, (blocks, len));
            }
            Operation::Read { from_a, notify, at, blocks, len } => {
                self.read(pair, side(from_a), notify, at, (blocks, len));
            }
            Operation::Add { from_a } => {
                let (from, to) = (side(from_a), self.live[&side(from_a).other()]);
                let token = pair.atomic(from, to.start.plus(COUNTER as u64), AtomicOp::FetchAdd(1));
                self.intents.insert((from, token), (Intent::Add { to }, None));
            }
            Operation::Send { from_a, len } => {
                let to = side(from_a).other();
                pair.post(to, 9000);
                pair.send(to.other(), Service::Srd, &pattern(1, len));
                *self.messages.entry(to).or_default() += 1;
            }
            Operation::Revoke { at_a } => {
                let memory = self.live[&side(at_a)];
                self.revoked.push((side(at_a), memory));
                pair.revoke(side(at_a), memory);
                self.open(pair, side(at_a));
            }
            Operation::Take { at_a, count } => self.take(pair, side(at_a), count),
            Operation::Run { micros } => pair.run_for(Duration::from_micros(micros)),
            Operation::Idle => pair.run_for(Duration::from_millis(1500)),
            Operation::BlackHole { from_a, path, on } => {
                let hole = (side(from_a), path);
                match on {
                    true => pair.link.black_holes.insert(hole),
                    false => pair.link.black_holes.remove(&hole),
                };
            }
        }
    }

    fn write(
        &mut self,
        pair: &mut Pair,
        from: Side,
        delivered: bool,
        notify: bool,
        (count, len): (u64, u64),
    ) {
        let to = self.live[&from.other()];
        let at = self.next_write[&from.other()];
        let total = (count * len) as usize;
        if at + total > READS {
            return;
        }
        self.next_write.insert(from.other(), at + total);
        let (seed, immediate) = (at as u64, self.immediate(notify));
        let bytes = pattern(seed, total);
        // Backwards, so that neighbours do not go on where the one before ends.
        let places: Vec<_> = (0..count as usize)
            .rev()
            .map(|n| (n * len as usize, at + n * len as usize, len as usize))
            .collect();
        let token = match count {
            1 => {
                let level = match delivered {
                    true => CompletionLevel::Delivered,
                    false => CompletionLevel::Acknowledged,
                };
                pair.write_with(from, &bytes, to.start.plus(at as u64), immediate, level)
            }
            _ => {
                let local = pair.register(from, bytes, Access::LOCAL);
                let block = |&(source, target, len): &(usize, usize, usize)| {
                    let target = to.start.plus(target as u64);
                    Block::new(local.start.plus(source as u64), target, len as u64)
                };
                let blocks = places.iter().map(block).collect();
                let token = pair.write_blocks(from, blocks, immediate);
                pair.revoke(from, local);
                token
            }
        };
        let intent = Intent::Write { to, seed, blocks: places };
        self.intents.insert((from, token), (intent, immediate));
    }

    fn read(
        &mut self,
        pair: &mut Pair,
        from: Side,
        notify: bool,
        at: u64,
        (count, len): (u64, u64),
    ) {
        let owner = self.live[&from.other()];
        let start = READS as u64 + at;
        let into = pair.register(from, vec![0; (count * len) as usize], Access::LOCAL);
        let places: Vec<_> = (0..count)
            .rev()
            .map(|n| ((n * len) as usize, (start + (count - 1 - n) * 7) as usize, len as usize))
            .collect();
        let blocks = places.iter().map(|&(to, from, len)| {
            let from = owner.start.plus(from as u64);
            Block::new(into.start.plus(to as u64), from, len as u64)
        });
        let immediate = self.immediate(notify);
        let token = pair.read_blocks(from, blocks.collect(), immediate);
        pair.revoke(from, into);
        self.intents.insert((from, token), (Intent::Read { into, blocks: places }, immediate));
    }

    fn take(&mut self, pair: &mut Pair, side: Side, count: u32) {
        let untaken = self.untaken.entry(side).or_default();
        let count = count.min(*untaken);
        *untaken -= count;
        pair.node(side).endpoint.notifications_taken(count);
    }

    fn collect(&mut self, pair: &mut Pair) {
        for side in [A, B] {
            for (token, outcome) in pair.node(side).outcomes() {
                let before = self.outcomes.insert((side, token), outcome);
                assert_eq!(before, None, "{token} completes once");
            }
            for (immediate, _) in pair.node(side).notified() {
                self.notified.entry(side).or_default().push(immediate);
                *self.untaken.entry(side).or_default() += 1;
            }
            for buffer in pair.node(side).released() {
                let bytes = pair.node(side).buffers[&buffer].clone();
                let before = self.released.insert((side, buffer.0), bytes);
                assert!(before.is_none(), "released once");
            }
        }
    }

    fn is_over(&self) -> bool {
        self.outcomes.len() == self.intents.len()
    }

    fn check(&self, pair: &mut Pair) {
        for (&(side, buffer), bytes) in &self.released {
            let now = &pair.node(side).buffers[&BufferId(buffer)];
            assert!(now == bytes, "memory has changed after it was released");
        }
        let mut adds: BTreeMap<(Side, u32), (u64, BTreeSet<u64>)> = BTreeMap::new();
        for (&(side, token), (intent, immediate)) in &self.intents {
            let outcome = self.outcomes[&(side, token)];
            self.check_outcome(side, intent, outcome);
            self.check_immediate(side, *immediate, outcome);
            match (intent, outcome) {
                (Intent::Write { to, seed, blocks }, Ok(_)) => {
                    let memory = &pair.node(side.other()).buffers[&to.buffer];
                    for &(from, at, len) in blocks {
                        let all = pattern(*seed, from + len);
                        assert!(memory[at..at + len] == all[from..], "not written");
                    }
                }
                (Intent::Read { into, blocks }, Ok(_)) => {
                    let expected = pattern(side.other() as u64, SIZE - READS);
                    let memory = &pair.node(side).buffers[&into.buffer];
                    for &(to, from, len) in blocks {
                        assert!(
                            memory[to..to + len] == expected[from - READS..][..len],
                            "not read"
                        );
                    }
                }
                (Intent::Add { to }, outcome) => {
                    let entry = adds.entry((side, to.buffer.0)).or_default();
                    entry.0 += 1;
                    if let Ok(old) = outcome {
                        assert!(entry.1.insert(old), "two saw the same value");
                    }
                }
                _ => {}
            }
        }
        for ((side, buffer), (tried, seen)) in adds {
            let memory = &pair.node(side.other()).buffers[&BufferId(buffer)];
            let value = u64::from_ne_bytes(memory[COUNTER..8].try_into().unwrap());
            assert!((seen.len() as u64..=tried).contains(&value), "{value} of {tried}");
            assert!(seen.iter().all(|&old| old < value));
        }
    }

    /// Nothing fails but for a region that was revoked.
    fn check_outcome(&self, side: Side, intent: &Intent, outcome: Outcome) {
        let was_revoked = self.revoked.iter().any(|it| it.0 == side.other());
        match outcome {
            Ok(_) => {}
            Err(TransferFailure::Refused(_)) => assert!(was_revoked, "{intent:?}: {outcome:?}"),
            Err(_) => panic!("no peer was lost: {outcome:?}"),
        }
    }

    fn check_immediate(&self, side: Side, immediate: Option<u64>, outcome: Outcome) {
        let Some(immediate) = immediate else { return };
        let notified = self.notified.get(&side.other());
        let times = notified.map_or(0, |all| all.iter().filter(|&&it| it == immediate).count());
        assert_eq!(times, usize::from(outcome.is_ok()), "told {times} times: {outcome:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: RngSeed::Fixed(0x51de), ..ProptestConfig::default() })]
    #[test]
    fn promises_about_memory_hold(
        seed in any::<u64>(),
        (loss, reordering, duplication) in (0.0..0.15, 0.0..0.3, 0.0..0.1),
        (placing_us, max_served, max_notifications) in (0u64..300, 1u32..20, 1u32..10),
        (bounce_bytes, paths, train_packets) in (prop_oneof![Just(1000u64), Just(1 << 20)], 1u16..17, 1u16..8),
        mtu_bytes in prop_oneof![Just(256u16), Just(4096)],
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let link = Link { loss, reordering, duplication, ..Link::default() };
        let config = |seed| Config {
            bounce_bytes, paths, train_packets, mtu_bytes, max_served, max_notifications,
            ..config(seed)
        };
        let mut pair = Pair::new(config(seed), config(seed ^ 0xb), link);
        pair.a.placing_takes = Duration::from_micros(placing_us);
        pair.b.placing_takes = Duration::from_micros(placing_us / 2);
        let mut ledger = Ledger::new(&mut pair);
        for operation in &operations {
            ledger.perform(&mut pair, operation);
            ledger.collect(&mut pair);
        }
        pair.link.black_holes.clear();
        let end = pair.now + Duration::from_secs(120);
        while !ledger.is_over() {
            let more = pair.step();
            ledger.collect(&mut pair);
            for side in [A, B] {
                ledger.take(&mut pair, side, 10);
            }
            prop_assert!(more, "stuck with {} of {}", ledger.outcomes.len(), ledger.intents.len());
            prop_assert!(pair.now < end, "{} of {} in two minutes", ledger.outcomes.len(), ledger.intents.len());
        }
        pair.link.loss = 0.0;
        pair.run_until_quiet(Duration::from_secs(60));
        pair.run_for(Duration::from_millis(50));
        ledger.collect(&mut pair);
        ledger.check(&mut pair);
        for side in [A, B] {
            let received = pair.node(side).received().len();
            prop_assert_eq!(received, ledger.messages.get(&side).copied().unwrap_or(0));
            pair.node(side).endpoint.assert_at_rest();
            // What was revoked has come back: one live region is left.
            prop_assert_eq!(pair.node(side).endpoint.regions(), 1);
            let down = pair.node(side).events.iter().any(|it| matches!(it, Event::PeerDown { .. }));
            prop_assert!(!down);
        }
    }
}
