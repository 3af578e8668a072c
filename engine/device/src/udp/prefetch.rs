//! Asking for payload before the system copies it.
//!
//! The system copies a train piece by piece. Where a piece goes on where the one before has ended, the
//! processor has seen it coming. Where it does not, as with the blocks of a vectored transfer, each
//! piece would begin with a wait for memory; so the pieces of a train are asked for before the call.

/// Asks for the front of memory that is about to be read.
#[cfg(target_arch = "x86_64")]
pub(super) fn prefetch(bytes: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    for line in bytes.chunks(CACHE_LINE_BYTES).take(FRONT_LINES) {
        // SAFETY: a hint; nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}

/// There is no stable way to ask elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn prefetch(_bytes: &[u8]) {}

#[cfg(target_arch = "x86_64")]
const CACHE_LINE_BYTES: usize = 64;
/// Once a piece's first lines are there, the processor sees the rest coming, and fetches it while it
/// copies; to ask for all of it costs a wait of its own. Goodput of `usrd perf --op write,vwrite` to that
/// of the contiguous WRITE, blocks and packets of 4 KiB, for 0, 2, 4, 8, 16, 32 and all 64 lines: 0.87, 0.94,
/// 0.97, 1.02, 0.98, 0.93 and 0.88.
#[cfg(target_arch = "x86_64")]
const FRONT_LINES: usize = 8;
