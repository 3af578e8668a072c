//! One-sided operations, as the user asks for them: WRITE, READ, atomics. Rules T3 to T9.
//!
//! A transfer moves a list of blocks between registered memory of both sides, as one operation with
//! one completion. It needs nobody's help at the other side, and tells the other side only if it is
//! given a [`Notice`], which arrives once all bytes are in place.

use alloc::vec::Vec;

use crate::boundary::PeerFailure;
use crate::cancelled::Cancelled;
use crate::ids::{BufferId, BufferRange, CompletionLevel, Token};
use crate::region::{Refusal, RegionAddress};

/// A stretch of memory of this side, and the equally long one of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// In a region of this side.
    pub local: RegionAddress,
    /// In a region of the peer.
    pub remote: RegionAddress,
    /// How much, in bytes.
    pub len: u64,
    /// Where it starts in the transfer, in bytes; entered when it is submitted.
    pub(crate) start: u64,
}

impl Block {
    /// `len` bytes at `local`, and `len` bytes at `remote`.
    pub const fn new(local: RegionAddress, remote: RegionAddress, len: u64) -> Self {
        Self { local, remote, len, start: 0 }
    }

    /// Whether `next` goes on, on both sides, where this one ends.
    fn is_continued_by(&self, next: &Self) -> bool {
        self.local.plus(self.len) == next.local && self.remote.plus(self.len) == next.remote
    }
}

/// Leaves empty blocks out, and makes one of neighbours that go on where the one before ends on
/// both sides: fewer of them to name, and fuller packets.
pub fn tidy(blocks: &mut Vec<Block>) {
    blocks.retain(|block| block.len > 0);
    blocks.dedup_by(|next, block| {
        let joins = block.is_continued_by(next);
        if joins {
            block.len += next.len;
        }
        joins
    });
}

/// What is moved, and between where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One stretch, between a buffer of the driver's and the peer's memory.
    One {
        /// On this side.
        local: BufferRange,
        /// On the peer's; looked at only if there is something to move.
        remote: RegionAddress,
    },
    /// Any number, between regions of both sides. None may be empty: see [`tidy`].
    Blocks(Vec<Block>),
}

/// A WRITE: from here to the peer's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// Handed back in the completion.
    pub token: Token,
    /// From where to where. What is read must stay readable until the completion.
    pub layout: Layout,
    /// When it is complete. *Acknowledged*: the peer has accepted every byte for a region that is
    /// live, and will place it.
    pub level: CompletionLevel,
    /// What the peer's user is told once everything is placed.
    pub notice: Option<Notice>,
}

/// A READ: from the peer's memory to here. Complete when all bytes are placed and visible here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Handed back in the completion.
    pub token: Token,
    /// From where to where. What is written must stay writable until the completion.
    pub layout: Layout,
    /// With more than one block: their list as [`encode_list`](crate::wire::encode_list) writes it.
    pub list: Option<BufferRange>,
    /// What the peer's user is told once everything has been read. The READ is then complete when
    /// the peer has acknowledged that.
    pub notice: Option<Notice>,
}

/// What the peer's user is told of a transfer: 64 bits, and perhaps some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The 64 bits.
    pub immediate: u64,
    /// The bytes, at most [`MAX_NOTE_BYTES`]; of length zero if there are none. They must stay readable
    /// until the completion.
    pub note: BufferRange,
}

impl Notice {
    /// 64 bits and no note.
    pub const fn immediate(immediate: u64) -> Self {
        Self { immediate, note: BufferRange { buffer: BufferId(0), offset: 0, len: 0 } }
    }
}

/// The longest note, in bytes. Notes wait in memory of the peer's engine until its user takes them, so
/// they are for names and descriptions; what is longer is a message.
pub const MAX_NOTE_BYTES: u64 = 4096;

/// An atomic operation on eight bytes of the peer's memory, in that host's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomicRequest {
    /// Handed back in the completion, with the value before the operation.
    pub token: Token,
    /// The eight bytes: at an offset that is a multiple of eight.
    pub remote: RegionAddress,
    /// What to do with them.
    pub op: AtomicOp,
}

/// What an atomic does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    /// Adds, wrapping around.
    FetchAdd(u64),
    /// Stores `new` if the value is `expected`.
    CompareSwap {
        /// Compared with.
        expected: u64,
        /// Stored if equal.
        new: u64,
    },
}

impl AtomicOp {
    /// The value that is to be stored where `old` is.
    pub const fn apply(self, old: u64) -> u64 {
        match self {
            Self::FetchAdd(more) => old.wrapping_add(more),
            Self::CompareSwap { expected, new } => {
                if old == expected {
                    new
                } else {
                    old
                }
            }
        }
    }
}

/// How a one-sided operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferFailure {
    /// The peer refused it. Of a WRITE, blocks that were not refused may have been written, and no
    /// immediate was delivered; a READ has left its local memory undefined; an atomic has done
    /// nothing.
    #[error("refused by the peer: {0}")]
    Refused(#[from] Refusal),
    /// Nothing of it had left this endpoint: it has had no effect.
    #[error("not carried out: {0}")]
    NotSent(PeerFailure),
    /// Some of it had left: it may have been carried out, in part or whole, or not.
    #[error("outcome unknown, it may have been carried out: {0}")]
    Unknown(PeerFailure),
    /// It was taken back by [`cancel_transfer`](crate::Endpoint::cancel_transfer).
    #[error("cancelled: {0}")]
    Cancelled(Cancelled),
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn neighbours_become_one_block() {
        let local = |offset| RegionAddress::new(1, 11, offset);
        let remote = |offset| RegionAddress::new(2, 22, offset);
        let mut blocks = vec![
            Block::new(local(0), remote(100), 10),
            Block::new(local(10), remote(110), 5),
            Block::new(local(15), remote(115), 0),
            Block::new(local(15), remote(200), 5),
            Block::new(local(25), remote(205), 5),
        ];
        tidy(&mut blocks);
        let expected = [
            Block::new(local(0), remote(100), 15),
            Block::new(local(15), remote(200), 5),
            Block::new(local(25), remote(205), 5),
        ];
        assert_eq!(blocks, expected);
    }

    #[test]
    fn atomics_compute_the_new_value() {
        assert_eq!(AtomicOp::FetchAdd(2).apply(u64::MAX), 1);
        let swap = AtomicOp::CompareSwap { expected: 5, new: 9 };
        assert_eq!((swap.apply(5), swap.apply(6)), (9, 6));
    }
}
