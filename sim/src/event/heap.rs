//! The plain queue: the standard library's binary heap, numbered so that ties keep their order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Event;

#[derive(Debug, Default)]
pub(super) struct BinaryQueue {
    heap: BinaryHeap<Entry>,
    pushed: u64,
}

impl BinaryQueue {
    #[inline]
    pub(super) fn push(&mut self, ps: u64, event: Event) {
        self.heap.push(Entry { ps, number: self.pushed, event });
        self.pushed += 1;
    }

    #[inline]
    pub(super) fn next_ps(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.ps)
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|entry| (entry.ps, entry.event))
    }
}

#[derive(Debug)]
struct Entry {
    ps: u64,
    number: u64,
    event: Event,
}

/// The standard heap gives the greatest first; the soonest is to be that.
impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (other.ps, other.number).cmp(&(self.ps, self.number))
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
