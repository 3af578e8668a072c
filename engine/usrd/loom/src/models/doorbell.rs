//! Nobody sleeps through a ring.

use super::model;
use super::sync::atomic::{AtomicUsize, Ordering};
use super::sync::{Arc, Condvar, Mutex};
use super::thread;
use crate::doorbell::Doorbell;

/// A consumer with a queue (of which only the length matters), a bell, and something to sleep on
/// that remembers a wake-up, as an event descriptor does.
struct Sleeper {
    queued: AtomicUsize,
    bell: Doorbell,
    woken: Mutex<bool>,
    event: Condvar,
}

impl Sleeper {
    fn new() -> Self {
        Self {
            queued: AtomicUsize::new(0),
            bell: Doorbell::new(),
            woken: Mutex::new(false),
            event: Condvar::new(),
        }
    }

    fn put(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        if self.bell.ring() {
            *self.woken.lock().unwrap() = true;
            self.event.notify_one();
        }
    }

    /// Takes `count` items, asleep while there is none. Returns how often it slept.
    fn take(&self, count: usize) -> usize {
        let mut taken = 0;
        let mut sleeps = 0;
        while taken < count {
            taken += self.queued.swap(0, Ordering::AcqRel);
            if taken >= count {
                break;
            }
            self.bell.arm();
            // Relaxed: that this sees what it must is the bell's doing.
            if self.queued.load(Ordering::Relaxed) == 0 {
                let mut woken = self.woken.lock().unwrap();
                while !*woken {
                    woken = self.event.wait(woken).unwrap();
                }
                *woken = false;
                sleeps += 1;
            }
            self.bell.disarm();
        }
        sleeps
    }
}

#[test]
fn a_sleeping_consumer_misses_nothing() {
    model(|| {
        let sleeper = Arc::new(Sleeper::new());
        let producer = {
            let sleeper = sleeper.clone();
            thread::spawn(move || {
                sleeper.put();
                sleeper.put();
            })
        };
        assert!(sleeper.take(2) <= 2);
        producer.join().unwrap();
    });
}

#[test]
fn two_producers_are_both_heard() {
    model(|| {
        let sleeper = Arc::new(Sleeper::new());
        let producers = [0, 1].map(|_| {
            let sleeper = sleeper.clone();
            thread::spawn(move || sleeper.put())
        });
        assert!(sleeper.take(2) <= 2);
        for producer in producers {
            producer.join().unwrap();
        }
    });
}

#[test]
fn an_armed_bell_wakes_once() {
    model(|| {
        let bell = Arc::new(Doorbell::new());
        bell.arm();
        let ringers = [0, 1].map(|_| {
            let bell = bell.clone();
            thread::spawn(move || usize::from(bell.ring()))
        });
        let wakes: usize = ringers.into_iter().map(|ringer| ringer.join().unwrap()).sum();
        assert_eq!(wakes, 1);
    });
}
