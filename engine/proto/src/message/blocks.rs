//! What a transfer moves, block after block, and where a piece of it lies.
//!
//! ```text
//!   transfer   0          len0        len0+len1
//!              [ block 0  ][ block 1   ][ block 2 ...
//!                    |            \
//!                    v             v
//!               (here, there)  (here, there)
//! ```
//! Blocks are kept once per transfer and never per packet. A piece lies in one block; packets come
//! and go mostly in order, so the block that was looked at last, or the one after it, is the first
//! guess.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::boundary::Event;
use crate::ids::{BufferRange, PeerId};
use crate::region::{Access, Refusal, RegionAddress, Regions};
use crate::transfer::{Block, Layout};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct BlockList {
    blocks: Blocks,
    /// The memory on this side, if it is not in regions.
    local: Option<BufferRange>,
    total_len: u64,
    /// The block that was looked at last.
    last: usize,
}

/// One block needs no allocation.
#[derive(Debug)]
enum Blocks {
    One([Block; 1]),
    Many(Vec<Block>),
}

/// A stretch of a transfer that lies in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The memory on this side.
    pub local: BufferRange,
    /// The peer's.
    pub remote: RegionAddress,
}

impl BlockList {
    /// Numbers the blocks of a transfer. `None` if one of them is empty, or all together are too
    /// long.
    pub(crate) fn new(layout: Layout, max_bytes: u64) -> Option<Self> {
        let (mut blocks, local) = match layout {
            Layout::One { local, remote } => {
                (Blocks::One([Block::new(NOWHERE, remote, local.len)]), Some(local))
            }
            Layout::Blocks(blocks) if blocks.len() == 1 => (Blocks::One([blocks[0]]), None),
            Layout::Blocks(blocks) => (Blocks::Many(blocks), None),
        };
        let is_list = local.is_none();
        let mut total_len: u64 = 0;
        for block in blocks.as_mut_slice() {
            block.start = total_len;
            total_len = total_len.checked_add(block.len).filter(|&len| len <= max_bytes)?;
            if block.len == 0 && is_list {
                return None;
            }
        }
        Some(Self { blocks, local, total_len, last: 0 })
    }

    /// All of a buffer of this side, which no region names.
    pub(crate) fn whole(local: BufferRange) -> Self {
        Self {
            blocks: Blocks::One([Block::new(NOWHERE, NOWHERE, local.len)]),
            local: Some(local),
            total_len: local.len,
            last: 0,
        }
    }

    /// A stretch of a region of this side that a peer reads.
    pub(crate) fn served(at: RegionAddress, len: u64) -> Self {
        Self {
            blocks: Blocks::One([Block::new(at, at, len)]),
            local: None,
            total_len: len,
            last: 0,
        }
    }

    pub(crate) fn total_len(&self) -> u64 {
        self.total_len
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.as_slice().len()
    }

    /// The first block's place at the peer.
    pub(crate) fn first_remote(&self) -> RegionAddress {
        self.blocks.as_slice().first().map_or(NOWHERE, |block| block.remote)
    }

    /// How much follows `offset` in its block, in bytes.
    pub(crate) fn left_in_block(&mut self, offset: u64) -> u64 {
        self.find(offset).map_or(0, |block| block.start + block.len - offset)
    }

    /// Where `len` bytes at `offset` lie. `None` if that is not in one block.
    pub(crate) fn piece(&mut self, offset: u64, len: u64, regions: &Regions) -> Option<Piece> {
        let local = self.local;
        let block = self.find(offset)?;
        let within = offset - block.start;
        if within.checked_add(len)? > block.len {
            return None;
        }
        let (buffer, at) = match local {
            Some(range) => (range.buffer, range.offset + within),
            None => (regions.buffer(block.local), block.local.offset() + within),
        };
        let local = BufferRange { buffer, offset: at, len };
        Some(Piece { local, remote: block.remote.plus(within) })
    }

    /// Checks that this side may use all that it names of its own memory.
    pub(crate) fn check_local(&self, regions: &Regions) -> Result<(), (usize, Refusal)> {
        self.check(|block| regions.check_local(block.local, block.len))
    }

    /// Checks that a peer may read all of it.
    pub(crate) fn check_served(&self, peer: PeerId, regions: &Regions) -> Result<(), Refusal> {
        let check =
            |block: &Block| regions.check(peer, block.local, block.len, Access::READ).map(drop);
        self.check(check).map_err(|(_, refusal)| refusal)
    }

    fn check(
        &self,
        mut check: impl FnMut(&Block) -> Result<(), Refusal>,
    ) -> Result<(), (usize, Refusal)> {
        if self.local.is_some() {
            return Ok(());
        }
        for (index, block) in self.blocks.as_slice().iter().enumerate() {
            check(block).map_err(|refusal| (index, refusal))?;
        }
        Ok(())
    }

    /// From now on it uses the regions of this side that it names.
    pub(crate) fn hold(&self, regions: &mut Regions) {
        self.local_slots().for_each(|slot| regions.hold(slot));
    }

    /// It does not use them any more.
    pub(crate) fn release(&self, regions: &mut Regions, events: &mut VecDeque<Event>) {
        for slot in self.local_slots() {
            let released = regions.release(slot);
            events.extend(released.map(|buffer| Event::RegionReleased { buffer }));
        }
    }

    /// Whether it uses this region of this side.
    pub(crate) fn uses(&self, slot: u16) -> bool {
        self.local_slots().any(|it| it == slot)
    }

    fn local_slots(&self) -> impl Iterator<Item = u16> + '_ {
        let blocks: &[Block] = if self.local.is_none() { self.blocks.as_slice() } else { &[] };
        blocks.iter().map(|block| block.local.slot())
    }

    fn find(&mut self, offset: u64) -> Option<Block> {
        let blocks = self.blocks.as_slice();
        let holds = |index: usize| {
            blocks.get(index).is_some_and(|it| offset.wrapping_sub(it.start) < it.len)
        };
        if !holds(self.last) {
            self.last = match holds(self.last + 1) {
                true => self.last + 1,
                // The first that starts beyond it comes after the one that holds it, if any does.
                false => blocks.partition_point(|it| it.start <= offset).checked_sub(1)?,
            };
        }
        holds(self.last).then(|| blocks[self.last])
    }
}

impl Blocks {
    fn as_slice(&self) -> &[Block] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Block] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

/// The place of a block that is not in a region.
const NOWHERE: RegionAddress = RegionAddress::new(0, 0, 0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BufferId;
    use crate::region::RegionRequest;
    use alloc::vec;

    fn list(lens: &[u64]) -> (BlockList, Regions) {
        let mut regions = Regions::default();
        let request =
            RegionRequest { buffer: BufferId(4), len: 1 << 20, access: Access::LOCAL, peers: None };
        let here = regions.register(1, request).unwrap();
        let there = RegionAddress::new(9, 99, 0);
        let block = |(at, &len): (u64, &u64)| Block::new(here.plus(at * 1000), there.plus(at), len);
        let blocks = (0..).zip(lens).map(block).collect();
        (BlockList::new(Layout::Blocks(blocks), 1 << 30).unwrap(), regions)
    }

    #[test]
    fn every_byte_is_found_in_any_order() {
        let lens = [3, 1, 7, 2];
        let (mut list, regions) = list(&lens);
        assert_eq!(list.total_len(), 13);
        let expected: Vec<(u64, u64)> =
            (0..).zip(lens).flat_map(|(block, len)| (0..len).map(move |at| (block, at))).collect();
        for step in [1, 5, 12] {
            for number in 0..13 {
                let offset = number * step % 13;
                let (block, at) = expected[offset as usize];
                let piece = list.piece(offset, 1, &regions).unwrap();
                assert_eq!(piece.local.offset, block * 1000 + at);
                assert_eq!(piece.local.buffer, BufferId(4));
                assert_eq!(piece.remote.offset(), block + at);
                assert_eq!(list.left_in_block(offset), lens[block as usize] - at);
            }
        }
        assert_eq!(list.piece(13, 1, &regions), None);
        assert_eq!(list.piece(2, 2, &regions), None, "across two blocks");
        assert_eq!(list.piece(u64::MAX, 1, &regions), None);
        assert_eq!(list.piece(4, u64::MAX, &regions), None);
    }

    #[test]
    fn empty_blocks_and_lengths_that_overflow_are_refused() {
        let at = RegionAddress::new(0, 0, 0);
        let blocks = |lens: &[u64]| {
            Layout::Blocks(lens.iter().map(|&len| Block::new(at, at, len)).collect())
        };
        assert!(BlockList::new(blocks(&[1, 0, 1]), 100).is_none());
        assert!(BlockList::new(blocks(&[60, 41]), 100).is_none());
        assert!(BlockList::new(blocks(&[u64::MAX, u64::MAX]), u64::MAX).is_none());
        assert!(BlockList::new(Layout::Blocks(vec![]), 100).is_some());
    }
}
