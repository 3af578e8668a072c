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

use core::mem::offset_of;

use zerocopy::byteorder::network_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{
    Address, DATA_HEADER_BYTES, DecodeError, Kind, Op, OpenBlock, OpenInfo, Prefix, Transmission,
};
use crate::ids::Service;

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
    /// There is an immediate. A WRITE's comes in a piece of its own, after the last byte.
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
    /// RD: the message's place in submission order. Zero otherwise.
    pub order: u32,
    /// The whole message, in bytes. READ: what is asked for, in bytes. Atomics: the first operand.
    pub total_len: u64,
    /// Where this packet's payload goes in the message, in bytes. Atomics: the second operand.
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

/// Where the locator lies in a header that opens.
pub(super) const OPEN_LOCATOR_AT: usize =
    offset_of!(Fields, extra) + offset_of!(OpenBlock, locator);

const SERVICE_SHIFT: u32 = 6;
const OP_MASK: u8 = 0x3f;
/// As long as a region can be.
const MAX_TRANSFER_BYTES: u64 = crate::region::MAX_REGION_BYTES;

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
            offset: view.offset(),
            open: view.open(),
            args: view.args(),
        })
    }
}

/// A data packet's header where it has arrived, checked. Nothing is copied: a field is read when it
/// is asked for.
#[derive(Clone, Copy)]
pub(crate) struct DataView<'a>(&'a Fields);

impl<'a> DataView<'a> {
    /// Rules D1 to D4, and W5: the header means something, the lengths agree, and the packet is a
    /// piece of its message.
    #[inline]
    pub(crate) fn check(head: &'a [u8], datagram_len: usize) -> Result<Self, DecodeError> {
        let (fields, _) = Fields::ref_from_prefix(head).map_err(|_| DecodeError::Truncated)?;
        let flags = DataFlags(fields.prefix.flags);
        if flags.0 & !DataFlags::DEFINED != 0 {
            return Err(DecodeError::Undefined);
        }
        if flags.has(DataFlags::OPEN) {
            fields.extra.block().info(fields.prefix.context.get(), fields.open_paths)?;
        }
        let service =
            service_from(fields.service_op >> SERVICE_SHIFT).ok_or(DecodeError::Undefined)?;
        let op = Op::from_code(fields.service_op & OP_MASK).ok_or(DecodeError::Undefined)?;
        let data = Self(fields);
        let (len, total_len) = (u64::from(data.payload_len()), data.total_len());
        if datagram_len != DATA_HEADER_BYTES + len as usize {
            return Err(DecodeError::Length);
        }
        if op != Op::Send {
            return data.check_operation(op, service);
        }
        // An empty piece moves nothing, so only an empty message may have one; and a datagram of
        // UD is always whole.
        if !data.ends_inside() || (len == 0 && total_len != 0) {
            return Err(DecodeError::PastEnd);
        }
        match service {
            Service::Ud if len != total_len => Err(DecodeError::PastEnd),
            _ if flags.has(DataFlags::IMMEDIATE) => Err(DecodeError::Undefined),
            _ => Ok(data),
        }
    }

    /// Rule D4: what each operation may look like.
    fn check_operation(self, op: Op, service: Service) -> Result<Self, DecodeError> {
        let may_open = matches!(op, Op::Delivered | Op::Hello | Op::Abandon);
        let is_reliable = service == Service::Srd || (service == Service::Rd && op == Op::Abandon);
        let has_immediate = self.flags().has(DataFlags::IMMEDIATE);
        if !is_reliable
            || (self.flags().has(DataFlags::OPEN) && !may_open)
            || (has_immediate && !matches!(op, Op::Write | Op::Tagged | Op::Announce))
        {
            return Err(DecodeError::Undefined);
        }
        let (is_empty, total_len) = (self.payload_len() == 0, self.total_len());
        let fine = match op {
            Op::FetchAdd | Op::CompareSwap => is_empty,
            _ if total_len > MAX_TRANSFER_BYTES => false,
            Op::Read | Op::Announce | Op::Pull => is_empty && self.offset() == 0 && total_len > 0,
            Op::Tagged => self.offset() == 0 && self.is_whole(),
            Op::Write if is_empty => has_immediate && self.offset() == total_len,
            Op::Send | Op::Write | Op::ReadList | Op::Response => self.ends_inside() && !is_empty,
            Op::Delivered | Op::Hello | Op::Result | Op::Refused | Op::Abandon => {
                is_empty && self.offset() == 0 && total_len == 0
            }
        };
        if fine { Ok(self) } else { Err(DecodeError::PastEnd) }
    }

    #[inline]
    fn ends_inside(self) -> bool {
        let end = self.offset().checked_add(self.payload_len().into());
        end.is_some_and(|end| end <= self.total_len())
    }

    /// The same for what a switch has left of a packet: the header, and nothing after it.
    pub(crate) fn check_trimmed(head: &'a [u8], datagram_len: usize) -> Result<Self, DecodeError> {
        let (fields, _) = Fields::ref_from_prefix(head).map_err(|_| DecodeError::Truncated)?;
        if datagram_len != DATA_HEADER_BYTES {
            return Err(DecodeError::Length);
        }
        Self::check(head, DATA_HEADER_BYTES + usize::from(fields.payload_len.get()))
    }

    pub(crate) fn address(self) -> Address {
        self.0.prefix.address()
    }

    pub(crate) fn flags(self) -> DataFlags {
        DataFlags(self.0.prefix.flags)
    }

    pub(crate) fn psn(self) -> u32 {
        self.0.psn.get()
    }

    pub(crate) fn transmission(self) -> Transmission {
        Transmission::from_wire(self.0.transmission)
    }

    pub(crate) fn timestamp(self) -> u32 {
        self.0.timestamp.get()
    }

    pub(crate) fn service(self) -> Service {
        service_from(self.0.service_op >> SERVICE_SHIFT).unwrap_or(Service::Srd)
    }

    pub(crate) fn op(self) -> Op {
        Op::from_code(self.0.service_op & OP_MASK).unwrap_or(Op::Send)
    }

    pub(crate) fn payload_len(self) -> u16 {
        self.0.payload_len.get()
    }

    pub(crate) fn message_id(self) -> u32 {
        self.0.message_id.get()
    }

    pub(crate) fn order(self) -> u32 {
        self.0.order.get()
    }

    pub(crate) fn total_len(self) -> u64 {
        self.0.total_len.get()
    }

    pub(crate) fn offset(self) -> u64 {
        self.0.offset.get()
    }

    /// Whether this packet is all of its message.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        u64::from(self.payload_len()) == self.total_len()
    }

    /// The same for a one-sided operation, whose immediate is a packet of its own.
    #[inline]
    pub(crate) fn is_whole_operation(self) -> bool {
        self.is_whole() && (!self.flags().has(DataFlags::IMMEDIATE) || self.total_len() == 0)
    }

    /// What this packet adds to what has arrived of its message: its payload; an immediate, one.
    #[inline]
    pub(crate) fn weight(self) -> u64 {
        let len = u64::from(self.payload_len());
        len + u64::from(len == 0 && self.flags().has(DataFlags::IMMEDIATE))
    }

    /// Whether this is the last piece of its message, in the order of the bytes.
    #[inline]
    pub(crate) fn is_end(self) -> bool {
        // Of atomics these are operands: any number.
        self.offset().wrapping_add(self.payload_len().into()) == self.total_len()
    }

    /// What the operation needs beside; zero with OPEN.
    #[inline]
    pub(crate) fn args(self) -> [u64; 2] {
        match self.flags().has(DataFlags::OPEN) {
            true => [0; 2],
            false => self.0.extra.0.map(U64::get),
        }
    }

    /// What the sender tells of itself, where it opens.
    pub(crate) fn open(self) -> Option<OpenInfo> {
        let context = self.0.prefix.context.get();
        match self.flags().has(DataFlags::OPEN) {
            true => self.0.extra.block().info(context, self.0.open_paths).ok(),
            false => None,
        }
    }
}

const fn service_bits(service: Service) -> u8 {
    match service {
        Service::Ud => 0,
        Service::Srd => 1,
        Service::Rd => 2,
    }
}

const fn service_from(bits: u8) -> Option<Service> {
    match bits {
        0 => Some(Service::Ud),
        1 => Some(Service::Srd),
        2 => Some(Service::Rd),
        _ => None,
    }
}
