//! Where it is told what has become of operations.

use std::time::Duration;

use super::Engine;
use crate::life::Life;
use crate::submission::Command;
use crate::{Completion, CompletionQueue, NotificationsToError, Peer};

impl Engine {
    /// A handle to the same engine. What is submitted through it, receives included, completes in
    /// `queue`, which is also where its [`poll`](Self::poll) and [`wait`](Self::wait) look. So each
    /// thread can have the completions of its own operations; notifications stay in the
    /// engine's queue, unless [`notifications_to`](Self::notifications_to) says otherwise.
    pub fn reporting_to(&self, queue: &CompletionQueue) -> Self {
        let to = (!queue.is(&self.shared.queue)).then(|| queue.clone());
        Self { to, ..self.clone() }
    }

    /// Gives the notifications of a peer a queue of their own, with `places` places: what comes from now on
    /// is found there. While as many wait to be taken, this peer waits, and no other one does; and what
    /// others say takes none of its places. This can be done once for a peer. It ends when the peer
    /// is disconnected, and what is in the queue then can still be taken.
    ///
    /// Waits for the driver. Where this thread is the one that drives, use
    /// [`Driver::notifications_to`](crate::Driver::notifications_to).
    pub fn notifications_to(
        &self,
        peer: Peer,
        queue: &CompletionQueue,
        places: u32,
    ) -> Result<(), NotificationsToError> {
        let queue = queue.clone();
        self.ask(|answer| Command::NotificationsTo(peer, queue, places, answer))?
    }

    /// Where what is submitted here completes.
    pub fn completion_queue(&self) -> &CompletionQueue {
        self.shared.queue_of(self.to.as_ref())
    }

    /// Appends up to `max` completions to `completions` and returns how many. Never blocks.
    /// [`completion_queue`](Self::completion_queue) is where they come from, those of other engines
    /// included if it is shared.
    pub fn poll(&self, completions: &mut Vec<Completion>, max: usize) -> usize {
        self.completion_queue().poll(completions, max)
    }

    /// Like [`poll`](Self::poll), but waits for the first one. Returns 0 when `timeout` is over,
    /// or when the engine is closed and every completion has been taken (in the engine's queue; who
    /// waits in another one when the engine closes is not woken, unless by a completion).
    pub fn wait(&self, completions: &mut Vec<Completion>, max: usize, timeout: Duration) -> usize {
        let is_over = || self.shared.life() == Life::Gone;
        self.completion_queue().wait_unless(is_over, completions, max, timeout)
    }

    /// Waits for one completion.
    pub fn wait_one(&self, timeout: Duration) -> Option<Completion> {
        let mut one = Vec::with_capacity(1);
        self.wait(&mut one, 1, timeout);
        one.pop()
    }

    /// Operations submitted whose completion has not been taken: all that report to the
    /// [`completion_queue`](Self::completion_queue).
    pub fn outstanding(&self) -> usize {
        self.completion_queue().outstanding()
    }
}
