//! Two endpoints and what lies between them, in virtual time.

use std::collections::VecDeque;

use usrd_proto::{Config, EndpointStats, Instant, PeerId};

use crate::end::End;
use crate::link::Link;

/// What is sent: a number of messages is always under way, to each peer in its turn.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many peers.
    pub peers: u32,
    /// How many messages are under way, to all of them together.
    pub in_flight: u32,
    /// Their sizes, one after the other, in bytes.
    pub message_bytes: &'static [u64],
}

/// A sending and a receiving end, joined by two links of 100 Gbit/s with a round trip of 10 us, that
/// mark but lose nothing. Turns are taken as a busy polling driver takes them.
#[derive(Debug)]
pub struct Pair {
    load: Load,
    sender: End,
    receiver: End,
    there: Link,
    back: Link,
    now: Instant,
    next_size: usize,
    /// Messages under way.
    in_flight: u32,
    /// Who is sent to next: a peer is in it once for each message that it has not under way, but may
    /// have. So no peer falls behind.
    turns: VecDeque<u32>,
}

impl Pair {
    /// Two ends that know each other and have said nothing yet.
    pub fn new(load: Load) -> Self {
        Self::with_config(load, &Config::default())
    }

    /// As [`new`](Self::new), with another configuration; seeds are set.
    pub fn with_config(load: Load, config: &Config) -> Self {
        let now = Instant::from_nanos(1_000_000);
        let end = |seed| End::new(Config { seed, ..config.clone() }, load.peers);
        let mut pair = Self {
            load,
            sender: end(1),
            receiver: end(2),
            there: Link::new(),
            back: Link::new(),
            now,
            next_size: 0,
            in_flight: 0,
            turns: turns(load),
        };
        for _ in 0..2 * load.in_flight {
            pair.receiver.post(now, pair.longest());
        }
        pair
    }

    /// Submits the first messages.
    pub fn start(&mut self) {
        if self.in_flight >= self.load.in_flight {
            return;
        }
        let missing = (self.load.in_flight - self.in_flight) as usize;
        let next = self.turns.iter().take(missing).map(|&peer| PeerId(peer));
        self.sender.look_ahead_to(next);
        while self.in_flight < self.load.in_flight {
            self.send();
        }
    }

    /// Runs until `packets` more data packets have arrived. Messages that complete are followed by
    /// others.
    pub fn run_packets(&mut self, packets: u64) {
        let until = self.receiver_stats().data_packets_received + packets;
        while self.receiver_stats().data_packets_received < until {
            self.turn();
            self.start();
        }
    }

    /// From now on, messages go to the first `peers` only, and the others fall idle.
    pub fn narrow_to(&mut self, peers: u32) {
        assert_eq!(self.in_flight, 0, "to be called at rest");
        self.load.peers = peers;
        self.turns = turns(self.load);
    }

    /// Sends one message to every peer, a number of them at a time, and waits for all of them.
    pub fn greet_every_peer(&mut self) {
        let until = self.sender.sent + u64::from(self.load.peers);
        let mut left = self.load.peers;
        while self.sender.sent < until {
            while left > 0 && self.in_flight < self.load.in_flight {
                self.send();
                left -= 1;
            }
            self.turn();
        }
    }

    /// Sends nothing new, and runs until everything has completed and `rest_ns` more have passed.
    /// Then the links need no memory, and what is left is that of the endpoints.
    pub fn come_to_rest(&mut self, rest_ns: u64) {
        while self.sender.endpoint.pending_sends() > 0 {
            self.turn();
        }
        let end = self.now.plus_nanos(rest_ns);
        while self.next() < end {
            self.turn();
        }
        self.now = end;
        self.turn();
        // That turn looked for what comes next, which may be nothing.
        self.now = end.plus_nanos(TURN_NS);
        self.there.release();
        self.back.release();
    }

    /// What the sending end has done.
    pub fn sender_stats(&self) -> EndpointStats {
        self.sender.endpoint.stats()
    }

    /// What the receiving end has done.
    pub fn receiver_stats(&self) -> EndpointStats {
        self.receiver.endpoint.stats()
    }

    /// Operations that have failed, at either end.
    pub fn failed(&self) -> u64 {
        self.sender.failed + self.receiver.failed
    }

    /// Messages that have arrived.
    pub fn messages_received(&self) -> u64 {
        self.receiver.received
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Submits a message to the next peer in turn.
    fn send(&mut self) {
        let peer = self.turns.pop_front().expect("as many turns as messages under way");
        let sizes = self.load.message_bytes;
        self.sender.send(self.now, PeerId(peer), sizes[self.next_size]);
        self.in_flight += 1;
        self.next_size = (self.next_size + 1) % sizes.len();
    }

    fn turn(&mut self) {
        let (now, len) = (self.now, self.longest());
        self.sender.take_in(now, &mut self.back);
        self.sender.put_out(now, &mut self.there);
        self.sender.take_events(now, len);
        while let Some(peer) = self.sender.completed.pop() {
            self.in_flight -= 1;
            self.turns.push_back(peer.0);
        }
        self.receiver.take_in(now, &mut self.there);
        self.receiver.put_out(now, &mut self.back);
        self.receiver.take_events(now, len);
        self.now = self.next().max(now.plus_nanos(TURN_NS));
    }

    fn next(&self) -> Instant {
        let arrival = self.there.next_arrival().min(self.back.next_arrival());
        arrival.min(self.sender.wakes_at()).min(self.receiver.wakes_at())
    }

    fn longest(&self) -> u64 {
        self.load.message_bytes.iter().copied().max().unwrap_or(0)
    }
}

/// The same number of turns for each peer, at least as many as messages are to be under way.
fn turns(load: Load) -> VecDeque<u32> {
    let each = load.in_flight.div_ceil(load.peers);
    (0..each).flat_map(|_| 0..load.peers).collect()
}

/// How long a turn of a busy polling driver takes at the least: it finds about three full packets
/// each time.
const TURN_NS: u64 = 1_000;
