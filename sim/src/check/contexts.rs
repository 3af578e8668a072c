//! What the checkers are told of contexts that end: hosts crash, or close each other.

use usrd_proto::PeerFailure;

use super::{Checker, Checkers};
use crate::time::Time;
use crate::traffic::{MessageId, Traffic};

impl Checkers {
    /// A host has lost everything. Exactly once, and order, hold for each incarnation: what its
    /// senders do not know to have arrived may come again, to the next one.
    pub fn crashed(&mut self, host: u32, hosts: u32, traffic: &Traffic) {
        self.crashes.crashed(host, hosts);
        for message in traffic.under_way(host) {
            let spec = traffic.spec_of(message);
            // What was being read here is lost with who read it.
            if spec.dst == host && !spec.pulls() && !traffic.is_completed(message) {
                self.exactly_once.begin_anew(message);
                self.order.begin_anew(traffic.flow_of(message));
            }
        }
    }

    /// A host is up again.
    pub fn restarted(&mut self, host: u32) {
        self.crashes.restarted(host);
    }

    /// A host's endpoint says that its context with another is over.
    pub fn learned(&mut self, host: u32, of: u32) {
        self.crashes.learned(host, of);
    }

    /// A host is about to close another.
    pub fn parts(&mut self, host: u32, other: u32) {
        self.closing.parts(host, other);
        self.crashes.parts(host, other);
    }

    /// A host has closed another, (host, other): which of its operations have not ended, for no reason,
    /// and which because something is being placed.
    pub fn parted(
        &mut self,
        now: Time,
        (host, other): (u32, u32),
        left: &[MessageId],
        late: Vec<MessageId>,
    ) {
        self.log.verdict(Checker::Closing, now, self.closing.parted((host, other), left, late));
        self.crashes.learned(host, other);
    }

    /// It had never heard of the other, and may take its late packets for the beginning of a context.
    pub fn parted_unheard(&mut self, host: u32, other: u32) {
        self.crashes.parts(host, other);
    }

    /// A message or an operation has failed, because its context is over.
    pub fn gave_up(
        &mut self,
        now: Time,
        traffic: &Traffic,
        message: MessageId,
        reason: PeerFailure,
    ) {
        let spec = traffic.spec_of(message);
        let verdict = self.closing.failed(message, (spec.src, spec.dst), reason);
        self.log.verdict(Checker::Closing, now, verdict);
    }

    /// Whether any host has crashed, or closed another: what was sent before then is in nobody's books.
    pub fn saw_crashes(&self) -> bool {
        self.crashes.any()
    }

    /// Whether a crash is reason enough for what goes on with `other` to fail at `host`.
    pub fn excuse(&self, host: u32, other: u32) -> bool {
        self.crashes.excuse(host, other)
    }
}
