//! Where datagrams to one device wait for its next poll.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use crate::{DeviceError, Outgoing, SourceId, Waker};

/// The receiving side of one device, shared with all that send to it.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: ArrayQueue<Parcel>,
    /// Buffers that have been used, for the next datagrams.
    stock: ArrayQueue<Vec<u8>>,
    dropped: AtomicU64,
    closed: AtomicBool,
    /// Whether the owner sleeps, or is about to.
    sleeping: AtomicBool,
    waker: Waker,
}

/// A datagram on its way.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) source: SourceId,
    pub(super) bytes: Vec<u8>,
}

impl Inbox {
    pub(super) fn new(capacity: usize, waker: Waker) -> Self {
        Self {
            queue: ArrayQueue::new(capacity),
            stock: ArrayQueue::new(capacity),
            dropped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            waker,
        }
    }

    /// Copies a datagram in, or drops it if there is no room.
    pub(super) fn deliver(&self, source: SourceId, datagram: &Outgoing<'_>) {
        let mut bytes = self.stock.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram.header);
        bytes.extend_from_slice(datagram.payload);
        if let Err(refused) = self.queue.push(Parcel { source, bytes }) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.restock(refused.bytes);
        }
    }

    /// Wakes the owner if it sleeps: once after a run of deliveries.
    pub(super) fn ring(&self) {
        // Before the look at `sleeping` come the deliveries; see `sleep`.
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            self.waker.wake();
        }
    }

    /// The oldest datagram.
    pub(super) fn take(&self) -> Option<Parcel> {
        self.queue.pop()
    }

    /// Gives a buffer back.
    pub(super) fn restock(&self, bytes: Vec<u8>) {
        // With a full stock there is nothing to keep it for.
        let _ = self.stock.push(bytes);
    }

    /// Sleeps until something is delivered, the waker is used, or `timeout` is over.
    ///
    /// Either this side sees a delivery made before it sleeps, or the sender sees it sleeping:
    /// each first writes its own flag (a queue's tail is one), then reads the other's.
    pub(super) fn sleep(&self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let result = if self.queue.is_empty() { self.waker.wait(timeout) } else { Ok(()) };
        self.sleeping.store(false, Ordering::Relaxed);
        result
    }

    /// The device is gone: who sends here must look where it is now.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn capacity(&self) -> usize {
        self.queue.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RouteId;

    fn datagram(payload: &[u8]) -> Outgoing<'_> {
        Outgoing {
            route: RouteId(0),
            path: 0,
            ecn_capable: false,
            header: b"h",
            payload,
            memory: None,
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let inbox = Inbox::new(2, Waker::new().unwrap());
        for payload in [b"1", b"2", b"3"] {
            inbox.deliver(SourceId(9), &datagram(payload));
        }
        assert_eq!(inbox.dropped(), 1);
        assert_eq!(inbox.take().unwrap().bytes, b"h1");
        assert_eq!(inbox.take().unwrap().bytes, b"h2");
        assert!(inbox.take().is_none());
    }

    #[test]
    fn buffers_are_used_again() {
        let inbox = Inbox::new(2, Waker::new().unwrap());
        inbox.deliver(SourceId(0), &datagram(b"a longer one"));
        let bytes = inbox.take().unwrap().bytes;
        let memory = bytes.as_ptr();
        inbox.restock(bytes);
        inbox.deliver(SourceId(0), &datagram(b"short"));
        assert_eq!(inbox.take().unwrap().bytes.as_ptr(), memory);
    }

    #[test]
    fn every_delivery_ends_a_sleep() {
        let inbox = Inbox::new(4, Waker::new().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1000 {
                    inbox.deliver(SourceId(0), &datagram(b"x"));
                    inbox.ring();
                    while !inbox.queue.is_empty() {
                        std::thread::yield_now();
                    }
                }
            });
            for _ in 0..1000 {
                while inbox.queue.is_empty() {
                    // Would sleep for good if a delivery could slip past.
                    inbox.sleep(None).unwrap();
                }
                inbox.take().unwrap();
            }
        });
    }
}
