//! Waking a sleeper without a system call per message.
//!
//! Two sides share a queue. The producer puts something in and rings; the consumer, before it goes
//! to sleep, arms the bell and looks into the queue once more. A ring of an unarmed bell (the
//! consumer is awake and will look by itself) is a fence and a load; only the one ring that finds
//! the bell armed has to wake somebody.
//!
//! ```text
//!   producer                          consumer
//!   put into the queue                arm: armed = true
//!   fence                             fence
//!   armed?  -> wake the consumer      queue empty?  -> sleep
//! ```
//!
//! Each side writes, then reads what the other writes. With a sequentially consistent fence in
//! between on both sides, at least one of them sees the other's write (Dekker): either the producer
//! finds the bell armed, or the consumer finds the item. So no wake-up is lost.
//!
//! All writes are swaps, so that each comes after the one it replaced in everybody's eyes; except
//! for a ring of an unarmed bell, they happen only around a sleep.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// A doorbell beside a queue.
#[derive(Debug)]
pub(crate) struct Doorbell {
    armed: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new() -> Self {
        Self { armed: AtomicBool::new(false) }
    }

    /// Producer, after putting something into the queue: whether the caller has to wake the
    /// consumer. Of several producers that ring an armed bell, one is told so.
    #[must_use]
    pub(crate) fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        // The load keeps the cache line shared while the consumer is awake.
        self.armed.load(Ordering::Relaxed) && self.armed.swap(false, Ordering::AcqRel)
    }

    /// Consumer, before it looks into the queue for the last time and goes to sleep.
    pub(crate) fn arm(&self) {
        self.armed.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// Consumer, awake again. A ring that came in between has already been answered with a wake-up,
    /// at worst one too many.
    pub(crate) fn disarm(&self) {
        self.armed.swap(false, Ordering::AcqRel);
    }
}
