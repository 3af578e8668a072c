//! Memory that peers reach by themselves: what it is called, and what they may do with it.
//!
//! ```text
//!                     key (64 bit)                   slot (16)   offset (48)
//!   +--------------------------------------------+-----------+-------------+
//!   | drawn at random when it is registered      | which one | where in it |   a RegionAddress
//!   +--------------------------------------------+-----------+-------------+
//! ```
//! The slot finds the region, the key proves that its owner has told about it, and that it is still
//! the same region. The core knows length and rights; the memory itself is the driver's.

mod table;

use core::fmt;
use core::ops::BitOr;

use alloc::boxed::Box;

use crate::ids::{BufferId, PeerId};

pub(crate) use table::Regions;

/// A place in a registered region, on this side or the peer's: 16 bytes, on the wire as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionAddress {
    key: u64,
    place: u64,
}

/// The longest region: offsets in it take 48 bits.
pub const MAX_REGION_BYTES: u64 = 1 << OFFSET_BITS;

const OFFSET_BITS: u32 = 48;
const OFFSET_MASK: u64 = MAX_REGION_BYTES - 1;

impl RegionAddress {
    /// The place at `offset` bytes in a region. An offset that no region has stays one.
    pub const fn new(slot: u16, key: u64, offset: u64) -> Self {
        let offset = if offset < OFFSET_MASK { offset } else { OFFSET_MASK };
        Self { key, place: (slot as u64) << OFFSET_BITS | offset }
    }

    /// The region's number.
    pub const fn slot(self) -> u16 {
        (self.place >> OFFSET_BITS) as u16
    }

    /// The region's secret.
    pub const fn key(self) -> u64 {
        self.key
    }

    /// Where in the region, in bytes.
    pub const fn offset(self) -> u64 {
        self.place & OFFSET_MASK
    }

    /// The place `bytes` further on.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self::new(self.slot(), self.key, self.offset().saturating_add(bytes))
    }

    /// As it lies on the wire: key, then slot and offset.
    pub const fn words(self) -> [u64; 2] {
        [self.key, self.place]
    }

    /// What [`words`](Self::words) were made from.
    pub const fn from_words([key, place]: [u64; 2]) -> Self {
        Self { key, place }
    }
}

/// What peers may do with a region. Whoever registered it may always use it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Access(u8);

impl Access {
    /// Nothing: for use on this side only.
    pub const LOCAL: Self = Self(0);
    /// READ.
    pub const READ: Self = Self(1);
    /// WRITE.
    pub const WRITE: Self = Self(2);
    /// Fetch-add and compare-and-swap.
    pub const ATOMIC: Self = Self(4);
    /// All of it.
    pub const ALL: Self = Self(7);

    /// Whether everything in `other` is allowed.
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As bits: 1 READ, 2 WRITE, 4 ATOMIC.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From [`bits`](Self::bits), if all of them are known.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }
}

impl BitOr for Access {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Self::READ, "read"), (Self::WRITE, "write"), (Self::ATOMIC, "atomic")];
        let allowed = names.into_iter().filter(|&(access, _)| self.allows(access));
        f.debug_set().entries(allowed.map(|(_, name)| name)).finish()
    }
}

/// Memory to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionRequest {
    /// The driver's name for the memory.
    pub buffer: BufferId,
    /// How long it is, in bytes.
    pub len: u64,
    /// What peers may do with it.
    pub access: Access,
    /// Which peers; `None`: all that know the key. A peer that is removed leaves the list.
    pub peers: Option<Box<[PeerId]>>,
}

/// Why a peer turned an operation away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such region, or not any more.
    #[error("no region has this key; it was revoked, or never given out")]
    Key,
    /// The region does not allow the operation, or not to this peer.
    #[error("the region does not allow this")]
    Denied,
    /// It reaches beyond the region's end.
    #[error("it reaches past the end of the region")]
    Bounds,
    /// An atomic's offset is not a multiple of eight.
    #[error("an atomic needs an offset that is a multiple of 8")]
    Alignment,
    /// A block list says what cannot be.
    #[error("the list of blocks is malformed")]
    List,
    /// A block list is longer than the owner's memory for such lists.
    #[error("the list of blocks is too long for the peer; split it")]
    ListTooLong,
    /// The note of a transfer is longer than all memory of the owner's for it.
    #[error(
        "the peer has no memory for a note of this length; shorten it, or raise bounce_bytes there"
    )]
    NoteTooLong,
    /// The region was revoked while it was being read.
    #[error("the region was revoked meanwhile")]
    Revoked,
    /// Of a message: the receive that it was matched with is shorter.
    #[error("the receive that it was matched with is too short; post a longer one there")]
    Truncated,
    /// Of a message that was announced: its sender has taken it back.
    #[error("its sender has taken it back")]
    Withdrawn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_slot_key_and_offset() {
        let address = RegionAddress::new(7, 0x1234, 100).plus(28);
        assert_eq!((address.slot(), address.key(), address.offset()), (7, 0x1234, 128));
        assert_eq!(RegionAddress::from_words(address.words()), address);
        let beyond = RegionAddress::new(7, 1, u64::MAX).plus(u64::MAX);
        assert_eq!((beyond.slot(), beyond.offset()), (7, MAX_REGION_BYTES - 1));
    }

    #[test]
    fn access_is_a_set() {
        let both = Access::READ | Access::ATOMIC;
        assert!(both.allows(Access::READ) && !both.allows(Access::WRITE));
        assert!(!both.allows(Access::ALL) && both.allows(Access::LOCAL));
        assert_eq!(Access::from_bits(both.bits()), Some(both));
        assert_eq!(Access::from_bits(8), None);
    }
}
