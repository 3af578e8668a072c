//! One endpoint, what its driver keeps, and what its user asks for.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use usrd_proto::wire::MAX_HEADER_BYTES;
use usrd_proto::{
    BufferId, BufferRange, Config, Endpoint, HeaderBuffer, InboundId, Instant, MultiRecvRequest,
    PeerId, RecvRequest, SendRequest, Service, TagFilter, TaggedRecv, TaggedSend, Token,
};

use super::memory::{Memory, Place};
use super::one_sided::Region;
use super::op::How;

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) service: Service,
    pub(crate) bytes: Vec<u8>,
    pub(crate) whole_len: u64,
    /// It came from the other endpoint, as this side knows it.
    pub(crate) from_other: bool,
}

/// A message that has not completed.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    /// The peer that stands for the other endpoint.
    pub(crate) other: Option<PeerId>,
    /// The peer that an attacker's address was given.
    pub(super) stranger: Option<PeerId>,
    /// What a peer that was removed is still told.
    pub(super) farewells: Vec<Vec<u8>>,
    pub(crate) place_later: bool,
    /// What the other endpoint may use.
    pub(crate) region: Option<Region>,
    pub(crate) memory: Memory,
    /// One-sided operations, with what they have to send.
    pub(crate) transfers: BTreeMap<u64, Vec<u8>>,
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) placing: Vec<(InboundId, Place)>,
    pub(crate) received: Vec<Received>,
    /// How often a context with the other endpoint has ended.
    pub(crate) contexts_ended: u32,
    pub(super) limits: Limits,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) peers: usize,
    pub(super) sends: usize,
    pub(super) paths: u16,
}

impl Node {
    pub(crate) fn new(config: Config) -> Self {
        let limits = Limits {
            peers: config.max_peers as usize,
            sends: config.max_pending_messages as usize,
            paths: config.paths,
        };
        Self {
            memory: Memory::new(config.bounce_bytes),
            endpoint: Endpoint::new(config).expect("a configuration that can work"),
            other: None,
            stranger: None,
            farewells: Vec::new(),
            place_later: false,
            region: None,
            transfers: BTreeMap::new(),
            sent: BTreeMap::new(),
            placing: Vec::new(),
            received: Vec::new(),
            contexts_ended: 0,
            limits,
        }
    }

    /// Submits a message to the other endpoint.
    pub(crate) fn send(&mut self, now: Instant, how: How, token: u64, bytes: Vec<u8>) {
        if let Some(peer) = self.peer(now) {
            self.send_to(now, peer, how, token, bytes);
        }
    }

    /// The peer that stands for the other endpoint, added if there is none.
    pub(crate) fn peer(&mut self, now: Instant) -> Option<PeerId> {
        if self.other.is_none() {
            self.other = self.endpoint.add_peer(now).ok();
        }
        self.other
    }

    pub(crate) fn send_to_nobody(&mut self, now: Instant, how: How, token: u64, bytes: Vec<u8>) {
        if let Ok(peer) = self.endpoint.add_peer(now) {
            self.send_to(now, peer, how, token, bytes);
        }
    }

    fn send_to(&mut self, now: Instant, peer: PeerId, how: How, token: u64, bytes: Vec<u8>) {
        let len = bytes.len() as u64;
        let request = SendRequest {
            token: Token(token),
            service: how.service(),
            range: BufferRange { buffer: BufferId(token as u32), offset: 0, len },
            level: how.level(),
            immediate: len.is_multiple_of(2).then_some(token),
        };
        if self.endpoint.send(now, peer, request).is_ok() {
            self.sent.insert(token, Sent { bytes });
        }
    }

    pub(crate) fn post(&mut self, now: Instant, token: u64, len: usize) {
        let buffer = BufferId(token as u32);
        let request = RecvRequest { token: Token(token), buffer, len: len as u64 };
        if self.endpoint.post_recv(now, request).is_ok() {
            self.memory.post(buffer.0, len);
        }
    }

    /// A buffer for several messages, with or without tags.
    pub(crate) fn post_multi(
        &mut self,
        now: Instant,
        token: u64,
        len: usize,
        filter: Option<TagFilter>,
    ) {
        let request = MultiRecvRequest {
            token: Token(token),
            buffer: BufferId(token as u32),
            len: len as u64,
            min_left: len as u64 / 8,
            max_messages: NonZeroU32::MIN.saturating_add(len as u32 % 5),
            filter,
        };
        // Messages may be here already.
        self.memory.post_shared(token as u32, len);
        if self.endpoint.post_multi(now, request).is_err() {
            self.memory.take(token as u32);
        }
    }

    /// Submits a message with a tag to the other endpoint.
    pub(crate) fn send_tagged(
        &mut self,
        now: Instant,
        how: How,
        (token, tag): (u64, u64),
        bytes: Vec<u8>,
    ) {
        let Some(peer) = self.peer(now) else { return };
        let len = bytes.len() as u64;
        let request = TaggedSend {
            token: Token(token),
            range: BufferRange { buffer: BufferId(token as u32), offset: 0, len },
            level: how.level(),
            tag,
            immediate: len.is_multiple_of(2).then_some(token),
        };
        if self.endpoint.send_tagged(now, peer, request).is_ok() {
            self.sent.insert(token, Sent { bytes });
        }
    }

    pub(crate) fn post_tagged(&mut self, now: Instant, token: u64, len: usize, filter: TagFilter) {
        let buffer = BufferId(token as u32);
        let request = TaggedRecv { token: Token(token), buffer, len: len as u64, filter };
        // The message may be here already.
        self.memory.post(buffer.0, len);
        if self.endpoint.post_tagged(now, request).is_err() {
            self.memory.take(buffer.0);
        }
    }

    pub(crate) fn cancel(&mut self, which: u8) {
        let posted: Vec<u32> = self.memory.posted().collect();
        if let Some(&buffer) = pick(&posted, which) {
            self.endpoint.cancel_recv(Token(buffer.into()));
        }
    }

    /// Takes back all receives that no message has been given.
    pub(crate) fn cancel_all(&mut self) {
        let posted: Vec<u32> = self.memory.posted().collect();
        for buffer in posted {
            self.endpoint.cancel_recv(Token(buffer.into()));
        }
    }

    pub(crate) fn remove(&mut self, now: Instant, which: u8) {
        let peers: Vec<PeerId> = self.endpoint.peers().collect();
        let Some(&peer) = pick(&peers, which) else {
            return;
        };
        self.endpoint.remove_peer(now, peer);
        // What has happened to the peer is told while it still has its name.
        self.take_events(now);
        let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
        while let Some(transmit) = self.endpoint.poll_farewell(&mut header) {
            let bytes = self.gather(&transmit, &header);
            if Some(transmit.peer) == self.other {
                self.farewells.push(bytes);
            }
        }
        if self.other == Some(peer) {
            self.other = None;
            self.contexts_ended += 1;
        }
        self.stranger = self.stranger.filter(|&stranger| stranger != peer);
    }
}

/// The one of `items` that `which` names, if there is any.
pub(crate) fn pick<T>(items: &[T], which: u8) -> Option<&T> {
    items.get(usize::from(which).checked_rem(items.len())?)
}
