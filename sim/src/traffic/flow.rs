//! One flow, and how far it is.

use super::MessageId;
use crate::scenario::ServiceKey;
use crate::time::Time;
use crate::workload::FlowSpec;

/// One flow under way.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What it is.
    pub spec: FlowSpec,
    /// When it began, or will begin; `NEVER` while it waits for other flows.
    pub began_at: Time,
    /// How many flows it still waits for.
    pub(super) waits_for: u32,
    /// The job that it is part of.
    pub job: Option<u32>,
    /// The first of its messages; the others follow.
    pub first_message: MessageId,
    /// Messages handed to the sender's endpoint.
    pub submitted: u32,
    /// Messages that the sender's endpoint has completed, well or not.
    pub completed: u32,
    /// Of those, how many with an error.
    pub failed: u32,
    /// Messages that the receiver's endpoint has delivered.
    pub received: u32,
    /// Messages that nobody has to deliver any more, and nobody has: a crash of a host came between.
    pub lost: u32,
    /// When the sender's last completion came.
    pub sent_at: Time,
    /// When the receiver's last completion came.
    pub received_at: Time,
    /// Data packets sent.
    pub packets: u64,
    /// Of those, repetitions.
    pub retransmissions: u64,
    /// Packets that arrived although the receiver had their data from another transmission.
    pub spurious: u64,
}

impl Flow {
    /// One that begins when it says, and whose messages are numbered from here.
    pub(super) fn new(spec: FlowSpec, job: Option<u32>, first_message: MessageId) -> Self {
        Self {
            spec,
            began_at: spec.start,
            waits_for: 0,
            job,
            first_message,
            submitted: 0,
            completed: 0,
            failed: 0,
            received: 0,
            lost: 0,
            sent_at: Time::ZERO,
            received_at: Time::ZERO,
            packets: 0,
            retransmissions: 0,
            spurious: 0,
        }
    }

    /// Whether nothing more is to be expected of it. UD promises nothing to the receiver.
    pub fn is_done(&self) -> bool {
        let all = self.spec.messages;
        self.completed >= all && (self.has_arrived() || self.spec.service == ServiceKey::Ud)
    }

    /// Whether the receiver has all that it can have.
    fn has_arrived(&self) -> bool {
        self.received + self.lost >= self.spec.messages
    }
}
