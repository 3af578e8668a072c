//! The network: links with output queues, switches between them, and the packets under way.
//!
//! ```text
//!   host h --- link h ---> switch --- link ---> switch --- link N + g ---> host g
//! ```
//! Every packet that starts on a link is one packet-hop. Links are store-and-forward: a packet is
//! at the far end once its last bit is.

mod faults;
mod frame_check;
mod link;
mod packet;
mod planned;
mod queue;

use crate::digest::Kind;
use crate::event::{Event, EventQueue};
use crate::observe::Observer;
use crate::rng::{Component, Stream};
use crate::scenario::{FaultStep, Routing, Scenario};
use crate::time::Time;
use crate::topology::{LinkId, Network, Node, SwitchId, mix};

pub use self::faults::{Fate, FaultProfile};
pub use self::link::{Link, LinkStats};
pub use self::packet::{Arena, Content, Frame, Packet, PacketId};
pub use self::queue::QueueRules;

use self::faults::FaultSource;
use self::queue::Admission;
use std::sync::Arc;

/// All links and packets.
#[derive(Debug)]
pub struct Fabric {
    /// The packets under way, and those that hosts hold.
    pub packets: Arena,
    network: Arc<Network>,
    links: Vec<Link>,
    host_rules: QueueRules,
    switch_rules: QueueRules,
    /// Per switch, what is left of its shared buffer; empty if there is none.
    room: Vec<u64>,
    /// Per switch, what makes its choices different from those of others.
    salts: Vec<u64>,
    /// Switches that spray draw from these.
    sprays: Option<Vec<Stream>>,
    path_delays: Vec<Time>,
    checks_frames: bool,
    fault_plan: Vec<FaultStep>,
    /// Per host, the bytes of data that it has sent and that are in the network now.
    under_way: Vec<u64>,
    seed: u64,
    counters: FabricCounters,
}

/// What became of the packets, over all links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FabricCounters {
    /// Handed in by hosts.
    pub injected: u64,
    /// Made by links.
    pub copied: u64,
    /// Made by links, of packets that had been trimmed.
    pub copied_trimmed: u64,
    /// Handed to hosts, whole or trimmed.
    pub delivered: u64,
    /// Handed to hosts without their payload.
    pub delivered_trimmed: u64,
    /// Dropped by full queues.
    pub dropped_tail: u64,
    /// Cut down to their header by full queues.
    pub trimmed: u64,
    /// Dropped for whatever reason after they had been trimmed.
    pub dropped_trimmed: u64,
    /// Lost by links.
    pub lost: u64,
    /// Dropped because a link was down.
    pub dropped_down: u64,
    /// Dropped because their frame check was wrong.
    pub corrupted: u64,
    /// Held up by links.
    pub reordered: u64,
    /// Marked by queues.
    pub marked: u64,
    /// Started on a link.
    pub hops: u64,
}

impl FabricCounters {
    /// Packets that are in the network by this count.
    pub fn in_network(&self) -> u64 {
        let gone = self.delivered + self.dropped_tail + self.lost + self.dropped_down;
        (self.injected + self.copied) - (gone + self.corrupted)
    }

    /// Of those, packets without their payload.
    pub fn trimmed_in_network(&self) -> i64 {
        let gone = self.delivered_trimmed + self.dropped_trimmed;
        (self.trimmed + self.copied_trimmed) as i64 - gone as i64
    }

    /// Packets that the network did away with.
    pub fn dropped(&self) -> u64 {
        self.dropped_tail + self.lost + self.dropped_down + self.corrupted
    }
}

impl Fabric {
    /// The scenario's network, empty.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let network = Arc::clone(scenario.network());
        let overhead = scenario.links.overhead.0 as u32;
        let links = (0..).zip(network.links()).map(|(id, planned)| {
            Link::new(planned, overhead, Stream::new(seed, Component::Marking, id))
        });
        let switches = 0..network.switches();
        let salt = |switch| Stream::new(seed, Component::Ecmp, switch).bits();
        let stream = |switch| Stream::new(seed, Component::Spray, switch);
        let sprays = scenario.links.routing == Routing::Spray;
        let buffers = scenario.links.shared_buffer.map(|size| size.0);
        let carried = if scenario.integrity { scenario.core.mtu.0 as usize } else { 0 };
        let mut fabric = Self {
            packets: Arena::new(carried),
            links: links.collect(),
            host_rules: QueueRules::of_host(&scenario.links),
            switch_rules: QueueRules::of_switch(&scenario.links),
            room: buffers.map_or(Vec::new(), |size| vec![size; switches.len()]),
            salts: switches.clone().map(salt).collect(),
            sprays: sprays.then(|| switches.map(stream).collect()),
            path_delays: match scenario.links.path_delay {
                Some(_) => (0..scenario.core.paths).map(|id| scenario.path_delay(id)).collect(),
                None => Vec::new(),
            },
            checks_frames: scenario.corrupts(),
            fault_plan: scenario.fault_steps(),
            under_way: vec![0; network.hosts() as usize],
            seed,
            counters: FabricCounters::default(),
            network,
        };
        fabric.set_odds(scenario);
        fabric
    }

    /// The counts so far.
    pub fn counters(&self) -> FabricCounters {
        self.counters
    }

    /// Bytes of data, headers included, that a host has sent and that are in the network: neither at
    /// their host, nor dropped, nor trimmed, nor copied: of two of a kind either may arrive.
    #[inline]
    pub fn under_way_bytes(&self, host: u32) -> u64 {
        self.under_way[host as usize]
    }

    /// The layout.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// All links, numbered as in the [`Network`].
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The planned faults, in order of time.
    pub fn fault_plan(&self) -> &[FaultStep] {
        &self.fault_plan
    }

    /// The link from a host.
    #[inline]
    pub fn up_link(&self, host: u32) -> &Link {
        &self.links[host as usize]
    }

    /// A host sends a packet.
    #[inline]
    pub fn inject(&mut self, cx: &mut Step<'_>, host: u32, id: PacketId) {
        self.counters.injected += 1;
        let content = self.packets.content(id);
        let (is_data, source) = (content.payload.is_some(), content.source);
        let packet = &mut self.packets[id];
        packet.is_data = is_data;
        if is_data {
            self.under_way[host as usize] += u64::from(packet.len);
        }
        let ends = u64::from(source) << 40 | u64::from(packet.destination) << 8;
        packet.entropy = mix(ends | u64::from(packet.path));
        if self.checks_frames {
            self.packets.seal(id);
        }
        self.offer(cx, host, id);
    }

    /// The host wants to know when its link has room again.
    #[inline]
    pub fn wake_when_free(&mut self, queue: &mut EventQueue, host: u32) {
        self.links[host as usize].announce_free(queue, host);
    }

    /// A link has sent a packet; the next one starts.
    #[inline]
    pub fn link_free(&mut self, cx: &mut Step<'_>, link: LinkId) {
        let state = &mut self.links[link as usize];
        if let Some(packet) = state.next_packet(&mut self.packets) {
            if let (Some(owner), false) = (state.owner, self.room.is_empty()) {
                self.room[owner as usize] += state.wire_bytes(self.packets[packet].len);
            }
            self.start(cx, link, packet);
        }
    }

    /// The first packet on a link's line is at the far end. If a host is there, and the packet
    /// whole, it is the host's.
    #[inline]
    pub fn arrive(&mut self, cx: &mut Step<'_>, link: LinkId) -> Option<(u32, PacketId)> {
        let state = &mut self.links[link as usize];
        let packet = state.take_from_line(cx.queue, &mut self.packets, link)?;
        self.arrived(cx, link, packet)
    }

    /// A packet is at the far end of a link.
    #[inline]
    pub fn arrived(
        &mut self,
        cx: &mut Step<'_>,
        link: LinkId,
        packet: PacketId,
    ) -> Option<(u32, PacketId)> {
        if self.checks_frames && !self.packets.is_sealed(packet) {
            self.counters.corrupted += 1;
            self.drop_packet(cx, Kind::Corrupt, link, packet);
            return None;
        }
        match self.links[link as usize].end() {
            Node::Host(host) => {
                self.counters.delivered += 1;
                self.counters.delivered_trimmed += u64::from(self.packets[packet].trimmed);
                leave(&mut self.under_way, &self.packets, packet);
                Some((host, packet))
            }
            Node::Switch(switch) => {
                let next = self.route(switch, packet);
                self.offer(cx, next, packet);
                None
            }
        }
    }

    #[inline]
    fn route(&mut self, switch: SwitchId, packet: PacketId) -> LinkId {
        let packet = &self.packets[packet];
        let hash = match &mut self.sprays {
            Some(streams) => streams[switch as usize].bits() as u32,
            None => mix(u64::from(packet.entropy) ^ self.salts[switch as usize]),
        };
        self.network.routes().next(switch, packet.destination, hash)
    }

    /// A packet comes to a link: it starts at once, waits, or is dropped.
    #[inline]
    fn offer(&mut self, cx: &mut Step<'_>, link: LinkId, packet: PacketId) {
        let state = &mut self.links[link as usize];
        state.stats.offered += 1;
        if state.is_down() {
            state.stats.dropped += 1;
            self.counters.dropped_down += 1;
            return self.drop_packet(cx, Kind::Down, link, packet);
        }
        match state.is_idle(cx.now) {
            true => self.start(cx, link, packet),
            false => self.enqueue(cx, link, packet),
        }
    }

    fn enqueue(&mut self, cx: &mut Step<'_>, link: LinkId, id: PacketId) {
        let state = &mut self.links[link as usize];
        let rules = if state.owner.is_some() { &self.switch_rules } else { &self.host_rules };
        let packet = &self.packets[id];
        let bytes = (state.wire_bytes(packet.len), state.wire_bytes(packet.header_len.into()));
        let owner = state.owner.filter(|_| !self.room.is_empty());
        let room = owner.map_or(u64::MAX, |owner| self.room[owner as usize]);
        let mut takes = bytes.0;
        match state.queue.judge(rules, packet, bytes, room) {
            Admission::Queued => {}
            Admission::Trimmed => {
                leave(&mut self.under_way, &self.packets, id);
                self.packets.trim(id);
                takes = bytes.1;
                state.stats.trimmed += 1;
                self.counters.trimmed += 1;
                cx.observer.packet(cx.now, Kind::Trim, link, &self.packets.packet(id));
                if self.checks_frames {
                    self.packets.seal(id);
                }
            }
            Admission::Dropped => {
                state.stats.dropped += 1;
                self.counters.dropped_tail += 1;
                return self.drop_packet(cx, Kind::TailDrop, link, id);
            }
        }
        if let Some(owner) = owner {
            self.room[owner as usize] -= takes;
        }
        state.queue.push(rules, &mut self.packets, id, takes);
        let held = state.queue.bytes().0;
        state.stats.most_queued_bytes = state.stats.most_queued_bytes.max(held);
        state.announce_free(cx.queue, link);
    }

    /// The first bit of a packet leaves. Everything about its way to the far end is decided here.
    #[inline]
    fn start(&mut self, cx: &mut Step<'_>, link: LinkId, id: PacketId) {
        self.counters.hops += 1;
        let state = &mut self.links[link as usize];
        let packet = &mut self.packets[id];
        let path = packet.path;
        let mut arrives = state.launch(cx.now, packet.len);
        if !state.queue.is_empty() {
            state.announce_free(cx.queue, link);
            if packet.ecn_capable && state.owner.is_some() && state.marks(&self.switch_rules) {
                packet.ce = true;
                self.counters.marked += 1;
                cx.observer.packet(cx.now, Kind::Mark, link, &self.packets.packet(id));
            }
        }
        if !self.path_delays.is_empty() && state.is_up_link {
            arrives += self.path_delays[usize::from(path)];
        }
        if let Some(recorder) = cx.observer.recorder() {
            let (until, queued) = (state.busy_until(), state.queue.bytes().0);
            recorder.hop(cx.now, link, &self.packets.packet(id), until, queued);
        }
        if state.faults.is_some() {
            return self.start_faulty(cx, link, id, arrives);
        }
        self.send_off(cx, link, id, arrives);
    }

    #[inline]
    fn send_off(&mut self, cx: &mut Step<'_>, link: LinkId, id: PacketId, arrives: Time) {
        let state = &mut self.links[link as usize];
        if !state.put_on_line(cx.queue, &mut self.packets, (link, id), arrives) {
            cx.queue.schedule(arrives, Event::Straggle { link, packet: id });
        }
    }

    fn drop_packet(&mut self, cx: &mut Step<'_>, kind: Kind, link: LinkId, packet: PacketId) {
        cx.observer.packet(cx.now, kind, link, &self.packets.packet(packet));
        self.counters.dropped_trimmed += u64::from(self.packets[packet].trimmed);
        leave(&mut self.under_way, &self.packets, packet);
        self.packets.release(packet);
    }
}

/// A packet's payload is not in the network any more.
#[inline]
fn leave(under_way: &mut [u64], packets: &Arena, id: PacketId) {
    let frame = &packets[id];
    if frame.carries_payload() && !frame.twinned {
        under_way[packets.content(id).source as usize] -= u64::from(frame.len);
    }
}

/// What every step needs: the time, what is planned, and who watches.
#[derive(Debug)]
pub struct Step<'a> {
    /// Now.
    pub now: Time,
    /// What is planned.
    pub queue: &'a mut EventQueue,
    /// Who watches.
    pub observer: &'a mut Observer,
}
