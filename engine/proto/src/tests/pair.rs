//! The bench that the tests stand on: a pair of endpoints, and a link that does what it is told.

mod link;
mod node;

use std::collections::BinaryHeap;
use std::vec;
use std::vec::Vec;

use core::cmp::Reverse;
use core::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::boundary::{Disposition, Event, HeaderBuffer, Inbound, Transmit};
use crate::config::Config;
use crate::endpoint::{RecvRequest, SendRequest};
use crate::ids::{BufferRange, CompletionLevel, Service, Token};
use crate::time::Instant;
use crate::wire::{DATA_HEADER_BYTES, MAX_HEADER_BYTES, Packet, decode_list, origin_locator};

pub(super) use link::{Flight, Link};
pub(super) use node::{Node, Received};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    A,
    B,
}

pub(super) use Side::{A, B};

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            A => B,
            B => A,
        }
    }
}

pub(super) struct Pair {
    pub now: Instant,
    pub link: Link,
    pub flights: BinaryHeap<Reverse<Flight>>,
    pub a: Node,
    pub b: Node,
    /// Every packet that was sent, decoded, with its sender.
    pub trace: Option<Vec<(Instant, Side, Packet)>>,
    rng: Pcg64Mcg,
    order: u64,
}

/// A configuration for tests: quick to open, full size packets from the first.
pub(super) fn config(seed: u64) -> Config {
    Config { seed, open_mtu_bytes: 4096, paths: 16, ..Config::default() }
}

impl Pair {
    pub(super) fn new(config_a: Config, config_b: Config, link: Link) -> Self {
        let rng = Pcg64Mcg::seed_from_u64(config_a.seed ^ 0x9e37_79b9);
        let mut pair = Self {
            now: Instant::from_nanos(1_000_000),
            link,
            flights: BinaryHeap::new(),
            a: Node::new(config_a),
            b: Node::new(config_b),
            trace: None,
            rng,
            order: 0,
        };
        pair.a.peer = Some(pair.a.endpoint.add_peer(pair.now).unwrap());
        pair
    }

    pub(super) fn plain() -> Self {
        Self::new(config(1), config(2), Link::default())
    }

    pub(super) fn node(&mut self, side: Side) -> &mut Node {
        match side {
            A => &mut self.a,
            B => &mut self.b,
        }
    }

    /// Submits a message; its token is returned.
    pub(super) fn send_with(
        &mut self,
        side: Side,
        service: Service,
        level: CompletionLevel,
        bytes: &[u8],
    ) -> u64 {
        self.send_along(side, (service, level), None, bytes)
    }

    /// The same, perhaps with an immediate.
    pub(super) fn send_along(
        &mut self,
        side: Side,
        (service, level): (Service, CompletionLevel),
        immediate: Option<u64>,
        bytes: &[u8],
    ) -> u64 {
        let now = self.now;
        let node = self.node(side);
        let peer = match node.peer {
            Some(peer) => peer,
            None => *node.peer.insert(node.endpoint.add_peer(now).unwrap()),
        };
        let buffer = node.buffer(bytes.to_vec());
        let token = Token(buffer.0.into());
        let range = BufferRange { buffer, offset: 0, len: bytes.len() as u64 };
        let request = SendRequest { token, service, range, level, immediate };
        node.endpoint.send(now, peer, request).unwrap();
        token.0
    }

    pub(super) fn send(&mut self, side: Side, service: Service, bytes: &[u8]) -> u64 {
        self.send_with(side, service, CompletionLevel::Acknowledged, bytes)
    }

    pub(super) fn post(&mut self, side: Side, len: usize) -> u64 {
        let now = self.now;
        let node = self.node(side);
        let buffer = node.buffer(vec![0; len]);
        let token = Token(buffer.0.into());
        node.endpoint.post_recv(now, RecvRequest { token, buffer, len: len as u64 }).unwrap();
        token.0
    }

    /// Lets everything leave that wants to.
    pub(super) fn flush(&mut self, side: Side) {
        let now = self.now;
        let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
        while let Some(transmit) = self.node(side).endpoint.poll_farewell(&mut header) {
            let bytes = header[..transmit.header_len].to_vec();
            self.launch(side, &transmit, bytes);
        }
        while let Some(transmit) = self.node(side).endpoint.poll_transmit(now, &mut header) {
            let node = self.node(side);
            let mut bytes = header[..transmit.header_len].to_vec();
            if let Some(range) = transmit.payload {
                let from = range.offset as usize;
                let buffer = &node.buffers[&range.buffer];
                bytes.extend_from_slice(&buffer[from..from + range.len as usize]);
            }
            self.launch(side, &transmit, bytes);
        }
        self.collect(side);
    }

    fn launch(&mut self, from: Side, transmit: &Transmit, mut bytes: Vec<u8>) {
        let packet = Packet::decode(&bytes, bytes.len()).expect("the core sends valid packets");
        if let Some(trace) = &mut self.trace {
            trace.push((self.now, from, packet));
        }
        let path = transmit.path.0;
        let passes = self.link.filter.as_mut().is_none_or(|filter| filter(from, &packet));
        if !passes || self.link.black_holes.contains(&(from, path)) {
            return;
        }
        if transmit.payload.is_some() && self.link.trim.as_mut().is_some_and(|it| it(from, &packet))
        {
            bytes.truncate(DATA_HEADER_BYTES);
        }
        if self.rng.random_bool(self.link.loss) {
            return;
        }
        let copies = 1 + u32::from(self.rng.random_bool(self.link.duplication));
        for _ in 0..copies {
            let mut at = self.now + self.link.delay + self.link.delay_per_path * path.into();
            if bytes.len() > DATA_HEADER_BYTES && transmit.payload.is_some() {
                at += self.link.queue;
            }
            if self.rng.random_bool(self.link.reordering) {
                at = at.plus_nanos(self.rng.random_range(0..self.link.held_for.as_nanos() as u64));
            }
            if let Some((side, from_then, until)) = self.link.away
                && side == from.other()
                && (from_then..until).contains(&at)
            {
                at = until;
            }
            let ce = self.link.mark_ce && transmit.ecn_capable;
            self.inject_at(at, from.other(), bytes.clone(), ce);
        }
    }

    /// Puts a datagram on the link, to arrive at `at`.
    pub(super) fn inject_at(&mut self, at: Instant, to: Side, bytes: Vec<u8>, ce: bool) {
        self.order += 1;
        self.flights.push(Reverse(Flight { at, order: self.order, to, bytes, ce }));
    }

    /// Hands a datagram in at once, and says what became of it.
    pub(super) fn deliver(&mut self, to: Side, bytes: &[u8], ce: bool) -> Disposition {
        let now = self.now;
        let trimmed = self.link.trim.is_some() && lacks_payload(bytes);
        let node = self.node(to);
        let head = &bytes[..bytes.len().min(DATA_HEADER_BYTES.max(head_len(bytes)))];
        let origin = origin_locator(head).and(node.peer);
        let inbound = Inbound { head, len: bytes.len(), ce, trimmed, origin };
        let handled = node.endpoint.handle_datagram(now, &inbound);
        node.peer = handled.accepted.or(node.peer);
        match handled.disposition {
            Disposition::Place(placement) => {
                node.place(&placement, &bytes[DATA_HEADER_BYTES..]);
                if node.placing_takes.is_zero() {
                    node.endpoint.handle_placed(now, placement.message);
                } else {
                    self.order += 1;
                    let order = self.order;
                    let node = self.node(to);
                    node.placing.insert((now + node.placing_takes, order), placement.message);
                }
            }
            Disposition::Atomic(atomic) => {
                node.held_atomics.push(atomic);
                if !node.hold_atomics {
                    node.perform_held(now);
                }
            }
            Disposition::Dropped(reason) => node.drops.push(reason),
            Disposition::Reply(reply) => {
                let at = now + self.link.delay;
                self.inject_at(at, to.other(), reply.bytes().to_vec(), false);
            }
            Disposition::Consumed => {}
        }
        handled.disposition
    }

    /// Performs copies and takes events, as a driver does after each turn.
    fn collect(&mut self, side: Side) {
        let now = self.now;
        let node = self.node(side);
        while let Some(copy) = node.endpoint.poll_copy() {
            let len = copy.len as usize;
            let from = node.bounces.get(&copy.bounce).map_or(&[][..], |bytes| &bytes[..len]);
            let buffer = node.buffers.get_mut(&copy.buffer).expect("posted buffer");
            buffer[copy.offset as usize..][..len].copy_from_slice(from);
            node.endpoint.handle_placed(now, copy.message);
        }
        while let Some(event) = node.endpoint.poll_event() {
            match event {
                Event::BounceFreed { bounce } => {
                    node.bounces.remove(&bounce);
                }
                Event::Notified { immediate, note: Some(note), .. } => {
                    let bytes = node.bounces[&note.bounce][..note.len as usize].to_vec();
                    node.notes.insert(immediate, bytes);
                }
                Event::ListArrived { list, bounce, len } => {
                    let blocks = decode_list(&node.bounces[&bounce][..len as usize]);
                    let blocks = blocks.filter(|_| !node.spoil_lists);
                    node.endpoint.serve_list(now, list, blocks);
                }
                _ => {}
            }
            node.events.push(event);
        }
    }

    /// Goes on to the next thing that happens. `false` if nothing ever will.
    pub(super) fn step(&mut self) -> bool {
        self.flush(A);
        self.flush(B);
        // What was collected may have made more to send.
        self.flush(A);
        self.flush(B);
        let flight = self.flights.peek().map(|flight| flight.0.at);
        let timers = [&self.a, &self.b].into_iter().filter_map(|it| it.endpoint.poll_timeout());
        let placings = [&self.a, &self.b].into_iter().filter_map(|it| it.placing.keys().next());
        let Some(next) = flight.into_iter().chain(timers).chain(placings.map(|it| it.0)).min()
        else {
            return false;
        };
        self.now = self.now.max(next);
        while let Some(Reverse(flight)) = self.flights.peek() {
            if flight.at > self.now {
                break;
            }
            let Some(Reverse(flight)) = self.flights.pop() else { break };
            self.deliver(flight.to, &flight.bytes, flight.ce);
        }
        let now = self.now;
        for side in [A, B] {
            let node = self.node(side);
            while let Some(entry) = node.placing.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let message = entry.remove();
                node.endpoint.handle_placed(now, message);
            }
            if node.endpoint.poll_timeout().is_some_and(|at| at <= now) {
                node.endpoint.handle_timeout(now);
            }
        }
        true
    }

    /// Steps until `done`, and fails after `limit` of virtual time.
    pub(super) fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + limit;
        let mut steps_at = (self.now, 0);
        while !done(self) {
            steps_at =
                if steps_at.0 == self.now { (self.now, steps_at.1 + 1) } else { (self.now, 0) };
            assert!(
                steps_at.1 < 10_000,
                "time stands still at {:?}: {:?} {:?}",
                self.now,
                self.a.endpoint.poll_timeout(),
                self.b.endpoint.poll_timeout()
            );
            assert!(self.step(), "nothing left to happen at {:?}", self.now);
            assert!(self.now <= end, "not done within {limit:?}");
        }
    }

    /// Steps for this much virtual time.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.flush(A);
            self.flush(B);
            let flight = self.flights.peek().map(|flight| flight.0.at);
            let timers = [&self.a, &self.b].into_iter().filter_map(|it| it.endpoint.poll_timeout());
            let placings = [&self.a, &self.b].into_iter().filter_map(|it| it.placing.keys().next());
            let next = flight.into_iter().chain(timers).chain(placings.map(|it| it.0)).min();
            if next.is_none_or(|next| next > end) {
                self.now = end;
                return;
            }
            self.step();
        }
    }

    /// Steps until both sides have nothing left to complete and the link is empty.
    pub(super) fn run_until_quiet(&mut self, limit: Duration) {
        self.run_until(limit, |pair| {
            pair.a.endpoint.pending_sends() == 0
                && pair.b.endpoint.pending_sends() == 0
                && pair.flights.is_empty()
        });
        self.flush(A);
        self.flush(B);
    }

    /// One side closes the other, and says so.
    pub(super) fn leave(&mut self, side: Side) {
        let now = self.now;
        let node = self.node(side);
        if let Some(peer) = node.peer.take() {
            node.endpoint.remove_peer(now, peer);
        }
        self.flush(side);
    }

    /// Ends one side without a word, and starts it again as a new process would.
    pub(super) fn restart(&mut self, side: Side, config: Config) {
        *self.node(side) = Node::new(config);
    }
}

/// Whether a data packet is only its header.
fn lacks_payload(bytes: &[u8]) -> bool {
    let says = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    bytes[0] & 0x0f == 1 && bytes.len() == DATA_HEADER_BYTES && says(PAYLOAD_LEN_AT) > 0
}

/// Where a data header has the length of its payload.
const PAYLOAD_LEN_AT: usize = 22;

fn head_len(bytes: &[u8]) -> usize {
    // Control packets are headers from end to end; of data only the header may be looked at.
    match Packet::decode(bytes, bytes.len()) {
        Ok(Packet::Data(_)) => DATA_HEADER_BYTES,
        _ => bytes.len(),
    }
}

/// Contents that tell where they belong.
pub(super) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u64).wrapping_mul(31).wrapping_add(seed.wrapping_mul(17)) as u8)
        .collect()
}
