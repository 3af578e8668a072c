//! The lock-free pieces of usrd, model-checked.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p usrd-loom --release --target-dir target/loom
//! ```
//! tries the interleavings, and for each the memory orders that the language allows. Without the
//! flag the same tests run on threads, a thousand times.

#[cfg(test)]
#[path = "../../src/doorbell.rs"]
mod doorbell;

#[cfg(test)]
mod tests {
    #[cfg(loom)]
    use loom::{
        sync::atomic::{AtomicUsize, Ordering},
        sync::{Arc, Condvar, Mutex},
        thread,
    };
    #[cfg(not(loom))]
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        sync::{Arc, Condvar, Mutex},
        thread,
    };

    use super::doorbell::Doorbell;

    /// All interleavings with up to three preemptions of a running thread; those that have no bug
    /// to show with three are not known to have one with more, and take hours.
    #[cfg(loom)]
    fn model(body: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(body);
    }

    #[cfg(not(loom))]
    fn model(body: impl Fn() + Send + Sync + 'static) {
        for _ in 0..1000 {
            body();
        }
    }

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
}
