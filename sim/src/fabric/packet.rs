//! Packets under way, in an arena: a slot is used again as soon as its packet is gone, and queues
//! are chains through the slots, so nothing is allocated once the arena has its size.

use std::ops::{Index, IndexMut};

use usrd_proto::BufferRange;
use usrd_proto::wire::MAX_HEADER_BYTES;

use crate::digest::Digest;
use crate::time::Time;

/// Names a packet while it lives.
pub type PacketId = u32;

/// No packet.
pub(super) const NIL: PacketId = PacketId::MAX;

/// One packet. Its payload stays in the sender's buffer; only where it lies travels along, unless
/// the scenario wants real bytes.
///
/// What every hop looks at comes first, and fits a cache line; the header is for the ends.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Packet {
    pub(super) next: PacketId,
    /// Header and payload, in bytes.
    pub len: u32,
    /// When it is at the far end of the link that it is on.
    pub(super) arrives: Time,
    /// Who sent it.
    pub source: u32,
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
    /// What follows the header.
    pub payload: Option<BufferRange>,
    /// What the sender's interface computed over all of it; only where links corrupt.
    pub(super) frame_check: u32,
    /// The header, and room for the longest.
    pub header: [u8; MAX_HEADER_BYTES],
}

impl Packet {
    /// The bytes of the header.
    pub fn head(&self) -> &[u8] {
        &self.header[..usize::from(self.header_len)]
    }

    /// Whether it has payload, and not only said so.
    #[inline]
    pub fn carries_payload(&self) -> bool {
        self.is_data && !self.trimmed
    }

    /// A switch cuts the payload off.
    pub(super) fn trim(&mut self) {
        self.trimmed = true;
        self.payload = None;
        self.len = self.header_len.into();
    }

    /// Tells it from others in a digest.
    pub fn fingerprint(&self) -> u64 {
        Digest::header(self.head())
    }

    const fn empty() -> Self {
        Self {
            next: NIL,
            len: 0,
            arrives: Time::ZERO,
            source: 0,
            destination: 0,
            entropy: 0,
            path: 0,
            header_len: 0,
            ecn_capable: false,
            ce: false,
            trimmed: false,
            twinned: false,
            is_data: false,
            payload: None,
            frame_check: 0,
            header: [0; MAX_HEADER_BYTES],
        }
    }
}

/// All packets.
#[derive(Debug)]
pub struct Arena {
    slots: Vec<Packet>,
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
        Self { slots: vec![], free: NIL, live: 0, most: 0, payloads: vec![], stride: carried_bytes }
    }

    /// A packet with everything unset.
    pub fn allocate(&mut self) -> PacketId {
        self.live += 1;
        self.most = self.most.max(self.live);
        if self.free == NIL {
            self.slots.push(Packet::empty());
            self.payloads.resize(self.slots.len() * self.stride, 0);
            return (self.slots.len() - 1) as PacketId;
        }
        let id = self.free;
        let slot = &mut self.slots[id as usize];
        self.free = slot.next;
        (slot.next, slot.payload) = (NIL, None);
        (slot.ce, slot.trimmed, slot.twinned) = (false, false, false);
        id
    }

    /// A packet just like another.
    pub fn duplicate(&mut self, original: PacketId) -> PacketId {
        let copy = self.allocate();
        self.slots[original as usize].twinned = true;
        self.slots[copy as usize] = Packet { next: NIL, ..self.slots[original as usize].clone() };
        let from = original as usize * self.stride;
        self.payloads.copy_within(from..from + self.stride, copy as usize * self.stride);
        copy
    }

    /// The packet is gone.
    pub fn release(&mut self, id: PacketId) {
        self.live -= 1;
        self.slots[id as usize].next = self.free;
        self.free = id;
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

    /// How many there ever were at once.
    pub fn most(&self) -> usize {
        self.most
    }
}

impl Index<PacketId> for Arena {
    type Output = Packet;

    #[inline]
    fn index(&self, id: PacketId) -> &Packet {
        &self.slots[id as usize]
    }
}

impl IndexMut<PacketId> for Arena {
    #[inline]
    fn index_mut(&mut self, id: PacketId) -> &mut Packet {
        &mut self.slots[id as usize]
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
