//! The memory of a region: the engine's own while it is registered, or borrowed by a promise.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use usrd_device::Lendable;
use usrd_proto::AtomicOp;

use crate::lease::Hold;

/// See the module's head.
#[derive(Debug)]
pub(crate) enum Memory {
    Owned(BytesMut),
    Raw(RawMemory),
}

/// Memory of somebody else's, who has promised what [`Memory::raw`] asks for.
#[derive(Debug)]
pub(crate) struct RawMemory {
    start: NonNull<u8>,
    len: usize,
    /// Goes with it.
    _hold: Option<Hold>,
}

// SAFETY: the memory may be used from any thread; see `Memory::raw`.
unsafe impl Send for RawMemory {}

impl Memory {
    /// Memory that stays somebody else's.
    ///
    /// # Safety
    /// As for [`Engine::register_raw`](crate::Engine::register_raw), as long as this exists.
    pub(crate) unsafe fn raw(start: NonNull<u8>, len: usize) -> Self {
        Self::Raw(RawMemory { start, len, _hold: None })
    }

    /// Memory that is borrowed for as long as this exists: until `hold` is dropped with it.
    ///
    /// # Safety
    /// The borrow does last that long.
    pub(crate) unsafe fn held(memory: &mut [u8], hold: Hold) -> Self {
        let (start, len) = (NonNull::from(&mut *memory).cast(), memory.len());
        Self::Raw(RawMemory { start, len, _hold: Some(hold) })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Owned(memory) => memory.len(),
            Self::Raw(memory) => memory.len,
        }
    }

    /// To be lent to a device.
    ///
    /// # Safety
    /// This value stays as it is, and in existence, until that has been taken back.
    pub(crate) unsafe fn lendable(&mut self) -> Lendable {
        let (start, len) = match self {
            Self::Owned(memory) => (NonNull::from(&mut **memory).cast(), memory.len()),
            Self::Raw(memory) => (memory.start, memory.len),
        };
        // SAFETY: a buffer stays where it is while nobody changes its length; the other was promised
        // to stay as long as this value; and this value does.
        unsafe { Lendable::new(start, len) }
    }

    /// Whether eight-byte words at offsets that are multiples of eight can be used as atomics.
    pub(crate) fn is_aligned(&self) -> bool {
        match self {
            // The engine alone has it: any alignment will do.
            Self::Owned(_) => true,
            Self::Raw(memory) => memory.start.cast::<AtomicU64>().is_aligned(),
        }
    }

    /// Never frees it: somebody outside may still read from it.
    pub(crate) fn leak(self) {
        match self {
            Self::Owned(memory) => std::mem::forget(memory),
            Self::Raw(_) => {}
        }
    }

    /// The buffer, if the engine had it.
    pub(crate) fn into_owned(self) -> Option<BytesMut> {
        match self {
            Self::Owned(memory) => Some(memory),
            Self::Raw(_) => None,
        }
    }

    /// `len` bytes at `offset`, which must lie inside.
    pub(crate) fn slice(&self, offset: usize, len: usize) -> &[u8] {
        self.assert_inside(offset, len);
        match self {
            Self::Owned(memory) => &memory[offset..offset + len],
            // SAFETY: valid for reads, inside, and not written meanwhile, as was promised.
            Self::Raw(memory) => unsafe {
                std::slice::from_raw_parts(memory.start.as_ptr().add(offset), len)
            },
        }
    }

    /// Copies `bytes` to `offset`; they must lie inside.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.assert_inside(offset, bytes.len());
        match self {
            Self::Owned(memory) => memory[offset..offset + bytes.len()].copy_from_slice(bytes),
            // SAFETY: valid for writes, inside, and not used meanwhile, as was promised; what has
            // arrived lies in the device's memory, not here.
            Self::Raw(memory) => unsafe {
                let to = memory.start.as_ptr().add(offset);
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            },
        }
    }

    /// Performs an atomic on the eight bytes at `offset`, and returns the value before.
    pub(crate) fn atomic(&mut self, offset: usize, op: AtomicOp) -> u64 {
        self.assert_inside(offset, size_of::<u64>());
        match self {
            Self::Owned(memory) => {
                let (word, _) = memory[offset..].split_first_chunk_mut().expect("inside");
                let old = u64::from_ne_bytes(*word);
                *word = op.apply(old).to_ne_bytes();
                old
            }
            Self::Raw(memory) => {
                assert!(
                    offset.is_multiple_of(align_of::<AtomicU64>()),
                    "the core has checked this"
                );
                // SAFETY: valid and inside; aligned, as is the start of memory that is registered
                // for atomics; whoever uses it meanwhile does so as an atomic, as was promised.
                let word = unsafe { AtomicU64::from_ptr(memory.start.as_ptr().add(offset).cast()) };
                match op {
                    AtomicOp::FetchAdd(more) => word.fetch_add(more, Ordering::AcqRel),
                    AtomicOp::CompareSwap { expected, new } => {
                        let order = (Ordering::AcqRel, Ordering::Acquire);
                        match word.compare_exchange(expected, new, order.0, order.1) {
                            Ok(old) | Err(old) => old,
                        }
                    }
                }
            }
        }
    }

    fn assert_inside(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(end.is_some_and(|end| end <= self.len()), "the core has checked this");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exercise(memory: &mut Memory) {
        assert!(memory.is_aligned());
        memory.write(3, b"abc");
        assert_eq!(memory.slice(2, 5), b"\0abc\0");
        assert_eq!(memory.atomic(8, AtomicOp::FetchAdd(7)), 0);
        assert_eq!(memory.atomic(8, AtomicOp::CompareSwap { expected: 1, new: 2 }), 7);
        assert_eq!(memory.atomic(8, AtomicOp::CompareSwap { expected: 7, new: u64::MAX }), 7);
        assert_eq!(memory.atomic(8, AtomicOp::FetchAdd(2)), u64::MAX);
        assert_eq!(memory.slice(8, 8), 1u64.to_ne_bytes());
        assert_eq!(memory.slice(16, 0), b"");
    }

    #[test]
    fn both_kinds_do_the_same() {
        exercise(&mut Memory::Owned(BytesMut::zeroed(16)));
        let mut words = [0u64; 2];
        let start = NonNull::from(&mut words).cast();
        // SAFETY: nobody else uses the array before the last use of the memory.
        exercise(&mut unsafe { Memory::raw(start, 16) });
        assert_eq!(words[1], 1);
    }

    #[test]
    fn misaligned_memory_is_noticed() {
        let mut words = [0u64; 2];
        let start = NonNull::from(&mut words).cast::<u8>();
        // SAFETY: inside the array; it is not used.
        let memory = unsafe { Memory::raw(start.add(1), 15) };
        assert!(!memory.is_aligned());
        assert!(memory.into_owned().is_none());
    }

    #[test]
    #[should_panic(expected = "the core has checked this")]
    fn nothing_outside_is_touched() {
        Memory::Owned(BytesMut::zeroed(16)).write(15, b"ab");
    }
}
