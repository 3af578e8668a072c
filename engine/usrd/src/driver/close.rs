//! The end of an engine: asked for, with time to finish; or at once.
//!
//! ```text
//!   Open --shutdown--> Closing --drained, or deadline--+
//!    |                                                 v
//!    +--engine or driver dropped, device failed--> everything completes --> Gone
//! ```

use std::time::Duration;

use usrd_device::DeviceError;
use usrd_proto::wire::MAX_HEADER_BYTES;
use usrd_proto::{Instant, PeerFailure};

use super::commands::answer;
use super::{Driver, Turn};
use crate::life::Life;
use crate::submission::{Answer, Operation, Submission};
use crate::{Completion, RecvFailure, SendFailure, ShutdownReport, TransferFailure};

/// A shutdown that is going on.
#[derive(Debug)]
pub(super) struct Closing {
    began: Instant,
    deadline: Instant,
    /// Since when there has been nothing left to finish.
    drained: Option<Instant>,
    answers: Vec<Answer<ShutdownReport>>,
}

impl Closing {
    /// When to look again, whatever else happens.
    pub(super) fn due(&self) -> Instant {
        self.drained.map_or(self.deadline, |at| self.deadline.min(at + LINGER))
    }
}

impl Driver {
    /// [`Engine::shutdown`](crate::Engine::shutdown), for the thread that drives: drives until the
    /// engine is closed.
    pub fn shutdown(&mut self, deadline: Duration) -> ShutdownReport {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.shared.advance(Life::Closing);
        self.begin_closing(deadline, Some(sender));
        while self.progress() != Turn::Closed {
            if let Ok(report) = receiver.try_recv() {
                return report;
            }
        }
        // A driver that was closed before has nothing to report.
        receiver.try_recv().unwrap_or_default()
    }

    pub(super) fn begin_closing(&mut self, deadline: Duration, to: Option<Answer<ShutdownReport>>) {
        let now = self.clock.now();
        let closing = self.closing.get_or_insert_with(|| Closing {
            began: now,
            deadline: now + deadline,
            drained: None,
            answers: Vec::new(),
        });
        closing.deadline = closing.deadline.min(now + deadline);
        closing.answers.extend(to);
    }

    /// Whether a shutdown has come to its end, one way or the other.
    pub(super) fn is_finished(&mut self) -> bool {
        let Some(closing) = &mut self.closing else {
            return false;
        };
        let drained = self.endpoint.pending_sends() == 0
            && self.shared.submissions() == 0
            && self.batch.is_empty();
        if !drained {
            closing.drained = None;
        } else if closing.drained.is_none() {
            closing.drained = Some(self.now);
        }
        self.now >= closing.due()
    }

    /// The device cannot go on, so the engine cannot.
    pub(super) fn fail(&mut self, error: &DeviceError) -> Turn {
        tracing::error!(%error, "the device failed; closing the engine");
        self.shared.fail(error.to_string());
        self.close()
    }

    /// Completes everything, and says good-bye.
    pub(super) fn close(&mut self) -> Turn {
        if self.shared.life() == Life::Gone {
            return Turn::Closed;
        }
        self.shared.advance(Life::Aborting);
        let mut report = ShutdownReport::default();
        self.refuse_submissions(&mut report);
        report.sends_aborted += self.endpoint.pending_sends();
        report.receives_returned += self.endpoint.posted_receives();
        let peers: Vec<_> = self.routes.iter().collect();
        for peer in peers {
            self.endpoint.remove_peer(self.now, peer.id);
            self.say_farewells();
        }
        self.publish();
        // The last that is to be said, if the device takes it.
        let _ = self.transmit();
        let deadline = self.clock.now() + LAST_WORDS;
        while !self.device.has_sent_all() && self.clock.now() < deadline {
            std::thread::yield_now();
        }
        self.recall_regions(LAST_WORDS);
        self.leave(report);
        Turn::Closed
    }

    /// Tells a peer that was just removed, while its route is known. What finds no room in the batch
    /// or at the device is not said: the peer finds out by itself.
    pub(super) fn say_farewells(&mut self) {
        loop {
            let room = self.batch.next_header();
            let Some(header) = room else {
                // A device that cannot go on will not take it later either.
                if !matches!(self.offer(), Ok(taken) if taken > 0) || !self.batch.is_empty() {
                    break;
                }
                continue;
            };
            let Some(transmit) = self.endpoint.poll_farewell(header) else { return };
            if let Some(route) = self.routes.route_to(transmit.peer) {
                self.batch.push(route, &transmit);
            }
        }
        let mut unsaid = [0; MAX_HEADER_BYTES];
        while self.endpoint.poll_farewell(&mut unsaid).is_some() {}
    }

    /// Answers everybody. Nothing is left behind, whatever state the core is in.
    fn leave(&mut self, mut report: ShutdownReport) {
        self.complete_leftovers();
        self.shared.gone();
        if let Some(closing) = self.closing.take() {
            report.elapsed = self.clock.now().since(closing.began);
            for to in &closing.answers {
                answer(to, report);
            }
        }
    }

    fn refuse_submissions(&mut self, report: &mut ShutdownReport) {
        // None is begun, so nothing is looked ahead for: after a panic, the core is not to be asked.
        while let Some(Submission { to, operation }) =
            self.taken.pop_front().or_else(|| self.shared.take_submission())
        {
            if let Operation::Deregister { region, context } = operation {
                self.deregister(region, context, to);
                continue;
            }
            let queue = self.shared.queue_of(to.as_ref());
            queue.cancel_reservation(operation.places() - 1);
            let completion = operation.abandon(self.shared.info.id);
            match completion {
                Completion::Recv(_) | Completion::RecvOver(_) => report.receives_returned += 1,
                _ => report.sends_aborted += 1,
            }
            self.complete(to, completion);
        }
    }

    fn complete_leftovers(&mut self) {
        let (sends, receives, transfers) = self.buffers.drain();
        for send in sends {
            self.send_over(send, Err(SendFailure::Unknown(PeerFailure::Closed)));
        }
        for receive in receives {
            self.receive_over(receive, Err(RecvFailure::Closed));
        }
        for transfer in transfers {
            self.transfer_over(transfer, Err(TransferFailure::Unknown(PeerFailure::Closed)));
        }
        self.end_deregistrations();
        self.announce();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The core cannot be trusted any more, but nobody must be left waiting.
            if self.shared.life() < Life::Gone {
                self.leave(ShutdownReport::default());
            }
            return;
        }
        let _: Turn = self.close();
    }
}

/// What was sent last leaves within microseconds, unless the device has failed.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long to stay when everything is drained: acknowledgements of what has just arrived leave,
/// and a peer that missed one asks again in time to be answered.
pub(super) const LINGER: Duration = Duration::from_millis(5);
