//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's allocator, with counters. Install it with `#[global_allocator]`.
///
/// All threads count together: measure in a process that runs nothing else.
#[derive(Debug, Default)]
pub struct CountingAllocator {
    allocations: AtomicU64,
    /// Allocated less freed. Freeing what was allocated before a snapshot makes it wrap, and a
    /// difference of two snapshots is right all the same.
    live_bytes: AtomicU64,
}

impl CountingAllocator {
    /// Counters at zero.
    pub const fn new() -> Self {
        Self { allocations: AtomicU64::new(0), live_bytes: AtomicU64::new(0) }
    }

    /// How often memory was allocated, or moved to another size.
    pub fn allocations(&self) -> u64 {
        self.allocations.load(Relaxed)
    }

    /// How much is allocated now, in bytes.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.allocations.fetch_add(1, Relaxed);
        self.live_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came, and every answer back as it
// was given; the counters allocate nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: the caller keeps `GlobalAlloc::alloc`'s contract, which is this call's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.live_bytes.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: `block` came from `System`, with this layout, through the methods above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.count(new_size);
        self.live_bytes.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as for `dealloc`; `new_size` is the caller's to vouch for.
        unsafe { System.realloc(block, layout, new_size) }
    }
}
