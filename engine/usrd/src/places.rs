//! Places in a queue, taken before there is anything to put there.
//!
//! ```text
//!   submitter                 driver                    consumer
//!   reserve one --operation-> put it in, there is room
//!                                                       take it out
//!             <-------------------- places ------------ release
//! ```
//!
//! Whoever has reserved a place finds the queue with room for it: releasing comes after taking out,
//! and a reservation sees what the release that made it possible came after.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// A number of places, and how many of them are taken.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    capacity: usize,
}

impl Places {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { taken: AtomicUsize::new(0), capacity }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes so many places, if they are free. Another thread's vain attempt can make one fail that
    /// would have succeeded, but never the other way round.
    #[must_use]
    pub(crate) fn reserve(&self, count: usize) -> bool {
        // What was taken out before the release has left the queue in this thread's eyes, too.
        let before = self.taken.fetch_add(count, Ordering::Acquire);
        if before + count <= self.capacity {
            return true;
        }
        self.taken.fetch_sub(count, Ordering::Relaxed);
        false
    }

    /// Gives places back whose contents were taken out, or that stay empty.
    pub(crate) fn release(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Release);
    }
}

/// Places of the driver's own, which come back to it one by one: a count of those that have.
#[derive(Debug)]
pub(crate) struct Returned(AtomicU32);

impl Returned {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Consumer, after taking out what was in the place.
    pub(crate) fn give(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Driver: how many were given since the last call. They can be filled again.
    pub(crate) fn take(&self) -> u32 {
        match self.0.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.0.swap(0, Ordering::Acquire),
        }
    }
}

/// Whether any of many [`Returned`] has something: the driver looks through them only then.
#[derive(Debug)]
pub(crate) struct AnyReturned(AtomicBool);

impl AnyReturned {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Consumer, after giving.
    pub(crate) fn give(&self) {
        // Not a store: that would take the place of another consumer's, and whoever sees it would not
        // have to see what the other one has given.
        self.0.swap(true, Ordering::Release);
    }

    /// Driver: whether there was something since the last call. What was given before is seen.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}
