//! What a message of the one-sided operations needs beside what every message has.

use super::BlockList;
use crate::cancelled::Cancelled;
use crate::ids::CompletionLevel;
use crate::region::RegionAddress;
use crate::transfer::Notice;
use crate::wire::Op;

/// See the module's head. Ordinary messages have none.
#[derive(Debug)]
pub(crate) enum Side {
    /// WRITE: these blocks, then the notice in pieces of its own. Or what a READ of this side's
    /// tells when it has all bytes.
    Write { blocks: BlockList, notice: Option<Notice>, reader: Option<u32> },
    /// The answer to a READ, or to the PULL of a message that was announced: these blocks, to the
    /// peer's operation.
    Response { blocks: BlockList, operation: u32, announced: Option<u32> },
    /// A READ of one block, or an atomic: a header that says it all.
    Request { operation: u32, remote: RegionAddress, operands: [u64; 2] },
    /// A READ of many blocks: its payload is their list.
    List { operation: u32 },
    /// An answer of 64 bits.
    Value(u64),
    /// A message with a tag.
    Tagged(TaggedSide),
    /// An ordinary message that was cancelled.
    Stopped,
    /// What tells the peer that no more of a message comes.
    Withdrawal(Withdrawal),
}

/// The last word about a message: ABANDON, under a PSN of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdrawal {
    /// What the message was.
    pub what: Op,
    /// What the user is told of a WRITE when the peer has answered.
    pub outcome: Cancelled,
    /// The operation of this side's that ends with it, if its answer has not come.
    pub operation: Option<u32>,
}

/// What a tagged message has beside its bytes, and how far it has got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaggedSide {
    pub tag: u64,
    pub immediate: Option<u64>,
    /// When it is complete, as the user wants it.
    pub level: CompletionLevel,
    /// It stays here until it is pulled.
    pub announced: bool,
    /// It is on its way, as the answer to the peer's PULL.
    pub pulled: bool,
}

impl TaggedSide {
    pub(crate) fn new(tag: u64, immediate: Option<u64>, level: CompletionLevel) -> Self {
        Self { tag, immediate, level, announced: false, pulled: false }
    }
}

/// The next piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub offset: u64,
    pub len: u16,
    /// Nothing follows it.
    pub last: bool,
}

impl Side {
    /// The next piece, of a message of which `cut` of `total` bytes have been cut.
    pub(crate) fn next(&mut self, cut: u64, total: u64, mtu: u16) -> Cut {
        let left = match self {
            // Its note.
            Self::Write { blocks, .. } if cut >= blocks.total_len() => total - cut,
            Self::Write { blocks, .. } | Self::Response { blocks, .. } => blocks.left_in_block(cut),
            Self::List { .. } => total - cut,
            Self::Tagged(side) if !side.announced => total - cut,
            Self::Request { .. }
            | Self::Value(_)
            | Self::Tagged(_)
            | Self::Stopped
            | Self::Withdrawal(_) => 0,
        };
        let len = left.min(mtu.into()) as u16;
        let more = match self {
            // Without a note, the immediate follows the last byte.
            Self::Write { notice: Some(notice), .. } if notice.note.len == 0 => cut < total,
            // That it is there is all there is to say.
            Self::Tagged(side) if side.announced => false,
            _ => cut + u64::from(len) < total,
        };
        Cut { offset: cut, len, last: !more }
    }

    /// Whether what lies there is for the peer's user, and not for a region.
    pub(crate) fn is_note(&self, offset: u64) -> bool {
        matches!(self, Self::Write { blocks, .. } if offset >= blocks.total_len())
    }

    /// The blocks that it moves.
    pub(crate) fn blocks(&self) -> Option<&BlockList> {
        match self {
            Self::Write { blocks, .. } | Self::Response { blocks, .. } => Some(blocks),
            Self::Request { .. }
            | Self::List { .. }
            | Self::Value(_)
            | Self::Tagged(_)
            | Self::Stopped
            | Self::Withdrawal(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{BufferId, BufferRange};
    use crate::transfer::Layout;
    use alloc::vec::Vec;

    fn cuts(len: u64, notice: Option<Notice>) -> Vec<(u64, u16)> {
        let local = BufferRange { buffer: BufferId(0), offset: 0, len };
        let layout = Layout::One { local, remote: RegionAddress::new(0, 0, 0) };
        let mut side =
            Side::Write { blocks: BlockList::new(layout, 1 << 20).unwrap(), notice, reader: None };
        let total = len + notice.map_or(0, |notice| notice.note.len);
        let (mut cuts, mut done) = (Vec::new(), 0);
        loop {
            let cut = side.next(done, total, 100);
            cuts.push((cut.offset, cut.len));
            done += u64::from(cut.len);
            if cut.last {
                return cuts;
            }
        }
    }

    #[test]
    fn an_immediate_is_one_more_piece() {
        let notice = Some(Notice::immediate(1));
        assert_eq!(cuts(250, None), [(0, 100), (100, 100), (200, 50)]);
        assert_eq!(cuts(200, notice), [(0, 100), (100, 100), (200, 0)]);
        assert_eq!(cuts(0, notice), [(0, 0)]);
    }

    #[test]
    fn a_note_begins_with_a_piece_and_brings_the_immediate() {
        let note = BufferRange { buffer: BufferId(0), offset: 0, len: 130 };
        let notice = Some(Notice { immediate: 1, note });
        assert_eq!(cuts(150, notice), [(0, 100), (100, 50), (150, 100), (250, 30)]);
        assert_eq!(cuts(0, notice), [(0, 100), (100, 30)]);
    }
}
