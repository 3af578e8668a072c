//! Where completions wait to be taken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use crate::Completion;
use crate::places::{AnyReturned, Places, Returned};
use crate::waiters::Waiters;

/// A queue of completions, apart from any engine: several engines can report into one, and each
/// operation of one engine into a queue of its submitter's choice.
///
/// Every engine has a queue, its own one or that of
/// [`Builder::completion_queue`](crate::Builder::completion_queue). A handle from
/// [`Engine::reporting_to`](crate::Engine::reporting_to) reports elsewhere.
///
/// A handle is cheap to clone. All methods can be called from any thread, and several threads may
/// take from one queue; each completion is taken once. A queue that is dropped with completions in it
/// drops them. The queues of engines that have ended can still be taken from.
#[derive(Clone, Debug)]
pub struct CompletionQueue {
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    entries: ArrayQueue<Entry>,
    places: Places,
    /// Of these, what is kept for notifications.
    set_aside: AtomicUsize,
    waiters: Waiters,
}

#[derive(Debug)]
struct Entry {
    completion: Completion,
    /// Whose place it has, if no operation has reserved one.
    notices: Option<Arc<Notices>>,
}

/// The places of an engine's notifications, or of those of one of its peers, which come unasked. They go
/// back when the engine has ended, or the peer has gone, and the notifications have been taken.
#[derive(Debug)]
pub(crate) struct Notices {
    /// Those whose notification was taken, and that the driver has not heard of.
    returned: Returned,
    /// Of the engine: any of its notifications was taken.
    any: Arc<AnyReturned>,
    places: usize,
    queue: Weak<Queue>,
}

impl CompletionQueue {
    /// A queue with so many places. Each operation that reports to it takes one from its submission
    /// until its completion is taken; without a free one it is not taken
    /// ([`SubmitError::TooManyOutstanding`](crate::SubmitError)). Each engine that has it as
    /// its queue takes [`Config::max_notifications`](crate::Config) more, for as long as it exists.
    pub fn new(capacity: usize) -> Self {
        let queue = Queue {
            // Nobody can report to a queue without places; it is there all the same.
            entries: ArrayQueue::new(capacity.max(1)),
            places: Places::new(capacity),
            set_aside: AtomicUsize::new(0),
            waiters: Waiters::new(),
        };
        Self { queue: Arc::new(queue) }
    }

    /// Appends up to `max` completions to `completions` and returns how many. Never blocks.
    pub fn poll(&self, completions: &mut Vec<Completion>, max: usize) -> usize {
        let (mut count, mut operations) = (0, 0);
        while count < max
            && let Some(Entry { completion, notices }) = self.queue.entries.pop()
        {
            match notices {
                None => operations += 1,
                // A peer that waits for room asks again soon: the driver need not be woken.
                Some(notices) => notices.give_back(),
            }
            completions.push(completion);
            count += 1;
        }
        if operations > 0 {
            self.queue.places.release(operations);
        }
        count
    }

    /// Like [`poll`](Self::poll), but waits for the first one. Returns 0 when `timeout` is over.
    pub fn wait(&self, completions: &mut Vec<Completion>, max: usize, timeout: Duration) -> usize {
        self.wait_unless(|| false, completions, max, timeout)
    }

    /// Waits for one completion.
    pub fn wait_one(&self, timeout: Duration) -> Option<Completion> {
        let mut one = Vec::with_capacity(1);
        self.wait(&mut one, 1, timeout);
        one.pop()
    }

    /// Operations submitted, of all engines, that report here and whose completion has not been taken.
    pub fn outstanding(&self) -> usize {
        // The two are not read at once.
        self.queue.places.taken().saturating_sub(self.set_aside())
    }

    /// The most operations that can be outstanding: all places but those that are kept for
    /// notifications.
    pub fn limit(&self) -> usize {
        self.queue.places.capacity().saturating_sub(self.set_aside())
    }

    fn set_aside(&self) -> usize {
        self.queue.set_aside.load(Ordering::Relaxed)
    }

    /// As [`wait`](Self::wait), until it is all `over` and the queue empty.
    pub(crate) fn wait_unless(
        &self,
        over: impl Fn() -> bool,
        completions: &mut Vec<Completion>,
        max: usize,
        timeout: Duration,
    ) -> usize {
        let ready = || {
            // Asked first: once it is over, no completion is added.
            let over = over();
            let count = self.poll(completions, max);
            (count > 0 || over || max == 0).then_some(count)
        };
        self.queue.waiters.wait(timeout, ready).unwrap_or(0)
    }

    // ---- engines ----

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue)
    }

    /// Takes places for an operation's completions.
    #[must_use]
    pub(crate) fn reserve(&self, places: usize) -> bool {
        self.queue.places.reserve(places)
    }

    /// Gives places of an operation back that will not be used.
    pub(crate) fn cancel_reservation(&self, places: usize) {
        self.queue.places.release(places);
    }

    /// Takes an engine's places for notifications, if they are free. `any` is the engine's.
    pub(crate) fn reserve_notices(
        &self,
        places: usize,
        any: Arc<AnyReturned>,
    ) -> Option<Arc<Notices>> {
        if !self.queue.places.reserve(places) {
            return None;
        }
        self.queue.set_aside.fetch_add(places, Ordering::Relaxed);
        let queue = Arc::downgrade(&self.queue);
        Some(Arc::new(Notices { returned: Returned::new(), any, places, queue }))
    }

    /// Queues the completion of an operation; [`announce`](Self::announce) tells the waiters, once
    /// for many.
    pub(crate) fn complete(&self, completion: Completion) {
        self.push(Entry { completion, notices: None });
    }

    /// Queues a notification.
    pub(crate) fn notify(&self, completion: Completion, notices: &Arc<Notices>) {
        self.push(Entry { completion, notices: Some(notices.clone()) });
    }

    pub(crate) fn announce(&self) {
        self.queue.waiters.wake();
    }

    fn push(&self, entry: Entry) {
        let pushed = self.queue.entries.push(entry);
        assert!(pushed.is_ok(), "every completion has a place reserved");
    }
}

impl Notices {
    fn give_back(&self) {
        self.returned.give();
        self.any.give();
    }

    /// Whether any of the engine's notifications was taken since the last call.
    pub(crate) fn any(&self) -> &Arc<AnyReturned> {
        &self.any
    }

    /// How many were taken since the last call.
    pub(crate) fn take_taken(&self) -> u32 {
        self.returned.take()
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.upgrade() {
            queue.set_aside.fetch_sub(self.places, Ordering::Relaxed);
            queue.places.release(self.places);
        }
    }
}
