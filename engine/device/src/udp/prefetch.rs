//! Asking for payload before the system copies it.
//!
//! The system copies a train piece by piece. Where a piece goes on where the one before has ended, the
//! processor has seen it coming. Where it does not, as with the blocks of a vectored transfer, each
//! piece would begin with a wait for memory; so the pieces of a train are asked for before the call.

/// Asks for memory that is about to be read.
#[cfg(target_arch = "x86_64")]
pub(super) fn prefetch(bytes: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    for line in bytes.chunks(CACHE_LINE_BYTES) {
        // SAFETY: a hint; nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}

/// There is no stable way to ask elsewhere.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn prefetch(_bytes: &[u8]) {}

#[cfg(target_arch = "x86_64")]
const CACHE_LINE_BYTES: usize = 64;
