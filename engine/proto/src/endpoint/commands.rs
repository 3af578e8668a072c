//! What the user asks for.

use super::Endpoint;
use crate::boundary::PeerFailure;
use crate::error::{AddPeerError, RecvError, SendError};
use crate::ids::{BufferId, BufferRange, CompletionLevel, PeerId, Service, Token};
use crate::message::{OutMessage, PostedRecv};
use crate::time::Instant;
use crate::wire::Op;

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendRequest {
    /// Handed back in the completion.
    pub token: Token,
    /// How to carry it.
    pub service: Service,
    /// What to send; it must stay readable until the completion.
    pub range: BufferRange,
    /// When it is complete. UD completes when it is sent.
    pub level: CompletionLevel,
    /// 64 bits that the receive's completion tells.
    pub immediate: Option<u64>,
}

/// A buffer for one message, from any peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvRequest {
    /// Handed back in the completion.
    pub token: Token,
    /// Where to place the message; it must stay writable until the completion.
    pub buffer: BufferId,
    /// Its size, in bytes.
    pub len: u64,
}

/// The longest message: its length and offsets are safe from overflow wherever they are added.
pub const MAX_MESSAGE_BYTES: u64 = 1 << 48;

impl Endpoint {
    /// Adds a peer. Nothing is sent before the first message to it.
    pub fn add_peer(&mut self, now: Instant) -> Result<PeerId, AddPeerError> {
        let limit = self.shared.config.max_peers;
        self.begin_peer(now).ok_or(AddPeerError::TooManyPeers { limit })
    }

    /// Removes a peer. Everything pending with it completes with an error, and its id may come to
    /// mean another peer.
    pub fn remove_peer(&mut self, now: Instant, peer: PeerId) {
        if self.peers.contains(peer.0 as usize) {
            self.end_context(now, peer.0, PeerFailure::Closed);
            self.forget_peer(now, peer.0);
        }
    }

    /// Submits a message. An [`Event::SendCompleted`](crate::Event) follows.
    pub fn send(
        &mut self,
        now: Instant,
        peer: PeerId,
        request: SendRequest,
    ) -> Result<(), SendError> {
        let limit = self.shared.config.max_pending_messages;
        let SendRequest { token, service, range, level, immediate } = request;
        let Some(to) = self.peers.get_mut(peer.0 as usize) else {
            return Err(SendError::UnknownPeer);
        };
        if service == Service::Ud && range.len > to.sender.mtu().into() {
            return Err(SendError::TooLongForUd { max_bytes: to.sender.mtu().into() });
        }
        if service == Service::Ud && level == CompletionLevel::Delivered {
            return Err(SendError::NoReport { service });
        }
        if range.len > MAX_MESSAGE_BYTES {
            return Err(SendError::TooLong { max_bytes: MAX_MESSAGE_BYTES });
        }
        if self.shared.messages.len() >= limit as usize {
            return Err(SendError::TooManyPending { limit });
        }
        let message = OutMessage::new(peer, Some(token), service, Op::Send);
        let message = OutMessage { range, level, immediate, ..message };
        to.sender.submit(&mut self.shared, message);
        self.shared.pending_sends += 1;
        to.touch(now, &self.shared.times);
        self.mark(peer.0);
        Ok(())
    }

    /// Posts a receive. An [`Event::RecvCompleted`](crate::Event) follows once a message has been
    /// placed in it, or an [`Event::RecvCancelled`](crate::Event).
    pub fn post_recv(&mut self, now: Instant, request: RecvRequest) -> Result<(), RecvError> {
        let limit = self.shared.config.max_posted_receives;
        if self.posted_receives() >= limit as usize {
            return Err(RecvError::TooManyPosted { limit });
        }
        let RecvRequest { token, buffer, len } = request;
        self.matcher.post(PostedRecv::new(token, buffer, len), &self.shared);
        self.pair_unexpected(now);
        self.look_for_room();
        Ok(())
    }

    /// Takes a posted receive back. `false` if there is none, or a message is arriving in it
    /// already. One for several messages takes no more, and is over when those in it are complete.
    pub fn cancel_recv(&mut self, token: Token) -> bool {
        let Self { matcher, shared, .. } = self;
        let cancelled = matcher.cancel(token, shared).or_else(|| matcher.tags.cancel(token));
        if let Some(recv) = &cancelled {
            shared.receive_cancelled(recv);
        }
        cancelled.is_some()
    }
}
