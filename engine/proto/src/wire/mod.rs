//! The wire format: docs/PROTOCOL.md, section 2, byte for byte.
//!
//! Each packet kind has a private `#[repr(C)]` field map (big-endian, no padding) and a public
//! validated value. [`Packet::decode`] is the only way in; what it returns has a known version and
//! kind, no unknown flags, lengths that agree with the datagram's, and offsets inside the message.
//! Whether the numbers make sense for a connection is for the connection to judge.

mod ack;
mod control;
mod data;
mod list;
mod op;
#[cfg(test)]
mod tests;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub(crate) use ack::AckView;
pub use ack::{Ack, AckBlock, AckPath, MAX_ACK_BLOCKS, MAX_ACK_PATHS};
pub use control::{Close, Nack, NackReason, OpenPacket, Part, Probe, Reset};
pub(crate) use data::DataView;
pub use data::{Data, DataFlags};
pub use list::{LIST_ENTRY_BYTES, decode_list, encode_list};
pub use op::Op;

/// The version this core speaks, in the high nibble of the first byte. Rule W1.
pub const VERSION: u8 = 1;

/// The size of a data packet's header, in bytes. Rule W2: always the same, so that a receive can be
/// split between header memory and payload memory before anyone has looked at it.
pub const DATA_HEADER_BYTES: usize = 64;

/// The longest header of any kind (a full ACK), in bytes.
pub const MAX_HEADER_BYTES: usize = ack::MAX_ACK_BYTES;

/// What every packet starts with.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Prefix {
    version_kind: u8,
    flags: u8,
    tag: U16,
    context: U32,
}

const _: () = assert!(size_of::<Prefix>() == 8);

impl Prefix {
    const fn new(kind: Kind, flags: u8, address: Address) -> Self {
        Self {
            version_kind: VERSION << 4 | kind as u8,
            flags,
            tag: U16::new(address.tag),
            context: U32::new(address.context),
        }
    }

    fn address(&self) -> Address {
        Address { context: self.context.get(), tag: self.tag.get() }
    }
}

/// What a packet is: the low nibble of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Data = 1,
    Ack = 2,
    Nack = 3,
    Open = 4,
    Reset = 5,
    Probe = 6,
    Close = 7,
    Part = 8,
}

impl Kind {
    #[inline]
    pub(crate) fn of(head: &[u8]) -> Result<Self, DecodeError> {
        let &first = head.first().ok_or(DecodeError::Truncated)?;
        if first >> 4 != VERSION {
            return Err(DecodeError::Version(first >> 4));
        }
        match first & 0x0f {
            1 => Ok(Self::Data),
            2 => Ok(Self::Ack),
            3 => Ok(Self::Nack),
            4 => Ok(Self::Open),
            5 => Ok(Self::Reset),
            6 => Ok(Self::Probe),
            7 => Ok(Self::Close),
            8 => Ok(Self::Part),
            kind => Err(DecodeError::Kind(kind)),
        }
    }
}

/// The context that a packet is addressed to: the receiver's own index, and the low bits of the
/// receiver's incarnation so that a packet for its predecessor is noticed. Rule W3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Address {
    /// The receiver's context id (in a packet with OPEN: the sender's own).
    pub context: u32,
    /// Low 16 bits of the receiver's incarnation; zero if the sender does not know it.
    pub tag: u16,
}

/// Which transmission a packet was: path, and number along that path. Fresh every time. Rule W4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Transmission {
    /// The path.
    pub path: u8,
    /// Low 24 bits of the path's transmission count.
    pub seq: u32,
}

impl Transmission {
    const fn to_wire(self) -> U32 {
        U32::new((self.path as u32) << 24 | self.seq & 0x00ff_ffff)
    }

    const fn from_wire(wire: U32) -> Self {
        let bits = wire.get();
        Self { path: (bits >> 24) as u8, seq: bits & 0x00ff_ffff }
    }
}

/// What a side tells about itself when it opens a context. Rule O1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInfo {
    /// The sender's context id.
    pub context: u32,
    /// The sender's incarnation; its low 16 bits are never zero.
    pub incarnation: u64,
    /// Largest payload of a data packet that the sender accepts, in bytes.
    pub mtu_bytes: u16,
    /// Feature bits; see docs/PROTOCOL.md. Unknown ones are ignored.
    pub features: u16,
    /// How many PSNs the sender accepts beyond its first.
    pub credit_packets: u16,
    /// The sending device's locator, opaque here.
    pub locator: u16,
    /// How many paths the sender can use, 1 to 256.
    pub paths: u16,
}

/// The open block as it lies in a data header and in an OPEN packet.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct OpenBlock {
    incarnation: zerocopy::byteorder::network_endian::U64,
    mtu: U16,
    features: U16,
    credit: U16,
    locator: U16,
}

const _: () = assert!(size_of::<OpenBlock>() == 16);

impl OpenBlock {
    fn new(info: &OpenInfo) -> Self {
        Self {
            incarnation: info.incarnation.into(),
            mtu: info.mtu_bytes.into(),
            features: info.features.into(),
            credit: info.credit_packets.into(),
            locator: info.locator.into(),
        }
    }

    fn info(&self, context: u32, paths_minus_one: u8) -> Result<OpenInfo, DecodeError> {
        let info = OpenInfo {
            context,
            incarnation: self.incarnation.get(),
            mtu_bytes: self.mtu.get(),
            features: self.features.get(),
            credit_packets: self.credit.get(),
            locator: self.locator.get(),
            paths: u16::from(paths_minus_one) + 1,
        };
        // Rule O2: a tag of zero means "unknown"; an MTU or a credit of zero moves nothing.
        if info.incarnation as u16 == 0 || info.mtu_bytes == 0 || info.credit_packets == 0 {
            return Err(DecodeError::BadOpen);
        }
        Ok(info)
    }
}

/// A packet whose bytes have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Part of a message.
    Data(Data),
    /// What has arrived.
    Ack(Ack),
    /// A packet was refused and must be sent again.
    Nack(Nack),
    /// A context, without data.
    Open(OpenPacket),
    /// The context that a packet was addressed to does not exist.
    Reset(Reset),
    /// A question to one path: is it alive?
    Probe(Probe),
    /// The end of a context, as its other side wants it.
    Close(Close),
    /// Nothing is under way: shall both forget each other?
    Part(Part),
}

impl Packet {
    /// Reads the first bytes of a datagram of `datagram_len` bytes. `head` must hold at least the
    /// packet's header; of a data packet no more than [`DATA_HEADER_BYTES`] are looked at.
    #[inline]
    pub fn decode(head: &[u8], datagram_len: usize) -> Result<Self, DecodeError> {
        match Kind::of(head)? {
            Kind::Data => Data::decode(head, datagram_len).map(Self::Data),
            Kind::Ack => Ack::decode(head).map(Self::Ack),
            Kind::Nack => Nack::decode(head).map(Self::Nack),
            Kind::Open => OpenPacket::decode(head).map(Self::Open),
            Kind::Reset => Reset::decode(head).map(Self::Reset),
            Kind::Probe => Probe::decode(head).map(Self::Probe),
            Kind::Close => Close::decode(head).map(Self::Close),
            Kind::Part => Part::decode(head).map(Self::Part),
        }
    }
}

/// Why a datagram is not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its kind's header, or than its own counts say.
    #[error("truncated")]
    Truncated,
    /// A version this core does not speak.
    #[error("version {0} is not spoken here")]
    Version(u8),
    /// No such kind.
    #[error("unknown packet kind {0}")]
    Kind(u8),
    /// A flag, service, operation or reason that is not defined.
    #[error("undefined flag or code")]
    Undefined,
    /// The payload length field and the datagram's length differ.
    #[error("payload length does not match the datagram")]
    Length,
    /// The packet's bytes do not lie inside its message.
    #[error("packet reaches past the end of its message")]
    PastEnd,
    /// An open block that cannot be.
    #[error("impossible open parameters")]
    BadOpen,
}

const DATA: u8 = Kind::Data as u8;
const OPEN: u8 = Kind::Open as u8;
const RESET: u8 = Kind::Reset as u8;

/// The context that a datagram is for, and the path that it says it took, as far as they are where data
/// has them; nothing is checked.
#[inline]
pub(crate) fn named(head: &[u8]) -> Option<(u32, u8)> {
    let (context, path) = (head.get(4..8)?, head.get(data::PATH_AT)?);
    Some((u32::from_be_bytes(context.try_into().ok()?), *path))
}

/// What a driver has to look up before it hands a datagram to the core: whether the sender's
/// address matters, and the locator it has to be resolved with. `None` for everything else, which
/// is nearly all traffic.
#[inline]
pub fn origin_locator(head: &[u8]) -> Option<u16> {
    let &[first, flags, ..] = head else { return None };
    let at = |offset: usize| Some(u16::from_be_bytes([*head.get(offset)?, *head.get(offset + 1)?]));
    match first & 0x0f {
        DATA if flags & DataFlags::OPEN.0 == 0 => None,
        DATA => at(data::OPEN_LOCATOR_AT),
        OPEN => at(control::OPEN_LOCATOR_AT),
        RESET => Some(0),
        _ => None,
    }
}
