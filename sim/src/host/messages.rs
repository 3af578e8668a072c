//! Messages are sent and received.

use usrd_proto::{
    BufferId, BufferRange, CompletionLevel, PeerId, RecvError, RecvFailure, RecvRequest,
    SendFailure, SendRequest, Service, Token,
};

use super::{Host, Transport};
use crate::check::{Checker, send_base};
use crate::digest::Kind;
use crate::memory::{immediate_of, message_buffer};
use crate::time::Time;
use crate::traffic::MessageId;
use crate::workload::FlowSpec;
use crate::world::World;

impl<T: Transport> Host<T> {
    /// Hands a message to the endpoint.
    pub(super) fn send(
        &mut self,
        world: &World,
        peer: PeerId,
        message: MessageId,
        spec: &FlowSpec,
    ) -> Result<(), String> {
        let service = Service::from(spec.service);
        let range = BufferRange {
            buffer: message_buffer(message),
            offset: send_base(message),
            len: spec.size,
        };
        let level = match service {
            Service::Ud => CompletionLevel::Acknowledged,
            Service::Srd | Service::Rd => world.options.level,
        };
        let token = Token(message.into());
        let immediate = spec.operation.immediate.then(|| immediate_of(message));
        let request = SendRequest { token, service, range, level, immediate };
        let sent = self.transport.send(self.clock.reads(world.now), peer, request);
        sent.map_err(|error| error.to_string())
    }

    pub(super) fn sent(
        &mut self,
        world: &mut World,
        token: Token,
        result: Result<(), SendFailure>,
    ) {
        let message = token.0 as MessageId;
        world.observer.message(world.now, Kind::Sent, self.id, message);
        if result.is_err() && world.checkers.excuse(self.id, world.traffic.spec_of(message).dst) {
            world.excuse(message);
        }
        if let Err(SendFailure::NotSent(reason) | SendFailure::Unknown(reason)) = result {
            world.checkers.gave_up(world.now, &world.traffic, message, reason);
        }
        let excused = world.traffic.is_excused(message);
        world.checkers.sent(world.now, message, result, excused);
        world.message_sent(message, result.is_ok());
        self.submit(world, world.traffic.flow_of(message));
    }

    /// What came along with a message that is whole.
    pub(super) fn received_along(
        &mut self,
        world: &mut World,
        (token, offset): (Token, u64),
        immediate: Option<u64>,
        result: Result<(), RecvFailure>,
    ) {
        let message = self.receives.message_at(token.0 as u32, offset);
        if let (Some(message), Ok(())) = (message, result) {
            world.checkers.received_along(world.now, &world.traffic, message, immediate);
        }
    }

    pub(super) fn received(
        &mut self,
        world: &mut World,
        (token, offset): (Token, u64),
        peer: PeerId,
        len: u64,
        result: Result<(), RecvFailure>,
    ) {
        let from = self.peers.host_of(peer);
        let Some((message, bytes)) = self.receives.complete(token, offset) else {
            let unknown = format!("host {}: no receive is open as token {}", self.id, token.0);
            return world.checkers.report(Checker::Host, world.now, unknown);
        };
        let seen = message.unwrap_or(MessageId::MAX);
        world.observer.message(world.now, Kind::Received, self.id, seen);
        let delivered = (from, self.id, message, len);
        world.checkers.received(world.now, &world.traffic, delivered, bytes, result);
        let is_shared = world.options.many.is_some();
        if let (Some(message), Ok(())) = (message, result) {
            world.message_received(message);
        }
        if is_shared {
            self.told_of_share(world, token, (message, offset), result);
        }
        self.post_receives(world);
    }

    pub(super) fn post_receives(&mut self, world: &mut World) {
        while self.receives.open_ahead < self.receives_ahead && self.receives.unposted > 0 {
            let number = self.receives.post();
            let posted = match world.options.many {
                Some(many) => self.post_shared(world, number, many, None),
                None => self.post_one(world.now, number),
            };
            if let Err(error) = posted {
                return world.checkers.report(Checker::Host, world.now, error);
            }
        }
    }

    fn post_one(&mut self, now: Time, number: u32) -> Result<(), RecvError> {
        let (token, buffer) = (Token(number.into()), BufferId(number));
        let request = RecvRequest { token, buffer, len: self.receives.len };
        self.transport.post_recv(self.clock.reads(now), request)
    }
}
