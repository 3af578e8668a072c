//! What is going to happen, and when. The queue is a small type of its own, so that a faster one
//! can take its place: all it promises is (time, then order of scheduling).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::time::Time;

/// Something that happens at a moment. Plain data, dispatched by one `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet reaches the far end of a link.
    Arrive {
        /// The link.
        link: u32,
        /// The packet, in the arena.
        packet: u32,
    },
    /// A link has sent the last bit of a packet.
    LinkFree {
        /// The link.
        link: u32,
    },
    /// A host's protocol timer.
    Timer {
        /// The host.
        host: u32,
        /// Which setting of the timer: an older one means nothing any more.
        generation: u32,
    },
    /// A host has finished a placement.
    Placed {
        /// The host.
        host: u32,
        /// The placement, in the list of those under way.
        placement: u32,
    },
    /// A flow begins.
    FlowStart {
        /// The flow.
        flow: u32,
    },
}

/// Events by time; at the same time, in the order in which they were scheduled.
#[derive(Debug, Default)]
pub struct EventQueue {
    heap: BinaryHeap<Entry>,
    scheduled: u64,
}

impl EventQueue {
    /// Plans an event.
    #[inline]
    pub fn schedule(&mut self, time: Time, event: Event) {
        self.heap.push(Entry { time, number: self.scheduled, event });
        self.scheduled += 1;
    }

    /// The next event, taken out.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|entry| (entry.time, entry.event))
    }

    /// Events planned since the start.
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }
}

#[derive(Debug)]
struct Entry {
    time: Time,
    number: u64,
    event: Event,
}

/// The standard heap gives the greatest first; the soonest is to be that.
impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.number).cmp(&(self.time, self.number))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soonest_first_and_ties_in_order() {
        let mut queue = EventQueue::default();
        for (ps, link) in [(5, 0), (3, 1), (5, 2), (3, 3), (0, 4)] {
            queue.schedule(Time::from_ps(ps), Event::LinkFree { link });
        }
        let mut order = Vec::new();
        while let Some((time, Event::LinkFree { link })) = queue.pop() {
            order.push((time.as_ps(), link));
        }
        assert_eq!(order, [(0, 4), (3, 1), (3, 3), (5, 0), (5, 2)]);
        assert_eq!(queue.scheduled(), 5);
    }
}
