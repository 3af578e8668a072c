//! Operations that are submitted while the driver ends.

use super::model;
use super::sync::Arc;
use super::sync::atomic::{AtomicUsize, Ordering};
use super::thread;
use crate::doorbell::Doorbell;
use crate::life::{Life, SharedLife};

/// What threads and driver share: a queue of which only the length matters.
struct Shared {
    queued: AtomicUsize,
    answered: AtomicUsize,
    bell: Doorbell,
    life: SharedLife,
}

impl Shared {
    /// Returns how many operations were taken.
    fn submit(&self) -> usize {
        if self.life.get() > Life::Open {
            return 0;
        }
        self.queued.fetch_add(1, Ordering::AcqRel);
        let _: bool = self.bell.ring();
        if self.life.get() == Life::Gone {
            self.empty();
        }
        1
    }

    fn empty(&self) {
        // A queue that seems empty is left alone; Relaxed: that it only seems so when somebody else
        // will look is for the fences to see to.
        while self.queued.load(Ordering::Relaxed) > 0 {
            let one = |queued: usize| queued.checked_sub(1);
            if self.queued.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one).is_ok() {
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn what_is_submitted_is_answered() {
    model(|| {
        let shared = Arc::new(Shared {
            queued: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            bell: Doorbell::new(),
            life: SharedLife::new(),
        });
        let submitters = [0, 1].map(|_| {
            let shared = shared.clone();
            thread::spawn(move || shared.submit())
        });
        shared.empty();
        shared.life.end();
        shared.empty();
        let submitted: usize = submitters.into_iter().map(|it| it.join().unwrap()).sum();
        assert_eq!(shared.answered.load(Ordering::Relaxed), submitted, "each once");
    });
}

#[test]
fn a_life_does_not_go_back() {
    model(|| {
        let life = Arc::new(SharedLife::new());
        let closers = [Life::Aborting, Life::Closing].map(|stage| {
            let life = life.clone();
            thread::spawn(move || life.advance(stage))
        });
        let (first, second) = (life.get(), life.get());
        assert!(first <= second);
        closers.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(life.get(), Life::Aborting);
    });
}
