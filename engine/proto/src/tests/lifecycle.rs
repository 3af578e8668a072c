//! Random interaction where operations are cancelled, and sides leave, restart, expire and move: each
//! operation ends once, what is said of it is true, and nothing is left when both have closed.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::one_sided::{Memory, NOTED, note_of};
use super::pair::{A, B, Link, Pair, Side, config, pattern};
use crate::boundary::{Event, SendFailure};
use crate::cancelled::Cancelled;
use crate::config::Config;
use crate::ids::{BufferId, CompletionLevel, Service, TagFilter, Token};
use crate::region::Access;
use crate::transfer::{AtomicOp, TransferFailure};

/// What a user, or fate, does next. `bool`: whether A does.
#[derive(Clone, Debug)]
enum Step {
    Send(bool, Service, bool, usize),
    Tagged(bool, bool, usize),
    Write(bool, bool, usize),
    Read(bool, usize),
    Add(bool),
    Post(bool),
    PostTagged(bool),
    Cancel(bool, usize),
    Run(u64),
    Rest,
    Move(bool),
    Leave(bool),
    Restart(bool),
    Cut(bool, u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let service = prop_oneof![Just(Service::Srd), Just(Service::Rd)];
    let len = || prop_oneof![8usize..200, 3_000usize..12_000, 8usize..60_000];
    let (two, three) = (any::<(bool, bool)>, any::<(bool, usize)>);
    prop_oneof![
        8 => (two(), service, len()).prop_map(|((a, delivered), service, len)| {
            Step::Send(a, service, delivered, len)
        }),
        6 => (two(), len()).prop_map(|((a, delivered), len)| Step::Tagged(a, delivered, len)),
        6 => (two(), len()).prop_map(|((a, delivered), len)| Step::Write(a, delivered, len)),
        4 => (any::<bool>(), len()).prop_map(|(a, len)| Step::Read(a, len)),
        2 => any::<bool>().prop_map(Step::Add),
        6 => any::<bool>().prop_map(Step::Post),
        4 => any::<bool>().prop_map(Step::PostTagged),
        8 => three().prop_map(|(a, which)| Step::Cancel(a, which)),
        12 => (1u64..300).prop_map(Step::Run),
        2 => Just(Step::Rest),
        1 => any::<bool>().prop_map(Step::Move),
        1 => any::<bool>().prop_map(Step::Leave),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => (any::<bool>(), 1u8..16, any::<bool>()).prop_map(|(a, path, on)| Step::Cut(a, path, on)),
    ]
}

/// How an operation has ended, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Nothing,
    Unsure,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    from: Side,
    /// Its message, or its immediate, has this number; `None`: it tells the peer nothing.
    number: Option<u64>,
    is_transfer: bool,
}

#[derive(Default)]
struct Ledger {
    /// By side and token.
    pending: BTreeMap<(Side, u64), Operation>,
    verdicts: BTreeMap<u64, (Side, Verdict)>,
    arrivals: BTreeMap<u64, u32>,
    next_number: u64,
    /// RD messages that are complete once they are acknowledged: they go with a context that ends while
    /// one before them is missing, as section 3 of docs/PROTOCOL.md says.
    may_wait: BTreeSet<u64>,
    regions: BTreeMap<Side, Memory>,
    restarts: BTreeMap<Side, u32>,
    /// How often a side has forgotten the other without remembering what it had.
    ends: u32,
    seed: u64,
}

const ROOM: usize = 60_000;
const SIZE: usize = 64 << 10;

fn side(is_a: bool) -> Side {
    if is_a { A } else { B }
}

fn level(delivered: bool) -> CompletionLevel {
    if delivered { CompletionLevel::Delivered } else { CompletionLevel::Acknowledged }
}

fn message(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(pattern(number, len - 8));
    bytes
}

/// Every third has none.
fn immediate_of(number: u64) -> Option<u64> {
    (!number.is_multiple_of(3)).then_some(!number)
}

fn brief(seed: u64) -> Config {
    let (idle_after, expire_after) = (Duration::from_millis(3), Duration::from_millis(6));
    let loss = crate::config::LossConfig {
        peer_dead_after: Duration::from_millis(400),
        ..Default::default()
    };
    Config { idle_after, expire_after, loss, eager_bytes: 20_000, ..config(seed) }
}

impl Ledger {
    fn open_region(&mut self, pair: &mut Pair, at: Side) {
        self.regions.insert(at, pair.register(at, vec![0; SIZE], Access::ALL));
    }

    fn begin(&mut self, from: Side, token: u64, number: Option<u64>, is_transfer: bool) {
        let operation = Operation { from, number, is_transfer };
        assert!(self.pending.insert((from, token), operation).is_none());
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        // From there on, immediates have notes.
        NOTED + self.next_number
    }

    fn perform(&mut self, pair: &mut Pair, step: &Step) {
        match *step {
            Step::Send(a, service, delivered, len) => {
                let number = self.number();
                pair.ready(side(a));
                let bytes = message(number, len);
                let how = (service, level(delivered));
                let token = pair.send_along(side(a), how, immediate_of(number), &bytes);
                self.begin(side(a), token, Some(number), false);
                if service == Service::Rd && !delivered {
                    self.may_wait.insert(number);
                }
            }
            Step::Tagged(a, delivered, len) => {
                let (number, level) = (self.number(), level(delivered));
                let (bytes, immediate) = (message(number, len), immediate_of(number));
                let token = pair.send_tagged_with(side(a), number % 2, immediate, level, &bytes);
                self.begin(side(a), token, Some(number), false);
            }
            Step::Write(a, delivered, len) => {
                let (number, there) = (self.number(), self.regions[&side(!a)]);
                let (bytes, level) = (pattern(number, len), level(delivered));
                let token = pair.write_with(side(a), &bytes, there.start, Some(number), level);
                self.begin(side(a), token, Some(number), true);
            }
            Step::Read(a, len) => {
                let token = pair.read(side(a), self.regions[&side(!a)].start, len);
                self.begin(side(a), token, None, true);
            }
            Step::Add(a) => {
                let there = self.regions[&side(!a)].start;
                let token = pair.atomic(side(a), there, AtomicOp::FetchAdd(1));
                self.begin(side(a), token, None, true);
            }
            Step::Post(a) => drop_token(pair.post(side(a), ROOM)),
            Step::PostTagged(a) => {
                drop_token(pair.post_tagged(side(a), TagFilter::new(0, 0, None), ROOM));
            }
            Step::Cancel(a, which) => self.cancel(pair, side(a), which),
            Step::Run(micros) => pair.run_for(Duration::from_micros(micros)),
            Step::Rest => pair.run_for(Duration::from_millis(15)),
            Step::Move(a) => {
                let now = pair.now;
                let node = pair.ready(side(a));
                node.endpoint.address_changed(now, node.peer.unwrap());
            }
            Step::Leave(a) => {
                self.ends += 1;
                pair.leave(side(a));
            }
            Step::Restart(a) => self.restart(pair, side(a)),
            Step::Cut(a, path, on) => {
                let hole = (side(a), path);
                match on {
                    true => pair.link.black_holes.insert(hole),
                    false => pair.link.black_holes.remove(&hole),
                };
            }
        }
        self.collect(pair);
    }

    fn cancel(&mut self, pair: &mut Pair, at: Side, which: usize) {
        let own: Vec<_> = self.pending.iter().filter(|it| it.0.0 == at).collect();
        let Some(nth) = which.checked_rem(own.len()) else { return };
        let (&(_, token), operation) = own[nth];
        let now = pair.now;
        let endpoint = &mut pair.node(at).endpoint;
        match operation.is_transfer {
            true => endpoint.cancel_transfer(now, Token(token)),
            false => endpoint.cancel_send(now, Token(token)),
        };
    }

    /// Everything that it was at is lost with it.
    fn restart(&mut self, pair: &mut Pair, at: Side) {
        self.collect(pair);
        self.seed += 2;
        self.ends += 1;
        *self.restarts.entry(at).or_default() += 1;
        for (_, operation) in self.pending.iter().filter(|it| it.0.0 == at) {
            if let Some(number) = operation.number {
                self.verdicts.insert(number, (at, Verdict::Unsure));
            }
        }
        self.pending.retain(|it, _| it.0 != at);
        pair.restart(at, brief(self.seed));
        self.open_region(pair, at);
    }

    fn collect(&mut self, pair: &mut Pair) {
        for at in [A, B] {
            pair.flush(at);
            let node = pair.node(at);
            let mut taken = 0;
            for event in core::mem::take(&mut node.events) {
                let (over, verdict) = match event {
                    Event::SendCompleted { token, result, .. } => (token, of_send(result)),
                    Event::TransferCompleted { token, result, .. } => {
                        (token, of_transfer(result.map(drop_token)))
                    }
                    Event::Notified { immediate, .. } => {
                        let note = node.notes.remove(&immediate).unwrap_or_default();
                        assert!(note == note_of(immediate), "the note of {immediate}");
                        *self.arrivals.entry(immediate).or_default() += 1;
                        taken += 1;
                        continue;
                    }
                    Event::RecvCompleted { token, len, immediate, result, .. }
                    | Event::TaggedCompleted { token, len, immediate, result, .. } => {
                        let bytes = node.buffers.remove(&BufferId(token.0 as u32)).unwrap();
                        if result.is_ok() {
                            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                            assert!(bytes[..len as usize] == message(number, len as usize));
                            assert_eq!(immediate, immediate_of(number));
                            *self.arrivals.entry(number).or_default() += 1;
                        }
                        continue;
                    }
                    _ => continue,
                };
                // Whoever touches its memory after this panics.
                node.buffers.remove(&BufferId(over.0 as u32)).expect("it ends once");
                let operation = self.pending.remove(&(at, over.0)).expect("it is pending");
                if let Some(number) = operation.number {
                    self.verdicts.insert(number, (operation.from, verdict));
                }
            }
            node.endpoint.notifications_taken(taken);
        }
    }

    /// Faults end, both sides close, and receives are posted for what is still here.
    fn finish(&mut self, pair: &mut Pair) {
        pair.link.black_holes.clear();
        pair.link.loss = 0.0;
        pair.run_for(Duration::from_millis(3));
        self.post_for_all(pair);
        self.collect(pair);
        pair.leave(A);
        pair.run_for(Duration::from_secs(2));
        pair.leave(B);
        pair.run_for(Duration::from_secs(2));
        self.collect(pair);
        self.post_for_all(pair);
        for at in [A, B] {
            let region = self.regions[&at];
            pair.revoke(at, region);
        }
        pair.run_for(Duration::from_secs(1));
        self.collect(pair);
    }

    fn post_for_all(&mut self, pair: &mut Pair) {
        let any = TagFilter::new(0, 0, None);
        for at in [A, B] {
            for _ in 0..self.next_number {
                pair.post(at, ROOM);
                if pair.node(at).endpoint.peek_tagged(&any).is_some() {
                    pair.post_tagged(at, any, ROOM);
                }
            }
        }
        pair.run_for(Duration::from_millis(300));
    }

    fn check(&self, pair: &mut Pair) {
        assert!(self.pending.is_empty(), "they never end: {:?}", self.pending);
        for (number, &(from, verdict)) in &self.verdicts {
            let times = self.arrivals.get(number).copied().unwrap_or(0);
            let receiver_died = self.restarts.contains_key(&from.other());
            match verdict {
                // A successor of its receiver can take a late copy of a first packet.
                Verdict::Nothing => assert!(times == 0, "{number} has arrived {times} times"),
                Verdict::Done => {
                    let may_be_lost = self.ends > 0 && self.may_wait.contains(number);
                    assert!(times >= 1 || receiver_died || may_be_lost, "{number} is lost");
                }
                Verdict::Unsure => {}
            }
            assert!(times <= 1 + self.ends, "{number} has arrived {times} times");
        }
        for at in [A, B] {
            let endpoint = &pair.node(at).endpoint;
            endpoint.assert_at_rest();
            assert_eq!(endpoint.free_notifications(), Config::default().max_notifications);
            assert_eq!((endpoint.regions(), endpoint.peers().count()), (0, 0));
        }
    }
}

fn drop_token(_: u64) {}

fn of_send(result: Result<(), SendFailure>) -> Verdict {
    match result {
        Ok(()) => Verdict::Done,
        Err(SendFailure::NotSent(_)) => Verdict::Nothing,
        Err(SendFailure::Cancelled(Cancelled::NotSent | Cancelled::Partly)) => Verdict::Nothing,
        Err(_) => Verdict::Unsure,
    }
}

fn of_transfer(result: Result<(), TransferFailure>) -> Verdict {
    match result {
        Ok(()) => Verdict::Done,
        Err(TransferFailure::NotSent(_) | TransferFailure::Refused(_)) => Verdict::Nothing,
        Err(TransferFailure::Cancelled(Cancelled::NotSent | Cancelled::Partly)) => Verdict::Nothing,
        Err(_) => Verdict::Unsure,
    }
}

fn run(steps: &[Step], seed: u64, link: Link) {
    let mut pair = Pair::new(brief(seed), brief(seed + 1), link);
    let mut ledger = Ledger { seed: seed + 2, ..Ledger::default() };
    for at in [A, B] {
        ledger.open_region(&mut pair, at);
    }
    for step in steps {
        ledger.perform(&mut pair, step);
    }
    ledger.finish(&mut pair);
    ledger.check(&mut pair);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, rng_seed: RngSeed::Fixed(0x11fe), ..ProptestConfig::default()
    })]

    #[test]
    fn every_life_ends_well(
        steps in prop::collection::vec(step(), 1..80),
        seed in 0u64..1_000_000,
        (loss, reordering, duplication) in (0.0..0.1, 0.0..0.2, 0.0..0.05),
    ) {
        run(&steps, seed * 1000, Link { loss, reordering, duplication, ..Link::default() });
    }

    /// Without sides that come and go, once is once.
    #[test]
    fn what_is_cancelled_arrives_at_most_once(
        steps in prop::collection::vec(step(), 1..80),
        seed in 0u64..1_000_000,
    ) {
        let stays = |it: &Step| {
            !matches!(it, Step::Leave(_) | Step::Restart(_) | Step::Rest | Step::Cut(..))
        };
        let steps: Vec<Step> = steps.into_iter().filter(stays).collect();
        run(&steps, seed * 1000, Link::hostile());
    }
}
