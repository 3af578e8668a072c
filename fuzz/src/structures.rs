//! Clever structures beside naive ones.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Arbitrary, Unstructured};
use usrd_proto::Instant;
use usrd_proto::psn::Psn;
use usrd_proto::recv_window::{Admission, RecvWindow};
use usrd_proto::timer::TimerWheel;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Arm { key: u8, mantissa: u8, shift: u8 },
    Disarm { key: u8 },
    Pass { mantissa: u8, shift: u8 },
    Arrive { offset: i16 },
    Run { len: u8 },
    Release,
}

/// Reads the bytes as operations on a timer wheel and on a receive window.
pub fn structures(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let (mut timers, mut window) = (Timers::default(), Window::default());
    while !input.is_empty() {
        let Ok(op) = Op::arbitrary(&mut input) else {
            return;
        };
        match op {
            Op::Arm { key, mantissa, shift } => timers.arm(key.into(), span_ns(mantissa, shift)),
            Op::Disarm { key } => timers.disarm(key.into()),
            Op::Pass { mantissa, shift } => timers.pass(span_ns(mantissa, shift)),
            Op::Arrive { offset } => window.arrive(offset.into()),
            Op::Run { len } => (0..len).for_each(|_| window.arrive(0)),
            Op::Release => window.real.release_idle(),
        }
        window.compare();
    }
}

/// From nothing to far beyond the wheel's last level.
fn span_ns(mantissa: u8, shift: u8) -> u64 {
    u64::from(mantissa) << (shift % 36)
}

#[derive(Default)]
struct Timers {
    wheel: TimerWheel,
    deadlines: BTreeMap<u32, Instant>,
    now: Instant,
}

impl Timers {
    fn arm(&mut self, key: u32, span_ns: u64) {
        let deadline = self.now.plus_nanos(span_ns);
        self.wheel.arm(key, deadline);
        self.deadlines.insert(key, deadline);
        self.check_next();
    }

    fn disarm(&mut self, key: u32) {
        self.wheel.disarm(key);
        self.deadlines.remove(&key);
        assert_eq!(self.wheel.deadline(key), Instant::NEVER);
        self.check_next();
    }

    fn pass(&mut self, span_ns: u64) {
        self.now = self.now.plus_nanos(span_ns);
        while let Some(key) = self.wheel.pop_expired(self.now) {
            let deadline = self.deadlines.remove(&key).expect("only what was armed comes out");
            assert!(deadline <= self.now, "too early");
        }
        let late = self.deadlines.values().any(|&deadline| deadline <= self.now);
        assert!(!late, "every expired key has come out");
        assert!(self.wheel.next_deadline().is_none_or(|at| at > self.now), "time stands still");
        self.check_next();
    }

    fn check_next(&self) {
        match (self.wheel.next_deadline(), self.deadlines.values().min()) {
            (None, None) => {}
            (Some(next), Some(&earliest)) => assert!(next <= earliest, "too late"),
            (next, earliest) => panic!("{next:?} for {earliest:?}"),
        }
    }
}

struct Window {
    real: RecvWindow,
    next: u64,
    arrived: BTreeSet<u64>,
}

const CAPACITY: u64 = 256;

impl Default for Window {
    fn default() -> Self {
        Self { real: RecvWindow::new(CAPACITY as u32), next: 0, arrived: BTreeSet::new() }
    }
}

impl Window {
    fn arrive(&mut self, offset: i64) {
        let psn = self.next.saturating_add_signed(offset);
        let expected = match psn {
            psn if psn < self.next || self.arrived.contains(&psn) => Admission::Duplicate,
            psn if psn >= self.next + CAPACITY => Admission::Beyond,
            _ => Admission::New,
        };
        assert_eq!(self.real.admit(Psn::new(psn)), expected, "PSN {psn}");
        if expected == Admission::New {
            self.real.insert(Psn::new(psn));
            self.arrived.insert(psn);
        }
        while self.arrived.remove(&self.next) {
            self.next += 1;
        }
    }

    fn compare(&self) {
        assert_eq!(self.real.next_expected().as_u64(), self.next);
        assert_eq!(self.real.has_gap(), !self.arrived.is_empty());
        let highest = self.arrived.last().copied().or_else(|| self.next.checked_sub(1));
        assert_eq!(self.real.highest_seen().map(Psn::as_u64), highest);
        for block in self.next / 64..=(self.next + CAPACITY) / 64 {
            let arrived = |psn| psn < self.next || self.arrived.contains(&psn);
            let word = (0..64).filter(|bit| arrived(block * 64 + bit)).map(|bit| 1 << bit).sum();
            assert_eq!(self.real.word(block), word, "block {block}");
        }
    }
}
