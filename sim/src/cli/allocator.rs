//! What an endpoint holds, measured: an allocator that counts, for each thread, what is given back.
//! To drop something then shows its size, whatever it is made of.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, and a counter.
pub(crate) struct Counting;

thread_local! {
    static FREED_BYTES: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's, with what the caller promised it; counting touches
// no memory but a constant-initialised cell of this thread, and does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // A thread that ends may free after its cells are gone; nobody measures then.
        let _ = FREED_BYTES.try_with(|freed| freed.set(freed.get() + layout.size() as u64));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// What this value holds on the heap, in bytes.
pub(crate) fn heap_bytes<T>(value: T) -> u64 {
    let before = FREED_BYTES.get();
    drop(value);
    FREED_BYTES.get() - before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_shows_what_was_held() {
        assert_eq!(heap_bytes(7), 0);
        assert_eq!(heap_bytes(Vec::<u64>::with_capacity(100)), 800);
        assert_eq!(
            heap_bytes(vec![vec![1u8; 10], vec![1; 20]]),
            30 + 2 * size_of::<Vec<u8>>() as u64
        );
    }
}
