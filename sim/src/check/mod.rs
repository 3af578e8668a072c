//! Checkers: one property each, always on. They watch what hosts tell them, know nothing of how the
//! protocol works, and cost a few operations per packet. What they find does not stop a run.

mod atomics;
mod bounds;
mod closing;
mod conservation;
mod contexts;
mod crashes;
mod exactly_once;
mod immediate;
mod integrity;
mod leftovers;
mod liveness;
mod matching;
mod memory;
mod operations;
mod order;
mod outcome;
mod overwrite;
mod revocation;
mod shared;
mod spurious;

use std::fmt;

use serde::Serialize;
use usrd_proto::{EndpointStats, RecvFailure, SendFailure};

use self::atomics::Atomics;
use self::bounds::Bounds;
use self::closing::Closing;
use self::crashes::Crashes;
use self::exactly_once::ExactlyOnce;
use self::immediate::Immediates;
pub use self::immediate::ToldNote;
pub use self::integrity::{NOTE_START, fill_pattern, send_base};
use self::matching::Matching;
use self::memory::Memory;
pub use self::operations::Landing;
use self::order::Order;
use self::outcome::{Claim, Outcomes};
use self::overwrite::Overwrite;
use self::revocation::Revocation;
pub use self::shared::Room;
use self::shared::SharedBuffers;
use crate::host::{Host, Transport};
use crate::memory::Areas;
use crate::scenario::Scenario;
use crate::time::Time;
use crate::traffic::{MessageId, Traffic};
use crate::world::World;

/// Which property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checker {
    /// The endpoint takes every command, and its answers name what exists.
    Host,
    /// Every byte of a reliable message is placed once, every message delivered once.
    ExactlyOnce,
    /// RD messages are delivered in submission order.
    Order,
    /// What is delivered is what was sent.
    Integrity,
    /// What is written in memory is not written over by what is older.
    Overwrite,
    /// The destination of an operation is told once, when all is in place.
    Immediate,
    /// Memory that was taken back is left alone.
    Revocation,
    /// Atomics are performed once, one after the other.
    Atomics,
    /// Tagged messages are given the receives that they should be.
    Matching,
    /// Messages that share a buffer have each its own part of it, and the buffer ends after them, once.
    SharedBuffers,
    /// What the end of a failed operation says of it is true.
    Outcome,
    /// What a host closes ends, and nobody is told of a closing that did not happen.
    Closing,
    /// Every packet is delivered, dropped or under way, every trimmed one as well.
    Conservation,
    /// A host has no more under way than its windows allow.
    Window,
    /// A host holds no more for messages without a receive than its budget allows.
    Memory,
    /// Everything completes, well and before the end.
    Liveness,
    /// Nothing is left over when everything is done.
    Leftovers,
    /// Where each path keeps its order, nothing is given up for a gap but what was lost; where nothing
    /// is lost, nothing is sent again.
    Spurious,
}

impl fmt::Display for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ExactlyOnce => "exactly-once",
            Self::Order => "order",
            Self::Integrity => "integrity",
            Self::Overwrite => "overwrite",
            Self::Immediate => "immediate",
            Self::Revocation => "revocation",
            Self::Atomics => "atomics",
            Self::Matching => "matching",
            Self::SharedBuffers => "shared-buffers",
            Self::Outcome => "outcome",
            Self::Closing => "closing",
            Self::Conservation => "conservation",
            Self::Window => "window",
            Self::Memory => "memory",
            Self::Liveness => "liveness",
            Self::Leftovers => "leftovers",
            Self::Spurious => "spurious",
        })
    }
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which property.
    pub checker: Checker,
    /// When it was noticed, in nanoseconds.
    pub time_ns: u64,
    /// What happened.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} us: {}", self.checker, self.time_ns as f64 / 1e3, self.detail)
    }
}

/// A piece of payload that came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The message it is part of.
    pub message: MessageId,
    /// The host where it was placed.
    pub host: u32,
    /// The message that its buffer held already.
    pub held: Option<MessageId>,
    /// Where it was in the sender's buffer.
    pub source_offset: u64,
    /// How much the packet had, in bytes.
    pub source_len: u64,
    /// Where it was placed in the receiver's buffer.
    pub offset: u64,
    /// How much was placed, in bytes.
    pub len: u64,
}

/// Those that watch while a run goes on, and everything found so far.
#[derive(Debug)]
pub struct Checkers {
    exactly_once: ExactlyOnce,
    order: Order,
    crashes: Crashes,
    bounds: Bounds,
    memory: Memory,
    overwrite: Overwrite,
    immediates: Immediates,
    revocation: Revocation,
    atomics: Atomics,
    matching: Matching,
    shared: SharedBuffers,
    outcomes: Outcomes,
    closing: Closing,
    /// Whether any operation was taken back.
    saw_cancels: bool,
    carries_bytes: bool,
    /// Whether notes come with immediates.
    sends_notes: bool,
    log: Log,
}

impl Checkers {
    /// For a run of a scenario with this traffic, which works on these areas of memory.
    pub fn new(scenario: &Scenario, traffic: &Traffic, areas: &Areas) -> Self {
        Self {
            exactly_once: ExactlyOnce::new(traffic),
            order: Order::new(traffic),
            crashes: Crashes::default(),
            bounds: Bounds::new(scenario, traffic),
            memory: Memory::new(scenario),
            overwrite: Overwrite::new(areas),
            immediates: Immediates::default(),
            revocation: Revocation::default(),
            atomics: Atomics::default(),
            matching: Matching::default(),
            shared: SharedBuffers::default(),
            outcomes: Outcomes::default(),
            closing: Closing::default(),
            saw_cancels: false,
            carries_bytes: scenario.integrity,
            sends_notes: scenario.workload.note.is_some_and(|note| note.0 > 0),
            log: Log::default(),
        }
    }

    /// What was found, the first of it.
    pub fn violations(&self) -> &[Violation] {
        &self.log.first
    }

    /// How much was found.
    pub fn violation_count(&self) -> u64 {
        self.log.count
    }

    /// Something that cannot be.
    pub fn report(&mut self, checker: Checker, now: Time, what: impl fmt::Display) {
        self.log.verdict(checker, now, Err(what));
    }

    /// A message was handed to the sender's endpoint.
    pub fn submitted(&mut self, traffic: &Traffic, message: MessageId) {
        self.order.submitted(traffic.flow_of(message), message);
    }

    /// A message was completed by the sender's endpoint; `excused` if a crash is reason enough for
    /// it to fail.
    pub fn sent(
        &mut self,
        now: Time,
        message: MessageId,
        result: Result<(), SendFailure>,
        excused: bool,
    ) {
        let verdict = self.exactly_once.completed(message);
        self.log.verdict(Checker::ExactlyOnce, now, verdict);
        self.ended(now, message, result.err().and_then(Claim::of_send));
        let result = if excused { Ok(()) } else { result };
        self.log.verdict(Checker::Liveness, now, liveness::check_send(message, result));
    }

    /// A host has sent data and has so much under way now; `stats` say what it has done, if that
    /// matters.
    #[inline]
    pub fn transmitted(
        &mut self,
        now: Time,
        host: u32,
        under_way_bytes: u64,
        stats: impl FnOnce() -> EndpointStats,
    ) {
        // What a host had under way when it crashed, its next incarnation knows nothing of.
        if self.bounds.exceeded(host, under_way_bytes) && !self.crashes.any() {
            let verdict = self.bounds.check(host, under_way_bytes, &stats());
            self.log.verdict(Checker::Window, now, verdict);
        }
    }

    /// A host holds so many bytes of bounce buffers now.
    pub fn bounced(&mut self, now: Time, host: u32, held_bytes: u64) {
        self.log.verdict(Checker::Memory, now, self.memory.check(host, held_bytes));
    }

    /// A piece of payload came to its place.
    pub fn placed(&mut self, now: Time, traffic: &Traffic, piece: &Piece) {
        let spec = traffic.spec_of(piece.message);
        self.log.verdict(Checker::Integrity, now, integrity::check_piece(spec, piece));
        self.log.verdict(Checker::ExactlyOnce, now, self.exactly_once.placed(spec, piece));
        self.log.verdict(Checker::Outcome, now, self.outcomes.placed(piece.message));
    }

    /// A receive was completed: (from, at, message in the buffer, length), the buffer's bytes.
    pub fn received(
        &mut self,
        now: Time,
        traffic: &Traffic,
        (from, at, message, len): (u32, u32, Option<MessageId>, u64),
        bytes: &[u8],
        result: Result<(), RecvFailure>,
    ) {
        let is_excused = message.is_some_and(|message| traffic.is_excused(message));
        let may_end = is_excused || self.crashes.excuse(at, from);
        if matches!(result, Err(RecvFailure::Aborted(_))) && may_end {
            return;
        }
        if let Err(failure) = result {
            let what = format!("host {at}: a receive failed: {failure}");
            return self.report(Checker::ExactlyOnce, now, what);
        }
        let Some(message) = message else {
            let what = format!("host {at}: a receive completed without any payload");
            return self.report(Checker::ExactlyOnce, now, what);
        };
        let flow = traffic.flow_of(message);
        let spec = traffic.spec_of(message);
        self.log.verdict(Checker::Outcome, now, self.outcomes.done(message));
        let verdict = self.exactly_once.delivered(spec, message);
        self.log.verdict(Checker::ExactlyOnce, now, verdict);
        let gaps = self.saw_cancels || self.crashes.have_touched(spec.src, spec.dst);
        self.log.verdict(Checker::Order, now, self.order.delivered(spec, flow, message, gaps));
        let verdict = integrity::check_message(spec, message, (from, at, len));
        self.log.verdict(Checker::Integrity, now, verdict);
        if self.carries_bytes {
            let verdict = integrity::check_bytes(message, &bytes[..bytes.len().min(len as usize)]);
            self.log.verdict(Checker::Integrity, now, verdict);
        }
    }
}

/// The properties that are judged when a run is over.
pub fn finish<T: Transport>(scenario: &Scenario, world: &mut World, hosts: &[Host<T>]) {
    let now = world.now;
    let done = world.traffic.is_done();
    let waiting = || hosts.iter().flat_map(Host::held_packets);
    let held = world.placements.len() + waiting().count();
    let trimmed = waiting().filter(|&&packet| world.fabric.packets[packet].trimmed).count();
    let verdicts = [
        (Checker::Conservation, conservation::check(&world.fabric, held, trimmed)),
        (Checker::Liveness, liveness::check(&world.traffic)),
        (Checker::ExactlyOnce, world.checkers.exactly_once.check_all(&world.traffic)),
        (Checker::Revocation, if done { world.checkers.revocation.check_all() } else { Ok(()) }),
        (Checker::Matching, world.checkers.matching.check_all()),
        (Checker::Leftovers, if done { leftovers::check(world, hosts) } else { Ok(()) }),
        (Checker::Spurious, spurious::check(scenario, world, hosts)),
    ];
    for (checker, verdict) in verdicts {
        world.checkers.log.verdict(checker, now, verdict);
    }
}

/// What was found. The first findings tell the story; of the rest the number is enough.
#[derive(Debug, Default)]
struct Log {
    first: Vec<Violation>,
    count: u64,
}

impl Log {
    #[inline]
    fn verdict<D: fmt::Display>(&mut self, checker: Checker, now: Time, verdict: Result<(), D>) {
        let Err(what) = verdict else { return };
        self.count += 1;
        let known = self.first.iter().filter(|known| known.checker == checker).count();
        if known < KEPT_PER_CHECKER {
            let detail = what.to_string();
            self.first.push(Violation { checker, time_ns: now.as_ns(), detail });
        }
    }
}

/// Findings of one checker that are kept word for word.
const KEPT_PER_CHECKER: usize = 8;
