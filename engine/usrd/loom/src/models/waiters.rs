//! Threads that wait for completions.

use std::time::Duration;

use super::model;
use super::sync::Arc;
use super::sync::atomic::{AtomicUsize, Ordering};
use super::thread;
use crate::waiters::Waiters;

/// A queue of which only the length matters, and those who wait for it.
struct Queue {
    queued: AtomicUsize,
    waiters: Waiters,
}

impl Queue {
    fn new() -> Arc<Self> {
        Arc::new(Self { queued: AtomicUsize::new(0), waiters: Waiters::new() })
    }

    fn put(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        self.waiters.wake();
    }

    /// Waits for good.
    fn take_one(&self) {
        let taken = self.waiters.wait(Duration::MAX, || {
            // Relaxed: that this sees what it must is the waiters' doing.
            let one = |queued: usize| queued.checked_sub(1);
            self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one).ok()
        });
        assert!(taken.is_some(), "there is no end to this wait");
    }
}

#[test]
fn a_waiting_thread_is_woken() {
    model(|| {
        let queue = Queue::new();
        let producer = {
            let queue = queue.clone();
            thread::spawn(move || {
                queue.put();
                queue.put();
            })
        };
        queue.take_one();
        queue.take_one();
        producer.join().unwrap();
    });
}

/// One wakes all: that it was meant for another is no reason to sleep on.
#[test]
fn all_waiting_threads_are_woken() {
    model(|| {
        let queue = Queue::new();
        let waiter = {
            let queue = queue.clone();
            thread::spawn(move || queue.take_one())
        };
        let producer = {
            let queue = queue.clone();
            thread::spawn(move || {
                queue.queued.fetch_add(2, Ordering::AcqRel);
                queue.waiters.wake();
            })
        };
        queue.take_one();
        waiter.join().unwrap();
        producer.join().unwrap();
    });
}
