//! What is going to happen, and when: what the network does next, and apart from it the timers of
//! the hosts, which are set far more often than they ring.
//!
//! The order is total and does not depend on the implementation: by time; at the same time the
//! network before timers; among equals the order of scheduling. So every run has the same digest
//! whichever queue it uses.

mod heap;
mod radix;

use serde::Deserialize;

use self::heap::BinaryQueue;
use self::radix::RadixHeap;
use crate::time::Time;

/// Something that happens at a moment. Plain data, dispatched by one `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first of the packets on a link's line reaches the far end.
    Arrive {
        /// The link.
        link: u32,
    },
    /// A packet that left the order of its link reaches the far end.
    Straggle {
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
    /// A host posts the receive of a tagged message.
    Expect {
        /// The host.
        host: u32,
        /// The message.
        message: u32,
    },
    /// A host takes a message back.
    Cancel {
        /// The host.
        host: u32,
        /// The message.
        message: u32,
    },
    /// A host's program takes an immediate that it was told.
    NoticeTaken {
        /// The host.
        host: u32,
        /// Of which incarnation of it.
        incarnation: u32,
    },
    /// A host's patience with a peer that it is closing is over.
    CloseDue {
        /// The host.
        host: u32,
    },
    /// A flow begins.
    FlowStart {
        /// The flow.
        flow: u32,
    },
    /// A planned fault begins, or is over.
    Fault {
        /// Its step, in the run's plan.
        step: u32,
    },
    /// Whoever records the run takes a sample.
    Sample,
}

/// Which implementation of the queue. They differ in nothing but speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueKind {
    /// Buckets by the highest digit in which a time differs from now.
    #[default]
    Radix,
    /// A binary heap.
    Binary,
}

/// Everything that is planned.
#[derive(Debug)]
pub struct EventQueue {
    network: Queue,
    timers: Queue,
    /// When the first of the timers rings; `u64::MAX` without any.
    timer_ps: u64,
    scheduled: u64,
}

#[derive(Debug)]
enum Queue {
    Radix(RadixHeap),
    Binary(BinaryQueue),
}

impl EventQueue {
    /// An empty queue.
    pub fn new(kind: QueueKind) -> Self {
        let (network, timers) = (Queue::new(kind), Queue::new(kind));
        Self { network, timers, timer_ps: u64::MAX, scheduled: 0 }
    }

    /// Plans something that the network does. Never for a time before the last one popped.
    #[inline]
    pub fn schedule(&mut self, time: Time, event: Event) {
        self.scheduled += 1;
        self.network.push(time.as_ps(), event);
    }

    /// Plans something that can wait until the network has done everything at that time.
    #[inline]
    pub fn schedule_timer(&mut self, time: Time, event: Event) {
        self.scheduled += 1;
        self.timers.push(time.as_ps(), event);
        self.timer_ps = self.timer_ps.min(time.as_ps());
    }

    /// The next event, taken out.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, Event)> {
        let next = match self.network.next_ps() {
            Some(network) if network <= self.timer_ps => self.network.pop(),
            _ => self.pop_timer(),
        };
        next.map(|(ps, event)| (Time::from_ps(ps), event))
    }

    fn pop_timer(&mut self) -> Option<(u64, Event)> {
        let next = self.timers.pop();
        self.timer_ps = self.timers.next_ps().unwrap_or(u64::MAX);
        next
    }

    /// Events planned since the start.
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }
}

impl Default for EventQueue {
    fn default() -> Self {
        Self::new(QueueKind::default())
    }
}

impl Queue {
    fn new(kind: QueueKind) -> Self {
        match kind {
            QueueKind::Radix => Self::Radix(RadixHeap::new()),
            QueueKind::Binary => Self::Binary(BinaryQueue::default()),
        }
    }

    #[inline]
    fn push(&mut self, ps: u64, event: Event) {
        match self {
            Self::Radix(queue) => queue.push(ps, event),
            Self::Binary(queue) => queue.push(ps, event),
        }
    }

    #[inline]
    fn next_ps(&self) -> Option<u64> {
        match self {
            Self::Radix(queue) => queue.next_ps(),
            Self::Binary(queue) => queue.next_ps(),
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<(u64, Event)> {
        match self {
            Self::Radix(queue) => queue.pop(),
            Self::Binary(queue) => queue.pop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Component, Stream};

    #[test]
    fn soonest_first_ties_in_order_timers_last() {
        for kind in [QueueKind::Radix, QueueKind::Binary] {
            let mut queue = EventQueue::new(kind);
            queue.schedule_timer(Time::from_ps(3), Event::LinkFree { link: 9 });
            for (ps, link) in [(5, 0), (3, 1), (5, 2), (3, 3), (0, 4)] {
                queue.schedule(Time::from_ps(ps), Event::LinkFree { link });
            }
            let mut order = Vec::new();
            while let Some((time, Event::LinkFree { link })) = queue.pop() {
                order.push((time.as_ps(), link));
            }
            assert_eq!(order, [(0, 4), (3, 1), (3, 3), (3, 9), (5, 0), (5, 2)]);
            assert_eq!(queue.scheduled(), 6);
        }
    }

    /// Both queues under the same random load, as a simulation makes it: what is popped plans more.
    #[test]
    fn the_implementations_agree() {
        let mut queues = [QueueKind::Radix, QueueKind::Binary].map(EventQueue::new);
        let mut rng = Stream::new(3, Component::Workload, 0);
        let (mut now, mut number) = (0, 0);
        for step in 0..50_000 {
            for _ in 0..rng.below(if step < 25_000 { 4 } else { 2 }) {
                // Many ties, some far away, as with timers.
                let ahead = [rng.below(4), rng.below(5_000), rng.below(1 << 40)];
                let at = Time::from_ps(now + ahead[rng.below(3) as usize]);
                let timer = rng.below(3) == 0;
                for queue in &mut queues {
                    let event = Event::LinkFree { link: number };
                    match timer {
                        true => queue.schedule_timer(at, event),
                        false => queue.schedule(at, event),
                    }
                }
                number += 1;
            }
            let [radix, binary] = queues.each_mut().map(EventQueue::pop);
            assert_eq!(radix, binary);
            now = radix.map_or(now, |(time, _)| time.as_ps());
        }
    }
}
