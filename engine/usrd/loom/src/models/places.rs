//! A place that was reserved is free.

use super::model;
use super::sync::Arc;
use super::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::thread;
use crate::places::{AnyReturned, Places, Returned};

/// One place of a queue. It promises no more than a queue: what one thread has taken out is out for
/// those threads that know of it.
struct Slot {
    is_full: AtomicBool,
}

impl Slot {
    fn new(is_full: bool) -> Self {
        Self { is_full: AtomicBool::new(is_full) }
    }

    fn put(&self) {
        assert!(!self.is_full.load(Ordering::Relaxed), "the place is taken");
        self.is_full.store(true, Ordering::Release);
    }

    fn take(&self) -> bool {
        let is_full = self.is_full.load(Ordering::Acquire);
        if is_full {
            self.is_full.store(false, Ordering::Relaxed);
        }
        is_full
    }
}

/// The only place is full. Whoever reserves it after that finds it empty.
#[test]
fn what_was_reserved_is_free() {
    model(|| {
        let shared = Arc::new((Places::new(1), Slot::new(true)));
        assert!(shared.0.reserve(1));
        let consumer = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (places, slot) = &*shared;
                assert!(slot.take());
                places.release(1);
            })
        };
        let submit = |(places, slot): &(Places, Slot)| {
            let is_reserved = places.reserve(1);
            if is_reserved {
                slot.put();
            }
            usize::from(is_reserved)
        };
        let other = {
            let shared = shared.clone();
            thread::spawn(move || submit(&shared))
        };
        let reserved = submit(&shared) + other.join().unwrap();
        consumer.join().unwrap();
        assert_eq!(reserved, usize::from(shared.1.take()), "one at the most");
        assert_eq!(shared.0.taken(), reserved);
    });
}

/// However many try, no more succeed than there are places, and what is given back can be had again.
#[test]
fn places_do_not_multiply() {
    model(|| {
        let shared = Arc::new((Places::new(2), AtomicUsize::new(0)));
        let submitters = [1, 2].map(|count| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (places, held) = &*shared;
                if places.reserve(count) {
                    let before = held.fetch_add(count, Ordering::AcqRel);
                    assert!(before + count <= 2);
                    held.fetch_sub(count, Ordering::AcqRel);
                    places.release(count);
                }
            })
        });
        submitters.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(shared.0.taken(), 0);
        assert!(shared.0.reserve(2));
    });
}

/// The driver fills a place of its own again when it has come back, and not before.
#[test]
fn what_was_returned_is_free() {
    model(|| {
        let shared = Arc::new((Returned::new(), Slot::new(true)));
        let consumer = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (returned, slot) = &*shared;
                let mut taken = 0;
                for _ in 0..2 {
                    if slot.take() {
                        returned.give();
                        taken += 1;
                    }
                }
                taken
            })
        };
        let (returned, slot) = &*shared;
        let mut heard = returned.take();
        if heard > 0 {
            slot.put();
        }
        let taken = consumer.join().unwrap();
        heard += returned.take();
        assert_eq!(heard, taken, "each is heard of once");
    });
}

/// Who looks only when there is something misses nothing.
#[test]
fn what_is_announced_is_there() {
    model(|| {
        let shared = Arc::new((AnyReturned::new(), [Returned::new(), Returned::new()]));
        let consumers = [0, 1].map(|which| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1[which].give();
                shared.0.give();
            })
        });
        let mut heard = [0, 0];
        let mut look = || {
            if shared.0.take() {
                for (heard, returned) in heard.iter_mut().zip(&shared.1) {
                    *heard += returned.take();
                }
            }
        };
        look();
        consumers.into_iter().for_each(|it| it.join().unwrap());
        look();
        assert_eq!(heard, [1, 1]);
    });
}
