//! The data packet: a self-describing piece of a message.
//!
//! ```text
//!  0               1               2               3
//! +-------+-------+---------------+---------------+---------------+
//! |version| kind 1|     flags     |        incarnation tag        |
//! +-------+-------+---------------+-------------------------------+
//! |                   destination context id                      |
//! +---------------------------------------------------------------+
//! |                             PSN                               |
//! +---------------+-----------------------------------------------+
//! |    path id    |            path sequence number               |
//! +---------------+-----------------------------------------------+
//! |                     timestamp (ns, low bits)                  |
//! +----+----------+---------------+-------------------------------+
//! |svc | operation|  open: paths-1|         payload length        |
//! +----+----------+---------------+-------------------------------+
//! |                          message id                           |
//! +---------------------------------------------------------------+
//! |                     order (RD sequence number)                |
//! +---------------------------------------------------------------+
//! |                   total length (64 bit)                       |
//! |                   offset in message (64 bit)                  |
//! |      what the operation needs   | open: incarnation           |
//! |      (two 64-bit words)         | open: mtu, features, credit,|
//! |                                 |       locator               |
//! +---------------------------------------------------------------+
//! ```

mod view;

use core::mem::offset_of;

use zerocopy::byteorder::network_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{
    Address, DATA_HEADER_BYTES, DecodeError, Kind, Op, OpenBlock, OpenInfo, Prefix, Transmission,
};
use crate::ids::Service;

pub(crate) use view::DataView;

/// Flags of a data packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFlags(pub u8);

impl DataFlags {
    /// The sender does not know yet that the receiver has its context.
    pub const OPEN: Self = Self(0x01);
    /// Acknowledge at once.
    pub const ACK_REQUEST: Self = Self(0x02);
    /// This PSN has been sent before.
    pub const RETRANSMISSION: Self = Self(0x04);
    /// Reserved for the protected mode: a security field follows the header. Refused today.
    pub const SECURED: Self = Self(0x08);
    /// The sender wants to be told when the message is placed and visible.
    pub const REPORT: Self = Self(0x10);
    /// There is an immediate. A SEND's takes the place of the first piece's offset; a WRITE's comes with
    /// its note, or in a piece of its own after the last byte.
    pub const IMMEDIATE: Self = Self(0x20);

    const DEFINED: u8 = Self::OPEN.0
        | Self::ACK_REQUEST.0
        | Self::RETRANSMISSION.0
        | Self::REPORT.0
        | Self::IMMEDIATE.0;

    /// Whether every flag of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set if `on`.
    #[must_use]
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on { Self(self.0 | other.0) } else { self }
    }
}

/// A data packet's header, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// The receiver's context. With `open`, only the tag is the receiver's, and zero as long as
    /// the sender does not know it.
    pub address: Address,
    /// See [`DataFlags`].
    pub flags: DataFlags,
    /// Low 32 bits of the PSN; zero for UD.
    pub psn: u32,
    /// Which transmission this is.
    pub transmission: Transmission,
    /// The sender's clock, low 32 bits of nanoseconds, to be echoed.
    pub timestamp: u32,
    /// How the message is carried.
    pub service: Service,
    /// What the packet asks for.
    pub op: Op,
    /// Bytes after the header.
    pub payload_len: u16,
    /// The message, in the sender's numbering for this peer.
    pub message_id: u32,
    /// RD: the message's place in submission order. WRITE: how long its note is, in bytes. See
    /// docs/PROTOCOL.md for what others have here; mostly zero.
    pub order: u32,
    /// The whole message, in bytes. READ: what is asked for, in bytes. Atomics: the first operand.
    pub total_len: u64,
    /// Where this packet's payload goes in the message, in bytes. Atomics: the second operand. SEND
    /// with IMMEDIATE: the immediate; the piece is the first.
    pub offset: u64,
    /// The sender's open parameters, while it has to repeat them.
    pub open: Option<OpenInfo>,
    /// What the operation needs beside that, see [`Op`]; zero with `open`.
    pub args: [u64; 2],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fields {
    prefix: Prefix,
    psn: U32,
    transmission: U32,
    timestamp: U32,
    service_op: u8,
    open_paths: u8,
    payload_len: U16,
    message_id: U32,
    order: U32,
    total_len: U64,
    offset: U64,
    extra: Extra,
}

/// The last 16 bytes: what the operation needs, or the open block while opening.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct Extra([U64; 2]);

impl Extra {
    #[inline]
    fn new(args: [u64; 2]) -> Self {
        Self(args.map(U64::new))
    }

    fn opening(open: &OpenInfo) -> Self {
        Self(zerocopy::transmute!(OpenBlock::new(open)))
    }

    fn block(self) -> OpenBlock {
        zerocopy::transmute!(self.0)
    }
}

const _: () = assert!(size_of::<Fields>() == DATA_HEADER_BYTES);

/// Where the path lies: the first byte of the transmission.
pub(super) const PATH_AT: usize = offset_of!(Fields, transmission);

/// Where the locator lies in a header that opens.
pub(super) const OPEN_LOCATOR_AT: usize =
    offset_of!(Fields, extra) + offset_of!(OpenBlock, locator);

const SERVICE_SHIFT: u32 = 6;
const OP_MASK: u8 = 0x3f;

impl Data {
    /// Writes the header to the front of `out` and returns its length.
    ///
    /// # Panics
    /// If `out` is shorter than [`DATA_HEADER_BYTES`].
    #[inline]
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let address = match &self.open {
            Some(open) => Address { context: open.context, ..self.address },
            None => self.address,
        };
        let flags = self.flags.with(DataFlags::OPEN, self.open.is_some());
        let fields = Fields {
            prefix: Prefix::new(Kind::Data, flags.0, address),
            psn: self.psn.into(),
            transmission: self.transmission.to_wire(),
            timestamp: self.timestamp.into(),
            service_op: service_bits(self.service) << SERVICE_SHIFT | self.op as u8,
            open_paths: self.open.map_or(0, |open| (open.paths - 1) as u8),
            payload_len: self.payload_len.into(),
            message_id: self.message_id.into(),
            order: self.order.into(),
            total_len: self.total_len.into(),
            offset: self.offset.into(),
            extra: self.open.as_ref().map_or_else(|| Extra::new(self.args), Extra::opening),
        };
        out[..DATA_HEADER_BYTES].copy_from_slice(fields.as_bytes());
        DATA_HEADER_BYTES
    }

    pub(super) fn decode(head: &[u8], datagram_len: usize) -> Result<Self, DecodeError> {
        let view = DataView::check(head, datagram_len)?;
        Ok(Self {
            address: view.address(),
            flags: view.flags(),
            psn: view.psn(),
            transmission: view.transmission(),
            timestamp: view.timestamp(),
            service: view.service(),
            op: view.op(),
            payload_len: view.payload_len(),
            message_id: view.message_id(),
            order: view.order(),
            total_len: view.total_len(),
            offset: view.0.offset.get(),
            open: view.open(),
            args: view.args(),
        })
    }
}

const fn service_bits(service: Service) -> u8 {
    match service {
        Service::Ud => 0,
        Service::Srd => 1,
        Service::Rd => 2,
    }
}
