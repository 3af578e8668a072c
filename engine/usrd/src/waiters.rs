//! Threads that wait for completions.

#[cfg(loom)]
use loom::sync::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::doorbell::Doorbell;

/// Where threads sleep until something is published. Publishing costs a fence and a load while
/// nobody sleeps.
#[derive(Debug)]
pub(crate) struct Waiters {
    bell: Doorbell,
    sleeping: Mutex<()>,
    woken: Condvar,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { bell: Doorbell::new(), sleeping: Mutex::new(()), woken: Condvar::new() }
    }

    /// Wakes all waiters; they look for themselves whether it was for them.
    pub(crate) fn wake(&self) {
        if self.bell.ring() {
            // A waiter that has armed the bell holds the lock until it sleeps.
            drop(self.lock());
            self.woken.notify_all();
        }
    }

    /// Sleeps until `ready` returns something, or until `timeout` is over.
    pub(crate) fn wait<T>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        if let Some(found) = ready() {
            return Some(found);
        }
        // A timeout beyond what the clock can say never ends.
        let deadline = Instant::now().checked_add(timeout);
        let mut guard = self.lock();
        loop {
            self.bell.arm();
            if let Some(found) = ready() {
                return Some(found);
            }
            let left =
                deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            guard = self.sleep(guard, left);
        }
    }

    fn sleep<'a>(&self, guard: MutexGuard<'a, ()>, timeout: Duration) -> MutexGuard<'a, ()> {
        let result = self.woken.wait_timeout(guard, timeout.min(LONGEST_SLEEP));
        result.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data that a panic could leave half-changed.
        self.sleeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits longer than this are split: not every system takes an arbitrarily long one.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
