//! What the checkers are told of operations on memory, and of tags.

use usrd_proto::{AtomicOp, CompletionLevel, Refusal, TransferFailure};

use super::{Checker, Checkers, Claim, Piece, integrity, liveness};
use crate::memory::{Areas, Scatter, Spot, immediate_of};
use crate::tags::Pattern;
use crate::time::Time;
use crate::traffic::{MessageId, Traffic};
use crate::workload::OperationKey;

/// A piece of payload that came to its place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The operation.
    pub message: MessageId,
    /// The host where it was placed.
    pub host: u32,
    /// Where in the operation's bytes it is.
    pub at: u64,
    /// How much was placed, in bytes.
    pub len: u64,
    /// How much the packet had, in bytes.
    pub source_len: u64,
    /// Where in the destination's region it went to, or came from; `None` if no slot is there.
    pub spot: Option<Spot>,
}

impl Checkers {
    /// A host's region is registered.
    pub fn registered(&mut self, registration: u32, host: u32) {
        self.revocation.registered(registration, host);
    }

    /// A host has taken a region back: from now on nothing is let in.
    pub fn revoked(&mut self, registration: u32) {
        self.revocation.revoked(registration);
    }

    /// A region that was taken back is given back: from now on nothing is placed in it.
    pub fn released(&mut self, now: Time, registration: u32) {
        let verdict = self.revocation.released(registration);
        self.log.verdict(Checker::Revocation, now, verdict);
    }

    /// A host's endpoint lets something into a region.
    pub fn accepted(&mut self, now: Time, host: u32, registration: u32) {
        let verdict = self.revocation.accepted(host, registration);
        self.log.verdict(Checker::Revocation, now, verdict);
    }

    /// Something is placed in a region, or read from it.
    #[inline]
    pub fn touched(&mut self, now: Time, registration: u32) {
        self.log.verdict(Checker::Revocation, now, self.revocation.touched(registration));
    }

    /// A host has lost its memory.
    pub fn memory_lost(&mut self, host: u32) {
        self.revocation.lost(host);
        self.atomics.lost(host);
        self.matching.lost(host);
        self.shared.lost(host);
    }

    /// An operation is handed over that names this region.
    pub fn operates(&mut self, message: MessageId, registration: u32) {
        self.revocation.operates(message, registration);
    }

    /// An operation is lost with the host that asked for it.
    pub fn forgotten(&mut self, message: MessageId) {
        self.revocation.over(message);
    }

    /// An atomic is handed over.
    pub fn asked(&mut self, message: MessageId, op: AtomicOp) {
        self.atomics.asked(message, op);
    }

    /// A host has performed an atomic: (where, what, the value before). Says which it was.
    pub fn performed(
        &mut self,
        now: Time,
        traffic: &Traffic,
        host: u32,
        (offset, op, old): (u64, AtomicOp, u64),
    ) -> Option<MessageId> {
        match self.atomics.performed(host, (offset, op, old)) {
            Ok(message) => {
                let spec = traffic.spec_of(message);
                let is_there = Areas::word(spec.operation.kind) == offset;
                let is_right = spec.dst == host && is_there && spec.operation.kind.is_atomic();
                let verdict = match is_right {
                    true => self.exactly_once.carried_out(message),
                    false => Err(format!("message {message} was performed at {offset} of {host}")),
                };
                self.log.verdict(Checker::Atomics, now, verdict);
                self.log.verdict(Checker::Outcome, now, self.outcomes.done(message));
                is_right.then_some(message)
            }
            Err(what) => {
                self.report(Checker::Atomics, now, what);
                None
            }
        }
    }

    /// A piece came to its place in memory. Says whether that is where it belongs.
    pub fn landed(
        &mut self,
        now: Time,
        traffic: &Traffic,
        areas: &Areas,
        landing: &Landing,
    ) -> bool {
        let &Landing { message, host, at, len, source_len, spot } = landing;
        let (spec, flow) = (traffic.spec_of(message), traffic.flow_of(message));
        let scatter = Scatter::new(spec, message);
        let expected = areas.spot(flow, traffic.index_of(message), scatter.remote(at));
        let is_right = spec.operation.kind.is_transfer()
            && spot == Some(expected)
            && len == source_len
            && scatter.is_in_one(at, len);
        if !is_right {
            let what = format!("{landing:?} should be at {expected:?}");
            self.report(Checker::Integrity, now, what);
            return false;
        }
        let source_offset = super::send_base(message) + at;
        let piece = Piece { message, host, held: None, source_offset, source_len, offset: at, len };
        self.placed(now, traffic, &piece);
        if spec.operation.kind == OperationKey::Write {
            let verdict = self.overwrite.placed(areas.slot_number(expected), message);
            self.log.verdict(Checker::Overwrite, now, verdict);
        }
        true
    }

    /// All bytes of a transfer are where they were to go; `bytes` are what lies there, if they are carried.
    pub fn moved(
        &mut self,
        now: Time,
        traffic: &Traffic,
        message: MessageId,
        bytes: Option<&[u8]>,
    ) {
        let spec = traffic.spec_of(message);
        self.log.verdict(Checker::Outcome, now, self.outcomes.done(message));
        let verdict = self.exactly_once.delivered(spec, message);
        self.log.verdict(Checker::ExactlyOnce, now, verdict);
        if let (true, Some(bytes)) = (self.carries_bytes, bytes) {
            let verdict = integrity::check_moved(spec, message, bytes);
            self.log.verdict(Checker::Integrity, now, verdict);
        }
    }

    /// A host was told of an operation on its memory: (from, at, how many bytes).
    pub fn told(
        &mut self,
        now: Time,
        traffic: &Traffic,
        message: MessageId,
        (from, at, len): (u32, u32, u64),
    ) {
        let spec = traffic.spec_of(message);
        self.log.verdict(Checker::Outcome, now, self.outcomes.done(message));
        let is_whole = self.exactly_once.is_whole(spec, message);
        let verdict = self.immediates.told(spec, message, (from, at, len), is_whole);
        self.log.verdict(Checker::Immediate, now, verdict);
    }

    /// A message is in its receive, which tells what came along with it.
    pub fn received_along(
        &mut self,
        now: Time,
        traffic: &Traffic,
        message: MessageId,
        immediate: Option<u64>,
    ) {
        let expected = traffic.spec_of(message).operation.immediate.then(|| immediate_of(message));
        if immediate != expected {
            let what = format!("message {message} came with {immediate:?}, not with {expected:?}");
            self.report(Checker::Immediate, now, what);
        }
    }

    /// An operation was refused. Says whether that is right.
    pub fn refused(&mut self, now: Time, message: MessageId, refusal: Refusal) -> bool {
        let verdict = self.revocation.refused(message, refusal);
        let is_right = verdict.is_ok();
        self.log.verdict(Checker::Revocation, now, verdict);
        self.log.verdict(Checker::Immediate, now, self.immediates.refused(message));
        self.log.verdict(Checker::Atomics, now, self.atomics.refused(message));
        is_right
    }

    /// A tagged message is handed over.
    pub fn submitted_tagged(&mut self, traffic: &Traffic, message: MessageId) {
        self.matching.submitted(traffic, message);
    }

    /// A host posts a receive, (host, token), for tagged messages; for several, if it `is_shared`.
    pub fn posted_tagged(&mut self, (host, token): (u32, u32), pattern: Pattern, is_shared: bool) {
        self.matching.posted(host, token, pattern, is_shared);
    }

    /// Such a receive is over without a message, or without another.
    pub fn unposted_tagged(&mut self, host: u32, token: u32) {
        self.matching.unposted(host, token);
    }

    /// Such a receive, (host, token), is over with a message: (from, tag, immediate).
    pub fn received_tagged(
        &mut self,
        now: Time,
        traffic: &Traffic,
        message: MessageId,
        receive: (u32, u32),
        told: (u32, u64, Option<u64>),
    ) {
        let verdict = self.matching.received(traffic, message, receive, told);
        self.log.verdict(Checker::Matching, now, verdict);
    }

    /// An operation was taken back.
    pub fn cancelled(&mut self) {
        self.saw_cancels = true;
    }

    /// An operation is over, and its end claims something.
    pub(super) fn ended(&mut self, now: Time, message: MessageId, claim: Option<Claim>) {
        if let Some(claim) = claim {
            let (placed_bytes, is_done) = self.exactly_once.progress(message);
            let verdict = self.outcomes.ended(message, claim, placed_bytes, is_done);
            self.log.verdict(Checker::Outcome, now, verdict);
        }
    }

    /// An operation is over: how it ended, and what *complete* was to mean; `excused` if there is reason
    /// enough for it to fail.
    pub fn transferred(
        &mut self,
        now: Time,
        traffic: &Traffic,
        message: MessageId,
        (result, level): (Result<u64, TransferFailure>, CompletionLevel),
        excused: bool,
    ) {
        self.revocation.over(message);
        self.ended(now, message, result.err().and_then(Claim::of_transfer));
        let verdict = self.exactly_once.completed(message);
        self.log.verdict(Checker::ExactlyOnce, now, verdict);
        let spec = traffic.spec_of(message);
        let value = match result {
            Ok(value) => value,
            Err(_) if excused => return,
            Err(failure) => {
                let verdict = liveness::check_send(message, Err(failure));
                return self.log.verdict(Checker::Liveness, now, verdict);
            }
        };
        // A crash since then may have taken away what had been placed.
        if excused {
            return;
        }
        if spec.operation.kind.is_atomic() {
            let verdict = self.atomics.completed(message, value);
            self.log.verdict(Checker::Atomics, now, verdict);
        } else if spec.pulls() || level == CompletionLevel::Delivered {
            let verdict = self.exactly_once.in_place(spec, message);
            self.log.verdict(Checker::ExactlyOnce, now, verdict);
            // That a READ is acknowledged, and its note perhaps not placed yet, is all that it says.
            if !(spec.pulls() && self.sends_notes) {
                let verdict = self.immediates.promised(spec, message);
                self.log.verdict(Checker::Immediate, now, verdict);
            }
        }
    }
}
