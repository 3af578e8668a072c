//! What application threads and the driver share: the queues between them, and the state of the
//! engine's life.
//!
//! ```text
//!              submissions, commands  + doorbell
//!   any thread ---------------------------------> driver
//!              <---------------------------------
//!              completions, events    + waiters
//! ```
//!
//! A completion always finds room: every operation takes a reservation when it is submitted and
//! gives it back when its completion is polled, and there are as many reservations as places in the
//! queue. Notifications have places of their own, which the core gives to peers: those that find
//! none wait at their sender.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use crossbeam::queue::{ArrayQueue, SegQueue};
use usrd_device::Waker;

use crate::doorbell::Doorbell;
use crate::submission::{Command, Submission};
use crate::waiters::Waiters;
use crate::{Completion, EngineInfo, Event, SubmitError};

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

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) info: EngineInfo,
    submissions: ArrayQueue<Submission>,
    commands: SegQueue<Command>,
    doorbell: Doorbell,
    waker: Waker,
    completions: ArrayQueue<Completion>,
    waiters: Waiters,
    outstanding: AtomicUsize,
    max_outstanding: usize,
    /// Notifications that were taken, and that the driver has not heard of.
    notifications_taken: AtomicU32,
    events: ArrayQueue<Event>,
    events_dropped: AtomicU64,
    life: AtomicU8,
    failure: OnceLock<String>,
}

/// How large the queues are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacities {
    pub(crate) submissions: usize,
    pub(crate) outstanding: usize,
    /// Beside what is outstanding.
    pub(crate) notifications: usize,
    pub(crate) events: usize,
}

impl Shared {
    pub(crate) fn new(info: EngineInfo, waker: Waker, capacities: Capacities) -> Self {
        Self {
            info,
            submissions: ArrayQueue::new(capacities.submissions),
            commands: SegQueue::new(),
            doorbell: Doorbell::new(),
            waker,
            completions: ArrayQueue::new(capacities.outstanding + capacities.notifications),
            waiters: Waiters::new(),
            outstanding: AtomicUsize::new(0),
            max_outstanding: capacities.outstanding,
            notifications_taken: AtomicU32::new(0),
            events: ArrayQueue::new(capacities.events),
            events_dropped: AtomicU64::new(0),
            life: AtomicU8::new(Life::Open as u8),
            failure: OnceLock::new(),
        }
    }

    // ---- application threads ----

    /// Hands an operation to the driver, or gives it back.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), (SubmitError, Submission)> {
        if self.life() > Life::Open {
            return Err((SubmitError::Closed, submission));
        }
        let limit = self.max_outstanding;
        if self.outstanding.fetch_add(1, Ordering::Relaxed) >= limit {
            self.outstanding.fetch_sub(1, Ordering::Relaxed);
            return Err((SubmitError::TooManyOutstanding { limit }, submission));
        }
        if let Err(submission) = self.submissions.push(submission) {
            self.outstanding.fetch_sub(1, Ordering::Relaxed);
            let capacity = self.submissions.capacity();
            return Err((SubmitError::QueueFull { capacity }, submission));
        }
        self.ring();
        Ok(())
    }

    /// Hands a command to the driver. If the driver is gone, its answer never comes: the channel
    /// breaks.
    pub(crate) fn command(&self, command: Command) {
        self.commands.push(command);
        self.ring();
    }

    /// Appends up to `max` completions to `completions`.
    pub(crate) fn poll(&self, completions: &mut Vec<Completion>, max: usize) -> usize {
        let (mut count, mut notifications) = (0, 0);
        while count < max
            && let Some(completion) = self.completions.pop()
        {
            notifications += usize::from(matches!(completion, Completion::Notified(_)));
            completions.push(completion);
            count += 1;
        }
        if count > notifications {
            self.outstanding.fetch_sub(count - notifications, Ordering::Release);
        }
        if notifications > 0 {
            // A peer that waits for room asks again soon: the driver need not be woken.
            self.notifications_taken.fetch_add(notifications as u32, Ordering::Release);
        }
        count
    }

    pub(crate) fn poll_event(&self) -> Option<Event> {
        self.events.pop()
    }

    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub(crate) fn failure(&self) -> Option<&String> {
        self.failure.get()
    }

    pub(crate) fn events_dropped(&self) -> u64 {
        self.events_dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn life(&self) -> Life {
        match self.life.load(Ordering::Acquire) {
            0 => Life::Open,
            1 => Life::Closing,
            2 => Life::Aborting,
            _ => Life::Gone,
        }
    }

    /// Moves on in life, never back.
    pub(crate) fn advance(&self, life: Life) {
        self.life.fetch_max(life as u8, Ordering::AcqRel);
    }

    /// Wakes the driver if it sleeps; stands in for it if it is gone.
    pub(crate) fn ring(&self) {
        if self.doorbell.ring() {
            self.waker.wake();
        }
        // The ring has fenced: either the driver's last look saw what was just queued, or this
        // sees that the driver is gone.
        if self.life() == Life::Gone {
            self.abandon();
        }
    }

    // ---- the driver ----

    pub(crate) fn commands(&self) -> usize {
        self.commands.len()
    }

    pub(crate) fn submissions(&self) -> usize {
        self.submissions.len()
    }

    pub(crate) fn take_submission(&self) -> Option<Submission> {
        self.submissions.pop()
    }

    pub(crate) fn take_command(&self) -> Option<Command> {
        self.commands.pop()
    }

    /// Before the driver sleeps: whether it may. If so, [`awake`](Self::awake) must follow.
    pub(crate) fn about_to_sleep(&self) -> bool {
        self.doorbell.arm();
        if self.submissions.is_empty() && self.commands.is_empty() && self.life() < Life::Aborting {
            return true;
        }
        self.doorbell.disarm();
        false
    }

    pub(crate) fn awake(&self) {
        self.doorbell.disarm();
    }

    /// How many notifications were taken since the last call.
    pub(crate) fn take_notifications_taken(&self) -> u32 {
        match self.notifications_taken.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.notifications_taken.swap(0, Ordering::Acquire),
        }
    }

    /// Queues a completion; [`announce`](Self::announce) tells the waiters, once for many.
    pub(crate) fn complete(&self, completion: Completion) {
        let pushed = self.completions.push(completion);
        assert!(pushed.is_ok(), "every operation has reserved a place for its completion");
    }

    pub(crate) fn announce(&self) {
        self.waiters.wake();
    }

    pub(crate) fn emit(&self, event: Event) {
        if self.events.push(event).is_err() {
            self.events_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records why the engine cannot go on.
    pub(crate) fn fail(&self, reason: String) {
        // Only the first reason counts; what comes after it follows from it.
        let _ = self.failure.set(reason);
    }

    /// The driver's last act: nothing that is or will be queued stays unanswered.
    pub(crate) fn gone(&self) {
        self.advance(Life::Gone);
        fence(Ordering::SeqCst);
        self.abandon();
    }

    fn abandon(&self) {
        while let Some(submission) = self.submissions.pop() {
            self.complete(submission.abandon());
        }
        // Dropping a command breaks the channel that its caller waits on.
        while self.commands.pop().is_some() {}
        self.announce();
    }
}
