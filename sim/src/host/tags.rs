//! Tagged messages: receives for them are posted, and they are matched.

use std::collections::BTreeMap;

use usrd_proto::{
    BufferId, BufferRange, PeerId, RecvError, RecvFailure, TagFilter, TaggedRecv, TaggedSend, Token,
};

use super::{Host, Transport};
use crate::check::{Checker, send_base};
use crate::event::Event;
use crate::memory::{immediate_of, message_buffer};
use crate::tags::{Pattern, has_wildcard, posted_after, tag_of};
use crate::time::Time;
use crate::traffic::MessageId;
use crate::workload::{FlowSpec, OperationKey};
use crate::world::World;

/// The receives that are for one message only, by its tag.
pub(super) type ExactReceives = BTreeMap<u64, u32>;

impl<T: Transport> Host<T> {
    /// Hands a tagged message to the endpoint. Its receiver learns out of band that it will come.
    pub(super) fn send_tagged(
        &mut self,
        world: &mut World,
        peer: PeerId,
        message: MessageId,
        spec: &FlowSpec,
    ) -> Result<(), String> {
        let (flow, index) = (world.traffic.flow_of(message), world.traffic.index_of(message));
        let range = BufferRange {
            buffer: message_buffer(message),
            offset: send_base(message),
            len: spec.size,
        };
        let request = TaggedSend {
            token: Token(message.into()),
            range,
            level: world.options.level,
            tag: tag_of(flow, index),
            immediate: spec.operation.immediate.then(|| immediate_of(message)),
        };
        world.checkers.submitted_tagged(&world.traffic, message);
        let at = world.now + posted_after(message, world.options.round_trip);
        world.queue.schedule(at, Event::Expect { host: spec.dst, message });
        let core = self.transport.core_mut().ok_or("its transport has no tags")?;
        let sent = core.send_tagged(self.clock.reads(world.now), peer, request);
        sent.map_err(|error| error.to_string())
    }

    /// A message will come, or has come: its receive is posted.
    pub fn expect(&mut self, world: &mut World, message: MessageId) {
        if !self.is_down() {
            self.post_tagged_of(world, message);
            self.turn(world);
        }
    }

    /// It is up again: the receives of what may still come.
    pub(super) fn expect_tagged_again(&mut self, world: &mut World) {
        for message in world.traffic.under_way(self.id) {
            let spec = world.traffic.spec_of(message);
            if spec.dst == self.id && spec.operation.kind == OperationKey::Tagged {
                self.post_tagged_of(world, message);
            }
        }
    }

    fn post_tagged_of(&mut self, world: &mut World, message: MessageId) {
        let (flow, index) = (world.traffic.flow_of(message), world.traffic.index_of(message));
        let from = world.traffic.spec_of(message).src;
        if has_wildcard(message) {
            self.post_tagged(world, Pattern::ANY);
        }
        self.post_tagged(world, Pattern::of(flow, index, from));
    }

    fn post_tagged(&mut self, world: &mut World, pattern: Pattern) {
        // A host that has not been heard of is no peer yet.
        let peer = pattern.from.and_then(|from| self.peers.of(from));
        let pattern = Pattern { from: pattern.from.filter(|_| peer.is_some()), ..pattern };
        let number = self.receives.open_one();
        let filter = TagFilter::new(pattern.tag, pattern.mask, peer);
        if pattern.is_exact() {
            self.exact.insert(pattern.tag, number);
        }
        let many = world.options.many;
        world.checkers.posted_tagged((self.id, number), pattern, many.is_some());
        let posted = match many {
            Some(many) => self.post_shared(world, number, many, Some(filter)),
            None => self.post_tagged_one(world.now, number, filter),
        };
        if let Err(error) = posted {
            world.checkers.report(Checker::Host, world.now, error);
        }
    }

    fn post_tagged_one(
        &mut self,
        now: Time,
        number: u32,
        filter: TagFilter,
    ) -> Result<(), RecvError> {
        let (token, buffer) = (Token(number.into()), BufferId(number));
        let request = TaggedRecv { token, buffer, len: self.receives.len, filter };
        let now = self.clock.reads(now);
        self.transport.core_mut().map_or(Ok(()), |core| core.post_tagged(now, request))
    }

    /// A receive for tagged messages is over, or has one more.
    pub(super) fn received_tagged(
        &mut self,
        world: &mut World,
        (token, offset): (Token, u64),
        (peer, len): (PeerId, u64),
        (tag, immediate): (u64, Option<u64>),
        result: Result<(), RecvFailure>,
    ) {
        let number = token.0 as u32;
        let from = self.peers.host_of(peer);
        let is_shared = world.options.many.is_some();
        let message = self.receives.message_at(number, offset);
        match (message, result) {
            (Some(message), Ok(())) => {
                let told = (from, tag, immediate);
                let receive = (self.id, number);
                world.checkers.received_tagged(world.now, &world.traffic, message, receive, told);
            }
            _ if is_shared => {}
            _ => world.checkers.unposted_tagged(self.id, number),
        }
        self.take_back_own(world, tag, number);
        // Of one that fails nothing need have come to its place.
        if let (Some(buffer), None, Err(_)) = (self.receives.get(number), message, result)
            && let Some(message) = message_of_tag(world, tag)
        {
            buffer.hold(offset, message);
        }
        if result == Err(RecvFailure::Withdrawn) && is_withdrawn(world, tag) {
            self.receives.complete(token, offset);
            return;
        }
        self.received(world, (token, offset), peer, len, result);
    }

    /// A message that has come with another receive than its own, which was for it alone, leaves that one
    /// to wait in vain; so does one that has come with its own, if that is for several.
    fn take_back_own(&mut self, world: &mut World, tag: u64, number: u32) {
        let Some(own) = self.exact.remove(&tag) else { return };
        if own != number || world.options.many.is_some() {
            self.take_back(world, self.receives.token(own));
        }
    }

    /// A receive was taken back.
    pub(super) fn unposted(&mut self, world: &mut World, token: Token) {
        let number = token.0 as u32;
        world.checkers.unposted_tagged(self.id, number);
        if self.receives.close(number).is_none() {
            let what =
                format!("host {}: receive {number} was taken back, and is not open", self.id);
            world.checkers.report(Checker::Host, world.now, what);
        }
    }
}

/// The message with this tag, if there is one.
fn message_of_tag(world: &World, tag: u64) -> Option<MessageId> {
    let flow = world.traffic.flows().get((tag >> 32) as usize)?;
    let is_there = (tag as u32) < flow.spec.messages;
    is_there.then_some(flow.first_message + tag as u32)
}

/// Whether the message with this tag was taken back.
fn is_withdrawn(world: &World, tag: u64) -> bool {
    message_of_tag(world, tag).is_some_and(|message| world.traffic.is_excused(message))
}
