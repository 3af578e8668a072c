//! Receive memory: a fixed set of buffers, each big enough for whatever one receive can yield.
//!
//! ```text
//!   free (a stack) --take--> held (by slot, with a count of arrivals) --last release--> free
//! ```
//! A stack, so that light traffic keeps using the few buffers that the cache knows.

use crate::Slot;

/// All buffers of one device.
#[derive(Debug)]
pub(super) struct Slots {
    free: Vec<Buffer>,
    held: Vec<Held>,
}

/// A buffer, and the slot under which it is known while it is held.
#[derive(Debug)]
struct Buffer {
    slot: Slot,
    bytes: Box<[u8]>,
}

/// A slot: its buffer while somebody reads it, and how many arrivals still lie in that.
#[derive(Debug, Default)]
struct Held {
    buffer: Option<Buffer>,
    arrivals: usize,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let buffer = |index| Buffer {
            slot: Slot(index as u32),
            bytes: vec![0; SLOT_BYTES].into_boxed_slice(),
        };
        Self {
            free: (0..count).map(buffer).collect(),
            held: std::iter::repeat_with(Held::default).take(count).collect(),
        }
    }

    /// How many are free.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    /// The free buffers, in the order in which [`take`](Self::take) takes them.
    pub(super) fn offer(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.free.iter_mut().rev().map(|buffer| &mut *buffer.bytes)
    }

    /// Takes the next free buffer out for `arrivals` arrivals, one at least.
    pub(super) fn take(&mut self, arrivals: usize) -> Slot {
        let buffer = self.free.pop().expect("no more are taken than were offered");
        let slot = buffer.slot;
        self.held[slot.0 as usize] = Held { buffer: Some(buffer), arrivals };
        slot
    }

    /// The bytes of a slot that is held; of another one, none.
    pub(super) fn bytes(&self, slot: Slot) -> &[u8] {
        let held = self.held.get(slot.0 as usize);
        held.and_then(|held| held.buffer.as_ref()).map_or(&[], |buffer| &buffer.bytes)
    }

    /// One arrival of a slot has been read.
    pub(super) fn release(&mut self, slot: Slot) {
        let Some(held) = self.held.get_mut(slot.0 as usize) else {
            debug_assert!(false, "{slot:?} does not exist");
            return;
        };
        debug_assert!(held.arrivals > 0, "{slot:?} is released once too often");
        held.arrivals = held.arrivals.saturating_sub(1);
        if held.arrivals == 0 {
            self.free.extend(held.buffer.take());
        }
    }
}

/// The largest IP packet is smaller, and so is the largest train of coalesced ones.
pub(super) const SLOT_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_its_last_arrival() {
        let mut slots = Slots::new(2);
        slots.offer().next().unwrap()[0] = 7;
        let slot = slots.take(2);
        assert_eq!((slots.free(), slots.bytes(slot)[0]), (1, 7));
        slots.release(slot);
        assert_eq!(slots.free(), 1);
        slots.release(slot);
        assert_eq!((slots.free(), slots.bytes(slot)), (2, &[][..]));
        assert_eq!(slots.take(1), slot, "the last one used is the next one used");
    }
}
