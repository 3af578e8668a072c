//! Which block goes where: in an order that looks random on both sides, and that both sides know.

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

    /// Offsets at the client and at the server, block by block, in the order of the list.
    pub(super) fn places(self) -> impl Iterator<Item = (u64, u64)> {
        let strides = [self.stride(0.382), self.stride(0.618)];
        (0..self.count).map(move |number| {
            let place = |stride: u64| number * stride % self.count * self.bytes;
            (place(strides[0]), place(strides[1]))
        })
    }

    /// Whether the memory of one side holds what belongs there if the other one holds `contents`.
    pub(super) fn is_moved(self, contents: &[u8], memory: &[u8], at_client: bool) -> bool {
        let len = self.bytes as usize;
        self.places().all(|(client, server)| {
            let (from, to) = if at_client { (server, client) } else { (client, server) };
            memory[to as usize..][..len] == contents[from as usize..][..len]
        })
    }

    /// A step that visits every block once, about this part of the whole.
    fn stride(self, part: f64) -> u64 {
        let start = ((self.count as f64 * part) as u64).max(1);
        (start..).find(|&stride| gcd(stride, self.count) == 1).unwrap_or(1)
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
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
