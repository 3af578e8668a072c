//! Control of a fault device while it runs, from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Turns paths into black holes and back, and reads the counters. Clones control the same device.
#[derive(Clone, Debug, Default)]
pub struct FaultHandle {
    shared: Arc<Shared>,
}

/// What a fault device has done so far, in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounters {
    /// Seen, whatever became of them.
    pub offered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Swallowed by a path that is a black hole.
    pub black_holed: u64,
    /// Sent a second time.
    pub duplicated: u64,
    /// Sent with one bit flipped.
    pub corrupted: u64,
    /// Held back.
    pub delayed: u64,
}

/// What is shared: one bit per path, and one number per field of [`FaultCounters`].
#[derive(Debug, Default)]
struct Shared {
    black_holes: [AtomicU64; 4],
    offered: AtomicU64,
    lost: AtomicU64,
    black_holed: AtomicU64,
    duplicated: AtomicU64,
    corrupted: AtomicU64,
    delayed: AtomicU64,
}

impl FaultHandle {
    /// From now on, what is sent along `path` vanishes.
    pub fn black_hole(&self, path: u8) {
        self.word(path).fetch_or(bit(path), Ordering::Relaxed);
    }

    /// From now on, `path` is like the others again.
    pub fn heal(&self, path: u8) {
        self.word(path).fetch_and(!bit(path), Ordering::Relaxed);
    }

    /// From now on, no path is a black hole.
    pub fn heal_all(&self) {
        for word in &self.shared.black_holes {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Whether `path` is a black hole.
    pub fn is_black_hole(&self, path: u8) -> bool {
        self.word(path).load(Ordering::Relaxed) & bit(path) != 0
    }

    /// The counters as they are now.
    pub fn counters(&self) -> FaultCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FaultCounters {
            offered: read(&self.shared.offered),
            lost: read(&self.shared.lost),
            black_holed: read(&self.shared.black_holed),
            duplicated: read(&self.shared.duplicated),
            corrupted: read(&self.shared.corrupted),
            delayed: read(&self.shared.delayed),
        }
    }

    /// Publishes the device's own count.
    pub(super) fn publish(&self, counters: &FaultCounters) {
        let write = |counter: &AtomicU64, value| counter.store(value, Ordering::Relaxed);
        write(&self.shared.offered, counters.offered);
        write(&self.shared.lost, counters.lost);
        write(&self.shared.black_holed, counters.black_holed);
        write(&self.shared.duplicated, counters.duplicated);
        write(&self.shared.corrupted, counters.corrupted);
        write(&self.shared.delayed, counters.delayed);
    }

    fn word(&self, path: u8) -> &AtomicU64 {
        &self.shared.black_holes[usize::from(path / 64)]
    }
}

const fn bit(path: u8) -> u64 {
    1 << (path % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_holes_are_single_paths() {
        let handle = FaultHandle::default();
        for path in [0, 63, 64, 255] {
            handle.black_hole(path);
        }
        let holes = |handle: &FaultHandle| -> Vec<u8> {
            (0..=255).filter(|&path| handle.is_black_hole(path)).collect()
        };
        assert_eq!(holes(&handle), [0, 63, 64, 255]);
        handle.clone().heal(63);
        assert_eq!(holes(&handle), [0, 64, 255]);
        handle.heal_all();
        assert_eq!(holes(&handle), []);
    }
}
