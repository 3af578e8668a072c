//! Tagged messages: receives for them are posted, and they are matched.

use std::collections::BTreeMap;

use usrd_proto::{
    BufferId, BufferRange, PeerId, RecvFailure, TagFilter, TaggedRecv, TaggedSend, Token,
};

use super::{Host, Transport};
use crate::check::{Checker, send_base};
use crate::event::Event;
use crate::memory::{immediate_of, message_buffer};
use crate::tags::{Pattern, has_wildcard, posted_after, tag_of};
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
        let request = TaggedRecv {
            token: Token(number.into()),
            buffer: BufferId(number),
            len: self.receives.len,
            filter: TagFilter::new(pattern.tag, pattern.mask, peer),
        };
        if pattern.is_exact() {
            self.exact.insert(pattern.tag, number);
        }
        world.checkers.posted_tagged(self.id, number, pattern);
        let Some(core) = self.transport.core_mut() else { return };
        if let Err(error) = core.post_tagged(self.clock.reads(world.now), request) {
            world.checkers.report(Checker::Host, world.now, error);
        }
    }

    /// A receive for tagged messages is over.
    pub(super) fn received_tagged(
        &mut self,
        world: &mut World,
        token: Token,
        (peer, len): (PeerId, u64),
        (tag, immediate): (u64, Option<u64>),
        result: Result<(), RecvFailure>,
    ) {
        let number = token.0 as u32;
        let from = self.peers.host_of(peer);
        let message = self.receives.get(number).and_then(|buffer| buffer.message);
        match (message, result) {
            (Some(message), Ok(())) => {
                let told = (from, tag, immediate);
                let receive = (self.id, number);
                world.checkers.received_tagged(world.now, &world.traffic, message, receive, told);
            }
            _ => world.checkers.unposted_tagged(self.id, number),
        }
        self.take_back_other(tag, number);
        // Of one that fails nothing need have come to its place.
        if let (Some(buffer), None, Err(_)) = (self.receives.get(number), message, result) {
            buffer.message = message_of_tag(world, tag);
        }
        if result == Err(RecvFailure::Withdrawn) && is_withdrawn(world, tag) {
            self.receives.close(number);
            return;
        }
        self.received(world, token, peer, len, result);
    }

    /// A message that has come with another receive than its own, which was for it alone, leaves that one
    /// to wait in vain.
    fn take_back_other(&mut self, tag: u64, number: u32) {
        let Some(own) = self.exact.remove(&tag) else { return };
        if own != number
            && let Some(core) = self.transport.core_mut()
        {
            core.cancel_recv(Token(own.into()));
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
