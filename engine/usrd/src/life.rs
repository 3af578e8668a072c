//! Where an engine is in its life, and that nothing is left unanswered at its end.
//!
//! Threads queue operations while the driver ends. Each side writes, fences, and reads what the other
//! writes, as at the [doorbell](crate::doorbell):
//!
//! ```text
//!   submitter                          driver, at its end
//!   put into the queue                 life = Gone
//!   ring: fence                        fence
//!   Gone?  -> empty the queue          empty the queue
//! ```
//! Either the driver finds what was queued, or the submitter finds it gone and answers in its stead.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering, fence};

/// Where an engine is in its life; only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Life {
    /// Takes operations.
    Open = 0,
    /// Takes no more, and finishes what it has.
    Closing = 1,
    /// Is to give up at once.
    Aborting = 2,
    /// The driver is gone, and everything has completed.
    Gone = 3,
}

/// A life that several threads look at.
#[derive(Debug)]
pub(crate) struct SharedLife(AtomicU8);

impl SharedLife {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(Life::Open as u8))
    }

    /// Where it is. After a ring of the doorbell, [`Gone`](Life::Gone) is seen if the driver has not
    /// seen what was queued before the ring.
    pub(crate) fn get(&self) -> Life {
        match self.0.load(Ordering::Acquire) {
            0 => Life::Open,
            1 => Life::Closing,
            2 => Life::Aborting,
            _ => Life::Gone,
        }
    }

    /// Moves on, never back.
    pub(crate) fn advance(&self, life: Life) {
        self.0.fetch_max(life as u8, Ordering::AcqRel);
    }

    /// The driver, before it empties the queues for the last time.
    pub(crate) fn end(&self) {
        self.advance(Life::Gone);
        fence(Ordering::SeqCst);
    }
}
