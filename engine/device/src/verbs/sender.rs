//! A queue pair, and how it is doing.
//!
//! ```text
//!   well --- an error, a report of the device's, no progress ---> stopped --- a rest ---> well
//!                                                                    ^                     |
//!                                                                    +-- cannot be reset --+
//! ```
//! While it is stopped the NIC gives back what it has begun with, and paths through it lead nowhere,
//! which the protocol above takes for loss. Then it is reset under its number, so nobody has to be
//! told; what it was sending is lost.

use std::time::{Duration, Instant};

use super::sys::{Done, QueuePair};

/// A queue pair that is watched.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) queue_pair: QueuePair,
    /// Since when it is stopped, if it is.
    stopped: Option<Instant>,
    /// The progress that was seen last, and when that was new.
    seen: (u64, Instant),
    /// How often it has failed, and how often it was made anew.
    pub(super) failures: u64,
    pub(super) rebuilds: u64,
}

impl Sender {
    pub(super) fn new(queue_pair: QueuePair) -> Self {
        let seen = (queue_pair.progress(), Instant::now());
        Self { queue_pair, stopped: None, seen, failures: 0, rebuilds: 0 }
    }

    /// Whether what is pushed now has a chance to leave.
    pub(super) const fn is_well(&self) -> bool {
        self.stopped.is_none()
    }

    /// Whether nothing is being sent, or what is will be lost.
    pub(super) fn has_sent_all(&self) -> bool {
        !self.is_well() || self.queue_pair.is_idle()
    }

    /// A send has completed.
    pub(super) fn sent(&mut self, done: &Done) {
        // One of an earlier life says nothing about this one.
        if self.queue_pair.completed(done.id) && done.status != 0 {
            self.fail(format_args!("a send ended with status {}", done.status));
        }
    }

    /// It does not work any more, or not as it should.
    pub(super) fn fail(&mut self, why: impl std::fmt::Display) {
        if !self.is_well() {
            return;
        }
        let queue_pair = self.queue_pair.number();
        tracing::info!(queue_pair, %why, "a queue pair failed; what it was sending is lost");
        self.failures += 1;
        self.stop();
    }

    /// Lets the NIC give back what it has begun with, if it does not already.
    pub(super) fn stop(&mut self) {
        if let Err(error) = self.queue_pair.stop() {
            tracing::debug!(%error, "a queue pair does not stop; it will be reset all the same");
        }
        self.stopped = Some(Instant::now());
    }

    /// Looks whether it gets on with what it has been handed.
    pub(super) fn watch(&mut self, now: Instant) {
        let progress = self.queue_pair.progress();
        if self.queue_pair.is_idle() || self.seen.0 != progress {
            self.seen = (progress, now);
        } else if now.duration_since(self.seen.1) >= PATIENCE {
            self.fail("it has sent nothing of what it was handed for a second");
        }
    }

    /// Whether it has been stopped for long enough.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.stopped.is_some_and(|since| now.duration_since(since) >= REST)
    }

    /// It has been reset, and goes on.
    pub(super) fn make_ready(&mut self) {
        match self.queue_pair.make_ready() {
            Ok(()) => {
                tracing::debug!(queue_pair = self.queue_pair.number(), "made anew");
                self.rebuilds += 1;
                self.stopped = None;
            }
            Err(error) => {
                tracing::debug!(queue_pair = self.queue_pair.number(), %error, "not ready yet");
                self.stopped = Some(Instant::now());
            }
        }
        self.seen = (self.queue_pair.progress(), Instant::now());
    }
}

/// The one with that number.
pub(super) fn find_sender(senders: &mut [Sender], number: u32) -> Option<&mut Sender> {
    senders.iter_mut().find(|sender| sender.queue_pair.number() == number)
}

/// How long a queue pair stays stopped: longer than any NIC takes to give back what it has begun
/// with, and long enough to cost nothing if it fails again and again.
pub(super) const REST: Duration = Duration::from_millis(20);
/// A NIC that is told to pause by the network does not stay so for that long.
const PATIENCE: Duration = Duration::from_secs(1);
