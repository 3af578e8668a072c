//! Which receive a message gets, and what happens to a message that comes before its receive.

use alloc::collections::VecDeque;

use slab::Slab;

use super::{InMessage, TagMatcher};
use crate::ids::{BounceId, BufferId, Token};
use crate::shared::Shared;

/// A receive that was posted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PostedRecv {
    pub token: Token,
    pub buffer: BufferId,
    /// Where it begins in the buffer, in bytes.
    pub offset: u64,
    /// Its size, in bytes.
    pub len: u64,
    /// Key of the [`MultiRecv`](super::MultiRecv) that it is, or is a part of, if it is.
    pub multi: u32,
}

/// It is for one message.
pub(crate) const NO_MULTI: u32 = u32::MAX;

impl PostedRecv {
    /// A receive for one message.
    pub(crate) fn new(token: Token, buffer: BufferId, len: u64) -> Self {
        Self { token, buffer, offset: 0, len, multi: NO_MULTI }
    }
}

/// What a receive adds to the room for messages: no more than any window, so that sums cannot overflow.
fn counted_bytes(room_bytes: u64) -> u64 {
    room_bytes.min(1 << 40)
}

/// What a message is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Match {
    /// A posted receive.
    Posted(PostedRecv),
    /// Bounce memory.
    Bounce(BounceId),
}

/// The posted receives, the bounce budget, and the messages that wait for a receive.
///
/// Receives are taken in the order in which they were posted; unexpected messages in the order in
/// which they came.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// Messages with tags, and receives for them.
    pub tags: TagMatcher,
    posted: VecDeque<PostedRecv>,
    /// Keys of messages in bounce memory that no receive has claimed.
    unexpected: VecDeque<u32>,
    /// What each piece of bounce memory counts against the budget, in bytes.
    bounces: Slab<u64>,
    free_bytes: u64,
    all_bytes: u64,
    /// What the posted receives can hold, in bytes.
    posted_bytes: u64,
}

impl Matcher {
    pub(crate) fn new(bounce_bytes: u64) -> Self {
        Self {
            tags: TagMatcher::new(),
            posted: VecDeque::new(),
            unexpected: VecDeque::new(),
            bounces: Slab::new(),
            free_bytes: bounce_bytes,
            all_bytes: bounce_bytes,
            posted_bytes: 0,
        }
    }

    /// How many receives wait for a message.
    pub(crate) fn posted(&self) -> usize {
        self.posted.len()
    }

    /// What they can hold, in bytes.
    pub(crate) fn posted_bytes(&self) -> u64 {
        self.posted_bytes
    }

    /// How much bounce memory is left, in bytes.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.free_bytes
    }

    /// A receive for a message, in order of posting, or a part of one.
    #[inline]
    pub(crate) fn take_posted(
        &mut self,
        message_len: u64,
        shared: &mut Shared,
    ) -> Option<PostedRecv> {
        let recv = *self.posted.front()?;
        if recv.multi != NO_MULTI {
            return self.take_part(message_len, shared);
        }
        self.posted.pop_front();
        self.posted_bytes -= counted_bytes(recv.len);
        Some(recv)
    }

    /// The same, where the next receive is for several messages.
    #[inline(never)]
    fn take_part(&mut self, message_len: u64, shared: &mut Shared) -> Option<PostedRecv> {
        loop {
            let recv = *self.posted.front()?;
            self.posted_bytes -= counted_bytes(shared.room_of(&recv));
            let (piece, is_used_up) = shared.take_of(recv, message_len);
            if is_used_up {
                self.posted.pop_front();
            } else {
                self.posted_bytes += counted_bytes(shared.room_of(&recv));
            }
            if piece.is_some() {
                return piece;
            }
        }
    }

    /// What a message in bounce memory counts against the budget, in bytes.
    pub(crate) fn cost_of(&self, total_len: u64) -> u64 {
        total_len.saturating_add(BOUNCE_OVERHEAD_BYTES)
    }

    /// Bounce memory for a message, if the budget has room beside what is kept for others.
    pub(crate) fn take_bounce(&mut self, total_len: u64, kept_bytes: u64) -> Option<BounceId> {
        let cost = self.cost_of(total_len);
        self.free_bytes.checked_sub(kept_bytes)?.checked_sub(cost)?;
        self.free_bytes -= cost;
        Some(BounceId(self.bounces.insert(cost) as u32))
    }

    /// What is kept for records of tagged messages, so that those of which the bytes find no room can
    /// be announced instead. Rule G4.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.all_bytes / 8
    }

    /// Whether the budget has room for a message once nothing else has a part of it.
    pub(crate) fn can_ever_hold(&self, total_len: u64) -> bool {
        self.cost_of(total_len) <= self.all_bytes
    }

    /// Bounce memory is not needed any more. Its name stays taken until the driver has heard of it:
    /// see [`forget_bounce`](Self::forget_bounce).
    pub(crate) fn free_bounce(&mut self, id: BounceId) {
        self.free_bytes += core::mem::take(&mut self.bounces[id.0 as usize]);
    }

    /// The driver has been told: the name may come to mean another message's memory.
    pub(crate) fn forget_bounce(&mut self, id: BounceId) {
        self.bounces.remove(id.0 as usize);
    }

    /// A message waits in bounce memory for a receive.
    pub(crate) fn push_unexpected(&mut self, message: u32) {
        self.unexpected.push_back(message);
    }

    /// A waiting message is gone.
    pub(crate) fn remove_unexpected(&mut self, message: u32) {
        self.unexpected.retain(|&key| key != message);
    }

    /// The message that has waited longest, and the receive that has: if there are both.
    pub(crate) fn pair(
        &mut self,
        inbound: &Slab<InMessage>,
        shared: &mut Shared,
    ) -> Option<(u32, PostedRecv)> {
        let message = *self.unexpected.front()?;
        let recv = self.take_posted(inbound[message as usize].total_len, shared)?;
        self.unexpected.pop_front();
        Some((message, recv))
    }

    /// Takes up a receive.
    pub(crate) fn post(&mut self, recv: PostedRecv, shared: &Shared) {
        self.posted_bytes += counted_bytes(shared.room_of(&recv));
        self.posted.push_back(recv);
    }

    /// Takes up a receive that was given a message in vain: it is next. A part of a shared one goes
    /// back to it.
    pub(crate) fn post_again(&mut self, recv: PostedRecv, shared: &mut Shared) {
        let before_bytes = counted_bytes(shared.room_of(&recv));
        if shared.put_back(&recv) {
            let after_bytes = counted_bytes(shared.room_of(&recv));
            self.posted_bytes += after_bytes - before_bytes;
        } else {
            self.posted_bytes += before_bytes;
            self.posted.push_front(recv);
        }
    }

    /// Takes a receive back that no message has been given.
    pub(crate) fn cancel(&mut self, token: Token, shared: &Shared) -> Option<PostedRecv> {
        let at = self.posted.iter().position(|recv| recv.token == token)?;
        let recv = self.posted.remove(at)?;
        self.posted_bytes -= counted_bytes(shared.room_of(&recv));
        Some(recv)
    }
}

/// What an unexpected message costs beside its bytes, so that empty ones are bounded, too: about
/// what its record and the driver's bookkeeping take.
const BOUNCE_OVERHEAD_BYTES: u64 = 256;
