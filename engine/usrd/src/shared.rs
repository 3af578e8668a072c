//! What application threads and the driver share: the queues between them, and the state of the
//! engine's life.
//!
//! ```text
//!              submissions, commands  + doorbell
//!   any thread ---------------------------------> driver
//!   any thread <--------------------------------- driver
//!              completions, in queues (queue.rs) + waiters; events
//! ```
//!
//! A completion always finds room: every operation takes a place in its queue when it is submitted,
//! which is given back when its completion is taken (`places.rs`). Notifications have places of their
//! own, which the core gives to peers: those that find none wait at their sender.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam::queue::{ArrayQueue, SegQueue};
use usrd_device::Waker;

use crate::doorbell::Doorbell;
use crate::life::{Life, SharedLife};
use crate::queue::Notices;
use crate::submission::{Command, Submission};
use crate::{CompletionQueue, EngineInfo, Event, SubmitError};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) info: EngineInfo,
    submissions: ArrayQueue<Submission>,
    commands: SegQueue<Command>,
    doorbell: Doorbell,
    waker: Waker,
    /// Where what says nothing else is reported.
    pub(crate) queue: CompletionQueue,
    pub(crate) notices: Arc<Notices>,
    events: ArrayQueue<Event>,
    events_dropped: AtomicU64,
    life: SharedLife,
    failure: OnceLock<String>,
}

/// How large the queues are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacities {
    pub(crate) submissions: usize,
    /// Beside notifications.
    pub(crate) outstanding: usize,
    pub(crate) events: usize,
}

impl Shared {
    /// `notices` are places of `queue`.
    pub(crate) fn new(
        info: EngineInfo,
        waker: Waker,
        capacities: Capacities,
        (queue, notices): (CompletionQueue, Arc<Notices>),
    ) -> Self {
        Self {
            info,
            submissions: ArrayQueue::new(capacities.submissions),
            commands: SegQueue::new(),
            doorbell: Doorbell::new(),
            waker,
            queue,
            notices,
            events: ArrayQueue::new(capacities.events),
            events_dropped: AtomicU64::new(0),
            life: SharedLife::new(),
            failure: OnceLock::new(),
        }
    }

    // ---- application threads ----

    /// Hands an operation to the driver, or gives it back.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), (SubmitError, Submission)> {
        if self.life() > Life::Open {
            return Err((SubmitError::Closed, submission));
        }
        let queue = self.queue_of(submission.to.as_ref());
        let places = submission.operation.places();
        if !queue.reserve(places) {
            let limit = queue.limit();
            return Err((SubmitError::TooManyOutstanding { limit }, submission));
        }
        if let Err(submission) = self.submissions.push(submission) {
            self.queue_of(submission.to.as_ref()).cancel_reservation(places);
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

    pub(crate) fn poll_event(&self) -> Option<Event> {
        self.events.pop()
    }

    /// Where it is reported what names this queue, or none.
    pub(crate) fn queue_of<'a>(&'a self, to: Option<&'a CompletionQueue>) -> &'a CompletionQueue {
        to.unwrap_or(&self.queue)
    }

    pub(crate) fn failure(&self) -> Option<&String> {
        self.failure.get()
    }

    pub(crate) fn events_dropped(&self) -> u64 {
        self.events_dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn life(&self) -> Life {
        self.life.get()
    }

    /// Moves on in life, never back.
    pub(crate) fn advance(&self, life: Life) {
        self.life.advance(life);
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
        self.life.end();
        self.abandon();
    }

    fn abandon(&self) {
        while let Some(Submission { to, operation }) = self.submissions.pop() {
            let queue = self.queue_of(to.as_ref());
            queue.cancel_reservation(operation.places() - 1);
            queue.complete(operation.abandon(self.info.id));
            queue.announce();
        }
        // Dropping a command breaks the channel that its caller waits on.
        while self.commands.pop().is_some() {}
        self.queue.announce();
    }
}
