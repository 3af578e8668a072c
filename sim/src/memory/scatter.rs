//! How the blocks of one operation lie. On the side that asks they follow each other; at the
//! destination they fill the operation's room in another order; and they are listed in a third, so that
//! nothing which takes one order for another goes unnoticed.

use crate::traffic::MessageId;
use crate::workload::FlowSpec;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scatter {
    size: u64,
    /// Bytes of a block; the last may have fewer.
    block: u64,
    count: u64,
    /// How far the rooms of two neighbours are apart, in blocks.
    stride: u64,
    /// How far two neighbours in the list are apart, in blocks.
    list_stride: u64,
    shift: u64,
}

impl Scatter {
    /// The blocks of an operation of this flow.
    pub fn new(spec: &FlowSpec, message: MessageId) -> Self {
        let block = spec.size.div_ceil(u64::from(spec.operation.vector)).max(1);
        let count = spec.size.div_ceil(block).max(1);
        let turn = message as usize;
        Self {
            size: spec.size,
            block,
            count,
            stride: stride(count, turn),
            list_stride: stride(count, turn + 3),
            shift: u64::from(message) % count,
        }
    }

    /// How many blocks there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What it takes at the destination, in bytes.
    pub fn room(&self) -> u64 {
        self.count * self.block
    }

    /// Where in its room byte `at` lies.
    pub fn remote(&self, at: u64) -> u64 {
        if self.count == 1 {
            return at;
        }
        let (block, within) = (at / self.block, at % self.block);
        (block * self.stride + self.shift) % self.count * self.block + within
    }

    /// Whether a stretch lies in one block.
    pub fn is_in_one(&self, at: u64, len: u64) -> bool {
        len > 0 && at + len <= self.size && at / self.block == (at + len - 1) / self.block
    }

    /// The blocks as they are listed: where each starts, where in the room it lies, and its length.
    pub fn blocks(self) -> impl Iterator<Item = (u64, u64, u64)> {
        (0..self.count).map(move |nth| {
            let at = nth * self.list_stride % self.count * self.block;
            (at, self.remote(at), self.block.min(self.size - at))
        })
    }
}

/// A step that comes by each of `count` places once before it comes back.
fn stride(count: u64, turn: usize) -> u64 {
    let from = turn % STRIDES.len();
    let mut strides = STRIDES[from..].iter().chain(&STRIDES[..from]);
    // Their product is more than any count, so one of them does not divide it.
    *strides.find(|&&stride| !count.is_multiple_of(stride)).unwrap_or(&1)
}

const STRIDES: [u64; 8] = [7, 11, 13, 17, 19, 23, 29, 31];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;
    use crate::workload::{Operation, OperationKey};

    fn scatter(size: u64, vector: u32, message: MessageId) -> Scatter {
        let operation = Operation { kind: OperationKey::Write, vector, immediate: false };
        let (service, start) = (ServiceKey::Srd, Time::ZERO);
        let spec = FlowSpec { src: 0, dst: 1, messages: 1, size, service, operation, start };
        Scatter::new(&spec, message)
    }

    #[test]
    fn every_byte_has_a_place_of_its_own() {
        for (size, vector) in [(1, 1), (100, 1), (1, 5), (77 * 8, 77), (1000, 7), (999, 140)] {
            for message in 0..9 {
                let scatter = scatter(size, vector, message);
                let mut used = vec![false; scatter.room() as usize];
                let mut moved = 0;
                for (at, remote, len) in scatter.blocks() {
                    assert!(scatter.is_in_one(at, len) && len > 0);
                    for byte in 0..len {
                        assert_eq!(scatter.remote(at + byte), remote + byte);
                        assert!(!std::mem::replace(&mut used[(remote + byte) as usize], true));
                    }
                    moved += len;
                }
                assert_eq!(moved, size);
                assert!(scatter.room() < size + scatter.block);
            }
        }
    }

    #[test]
    fn neighbours_are_torn_apart() {
        let scatter = scatter(1600, 16, 1);
        let blocks: Vec<_> = scatter.blocks().collect();
        assert!(blocks.windows(2).all(|two| two[0].0 + 100 != two[1].0));
        assert!(
            (0..15).all(|nth| scatter.remote(nth * 100) + 100 != scatter.remote(nth * 100 + 100))
        );
        assert!(!scatter.is_in_one(50, 100) && scatter.is_in_one(100, 100));
    }
}
