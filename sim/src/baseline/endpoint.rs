//! An endpoint of a baseline: many connections, one pool of posted receives. It stands where the
//! core stands, so the same host drives it and the same checkers watch it. Each peer of it is one
//! end of one connection; the host opens one for every flow that is under way.

mod arrivals;
mod departures;
mod transport;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use slab::Slab;
use usrd_proto::{BufferId, EndpointStats, Event, RecvRequest, Token};

use super::Settings;
use super::incoming::Incoming;
use super::sender::Sender;
use crate::rng::{Component, Stream};

/// See the module's head.
#[derive(Debug)]
pub struct Baseline {
    host: u32,
    settings: Settings,
    rng: Stream,
    /// By the number of the peer.
    ends: Vec<End>,
    /// The receiving ends, by who sends and what they call the connection.
    incoming: HashMap<(u32, u32), u32>,
    posted: VecDeque<RecvRequest>,
    /// Messages that are arriving.
    messages: Slab<Arriving>,
    /// Connections that may have a packet to send, each in turn.
    ready: VecDeque<u32>,
    /// Connections that have something to report.
    talking: VecDeque<u32>,
    /// Those that wait for their pace, and for an answer: (when, which).
    paced: BinaryHeap<Reverse<(u64, u32)>>,
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    events: VecDeque<Event>,
    stats: EndpointStats,
}

/// One end of a connection.
#[derive(Debug)]
enum End {
    Sender(Box<Sender>),
    Receiver(Box<Incoming>),
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    connection: u32,
    token: Token,
    buffer: BufferId,
    buffer_len: u64,
    total_len: u64,
    /// Packets that are not placed yet.
    missing: u64,
}

impl Baseline {
    /// The endpoint of a host.
    pub fn new(host: u32, settings: Settings, seed: u64) -> Self {
        Self {
            host,
            settings,
            rng: Stream::new(seed, Component::Endpoint, host),
            ends: Vec::new(),
            incoming: HashMap::new(),
            posted: VecDeque::new(),
            messages: Slab::new(),
            ready: VecDeque::new(),
            talking: VecDeque::new(),
            paced: BinaryHeap::new(),
            timers: BinaryHeap::new(),
            events: VecDeque::new(),
            stats: EndpointStats::default(),
        }
    }

    fn any_path(&mut self) -> u8 {
        self.rng.below(self.settings.paths.into()) as u8
    }

    fn sender(&mut self, index: u32) -> Option<&mut Sender> {
        match self.ends.get_mut(index as usize)? {
            End::Sender(sender) => Some(sender),
            End::Receiver(_) => None,
        }
    }

    fn receiver(&mut self, index: u32) -> Option<&mut Incoming> {
        match self.ends.get_mut(index as usize)? {
            End::Receiver(receiver) => Some(receiver),
            End::Sender(_) => None,
        }
    }

    /// The connection may have a packet to send.
    fn make_ready(&mut self, index: u32) {
        let Some(sender) = self.sender(index) else { return };
        if !std::mem::replace(&mut sender.ready, true) {
            self.ready.push_back(index);
        }
    }

    /// Sees to it that the timer rings no later than the connection needs it.
    fn arm(&mut self, index: u32) {
        let Some(sender) = self.sender(index) else { return };
        let deadline_ns = sender.deadline_ns();
        if deadline_ns < sender.rings_at_ns {
            sender.rings_at_ns = deadline_ns;
            self.timers.push(Reverse((deadline_ns, index)));
        }
    }

    fn let_talk(&mut self, index: u32) {
        let Some(receiver) = self.receiver(index) else { return };
        if receiver.has_report() && !std::mem::replace(&mut receiver.talking, true) {
            self.talking.push_back(index);
        }
    }

    /// Takes what is due from a heap of deadlines.
    fn due(heap: &mut BinaryHeap<Reverse<(u64, u32)>>, now_ns: u64) -> Option<(u64, u32)> {
        let &Reverse((at_ns, index)) = heap.peek()?;
        (at_ns <= now_ns).then(|| {
            heap.pop();
            (at_ns, index)
        })
    }
}
