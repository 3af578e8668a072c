//! Memory for messages that came before their receive. Recycled, so that a steady trickle of them
//! allocates nothing.

use usrd_proto::BounceId;

/// The memory of all unexpected messages.
#[derive(Debug)]
pub(super) struct BouncePool {
    /// By [`BounceId`], which are dense.
    held: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    spare_bytes: u64,
    /// How much to keep for later, in bytes.
    keep_bytes: u64,
}

impl BouncePool {
    /// Keeps up to `keep_bytes` of freed memory.
    pub(super) fn new(keep_bytes: u64) -> Self {
        Self { held: Vec::new(), spare: Vec::new(), spare_bytes: 0, keep_bytes }
    }

    /// Stores a piece of a message of `total_len` bytes.
    pub(super) fn store(&mut self, id: BounceId, total_len: u64, offset: u64, bytes: &[u8]) {
        let memory = self.memory(id, total_len as usize);
        let start = offset as usize;
        memory[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// The front of a message.
    pub(super) fn front(&self, id: BounceId, len: u64) -> &[u8] {
        &self.held[id.0 as usize][..len as usize]
    }

    /// Frees a message's memory.
    pub(super) fn free(&mut self, id: BounceId) {
        let Some(held) = self.held.get_mut(id.0 as usize) else {
            return;
        };
        let memory = std::mem::take(held);
        let bytes = memory.len() as u64;
        if bytes > 0 && self.spare_bytes + bytes <= self.keep_bytes {
            self.spare_bytes += bytes;
            self.spare.push(memory);
        }
    }

    fn memory(&mut self, id: BounceId, len: usize) -> &mut [u8] {
        let index = id.0 as usize;
        if self.held.len() <= index {
            self.held.resize_with(index + 1, Vec::new);
        }
        if self.held[index].len() < len {
            self.held[index] = self.take_spare(len);
        }
        &mut self.held[index]
    }

    fn take_spare(&mut self, len: usize) -> Vec<u8> {
        let mut memory = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= memory.len() as u64;
        if memory.len() < len {
            memory.resize(len, 0);
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_memory_is_used_again_up_to_a_limit() {
        let mut pool = BouncePool::new(10);
        pool.store(BounceId(1), 8, 4, b"tail");
        pool.store(BounceId(1), 8, 0, b"head");
        assert_eq!(pool.front(BounceId(1), 8), b"headtail");
        pool.store(BounceId(0), 8, 0, b"01234567");
        pool.free(BounceId(1));
        pool.free(BounceId(0));
        assert_eq!((pool.spare.len(), pool.spare_bytes), (1, 8));
        pool.store(BounceId(2), 3, 0, b"abc");
        assert_eq!((pool.front(BounceId(2), 3), pool.spare_bytes), (&b"abc"[..], 0));
    }
}
