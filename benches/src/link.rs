//! One direction of the wire: a queue in front of a link of constant speed and delay.

use std::collections::VecDeque;

use usrd_proto::{HeaderBuffer, Instant, Transmit};

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

/// What lies between two ends, one way.
#[derive(Debug)]
pub(crate) struct Link {
    flights: VecDeque<Flight>,
    /// When the last datagram in the queue will have left.
    busy_until_ns: u64,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self { flights: VecDeque::with_capacity(FLIGHTS), busy_until_ns: 0 }
    }

    /// Queues a datagram behind those that are still to leave.
    pub(crate) fn send(&mut self, now: Instant, transmit: &Transmit, header: &HeaderBuffer) {
        let starts_ns = self.busy_until_ns.max(now.as_nanos());
        let bits = (transmit.len() + FRAMING_BYTES) as u64 * 8;
        self.busy_until_ns = starts_ns + bits / GBPS;
        self.flights.push_back(Flight {
            at: Instant::from_nanos(self.busy_until_ns + DELAY_NS),
            route: transmit.peer.0,
            header: *header,
            header_len: transmit.header_len,
            len: transmit.len(),
            ce: transmit.ecn_capable && starts_ns - now.as_nanos() > MARKING_NS,
        });
    }

    /// The datagram that [`drop_first`](Self::drop_first) is to take away, if it has arrived.
    pub(crate) fn first_arrived(&self, now: Instant) -> Option<&Flight> {
        self.flights.front().filter(|flight| flight.at <= now)
    }

    pub(crate) fn drop_first(&mut self) {
        self.flights.pop_front();
    }

    /// Gives the memory of an empty link back.
    pub(crate) fn release(&mut self) {
        self.flights.shrink_to_fit();
    }

    pub(crate) fn next_arrival(&self) -> Instant {
        self.flights.front().map_or(Instant::NEVER, |flight| flight.at)
    }
}

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
