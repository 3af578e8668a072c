//! Receives for several messages, which are placed one after the other. Rule M9.

use core::num::NonZeroU32;

use super::Endpoint;
use crate::error::RecvError;
use crate::ids::{BufferId, TagFilter, Token};
use crate::message::{MultiRecv, PostedRecv};
use crate::time::Instant;

/// A buffer for several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiRecvRequest {
    /// Handed back in every completion.
    pub token: Token,
    /// Where to place the messages; it must stay writable until the last event.
    pub buffer: BufferId,
    /// Its size, in bytes.
    pub len: u64,
    /// With less than this left, it takes no more messages.
    pub min_left: u64,
    /// The most messages that it takes.
    pub max_messages: NonZeroU32,
    /// Which messages it is for: these, or those without a tag.
    pub filter: Option<TagFilter>,
}

impl Endpoint {
    /// Posts a receive for several messages. An [`Event::RecvCompleted`](crate::Event), or
    /// [`TaggedCompleted`](crate::Event), follows for each of them, and an
    /// [`Event::MultiRecvOver`](crate::Event) when no more will.
    ///
    /// Messages are placed one after the other, in the order in which they are matched, each at a
    /// multiple of 64 bytes. One that does not fit into what is left ends the receive, and is matched
    /// with the next; one that is longer than all of the buffer has all of it, and is cut off.
    pub fn post_multi(&mut self, now: Instant, request: MultiRecvRequest) -> Result<(), RecvError> {
        let limit = self.shared.config.max_posted_receives;
        if self.posted_receives() >= limit as usize {
            return Err(RecvError::TooManyPosted { limit });
        }
        let MultiRecvRequest { token, buffer, len, min_left, max_messages, filter } = request;
        let of_peer = filter.and_then(|filter| filter.peer);
        if of_peer.is_some_and(|peer| !self.peers.contains(peer.0 as usize)) {
            return Err(RecvError::UnknownPeer);
        }
        let multi = MultiRecv::new(token, len, min_left, max_messages.get());
        let multi = self.shared.multis.insert(multi) as u32;
        let recv = PostedRecv { multi, ..PostedRecv::new(token, buffer, len) };
        match filter {
            None => {
                self.matcher.post(recv, &self.shared);
                self.pair_unexpected(now);
                self.look_for_room();
            }
            Some(filter) => self.post_multi_tagged(now, recv, filter),
        }
        Ok(())
    }

    /// Messages that wait come first.
    fn post_multi_tagged(&mut self, now: Instant, recv: PostedRecv, filter: TagFilter) {
        while let Some(message) = self.matcher.tags.peek_waiting(&filter) {
            let len = self.inbound[message as usize].total_len;
            let (piece, is_used_up) = self.shared.take_of(recv, len);
            if let Some(piece) = piece {
                self.matcher.tags.take_waiting(&filter);
                self.claim(now, message, piece);
            }
            if is_used_up {
                return;
            }
        }
        self.matcher.tags.post(recv, filter);
    }
}
