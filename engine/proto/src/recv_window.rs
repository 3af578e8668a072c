//! Which packets have arrived.
//!
//! Everything below `next` has arrived; above it, one bit per PSN says so, in a ring of exactly as
//! many bits as the window is wide. PSN `p` owns bit `p mod capacity`, so bits never move:
//!
//! ```text
//!   block        b              b+1                    b+n          (n = capacity / 64)
//!          |.....######|###################| ... |####.......|
//!                ^next                                ^limit = next + capacity
//!                      |<--------- window ----------->|
//! ```
//!
//! Where the edge cuts a word, the first and the last block share that word of the ring: the first
//! owns the bits from `next` up, the last those below. That holds because a bit is cleared as `next`
//! passes it. In order, `next` moves and no bit is ever set, so a peer that never reorders, or is
//! idle, has no ring at all.

use alloc::boxed::Box;
use alloc::vec;

use crate::psn::Psn;

/// What a receiver makes of a PSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Not seen yet, and inside the window.
    New,
    /// Arrived before.
    Duplicate,
    /// At or past [`RecvWindow::limit`]: the sender ran ahead of its window, or the PSN is forged.
    Beyond,
}

/// The set of PSNs that have arrived, in bounded memory.
#[derive(Debug)]
pub struct RecvWindow {
    /// The lowest PSN that has not arrived.
    next: u64,
    /// One past the highest PSN that has arrived; never below `next`.
    end: u64,
    /// `capacity / 64` words, or none while nothing has been out of order.
    words: Box<[u64]>,
    capacity: u32,
}

impl RecvWindow {
    /// A window from PSN 0 that accepts `capacity_packets` PSNs past the cumulative edge.
    ///
    /// # Panics
    ///
    /// Unless `capacity_packets` is a power of two and at least 64.
    pub fn new(capacity_packets: u32) -> Self {
        Self::starting_at(Psn::ZERO, capacity_packets)
    }

    /// As [`new`](Self::new), with every PSN below `first` taken as arrived.
    ///
    /// # Panics
    ///
    /// Unless `capacity_packets` is a power of two and at least 64.
    pub fn starting_at(first: Psn, capacity_packets: u32) -> Self {
        assert!(capacity_packets.is_power_of_two() && capacity_packets >= WORD_BITS);
        let first = first.as_u64();
        Self { next: first, end: first, words: Box::default(), capacity: capacity_packets }
    }

    /// Notes that `psn` has arrived. It must be one that [`admit`](Self::admit) calls new.
    #[inline]
    pub fn insert(&mut self, psn: Psn) {
        debug_assert_eq!(self.admit(psn), Admission::New);
        let psn = psn.as_u64();
        if psn != self.next {
            self.set(psn);
            self.end = self.end.max(psn + 1);
        } else if self.end == self.next {
            self.next = psn + 1;
            self.end = self.next;
        } else {
            self.next = psn + 1;
            self.absorb_run();
        }
    }

    /// Gives the ring back if nothing is out of order. The next gap allocates it again.
    pub fn release_idle(&mut self) {
        if !self.has_gap() {
            self.words = Box::default();
        }
    }

    /// What `psn` would be, should it arrive now.
    #[inline]
    pub fn admit(&self, psn: Psn) -> Admission {
        let psn = psn.as_u64();
        if psn < self.next {
            return Admission::Duplicate;
        }
        if psn - self.next >= u64::from(self.capacity) {
            return Admission::Beyond;
        }
        // Past the highest seen no bit is set, and there may be no ring to look at.
        if psn < self.end && self.words[self.index(psn / 64)] >> (psn % 64) & 1 == 1 {
            return Admission::Duplicate;
        }
        Admission::New
    }

    /// The lowest PSN that has not arrived: what a cumulative acknowledgement carries.
    pub fn next_expected(&self) -> Psn {
        Psn::new(self.next)
    }

    /// The highest PSN that has arrived.
    pub fn highest_seen(&self) -> Option<Psn> {
        self.end.checked_sub(1).map(Psn::new)
    }

    /// Whether a PSN has arrived while a lower one has not.
    pub fn has_gap(&self) -> bool {
        self.end > self.next
    }

    /// The first PSN that is [`Beyond`](Admission::Beyond).
    pub fn limit(&self) -> Psn {
        Psn::new(self.next).plus(u64::from(self.capacity))
    }

    /// The arrivals of one aligned block of 64: bit `i` is PSN `64 * block + i`.
    ///
    /// Bits below [`next_expected`](Self::next_expected) are set; bits past the window are not.
    pub fn word(&self, block: u64) -> u64 {
        let first = self.next / 64;
        if block < first {
            return u64::MAX;
        }
        let below_edge = (1 << (self.next % 64)) - 1;
        let arrived = if self.has_gap() { self.words[self.index(block)] } else { 0 };
        match block - first {
            0 => arrived | below_edge,
            distance if distance < u64::from(self.capacity / WORD_BITS) => arrived,
            distance if distance == u64::from(self.capacity / WORD_BITS) => arrived & below_edge,
            _ => 0,
        }
    }

    /// Where a block's word is in the ring.
    fn index(&self, block: u64) -> usize {
        // The length is a power of two, so the mask is the ring's wrap.
        block as usize & (self.words.len() - 1)
    }

    fn set(&mut self, psn: u64) {
        if self.words.is_empty() {
            self.words = vec![0; (self.capacity / WORD_BITS) as usize].into_boxed_slice();
        }
        let index = self.index(psn / 64);
        self.words[index] |= 1 << (psn % 64);
    }

    /// Moves `next` over the arrivals that it has reached, a word at a time, clearing their bits.
    fn absorb_run(&mut self) {
        loop {
            let index = self.index(self.next / 64);
            let shift = (self.next % 64) as u32;
            let word = self.words[index];
            let run = (word >> shift).trailing_ones();
            // Adding at the run's lowest bit carries through it; what `and` leaves is all but the run.
            self.words[index] = word & word.wrapping_add(1 << shift);
            self.next += u64::from(run);
            if run < WORD_BITS - shift {
                return;
            }
        }
    }
}

const WORD_BITS: u32 = u64::BITS;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn window(first: u64, capacity: u32, arrivals: &[u64]) -> RecvWindow {
        let mut window = RecvWindow::starting_at(Psn::new(first), capacity);
        for &psn in arrivals {
            window.insert(Psn::new(psn));
        }
        window
    }

    #[test]
    fn in_order_arrivals_need_no_ring() {
        let in_order: Vec<u64> = (0..1000).collect();
        let window = window(0, 64, &in_order);
        assert_eq!(window.next_expected(), Psn::new(1000));
        assert_eq!(window.highest_seen(), Some(Psn::new(999)));
        assert!(window.words.is_empty());
    }

    #[test]
    fn nothing_seen_yet() {
        let window = RecvWindow::new(128);
        assert_eq!(window.highest_seen(), None);
        assert_eq!((window.word(0), window.word(1), window.word(u64::MAX)), (0, 0, 0));
        assert_eq!(window.limit(), Psn::new(128));
    }

    #[test]
    fn a_filled_gap_is_absorbed_at_once() {
        let mut window = window(0, 64, &[1, 2, 3, 5]);
        assert!(window.has_gap());
        assert_eq!(window.word(0), 0b10_1110);
        window.insert(Psn::new(0));
        assert_eq!(window.next_expected(), Psn::new(4));
        assert_eq!(window.word(0), 0b10_1111);
        window.insert(Psn::new(4));
        assert_eq!(window.next_expected(), Psn::new(6));
        assert!(!window.has_gap());
    }

    #[test]
    fn a_full_window_is_absorbed_across_every_word() {
        for first in [0, 1, 63, 64, 100] {
            let arrivals: Vec<u64> = (first + 1..first + 256).rev().collect();
            let mut window = window(first, 256, &arrivals);
            assert_eq!(window.admit(Psn::new(first + 256)), Admission::Beyond);
            window.insert(Psn::new(first));
            assert_eq!(window.next_expected(), Psn::new(first + 256));
            assert!(window.words.iter().all(|&word| word == 0), "bits left behind");
        }
    }

    #[test]
    fn first_and_last_block_share_a_word_of_the_ring() {
        // The edge is at 10, so block 0 ends the window's start and block 1 holds 64..74.
        let mut window = window(10, 64, &[11, 63, 64, 73]);
        assert_eq!(window.word(0), 1 << 63 | 1 << 11 | 0x3ff);
        assert_eq!(window.word(1), 1 << 9 | 1);
        assert_eq!(window.admit(Psn::new(73)), Admission::Duplicate);
        assert_eq!(window.admit(Psn::new(74)), Admission::Beyond);
        assert_eq!(window.admit(Psn::new(9)), Admission::Duplicate);
        window.insert(Psn::new(10));
        assert_eq!(window.next_expected(), Psn::new(12));
        assert_eq!(window.word(1), 1 << 9 | 1);
    }

    #[test]
    fn the_ring_is_given_back_only_when_idle() {
        let mut window = window(0, 64, &[1]);
        window.release_idle();
        assert_eq!(window.admit(Psn::new(1)), Admission::Duplicate);
        window.insert(Psn::new(0));
        window.release_idle();
        assert!(window.words.is_empty());
        assert_eq!(window.admit(Psn::new(1)), Admission::Duplicate);
        window.insert(Psn::new(3));
        assert_eq!(window.word(0), 0b1011);
    }

    /// What has arrived, told one by one.
    struct Model {
        capacity: u64,
        next: u64,
        arrived: BTreeSet<u64>,
    }

    impl Model {
        fn admit(&self, psn: u64) -> Admission {
            if psn < self.next || self.arrived.contains(&psn) {
                Admission::Duplicate
            } else if psn >= self.next + self.capacity {
                Admission::Beyond
            } else {
                Admission::New
            }
        }

        fn insert(&mut self, psn: u64) {
            self.arrived.insert(psn);
            while self.arrived.remove(&self.next) {
                self.next += 1;
            }
        }

        fn word(&self, block: u64) -> u64 {
            let arrived = |psn| psn < self.next || self.arrived.contains(&psn);
            (0..64).filter(|bit| arrived(block * 64 + bit)).fold(0, |word, bit| word | 1 << bit)
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        /// A PSN at this offset from the cumulative edge, wherever it falls.
        Arrive(i64),
        /// So many PSNs from the cumulative edge on, each if it is new.
        Run(u64),
        Release,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => (-70i64..400).prop_map(Op::Arrive),
            4 => (0i64..8).prop_map(Op::Arrive),
            2 => (1u64..300).prop_map(Op::Run),
            1 => any::<i32>().prop_map(|offset| Op::Arrive(offset.into())),
            1 => Just(Op::Release),
        ]
    }

    fn arrive(window: &mut RecvWindow, model: &mut Model, psn: u64) {
        assert_eq!(window.admit(Psn::new(psn)), model.admit(psn), "PSN {psn}");
        if model.admit(psn) == Admission::New {
            window.insert(Psn::new(psn));
            model.insert(psn);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(
            first in prop_oneof![
                0u64..200, (1 << 32) - 300..(1u64 << 32) + 3, (1 << 40) - 300..(1u64 << 40) + 3
            ],
            capacity_log2 in 6u32..9,
            ops in prop::collection::vec(op(), 1..200),
        ) {
            let capacity = 1 << capacity_log2;
            let mut window = RecvWindow::starting_at(Psn::new(first), capacity);
            let mut model = Model { capacity: capacity.into(), next: first, arrived: BTreeSet::new() };
            for op in ops {
                match op {
                    Op::Arrive(offset) => {
                        let psn = model.next.saturating_add_signed(offset);
                        arrive(&mut window, &mut model, psn);
                    }
                    Op::Run(len) => {
                        let from = model.next;
                        (from..from + len).for_each(|psn| arrive(&mut window, &mut model, psn));
                    }
                    Op::Release => window.release_idle(),
                }
                let highest = model.arrived.last().copied().or_else(|| model.next.checked_sub(1));
                prop_assert_eq!(window.next_expected().as_u64(), model.next);
                prop_assert_eq!(window.highest_seen().map(Psn::as_u64), highest);
                prop_assert_eq!(window.has_gap(), !model.arrived.is_empty());
                prop_assert_eq!(window.limit().as_u64(), model.next + u64::from(capacity));
                let block = model.next / 64;
                for block in block.saturating_sub(1)..block + u64::from(capacity) / 64 + 3 {
                    prop_assert_eq!(window.word(block), model.word(block));
                }
            }
        }
    }
}
