//! The network: links with output queues, a switch between them, and the packets under way.
//!
//! ```text
//!   host h --- link h (up) ---> switch --- link N + g (down) ---> host g
//! ```
//! Every packet that starts on a link is one packet-hop. Links are store-and-forward: a packet is
//! at the far end once its last bit is.

mod faults;
mod link;
mod packet;

use crate::digest::{Digest, Kind};
use crate::event::{Event, EventQueue};
use crate::rng::{Component, Stream};
use crate::scenario::{Direction, Scenario};
use crate::time::Time;

pub use self::faults::FaultProfile;
pub use self::link::{End, Link, LinkStats};
pub use self::packet::{Arena, Packet, PacketId};

/// All links and packets.
#[derive(Debug)]
pub struct Fabric {
    /// The packets under way, and those that hosts hold.
    pub packets: Arena,
    links: Vec<Link>,
    hosts: u32,
    path_delays: Vec<Time>,
    counters: FabricCounters,
}

/// What became of the packets, over all links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FabricCounters {
    /// Handed in by hosts.
    pub injected: u64,
    /// Made by links.
    pub copied: u64,
    /// Handed to hosts.
    pub delivered: u64,
    /// Dropped by full queues.
    pub dropped_tail: u64,
    /// Lost by links.
    pub lost: u64,
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
        (self.injected + self.copied) - (self.delivered + self.dropped_tail + self.lost)
    }
}

impl Fabric {
    /// The scenario's network, empty.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let hosts = scenario.topology.hosts;
        let up = (0..hosts).map(|host| Link::up(scenario, seed, host));
        let down = (0..hosts).map(|host| Link::down(scenario, seed, host));
        let carried = if scenario.integrity { scenario.core.mtu.0 as usize } else { 0 };
        Self {
            packets: Arena::new(carried),
            links: up.chain(down).collect(),
            hosts,
            path_delays: (0..scenario.core.paths).map(|path| scenario.path_delay(path)).collect(),
            counters: FabricCounters::default(),
        }
    }

    /// The counts so far.
    pub fn counters(&self) -> FabricCounters {
        self.counters
    }

    /// All links: those up, then those down.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link from a host to the switch.
    pub fn up_link(&self, host: u32) -> &Link {
        &self.links[host as usize]
    }

    /// A host sends a packet.
    pub fn inject(&mut self, cx: &mut Step<'_>, host: u32, packet: PacketId) {
        self.counters.injected += 1;
        self.offer(cx, host, packet);
    }

    /// The host wants to know when its link has room again.
    pub fn wake_when_free(&mut self, queue: &mut EventQueue, host: u32) {
        self.links[host as usize].announce_free(queue, host);
    }

    /// A link has sent a packet; the next one starts.
    pub fn link_free(&mut self, cx: &mut Step<'_>, link: u32) {
        if let Some(packet) = self.links[link as usize].next_packet(&mut self.packets) {
            self.start(cx, link, packet);
        }
    }

    /// A packet is at the far end of a link. If a host is there, the packet is the host's.
    pub fn arrive(&mut self, cx: &mut Step<'_>, link: u32, packet: PacketId) -> Option<u32> {
        match self.links[link as usize].end() {
            End::Host(host) => {
                self.counters.delivered += 1;
                Some(host)
            }
            End::Switch => {
                let next = self.hosts + self.packets[packet].destination;
                self.offer(cx, next, packet);
                None
            }
        }
    }

    /// A packet comes to a link: it starts at once, waits, or is dropped.
    fn offer(&mut self, cx: &mut Step<'_>, link: u32, packet: PacketId) {
        let state = &mut self.links[link as usize];
        state.count_offered();
        if state.is_idle(cx.now) {
            self.start(cx, link, packet);
        } else if state.enqueue(&mut self.packets, packet) {
            state.announce_free(cx.queue, link);
        } else {
            self.counters.dropped_tail += 1;
            self.drop_packet(cx, Kind::TailDrop, link, packet);
        }
    }

    /// The first bit of a packet leaves. Everything about its way to the far end is decided here.
    fn start(&mut self, cx: &mut Step<'_>, link: u32, packet: PacketId) {
        self.counters.hops += 1;
        let state = &mut self.links[link as usize];
        let marked = state.launch(cx.now, &mut self.packets[packet]);
        let fate = state.judge();
        if state.has_waiting() {
            state.announce_free(cx.queue, link);
        }
        let mut arrival = state.busy_until() + state.latency();
        if state.has_path_delays() {
            arrival += self.path_delays[usize::from(self.packets[packet].path)];
        }
        if marked {
            self.counters.marked += 1;
            cx.digest.event(cx.now, Kind::Mark, link, self.packets[packet].fingerprint());
        }
        if fate.copied {
            let copy = self.packets.duplicate(packet);
            self.counters.copied += 1;
            cx.digest.event(cx.now, Kind::Copy, link, self.packets[copy].fingerprint());
            cx.queue.schedule(arrival + fate.copy_held_up, Event::Arrive { link, packet: copy });
        }
        if fate.lost {
            self.counters.lost += 1;
            self.drop_packet(cx, Kind::Loss, link, packet);
            return;
        }
        self.counters.reordered += u64::from(fate.held_up > Time::ZERO);
        cx.queue.schedule(arrival + fate.held_up, Event::Arrive { link, packet });
    }

    fn drop_packet(&mut self, cx: &mut Step<'_>, kind: Kind, link: u32, packet: PacketId) {
        cx.digest.event(cx.now, kind, link, self.packets[packet].fingerprint());
        self.packets.release(packet);
    }
}

/// What every step needs: the time, what is planned, and the fingerprint.
#[derive(Debug)]
pub struct Step<'a> {
    /// Now.
    pub now: Time,
    /// What is planned.
    pub queue: &'a mut EventQueue,
    /// The run's fingerprint.
    pub digest: &'a mut Digest,
}

impl Link {
    /// A host's network interface: it neither drops nor marks, because the host asks for room.
    fn up(scenario: &Scenario, seed: u64, host: u32) -> Self {
        let links = &scenario.links;
        let faults = FaultProfile::of_link(&scenario.faults, host, Direction::Up);
        let rng = Stream::new(seed, Component::Faults, host);
        Self::new(links.rate, links.latency, links.overhead.0, End::Switch)
            .with_faults(faults, rng)
            .with_path_delays(links.path_delay.is_some())
    }

    /// A port of the switch.
    fn down(scenario: &Scenario, seed: u64, host: u32) -> Self {
        let links = &scenario.links;
        let faults = FaultProfile::of_link(&scenario.faults, host, Direction::Down);
        let number = scenario.topology.hosts + host;
        let rng = Stream::new(seed, Component::Faults, number);
        let marking = links.ecn_min.map(|min| (min.0, links.ecn_max.unwrap_or(min).0));
        Self::new(links.rate, links.latency, links.overhead.0, End::Host(host))
            .with_faults(faults, rng)
            .with_queue(links.queue.0, marking, Stream::new(seed, Component::Marking, number))
    }
}
