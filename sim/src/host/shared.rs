//! Receives for several messages, which share a buffer. How much room each has, and with how much of it
//! left it is of no more use, differs from one to the next; some are taken back with messages in them.

use std::num::NonZeroU32;

use usrd_proto::{BufferId, MultiRecvRequest, RecvError, RecvFailure, TagFilter, Token};

use super::{Host, Transport};
use crate::check::{Checker, Room};
use crate::traffic::MessageId;
use crate::world::World;

/// The messages in a buffer that several share.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    token: Token,
    begun: Vec<Share>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    base: u64,
    message: MessageId,
    is_told: bool,
}

impl Shares {
    pub(super) const fn new(token: Token) -> Self {
        Self { token, begun: Vec::new() }
    }

    pub(super) const fn token(&self) -> Token {
        self.token
    }

    /// Whose range begins there, if its end has not been told.
    pub(super) fn message_at(&self, base: u64) -> Option<MessageId> {
        let share = self.begun.iter().rev().find(|it| it.base == base && !it.is_told);
        share.map(|it| it.message)
    }

    /// A message has a range from there on; says whether that is news.
    pub(super) fn begin(&mut self, base: u64, message: MessageId) -> bool {
        let is_new = self.message_at(base) != Some(message);
        if is_new {
            self.begun.push(Share { base, message, is_told: false });
        }
        is_new
    }

    /// The end of the message there was told. Its bytes stay.
    pub(super) fn tell(&mut self, base: u64) {
        let mut begun = self.begun.iter_mut().rev();
        if let Some(share) = begun.find(|it| it.base == base && !it.is_told) {
            share.is_told = true;
        }
    }
}

impl<T: Transport> Host<T> {
    /// Posts a buffer for up to `many` messages: of these, or without a tag.
    pub(super) fn post_shared(
        &mut self,
        world: &mut World,
        number: u32,
        many: NonZeroU32,
        filter: Option<TagFilter>,
    ) -> Result<(), RecvError> {
        let posting = self.postings;
        self.postings += 1;
        let largest = self.receives.len;
        let len = largest * u64::from(1 + posting % many);
        let min_left = [0, largest / 4, largest][posting as usize % 3];
        let token = Token(u64::from(posting) << 32 | u64::from(number));
        self.receives.share(number, token);
        let room = Room { len, min_left, largest, messages: many.get() };
        world.checkers.posted_shared((self.id, token.0), room);
        let buffer = BufferId(number);
        let request = MultiRecvRequest { token, buffer, len, min_left, max_messages: many, filter };
        let now = self.clock.reads(world.now);
        self.transport.core_mut().map_or(Ok(()), |core| core.post_multi(now, request))
    }

    /// A message in a shared buffer is over. Some of the buffers have taken enough then.
    pub(super) fn told_of_share(
        &mut self,
        world: &mut World,
        token: Token,
        place: (Option<MessageId>, u64),
        result: Result<(), RecvFailure>,
    ) {
        if result.is_ok() {
            world.checkers.told_in_shared(world.now, (self.id, token.0), place);
        }
        if token.0 >> 32 & 7 == 5 {
            self.take_back(world, token);
        }
    }

    /// Takes a receive back, unless it is over or full.
    pub(super) fn take_back(&mut self, world: &mut World, token: Token) {
        let Some(core) = self.transport.core_mut() else { return };
        if core.cancel_recv(token) && world.options.many.is_some() {
            world.checkers.took_back((self.id, token.0));
        }
    }

    /// No more messages come to a shared buffer.
    pub(super) fn share_over(&mut self, world: &mut World, token: Token, cancelled: bool) {
        world.checkers.shared_over(world.now, &world.traffic, (self.id, token.0), cancelled);
        let number = token.0 as u32;
        if self.receives.token(number) != token {
            let what = format!("host {}: {token:?} is over, and is not open", self.id);
            return world.checkers.report(Checker::Host, world.now, what);
        }
        world.checkers.unposted_tagged(self.id, number);
        self.receives.close(number);
        self.post_receives(world);
    }
}
