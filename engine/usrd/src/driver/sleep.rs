//! Sleeping, and being woken.

use std::time::Duration;

use usrd_proto::Instant;

use super::close::Closing;
use super::{Driver, Turn};

impl Driver {
    /// Sleeps until there is something to do: an arrival, a timer, a submission, or `timeout`.
    /// It may return early. It does not do what there is to do: that is
    /// [`progress`](Self::progress).
    pub fn wait(&mut self, timeout: Option<Duration>) {
        let timeout = self.until_due(timeout);
        if timeout == Some(Duration::ZERO) || !self.shared.about_to_sleep() {
            return;
        }
        self.stats.waits += 1;
        let result = self.device.wait(timeout);
        self.shared.awake();
        if let Err(error) = result {
            let _: Turn = self.fail(&error);
        }
    }

    /// How long nothing will be due, at most `timeout`.
    fn until_due(&self, timeout: Option<Duration>) -> Option<Duration> {
        let closing = self.closing.as_ref().map(Closing::due);
        let timer = self.endpoint.poll_timeout();
        let due = [closing, self.partings.due(), timer]
            .into_iter()
            .flatten()
            .min()
            .filter(|&at| at != Instant::NEVER);
        let left = due.map(|at| at.since(self.clock.now()));
        // The device does not say when it is done with what it was lent.
        let leaving = self.regions.are_leaving().then_some(RECALL_EVERY);
        [left, leaving, timeout].into_iter().flatten().min()
    }
}

/// Deregistrations are rare, and a NIC is done with what it sends within microseconds.
const RECALL_EVERY: Duration = Duration::from_millis(1);
