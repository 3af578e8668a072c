//! A data packet's header where it has arrived.

use zerocopy::FromBytes;
use zerocopy::byteorder::network_endian::U64;

use super::{DataFlags, Fields, OP_MASK, SERVICE_SHIFT};
use crate::ids::Service;
use crate::transfer::MAX_NOTE_BYTES;
use crate::wire::{Address, DATA_HEADER_BYTES, DecodeError, Op, OpenInfo, Transmission};

/// A data packet's header where it has arrived, checked. Nothing is copied: a field is read when it
/// is asked for.
#[derive(Clone, Copy)]
pub(crate) struct DataView<'a>(pub(super) &'a Fields);

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
            Op::Tagged if is_empty => self.offset() == 0 && total_len == 0,
            Op::Write => self.is_fine_write(),
            Op::Send | Op::ReadList | Op::Response | Op::Tagged => self.ends_inside() && !is_empty,
            Op::Delivered | Op::Hello | Op::Result | Op::Refused | Op::Abandon => {
                is_empty && self.offset() == 0 && total_len == 0
            }
        };
        if fine { Ok(self) } else { Err(DecodeError::PastEnd) }
    }

    /// No piece lies in both bytes and note; only an immediate without a note is empty. Rule T6.
    fn is_fine_write(self) -> bool {
        let note_len = self.note_len();
        let has_immediate = self.flags().has(DataFlags::IMMEDIATE);
        if note_len > MAX_NOTE_BYTES.min(self.total_len()) || (note_len > 0 && !has_immediate) {
            return false;
        }
        match self.payload_len() {
            0 => self.has_bare_immediate() && self.offset() == self.total_len(),
            _ if !self.ends_inside() => false,
            _ if self.is_notice() => true,
            len => self.offset() + u64::from(len) <= self.written_len(),
        }
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

    /// Where the payload goes in the message. Rule M10: a piece with a SEND's immediate is the first.
    #[inline]
    pub(crate) fn offset(self) -> u64 {
        match self.send_immediate() {
            Some(_) => 0,
            None => self.0.offset.get(),
        }
    }

    /// The immediate of a SEND, in the place of an offset of zero. Rule M10.
    #[inline]
    pub(crate) fn send_immediate(self) -> Option<u64> {
        let is_here = self.flags().has(DataFlags::IMMEDIATE) && self.op() == Op::Send;
        is_here.then(|| self.0.offset.get())
    }

    /// Whether this packet is all of its message.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        u64::from(self.payload_len()) == self.total_len()
    }

    /// The same for a one-sided operation, whose immediate may be a packet of its own.
    #[inline]
    pub(crate) fn is_whole_operation(self) -> bool {
        self.is_whole() && (!self.has_bare_immediate() || self.total_len() == 0)
    }

    /// Whether there is an immediate, and no note that it comes with.
    #[inline]
    pub(crate) fn has_bare_immediate(self) -> bool {
        self.flags().has(DataFlags::IMMEDIATE) && self.order() == 0
    }

    /// WRITE: how long its note is, in bytes.
    #[inline]
    pub(crate) fn note_len(self) -> u64 {
        self.order().into()
    }

    /// WRITE: how much of it goes to regions, in bytes.
    #[inline]
    pub(crate) fn written_len(self) -> u64 {
        self.total_len().saturating_sub(self.note_len())
    }

    /// WRITE: whether this packet is for the user, not for a region.
    #[inline]
    pub(crate) fn is_notice(self) -> bool {
        self.flags().has(DataFlags::IMMEDIATE) && self.offset() >= self.written_len()
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

const fn service_from(bits: u8) -> Option<Service> {
    match bits {
        0 => Some(Service::Ud),
        1 => Some(Service::Srd),
        2 => Some(Service::Rd),
        _ => None,
    }
}

/// As long as a region can be.
const MAX_TRANSFER_BYTES: u64 = crate::region::MAX_REGION_BYTES;
