//! Datagrams that are held back until they are due.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::{Outgoing, RouteId};

/// The datagrams held back, by when they are due.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    heap: BinaryHeap<Held>,
    /// How many there have been: of two due at once, the one held first goes first.
    count: u64,
    /// Memory of those that have gone.
    stock: Vec<Vec<u8>>,
}

/// A copy of a datagram, and when it is due.
#[derive(Debug)]
struct Held {
    due: Instant,
    order: u64,
    route: RouteId,
    path: u8,
    ecn_capable: bool,
    header_bytes: usize,
    bytes: Vec<u8>,
}

impl HeldBack {
    /// Holds a copy of `datagram` until `due`.
    pub(super) fn hold(&mut self, datagram: &Outgoing<'_>, due: Instant) {
        let mut bytes = self.stock.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram.header);
        bytes.extend_from_slice(datagram.payload);
        self.count += 1;
        self.heap.push(Held {
            due,
            order: self.count,
            route: datagram.route,
            path: datagram.path,
            ecn_capable: datagram.ecn_capable,
            header_bytes: datagram.header.len(),
            bytes,
        });
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|held| held.due)
    }

    /// The next one.
    pub(super) fn next(&self) -> Option<Outgoing<'_>> {
        self.heap.peek().map(|held| {
            let (header, payload) = held.bytes.split_at(held.header_bytes);
            Outgoing {
                route: held.route,
                path: held.path,
                ecn_capable: held.ecn_capable,
                header,
                payload,
                memory: None,
            }
        })
    }

    /// The next one has gone.
    pub(super) fn remove_next(&mut self) {
        if let Some(held) = self.heap.pop() {
            self.stock.push(held.bytes);
        }
    }
}

impl Ord for Held {
    /// The heap's greatest is the one due first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_one_due_first_is_next() {
        let start = Instant::now();
        let mut held = HeldBack::default();
        for (payload, delay) in [(b"c", 30), (b"a", 10), (b"d", 30), (b"b", 20)] {
            let datagram = Outgoing {
                route: RouteId(3),
                path: 4,
                ecn_capable: true,
                header: b"header",
                payload,
                memory: None,
            };
            held.hold(&datagram, start + Duration::from_nanos(delay));
        }
        assert_eq!(held.next_due(), Some(start + Duration::from_nanos(10)));
        let mut order = Vec::new();
        while let Some(next) = held.next() {
            assert_eq!((next.route, next.path, next.header), (RouteId(3), 4, &b"header"[..]));
            order.extend_from_slice(next.payload);
            held.remove_next();
        }
        assert_eq!(order, b"abcd");
        assert_eq!(held.next_due(), None);
    }
}
