//! One deadline per peer, for peers by the hundred thousand.
//!
//! A hierarchical timing wheel. Time is cut into ticks of 1.024 us; level 0 has a slot per tick for
//! the 64 ticks around now, level 1 a slot per 64 ticks, and so on. A key waits in the slot of the
//! level where its deadline first differs from now, and when time reaches that slot its keys move
//! down, towards the tick they belong to:
//!
//! ```text
//!   level 4  17 s per slot   . . . . . . . . X . .         a key moves down a level
//!   level 3  268 ms          . . X . . . . .   |           whenever time reaches its slot
//!   level 2  4.2 ms          . . . . X . . . <-+
//!   level 1  66 us           . X . . . . . .
//!   level 0  1.024 us        . . . X . . . .       a bit per slot finds the next used one
//! ```
//!
//! # Moving a deadline back costs nothing
//!
//! Most timers are moved back, again and again, and never fire. So a slot is only where a key is
//! *looked at*, never after its deadline: arming with any deadline at or past the start of the slot
//! the key is in just stores the deadline. When time reaches the slot the key is filed anew, so a
//! timer pushed back with every packet costs a store per packet and one filing per expiry of what it
//! was first armed with.
//!
//! # Order
//!
//! Keys come out tick by tick, and within a tick in the order they were filed in: a function of the
//! calls made, not of addresses or hashes. Deadlines less than a tick apart may come out swapped.

use alloc::vec::Vec;

use crate::lines::lines_of;
use crate::time::Instant;

/// Deadlines by key, a key being a dense index.
#[derive(Debug)]
pub struct TimerWheel {
    /// By key; grown to the highest key armed.
    entries: Vec<Entry>,
    /// The first key of each slot's circular list.
    heads: [u32; LEVELS * SLOTS],
    /// Per level, a bit for each slot that holds a key.
    occupied: [u64; LEVELS],
    /// The tick up to which every slot has been looked at.
    current_tick: u64,
    /// No deadline is earlier than this.
    earliest: Instant,
    armed: u32,
}

/// A key's deadline and its place in the wheel.
#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: Instant,
    /// The tick at which its slot is looked at: never past the deadline's.
    filed_tick: u64,
    prev: u32,
    next: u32,
    slot: u16,
}

impl Default for TimerWheel {
    fn default() -> Self {
        Self::new()
    }
}

impl TimerWheel {
    /// A wheel with nothing armed.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            heads: [NONE; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            current_tick: 0,
            earliest: Instant::NEVER,
            armed: 0,
        }
    }

    /// Sets `key`'s deadline, in place of the one it had. [`Instant::NEVER`] disarms it.
    #[inline]
    pub fn arm(&mut self, key: u32, deadline: Instant) {
        match self.entries.get_mut(key as usize) {
            // Nearly always: filed already, early enough.
            Some(entry)
                if entry.slot != IDLE
                    && deadline != Instant::NEVER
                    && tick_of(deadline) >= entry.filed_tick =>
            {
                entry.deadline = deadline;
                self.earliest = self.earliest.min(deadline);
            }
            _ => self.arm_anew(key, deadline),
        }
    }

    #[inline(never)]
    fn arm_anew(&mut self, key: u32, deadline: Instant) {
        if deadline == Instant::NEVER {
            return self.disarm(key);
        }
        if key as usize >= self.entries.len() {
            self.entries.resize(key as usize + 1, Entry::IDLE);
        }
        self.earliest = self.earliest.min(deadline);
        let entry = &mut self.entries[key as usize];
        entry.deadline = deadline;
        if entry.slot == IDLE {
            self.armed += 1;
        } else {
            self.unlink(key);
        }
        self.file(key);
    }

    /// Clears `key`'s deadline, if it has one.
    pub fn disarm(&mut self, key: u32) {
        if self.entries.get(key as usize).is_some_and(|entry| entry.slot != IDLE) {
            self.unlink(key);
            self.entries[key as usize] = Entry::IDLE;
            self.armed -= 1;
        }
    }

    /// One key whose deadline is at or before `now`, and which is thereby disarmed; none if no
    /// deadline has passed. A key never comes out before its deadline.
    #[inline]
    pub fn pop_expired(&mut self, now: Instant) -> Option<u32> {
        if self.armed == 0 {
            self.earliest = Instant::NEVER;
        }
        if now < self.earliest {
            return None;
        }
        self.advance(now)
    }

    /// `key`'s deadline, [`Instant::NEVER`] if it has none.
    pub fn deadline(&self, key: u32) -> Instant {
        self.entries.get(key as usize).map_or(Instant::NEVER, |entry| entry.deadline)
    }

    /// Names the memory of `key`'s timer.
    #[inline]
    pub(crate) fn lines(&self, key: u32, ask: &mut impl FnMut(*const u8)) {
        if let Some(entry) = self.entries.get(key as usize) {
            lines_of(entry, ask);
        }
    }

    /// When to call [`pop_expired`](Self::pop_expired) next: no deadline is earlier than this.
    ///
    /// It may be too early, by a little or by a lot, for a timer that lies far ahead, or one that
    /// was moved back or disarmed. It is always after the `now` of a `pop_expired` that just
    /// returned none, so a loop over the two makes progress; and exact once the deadline's tick
    /// comes near with few keys in it.
    pub fn next_deadline(&self) -> Option<Instant> {
        (self.armed > 0).then_some(self.earliest)
    }

    /// Looks at every used slot up to `now`, in order, until one holds an expired key.
    #[inline(never)]
    fn advance(&mut self, now: Instant) -> Option<u32> {
        let now_tick = tick_of(now).max(self.current_tick);
        loop {
            if let Some(key) = self.pop_current(now) {
                return Some(key);
            }
            match self.first_slot(self.occupied) {
                Some(slot)
                    if slot.start_tick <= now_tick && slot.start_tick > self.current_tick =>
                {
                    self.current_tick = slot.start_tick;
                    if slot.index as usize >= SLOTS {
                        self.empty(slot.index);
                    }
                }
                _ => break,
            }
        }
        // What the current tick still holds expires within it; moving on is for other ticks.
        self.current_tick = now_tick;
        self.earliest = self.lower_bound();
        None
    }

    /// The first expired key in the current tick's slot. Keys of later ticks leave the slot.
    fn pop_current(&mut self, now: Instant) -> Option<u32> {
        let slot = (self.current_tick % SLOTS as u64) as usize;
        if self.occupied[0] >> slot & 1 == 0 {
            return None;
        }
        let last = self.entries[self.heads[slot] as usize].prev;
        let mut key = self.heads[slot];
        loop {
            let Entry { deadline, next, .. } = self.entries[key as usize];
            if deadline <= now {
                self.disarm(key);
                return Some(key);
            }
            if tick_of(deadline) > self.current_tick {
                self.unlink(key);
                self.file(key);
            }
            if key == last {
                return None;
            }
            key = next;
        }
    }

    /// Files the keys of a slot above level 0 anew: further down, as its time has come.
    fn empty(&mut self, slot: u16) {
        while self.occupied[slot as usize / SLOTS] >> (slot as usize % SLOTS) & 1 == 1 {
            let key = self.heads[slot as usize];
            self.unlink(key);
            self.file(key);
        }
    }

    /// Links `key` into the slot for its deadline, seen from the current tick.
    fn file(&mut self, key: u32) {
        let tick = tick_of(self.entries[key as usize].deadline).max(self.current_tick);
        // The highest bit in which the tick differs from now names the level.
        let level = (63 - ((tick ^ self.current_tick) | 1).leading_zeros()) / SLOT_BITS;
        let level = level.min(LEVELS as u32 - 1);
        let shift = level * SLOT_BITS;
        // Only the last level can be too short for it; then it is looked at a turn from now.
        let position = (tick >> shift).min((self.current_tick >> shift) + SLOTS as u64 - 1);
        let slot = level as u16 * SLOTS as u16 + (position % SLOTS as u64) as u16;
        self.entries[key as usize].filed_tick = position << shift;
        self.link(key, slot);
    }

    fn link(&mut self, key: u32, slot: u16) {
        let (level, bit) = (slot as usize / SLOTS, slot as usize % SLOTS);
        let (prev, next) = if self.occupied[level] >> bit & 1 == 0 {
            self.occupied[level] |= 1 << bit;
            self.heads[slot as usize] = key;
            (key, key)
        } else {
            let head = self.heads[slot as usize];
            (self.entries[head as usize].prev, head)
        };
        self.entries[prev as usize].next = key;
        self.entries[next as usize].prev = key;
        let entry = &mut self.entries[key as usize];
        (entry.prev, entry.next, entry.slot) = (prev, next, slot);
    }

    fn unlink(&mut self, key: u32) {
        let Entry { prev, next, slot, .. } = self.entries[key as usize];
        if next == key {
            self.occupied[slot as usize / SLOTS] &= !(1 << (slot as usize % SLOTS));
            return;
        }
        self.entries[prev as usize].next = next;
        self.entries[next as usize].prev = prev;
        if self.heads[slot as usize] == key {
            self.heads[slot as usize] = next;
        }
    }

    /// The first slot in time order among those marked in `occupied`.
    fn first_slot(&self, occupied: [u64; LEVELS]) -> Option<Slot> {
        // Every slot of a level comes before every slot of the next: all of them lie within the one
        // slot of that next level which time is in.
        let level = occupied.iter().position(|&slots| slots != 0)?;
        let shift = level as u32 * SLOT_BITS;
        let position = self.current_tick >> shift;
        // Rotated so that bit 0 is now: the last level is a ring, and in the others no slot wraps.
        let slots = occupied[level].rotate_right((position % SLOTS as u64) as u32);
        let position = position + u64::from(slots.trailing_zeros());
        let index = level as u16 * SLOTS as u16 + (position % SLOTS as u64) as u16;
        Some(Slot { index, start_tick: position << shift })
    }

    /// A time after now and not after any deadline, as late as a short look can tell.
    fn lower_bound(&self) -> Instant {
        let Some(first) = self.first_slot(self.occupied) else {
            return Instant::NEVER;
        };
        let mut others = self.occupied;
        others[first.index as usize / SLOTS] &= !(1 << (first.index as usize % SLOTS));
        let bound =
            self.first_slot(others).map_or(Instant::NEVER, |slot| start_of(slot.start_tick));
        // The start of the current tick is past, so there the look has to be complete.
        let look = if first.start_tick <= self.current_tick { usize::MAX } else { SHORT_LOOK };
        match self.earliest_in(first.index, look) {
            Some(deadline) => bound.min(deadline),
            None => start_of(first.start_tick),
        }
    }

    /// The earliest deadline in a slot, if it holds at most `limit` keys.
    fn earliest_in(&self, slot: u16, limit: usize) -> Option<Instant> {
        let head = self.heads[slot as usize];
        let mut earliest = self.entries[head as usize].deadline;
        let mut key = self.entries[head as usize].next;
        let mut seen = 1;
        while key != head {
            if seen == limit {
                return None;
            }
            seen += 1;
            earliest = earliest.min(self.entries[key as usize].deadline);
            key = self.entries[key as usize].next;
        }
        Some(earliest)
    }
}

/// A used slot and when its time comes.
struct Slot {
    index: u16,
    start_tick: u64,
}

impl Entry {
    const IDLE: Self =
        Self { deadline: Instant::NEVER, filed_tick: 0, prev: NONE, next: NONE, slot: IDLE };
}

fn tick_of(instant: Instant) -> u64 {
    instant.as_nanos() >> TICK_BITS
}

fn start_of(tick: u64) -> Instant {
    Instant::from_nanos(tick << TICK_BITS)
}

/// 1024 ns: a shift away from nanoseconds, and finer than any timer here needs.
const TICK_BITS: u32 = 10;
const SLOT_BITS: u32 = 6;
/// As many as a word has bits.
const SLOTS: usize = 1 << SLOT_BITS;
/// Five reach 1082 s. Farther deadlines wait in the last slot and are filed again from there.
const LEVELS: usize = 5;
const _: () = assert!((SLOTS as u64 - 1) << (SLOT_BITS * 4 + TICK_BITS) > 60_000_000_000);
const NONE: u32 = u32::MAX;
const IDLE: u16 = u16::MAX;
/// Keys whose deadlines are worth reading to spare an early wake-up; a crowded slot is woken for.
const SHORT_LOOK: usize = 8;
const _: () = assert!(size_of::<Entry>() <= 32);

#[cfg(test)]
mod tests;
