//! A radix heap: a queue for times that never go back.
//!
//! Write times in base 64 (here, for the eye, in base 16). A time lies in the bucket that belongs to
//! the highest digit in which it differs from the time popped last, and to its value of that digit:
//!
//! ```text
//!   popped last   0x3A7C        level  3   2   1   0
//!   0x3A7F  differs at level 0 -------------------> bucket (0, F)
//!   0x3AB0  differs at level 1 ---------------> bucket (1, B)
//!   0x5000  differs at level 3 -------> bucket (3, 5)
//! ```
//! The soonest lies in the lowest bucket of the lowest level. A bucket of level 0 holds one single
//! time, in order of arrival. A higher one is dealt out to lower levels once it is the lowest; so an
//! entry moves at most once per digit that it differs in, and nothing is ever compared. Whatever is
//! alone in its bucket by then, as most are, does not move at all.

use super::Event;

#[derive(Debug)]
pub(super) struct RadixHeap {
    buckets: Vec<Vec<Entry>>,
    /// The soonest time in each bucket.
    least_ps: Vec<u64>,
    /// Per level, which buckets hold something.
    used: [u64; LEVELS],
    /// Which levels do.
    levels: u16,
    /// Popped last.
    last_ps: u64,
    /// How much of the lowest bucket of level 0 has been popped.
    taken: usize,
    /// The memory of large buckets that have been dealt out, for the next ones: if each kept as much
    /// as it ever held, most of it would lie idle.
    spare: Vec<Vec<Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    ps: u64,
    event: Event,
}

impl RadixHeap {
    pub(super) fn new() -> Self {
        Self {
            buckets: vec![Vec::new(); LEVELS * DIGITS],
            least_ps: vec![u64::MAX; LEVELS * DIGITS],
            used: [0; LEVELS],
            levels: 0,
            last_ps: 0,
            taken: 0,
            spare: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, ps: u64, event: Event) {
        debug_assert!(ps >= self.last_ps, "time goes back");
        let bucket = self.claim(ps);
        self.buckets[bucket].push(Entry { ps, event });
    }

    #[inline]
    pub(super) fn next_ps(&self) -> Option<u64> {
        (self.levels != 0).then(|| self.least_ps[self.lowest()])
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, Event)> {
        if self.levels == 0 {
            return None;
        }
        let mut bucket = self.lowest();
        if bucket >= DIGITS {
            if let [entry] = self.buckets[bucket][..] {
                self.buckets[bucket].clear();
                self.give_up(bucket);
                self.last_ps = entry.ps;
                return Some((entry.ps, entry.event));
            }
            bucket = self.deal_out(bucket);
        }
        let entry = self.buckets[bucket][self.taken];
        self.taken += 1;
        self.last_ps = entry.ps;
        if self.taken == self.buckets[bucket].len() {
            self.buckets[bucket].clear();
            self.taken = 0;
            self.give_up(bucket);
        }
        Some((entry.ps, entry.event))
    }

    /// Moves the entries of a bucket to lower levels; returns the bucket of the soonest.
    fn deal_out(&mut self, bucket: usize) -> usize {
        self.last_ps = self.least_ps[bucket];
        self.give_up(bucket);
        let mut entries = std::mem::take(&mut self.buckets[bucket]);
        for &entry in &entries {
            let lower = self.claim(entry.ps);
            self.buckets[lower].push(entry);
        }
        entries.clear();
        match bucket {
            SHARED_FROM.. => self.spare.push(entries),
            _ => self.buckets[bucket] = entries,
        }
        self.lowest()
    }

    /// The bucket for a time, marked as used.
    #[inline]
    fn claim(&mut self, ps: u64) -> usize {
        let differing = (ps ^ self.last_ps) | 1;
        let level = (differing.ilog2() / DIGIT_BITS) as usize;
        let digit = (ps >> (level as u32 * DIGIT_BITS)) as usize % DIGITS;
        let bucket = level * DIGITS + digit;
        if self.used[level] & 1 << digit == 0 {
            self.open(bucket);
        }
        self.used[level] |= 1 << digit;
        self.levels |= 1 << level;
        self.least_ps[bucket] = self.least_ps[bucket].min(ps);
        bucket
    }

    /// A bucket comes into use.
    #[inline]
    fn open(&mut self, bucket: usize) {
        if bucket >= SHARED_FROM
            && let Some(memory) = self.spare.pop()
        {
            self.buckets[bucket] = memory;
        }
    }

    #[inline]
    fn give_up(&mut self, bucket: usize) {
        let (level, digit) = (bucket / DIGITS, bucket % DIGITS);
        self.least_ps[bucket] = u64::MAX;
        self.used[level] &= !(1 << digit);
        if self.used[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    #[inline]
    fn lowest(&self) -> usize {
        let level = self.levels.trailing_zeros() as usize % LEVELS;
        level * DIGITS + self.used[level].trailing_zeros() as usize
    }
}

/// A packet's events are 20 bits of picoseconds away: with so many, most move once or twice, and the
/// buckets in use still fit the fastest cache.
const DIGIT_BITS: u32 = 6;
const DIGITS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
/// The first bucket of level 3, which is a quarter of a microsecond wide. Those below are small.
const SHARED_FROM: usize = 3 * DIGITS;

const _: () = assert!(LEVELS <= u16::BITS as usize && DIGITS <= u64::BITS as usize);
