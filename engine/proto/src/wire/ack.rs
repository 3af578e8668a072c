//! The acknowledgement: what has arrived, along which paths, and how much more may come.
//!
//! ```text
//! +-------+-------+---------------+-------------------------------+
//! |version| kind 2|     flags     |        incarnation tag        |
//! |                   destination context id                      |
//! |             cumulative PSN: the lowest not received           |
//! |             credit: the first PSN that is not acceptable      |
//! |             payload bytes received (modulo 2^32)              |
//! |   duplicates received (2^16)  |  blocks (0-8) |  paths (0-8)  |
//! |    trigger: path id, path sequence number                     |
//! |    trigger: its timestamp, echoed                             |
//! |    trigger: how long it waited here, in ns                    |
//! |             number of this ACK                                |
//! |             the PSN that was received again last              |
//! |        sender's own tag       |           reserved            |
//! +---------------------------------------------------------------+
//! then per block: offset from the cumulative PSN's block (16 bit), received bits (64 bit)
//! then per path:  path id and highest sequence number (32 bit), packets with CE (8 bit)
//! ```
//! A block is 64 PSNs whose first is a multiple of 64; bit i stands for PSN 64 x block + i.

use zerocopy::byteorder::network_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Address, DecodeError, Kind, Prefix, Transmission};

/// Most SACK blocks in one ACK.
pub const MAX_ACK_BLOCKS: usize = 8;
/// Most path reports in one ACK.
pub const MAX_ACK_PATHS: usize = 8;

/// 64 PSNs, and which of them have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckBlock {
    /// How many blocks after the one that holds the cumulative PSN.
    pub offset: u16,
    /// Bit i: PSN 64 x block + i has arrived. Never zero: a block not listed says nothing.
    pub bits: u64,
}

/// What one path has delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckPath {
    /// The path and the highest sequence number seen on it.
    pub highest: Transmission,
    /// Packets on it that were marked CE since the last ACK that reported it, saturating.
    pub ce_packets: u8,
}

/// An acknowledgement, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The receiver's context.
    pub address: Address,
    /// Low 32 bits of the lowest PSN that has not arrived.
    pub cumulative: u32,
    /// Low 32 bits of the first PSN that would not be accepted.
    pub credit: u32,
    /// Payload bytes that have arrived, each PSN counted once, modulo 2^32.
    pub received_bytes: u32,
    /// PSNs that arrived again in another transmission, modulo 2^16.
    pub duplicates: u16,
    /// The arrival that this ACK answers.
    pub trigger: Transmission,
    /// Its timestamp.
    pub echo: u32,
    /// How long it waited for this ACK, in nanoseconds.
    pub turnaround_ns: u32,
    /// Numbers the ACKs of this context, so that a late one cannot take credit back.
    pub number: u32,
    /// Low 32 bits of the PSN that `duplicates` counted last.
    pub duplicate: u32,
    /// Low 16 bits of the incarnation that has received all this: another one's word is worth
    /// nothing.
    pub source: u16,
    /// As they go on the wire, so that writing an ACK is copying them.
    blocks: [BlockFields; MAX_ACK_BLOCKS],
    paths: [PathFields; MAX_ACK_PATHS],
    block_count: u8,
    path_count: u8,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fields {
    prefix: Prefix,
    cumulative: U32,
    credit: U32,
    received_bytes: U32,
    duplicates: U16,
    block_count: u8,
    path_count: u8,
    trigger: U32,
    echo: U32,
    turnaround_ns: U32,
    number: U32,
    duplicate: U32,
    source: U16,
    reserved: U16,
}

#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug, PartialEq, Eq,
)]
#[repr(C)]
struct BlockFields {
    offset: U16,
    bits: U64,
}

impl BlockFields {
    const NONE: Self = Self { offset: U16::ZERO, bits: U64::ZERO };

    fn get(&self) -> AckBlock {
        AckBlock { offset: self.offset.get(), bits: self.bits.get() }
    }
}

#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug, PartialEq, Eq,
)]
#[repr(C)]
struct PathFields {
    highest: U32,
    ce_packets: u8,
}

impl PathFields {
    const NONE: Self = Self { highest: U32::ZERO, ce_packets: 0 };

    fn get(&self) -> AckPath {
        AckPath { highest: Transmission::from_wire(self.highest), ce_packets: self.ce_packets }
    }
}

const FIXED_BYTES: usize = size_of::<Fields>();
pub(super) const MAX_ACK_BYTES: usize = FIXED_BYTES
    + MAX_ACK_BLOCKS * size_of::<BlockFields>()
    + MAX_ACK_PATHS * size_of::<PathFields>();

const _: () = assert!(FIXED_BYTES == 48 && MAX_ACK_BYTES == 168);

impl Ack {
    /// An ACK of everything below `cumulative` that says nothing else yet.
    pub fn new(address: Address, cumulative: u32, credit: u32) -> Self {
        Self {
            address,
            cumulative,
            credit,
            received_bytes: 0,
            duplicates: 0,
            trigger: Transmission::default(),
            echo: 0,
            turnaround_ns: 0,
            number: 0,
            duplicate: 0,
            source: 0,
            blocks: [BlockFields::NONE; MAX_ACK_BLOCKS],
            paths: [PathFields::NONE; MAX_ACK_PATHS],
            block_count: 0,
            path_count: 0,
        }
    }

    /// The SACK blocks.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = AckBlock> {
        self.blocks[..usize::from(self.block_count)].iter().map(BlockFields::get)
    }

    /// The path reports.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = AckPath> {
        self.paths[..usize::from(self.path_count)].iter().map(PathFields::get)
    }

    /// Adds a block; `false` if it is full, or the block says nothing.
    pub fn push_block(&mut self, block: AckBlock) -> bool {
        let at = usize::from(self.block_count);
        if at == MAX_ACK_BLOCKS || block.bits == 0 {
            return false;
        }
        self.blocks[at] = BlockFields { offset: block.offset.into(), bits: block.bits.into() };
        self.block_count += 1;
        true
    }

    /// Adds a path report; `false` if it is full.
    pub fn push_path(&mut self, path: AckPath) -> bool {
        let at = usize::from(self.path_count);
        if at == MAX_ACK_PATHS {
            return false;
        }
        self.paths[at] =
            PathFields { highest: path.highest.to_wire(), ce_packets: path.ce_packets };
        self.path_count += 1;
        true
    }

    /// Writes the ACK to the front of `out` and returns its length.
    ///
    /// # Panics
    /// If `out` is shorter than [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES).
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let fields = Fields {
            prefix: Prefix::new(Kind::Ack, 0, self.address),
            cumulative: self.cumulative.into(),
            credit: self.credit.into(),
            received_bytes: self.received_bytes.into(),
            duplicates: self.duplicates.into(),
            block_count: self.block_count,
            path_count: self.path_count,
            trigger: self.trigger.to_wire(),
            echo: self.echo.into(),
            turnaround_ns: self.turnaround_ns.into(),
            number: self.number.into(),
            duplicate: self.duplicate.into(),
            source: self.source.into(),
            reserved: U16::ZERO,
        };
        out[..FIXED_BYTES].copy_from_slice(fields.as_bytes());
        let blocks = self.blocks[..usize::from(self.block_count)].as_bytes();
        let paths = self.paths[..usize::from(self.path_count)].as_bytes();
        let at = append(out, FIXED_BYTES, blocks);
        append(out, at, paths)
    }

    pub(super) fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let view = AckView::check(head)?;
        let fields = view.fields;
        let mut ack = Self::new(view.address(), view.cumulative(), view.credit());
        ack.received_bytes = fields.received_bytes.get();
        ack.duplicates = view.duplicates();
        ack.trigger = view.trigger();
        ack.echo = view.echo();
        ack.turnaround_ns = view.turnaround_ns();
        ack.number = view.number();
        ack.duplicate = view.duplicate();
        ack.source = view.source();
        for block in view.blocks() {
            ack.push_block(block);
        }
        for path in view.paths() {
            ack.push_path(path);
        }
        Ok(ack)
    }
}

/// An ACK where it has arrived, checked. Nothing is copied: a field is read when it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct AckView<'a> {
    fields: &'a Fields,
    blocks: &'a [BlockFields],
    paths: &'a [PathFields],
}

impl<'a> AckView<'a> {
    /// Nothing undefined, as many bytes as the counts say, and no block that says nothing.
    #[inline]
    pub(crate) fn check(head: &'a [u8]) -> Result<Self, DecodeError> {
        let (fields, rest) = Fields::ref_from_prefix(head).map_err(|_| DecodeError::Truncated)?;
        let (blocks, paths) = (usize::from(fields.block_count), usize::from(fields.path_count));
        if fields.prefix.flags != 0 || blocks > MAX_ACK_BLOCKS || paths > MAX_ACK_PATHS {
            return Err(DecodeError::Undefined);
        }
        let (blocks, rest) = <[BlockFields]>::ref_from_prefix_with_elems(rest, blocks)
            .map_err(|_| DecodeError::Truncated)?;
        let (paths, rest) = <[PathFields]>::ref_from_prefix_with_elems(rest, paths)
            .map_err(|_| DecodeError::Truncated)?;
        if !rest.is_empty() {
            return Err(DecodeError::Length);
        }
        if blocks.iter().any(|block| block.bits == U64::ZERO) {
            return Err(DecodeError::Undefined);
        }
        Ok(Self { fields, blocks, paths })
    }

    pub(crate) fn address(self) -> Address {
        self.fields.prefix.address()
    }

    pub(crate) fn source(self) -> u16 {
        self.fields.source.get()
    }

    pub(crate) fn number(self) -> u32 {
        self.fields.number.get()
    }

    pub(crate) fn cumulative(self) -> u32 {
        self.fields.cumulative.get()
    }

    pub(crate) fn credit(self) -> u32 {
        self.fields.credit.get()
    }

    pub(crate) fn duplicates(self) -> u16 {
        self.fields.duplicates.get()
    }

    pub(crate) fn duplicate(self) -> u32 {
        self.fields.duplicate.get()
    }

    pub(crate) fn trigger(self) -> Transmission {
        Transmission::from_wire(self.fields.trigger)
    }

    pub(crate) fn echo(self) -> u32 {
        self.fields.echo.get()
    }

    pub(crate) fn turnaround_ns(self) -> u32 {
        self.fields.turnaround_ns.get()
    }

    #[inline]
    pub(crate) fn blocks(self) -> impl ExactSizeIterator<Item = AckBlock> + 'a {
        self.blocks.iter().map(BlockFields::get)
    }

    #[inline]
    pub(crate) fn paths(self) -> impl ExactSizeIterator<Item = AckPath> + 'a {
        self.paths.iter().map(PathFields::get)
    }
}

fn append(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let end = at + bytes.len();
    out[at..end].copy_from_slice(bytes);
    end
}
