//! One direction of the wire: a queue in front of a link of constant speed and delay.
//!
//! Headers are written where they wait, so that what is measured is the core and not this.

use usrd_proto::{HeaderBuffer, Instant, Transmit, wire};

/// A datagram under way. Of the payload, only the length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub(crate) at: Instant,
    pub(crate) route: u32,
    pub(crate) header: HeaderBuffer,
    pub(crate) header_len: usize,
    pub(crate) len: usize,
    pub(crate) ce: bool,
}

/// What lies between two ends, one way: a ring of datagrams.
#[derive(Debug)]
pub(crate) struct Link {
    ring: Vec<Flight>,
    /// Datagrams that have left the link, and that have entered it, so far.
    head: usize,
    tail: usize,
    /// When the last datagram in the queue will have left.
    busy_until_ns: u64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self { ring: vec![VACANT; FLIGHTS], head: 0, tail: 0, busy_until_ns: 0 }
    }

    /// Where the header of the next datagram is to be written, before [`send`](Self::send).
    pub(crate) fn next_header(&mut self) -> &mut HeaderBuffer {
        if self.tail - self.head == self.ring.len() {
            self.grow();
        }
        let at = self.index(self.tail);
        &mut self.ring[at].header
    }

    /// Queues the datagram whose header was just written behind those that are still to leave.
    pub(crate) fn send(&mut self, now: Instant, transmit: &Transmit) {
        let starts_ns = self.busy_until_ns.max(now.as_nanos());
        let bits = (transmit.len() + FRAMING_BYTES) as u64 * 8;
        self.busy_until_ns = starts_ns + bits / GBPS;
        let at = self.index(self.tail);
        let flight = &mut self.ring[at];
        flight.at = Instant::from_nanos(self.busy_until_ns + DELAY_NS);
        flight.route = transmit.peer.0;
        flight.header_len = transmit.header_len;
        flight.len = transmit.len();
        flight.ce = transmit.ecn_capable && starts_ns - now.as_nanos() > MARKING_NS;
        self.tail += 1;
    }

    /// The headers of what has arrived, in order.
    pub(crate) fn arrived(&self, now: Instant) -> impl Iterator<Item = &[u8]> + Clone {
        let mask = self.ring.len().wrapping_sub(1);
        let flights = (self.head..self.tail).map(move |number| &self.ring[number & mask]);
        let arrived = flights.take_while(move |flight| flight.at <= now);
        arrived.map(|flight| &flight.header[..flight.header_len])
    }

    /// Hands out what has arrived, in order.
    pub(crate) fn arrivals(&mut self, now: Instant, mut take: impl FnMut(&Flight)) {
        let mask = self.ring.len().wrapping_sub(1);
        while self.head != self.tail {
            let flight = &self.ring[self.head & mask];
            if flight.at > now {
                break;
            }
            take(flight);
            self.head += 1;
        }
    }

    /// Gives the memory of an empty link back.
    pub(crate) fn release(&mut self) {
        assert_eq!(self.head, self.tail, "something is under way");
        self.ring = Vec::new();
    }

    pub(crate) fn next_arrival(&self) -> Instant {
        self.first().map_or(Instant::NEVER, |flight| flight.at)
    }

    fn first(&self) -> Option<&Flight> {
        (self.head != self.tail).then(|| &self.ring[self.index(self.head)])
    }

    fn index(&self, number: usize) -> usize {
        // The length is a power of two.
        number & (self.ring.len() - 1)
    }

    #[cold]
    fn grow(&mut self) {
        let mut ring = vec![VACANT; (2 * self.ring.len()).max(FLIGHTS)];
        let mask = ring.len() - 1;
        for number in self.head..self.tail {
            ring[number & mask] = self.ring[self.index(number)];
        }
        self.ring = ring;
    }
}

const VACANT: Flight = Flight {
    at: Instant::ZERO,
    route: 0,
    header: [0; wire::MAX_HEADER_BYTES],
    header_len: 0,
    len: 0,
    ce: false,
};
/// Room for the windows of a thousand peers.
const FLIGHTS: usize = 1 << 14;
/// 100 Gbit/s: bits per nanosecond.
const GBPS: u64 = 100;
/// Half of a round trip of 10 us.
const DELAY_NS: u64 = 5_000;
/// Ethernet, IPv4 and UDP around a datagram, with preamble and gap.
const FRAMING_BYTES: usize = 66;
/// A queue longer than this marks, as a switch's would: about the delay that congestion control
/// aims at.
const MARKING_NS: u64 = 8_000;
