//! Packets under way, in an arena: a slot is used again as soon as its packet is gone, and queues
//! are chains through the slots, so nothing is allocated once the arena has its size.
//!
//! A packet of a large network is in nobody's cache by the time it reaches its next link, so each
//! look at it is a wait for memory. What links look at is therefore kept apart, and small.

use std::ops::{Deref, Index, IndexMut};

use usrd_proto::BufferRange;
use usrd_proto::wire::MAX_HEADER_BYTES;

use crate::digest::Digest;
use crate::time::Time;

/// Names a packet while it lives.
pub type PacketId = u32;

/// No packet.
pub(super) const NIL: PacketId = PacketId::MAX;

/// What every hop looks at: so little that the frames of a large network fit a processor's cache.
/// The rest of a packet is its [`Content`].
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Frame {
    /// What is behind it in a queue, or on the line.
    pub(super) next: PacketId,
    /// Header and payload, in bytes.
    pub len: u32,
    /// On the line: when what is behind it reaches the far end. It stands here so that whoever
    /// takes this frame off the line need not look at the next one.
    pub(super) next_arrives: Time,
    /// To whom.
    pub destination: u32,
    /// What switches choose its way by.
    pub(super) entropy: u32,
    /// Which path it takes.
    pub path: u8,
    /// How much of the header is in use, in bytes.
    pub header_len: u8,
    /// Whether queues may mark it.
    pub ecn_capable: bool,
    /// Whether one did.
    pub ce: bool,
    /// Whether a full queue has cut its payload off.
    pub trimmed: bool,
    /// Whether a link has made two of it.
    pub twinned: bool,
    /// Whether it carries payload, or did until it was trimmed.
    pub(super) is_data: bool,
}

const _: () = assert!(size_of::<Frame>() == 32, "two to a cache line");

/// What only the ends of a packet's way look at. Its payload stays in the sender's buffer; only
/// where it lies travels along, unless the scenario wants real bytes.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Content {
    /// What follows the header.
    pub payload: Option<BufferRange>,
    /// Who sent it.
    pub source: u32,
    /// What the sender's interface computed over all of it; only where links corrupt.
    pub(super) frame_check: u32,
    /// The header, and room for the longest.
    pub header: [u8; MAX_HEADER_BYTES],
}

/// A look at one packet: its frame, and its content besides.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    frame: &'a Frame,
    content: &'a Content,
}

impl Frame {
    /// Whether it has payload, and not only said so.
    #[inline]
    pub fn carries_payload(&self) -> bool {
        self.is_data && !self.trimmed
    }

    /// Whether it is small and urgent: an answer of the protocol, or trimmed. What has no payload but
    /// lets queues mark it counts among the data that it is to keep in order with.
    #[inline]
    pub(super) fn is_urgent(&self) -> bool {
        self.trimmed || !(self.is_data || self.ecn_capable)
    }

    const fn empty() -> Self {
        Self {
            next: NIL,
            len: 0,
            next_arrives: Time::NEVER,
            destination: 0,
            entropy: 0,
            path: 0,
            header_len: 0,
            ecn_capable: false,
            ce: false,
            trimmed: false,
            twinned: false,
            is_data: false,
        }
    }
}

impl Content {
    const fn empty() -> Self {
        Self { payload: None, source: 0, frame_check: 0, header: [0; MAX_HEADER_BYTES] }
    }
}

impl<'a> Packet<'a> {
    /// The bytes of the header.
    pub fn head(self) -> &'a [u8] {
        &self.content.header[..usize::from(self.frame.header_len)]
    }

    /// What follows the header.
    pub fn payload(self) -> Option<BufferRange> {
        self.content.payload
    }

    /// Who sent it.
    pub fn source(self) -> u32 {
        self.content.source
    }

    /// Tells it from others in a digest.
    pub fn fingerprint(self) -> u64 {
        Digest::header(self.head())
    }
}

impl Deref for Packet<'_> {
    type Target = Frame;

    #[inline]
    fn deref(&self) -> &Frame {
        self.frame
    }
}

/// All packets.
#[derive(Debug)]
pub struct Arena {
    frames: Vec<Frame>,
    contents: Vec<Content>,
    /// First of the unused slots, chained.
    free: PacketId,
    live: usize,
    most: usize,
    /// Payload bytes, `stride` per slot; none if the stride is 0.
    payloads: Vec<u8>,
    stride: usize,
}

impl Arena {
    /// An arena whose packets carry up to `carried_bytes` of real payload.
    pub fn new(carried_bytes: usize) -> Self {
        Self {
            frames: vec![],
            contents: vec![],
            free: NIL,
            live: 0,
            most: 0,
            payloads: vec![],
            stride: carried_bytes,
        }
    }

    /// A packet with everything unset.
    pub fn allocate(&mut self) -> PacketId {
        self.live += 1;
        self.most = self.most.max(self.live);
        if self.free == NIL {
            self.frames.push(Frame::empty());
            self.contents.push(Content::empty());
            self.payloads.resize(self.frames.len() * self.stride, 0);
            return (self.frames.len() - 1) as PacketId;
        }
        let id = self.free;
        let frame = &mut self.frames[id as usize];
        self.free = frame.next;
        frame.next = NIL;
        (frame.ce, frame.trimmed, frame.twinned) = (false, false, false);
        self.contents[id as usize].payload = None;
        id
    }

    /// A packet just like another.
    pub fn duplicate(&mut self, original: PacketId) -> PacketId {
        let copy = self.allocate();
        self[original].twinned = true;
        self[copy] = Frame { next: NIL, ..self[original] };
        self.contents[copy as usize] = self.contents[original as usize].clone();
        let from = original as usize * self.stride;
        self.payloads.copy_within(from..from + self.stride, copy as usize * self.stride);
        copy
    }

    /// The packet is gone.
    pub fn release(&mut self, id: PacketId) {
        self.live -= 1;
        self[id].next = self.free;
        self.free = id;
    }

    /// All of a packet, to look at.
    #[inline]
    pub fn packet(&self, id: PacketId) -> Packet<'_> {
        Packet { frame: &self[id], content: self.content(id) }
    }

    /// What only the ends look at.
    #[inline]
    pub fn content(&self, id: PacketId) -> &Content {
        &self.contents[id as usize]
    }

    /// The same, to be filled in.
    #[inline]
    pub fn content_mut(&mut self, id: PacketId) -> &mut Content {
        &mut self.contents[id as usize]
    }

    /// A switch cuts the payload off.
    pub(super) fn trim(&mut self, id: PacketId) {
        let frame = &mut self[id];
        frame.trimmed = true;
        frame.len = frame.header_len.into();
        self.contents[id as usize].payload = None;
    }

    /// Whether packets carry real payload.
    pub fn carries_bytes(&self) -> bool {
        self.stride > 0
    }

    /// The payload bytes that a packet carries: `len` of them.
    pub fn payload(&self, id: PacketId, len: usize) -> &[u8] {
        &self.payloads[id as usize * self.stride..][..len]
    }

    /// The same, to be filled in.
    pub fn payload_mut(&mut self, id: PacketId, len: usize) -> &mut [u8] {
        &mut self.payloads[id as usize * self.stride..][..len]
    }

    /// How many packets there are.
    pub fn live(&self) -> usize {
        self.live
    }

    /// How many of them have been trimmed, by looking at each.
    pub fn live_trimmed(&self) -> usize {
        let mut free = vec![false; self.frames.len()];
        let mut at = self.free;
        while at != NIL {
            free[at as usize] = true;
            at = self[at].next;
        }
        self.frames.iter().zip(free).filter(|(frame, free)| frame.trimmed && !free).count()
    }

    /// How many there ever were at once.
    pub fn most(&self) -> usize {
        self.most
    }
}

impl Index<PacketId> for Arena {
    type Output = Frame;

    #[inline]
    fn index(&self, id: PacketId) -> &Frame {
        &self.frames[id as usize]
    }
}

impl IndexMut<PacketId> for Arena {
    #[inline]
    fn index_mut(&mut self, id: PacketId) -> &mut Frame {
        &mut self.frames[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_start_clean() {
        let mut arena = Arena::new(0);
        let (a, b) = (arena.allocate(), arena.allocate());
        arena[a].ce = true;
        arena.release(a);
        let c = arena.allocate();
        assert_eq!(c, a);
        assert!(!arena[c].ce);
        assert_ne!(b, c);
        assert_eq!((arena.live(), arena.most()), (2, 2));
    }

    #[test]
    fn a_copy_carries_the_same_bytes() {
        let mut arena = Arena::new(4);
        let original = arena.allocate();
        arena.payload_mut(original, 3).copy_from_slice(b"abc");
        arena[original].len = 3;
        let copy = arena.duplicate(original);
        assert_eq!(arena.payload(copy, 3), b"abc");
        assert_eq!(arena[copy].len, 3);
        assert!(arena[original].twinned && arena[copy].twinned);
    }
}
