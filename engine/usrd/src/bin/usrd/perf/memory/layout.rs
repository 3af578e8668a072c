//! Which block goes where: in a random order on both sides, and that both sides know.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// `count` blocks of `bytes` bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Layout {
    /// `size` bytes as one block, or in blocks of `block`.
    pub(super) const fn new(size: usize, block: Option<usize>) -> Self {
        let bytes = match block {
            Some(block) => block,
            None => size,
        };
        Self { count: (size / bytes) as u64, bytes: bytes as u64 }
    }

    /// Offsets at the client and at the server, block by block, in the order of the list: all
    /// shuffled, the same way each time.
    pub(super) fn places(self) -> impl Iterator<Item = (u64, u64)> {
        self.shuffled(1).zip(self.shuffled(2))
    }

    /// Whether the memory of one side holds what belongs there if the other one holds `contents`.
    pub(super) fn is_moved(self, contents: &[u8], memory: &[u8], at_client: bool) -> bool {
        let len = self.bytes as usize;
        self.places().all(|(client, server)| {
            let (from, to) = if at_client { (server, client) } else { (client, server) };
            memory[to as usize..][..len] == contents[from as usize..][..len]
        })
    }

    fn shuffled(self, seed: u64) -> impl Iterator<Item = u64> {
        let mut offsets: Vec<u64> = (0..self.count).map(|number| number * self.bytes).collect();
        offsets.shuffle(&mut SmallRng::seed_from_u64(seed));
        offsets.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_moved_once() {
        for (size, block) in [(4096, None), (4096, Some(4096)), (12 << 12, Some(1 << 12))] {
            let layout = Layout::new(size, block);
            let mut places: Vec<_> = layout.places().collect();
            let expected: Vec<u64> = (0..layout.count).map(|n| n * layout.bytes).collect();
            places.sort_unstable_by_key(|place| place.0);
            assert_eq!(places.iter().map(|place| place.0).collect::<Vec<_>>(), expected);
            places.sort_unstable_by_key(|place| place.1);
            assert_eq!(places.iter().map(|place| place.1).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_wrong_byte_is_noticed() {
        let layout = Layout::new(64, Some(8));
        let contents: Vec<u8> = (0..64).collect();
        let mut memory = vec![0; 64];
        for (client, server) in layout.places() {
            let block = contents[client as usize..][..8].to_vec();
            memory[server as usize..][..8].copy_from_slice(&block);
        }
        assert!(layout.is_moved(&contents, &memory, false));
        memory[63] ^= 1;
        assert!(!layout.is_moved(&contents, &memory, false));
        assert_ne!(memory, contents, "shuffled");
    }
}
