//! The small packets: NACK, OPEN, RESET, PROBE, CLOSE. docs/PROTOCOL.md shows them byte for byte.

use core::mem::offset_of;

use zerocopy::byteorder::network_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::region::Refusal;

use super::{Address, DecodeError, Kind, OpenBlock, OpenInfo, Prefix, Transmission};

/// One packet was refused, and is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The receiver's context.
    pub address: Address,
    /// Low 32 bits of the refused PSN.
    pub psn: u32,
    /// Which transmission was refused.
    pub transmission: Transmission,
    /// How long to wait before sending again, in nanoseconds.
    pub delay_ns: u32,
    /// Why.
    pub reason: NackReason,
    /// As in an ACK.
    pub credit: u32,
    /// As in an ACK.
    pub source: u16,
}

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackReason {
    /// No receive is posted for it, and the bounce pool has no room. Not a sign of congestion.
    ReceiverNotReady,
    /// A switch cut off its payload: congestion.
    Trimmed,
    /// The region does not take it, and never will: the operation fails. Rule T4.
    Refused(Refusal),
    /// There is no room for its payload: the message is to be announced instead. Rule G4.
    AnnounceInstead,
}

/// A context announced without data, or announced back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPacket {
    /// The sender's side.
    pub info: OpenInfo,
    /// The incarnation of the receiver that the sender has a context for; 0 if none.
    pub answers: u64,
}

/// "You sent to a context that I do not have": the address and transmission of that packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The address that the refused packet carried.
    pub address: Address,
    /// The refused packet's transmission.
    pub transmission: Transmission,
}

/// A question to one path. It is answered by an ACK whose trigger it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The receiver's context.
    pub address: Address,
    /// The path, and the probe's number along it.
    pub transmission: Transmission,
    /// The sender's clock, to be echoed.
    pub timestamp: u32,
}

/// "I leave": the context ends, and nothing more comes from this incarnation. Rule O8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The receiver's context.
    pub address: Address,
    /// The incarnation that leaves.
    pub incarnation: u64,
}

/// "Nothing is under way between us, and nothing has been for long: shall both forget each other?"
/// A RESET agrees; an ACK, as for a [`Probe`], does not. Rule O11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The question to the path, as in a PROBE.
    pub probe: Probe,
    /// Low 32 bits of the sender's next PSN: only who has all below can agree.
    pub next_psn: u32,
    /// The incarnation that asks.
    pub incarnation: u64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct NackFields {
    prefix: Prefix,
    psn: U32,
    transmission: U32,
    delay_ns: U32,
    credit: U32,
    reason: u8,
    cause: u8,
    source: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct OpenFields {
    prefix: Prefix,
    block: OpenBlock,
    answers: U64,
    paths: u8,
    reserved: [u8; 3],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ResetFields {
    prefix: Prefix,
    transmission: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ProbeFields {
    prefix: Prefix,
    transmission: U32,
    timestamp: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct CloseFields {
    prefix: Prefix,
    incarnation: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct PartFields {
    prefix: Prefix,
    transmission: U32,
    timestamp: U32,
    next_psn: U32,
    incarnation: U64,
}

/// Where the locator lies in an OPEN packet.
pub(super) const OPEN_LOCATOR_AT: usize =
    offset_of!(OpenFields, block) + offset_of!(OpenBlock, locator);

const REASON_NOT_READY: u8 = 1;
const REASON_TRIMMED: u8 = 2;
const REASON_REFUSED: u8 = 3;
const REASON_ANNOUNCE: u8 = 4;

impl Nack {
    /// Writes the packet to the front of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let (reason, cause) = match self.reason {
            NackReason::ReceiverNotReady => (REASON_NOT_READY, 0),
            NackReason::Trimmed => (REASON_TRIMMED, 0),
            NackReason::Refused(refusal) => (REASON_REFUSED, refusal.code()),
            NackReason::AnnounceInstead => (REASON_ANNOUNCE, 0),
        };
        put(
            out,
            &NackFields {
                prefix: Prefix::new(Kind::Nack, 0, self.address),
                psn: self.psn.into(),
                transmission: self.transmission.to_wire(),
                delay_ns: self.delay_ns.into(),
                credit: self.credit.into(),
                reason,
                cause,
                source: self.source.into(),
            },
        )
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let fields: &NackFields = get(head)?;
        let reason = match fields.reason {
            REASON_NOT_READY => NackReason::ReceiverNotReady,
            REASON_TRIMMED => NackReason::Trimmed,
            REASON_ANNOUNCE => NackReason::AnnounceInstead,
            REASON_REFUSED => {
                let refusal = Refusal::from_code(fields.cause);
                NackReason::Refused(refusal.ok_or(DecodeError::Undefined)?)
            }
            _ => return Err(DecodeError::Undefined),
        };
        Ok(Self {
            address: fields.prefix.address(),
            psn: fields.psn.get(),
            transmission: Transmission::from_wire(fields.transmission),
            delay_ns: fields.delay_ns.get(),
            reason,
            credit: fields.credit.get(),
            source: fields.source.get(),
        })
    }
}

impl OpenPacket {
    /// Writes the packet to the front of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let address = Address { context: self.info.context, tag: 0 };
        put(
            out,
            &OpenFields {
                prefix: Prefix::new(Kind::Open, 0, address),
                block: OpenBlock::new(&self.info),
                answers: self.answers.into(),
                paths: (self.info.paths - 1) as u8,
                reserved: [0; 3],
            },
        )
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let fields: &OpenFields = get(head)?;
        let info = fields.block.info(fields.prefix.context.get(), fields.paths)?;
        Ok(Self { info, answers: fields.answers.get() })
    }
}

impl Reset {
    /// Writes the packet to the front of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        put(
            out,
            &ResetFields {
                prefix: Prefix::new(Kind::Reset, 0, self.address),
                transmission: self.transmission.to_wire(),
            },
        )
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let fields: &ResetFields = get(head)?;
        Ok(Self {
            address: fields.prefix.address(),
            transmission: Transmission::from_wire(fields.transmission),
        })
    }
}

impl Probe {
    /// Writes the packet to the front of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        put(
            out,
            &ProbeFields {
                prefix: Prefix::new(Kind::Probe, 0, self.address),
                transmission: self.transmission.to_wire(),
                timestamp: self.timestamp.into(),
            },
        )
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let fields: &ProbeFields = get(head)?;
        Ok(Self {
            address: fields.prefix.address(),
            transmission: Transmission::from_wire(fields.transmission),
            timestamp: fields.timestamp.get(),
        })
    }
}

impl Close {
    /// Writes the packet to the front of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        put(
            out,
            &CloseFields {
                prefix: Prefix::new(Kind::Close, 0, self.address),
                incarnation: self.incarnation.into(),
            },
        )
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let fields: &CloseFields = get(head)?;
        let incarnation = fields.incarnation.get();
        Ok(Self { address: fields.prefix.address(), incarnation })
    }
}

impl Part {
    /// Writes the packet to the front of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        put(
            out,
            &PartFields {
                prefix: Prefix::new(Kind::Part, 0, self.probe.address),
                transmission: self.probe.transmission.to_wire(),
                timestamp: self.probe.timestamp.into(),
                next_psn: self.next_psn.into(),
                incarnation: self.incarnation.into(),
            },
        )
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let fields: &PartFields = get(head)?;
        let probe = Probe {
            address: fields.prefix.address(),
            transmission: Transmission::from_wire(fields.transmission),
            timestamp: fields.timestamp.get(),
        };
        let (next_psn, incarnation) = (fields.next_psn.get(), fields.incarnation.get());
        Ok(Self { probe, next_psn, incarnation })
    }
}

fn put<T: IntoBytes + Immutable>(out: &mut [u8], fields: &T) -> usize {
    let bytes = fields.as_bytes();
    out[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

/// The fields of a control packet, which must be all there is, with no flag set.
fn get<T: FromBytes + KnownLayout + Immutable + Unaligned>(head: &[u8]) -> Result<&T, DecodeError> {
    if head.len() < size_of::<T>() {
        return Err(DecodeError::Truncated);
    }
    if head[1] != 0 {
        return Err(DecodeError::Undefined);
    }
    T::ref_from_bytes(head).map_err(|_| DecodeError::Length)
}
