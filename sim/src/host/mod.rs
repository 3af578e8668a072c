//! A host: drives one endpoint as a real driver would, on simulated time.
//!
//! ```text
//!  arrival -> handle_datagram -> placement (now or after a delay) -> handle_placed
//!  turn:      timeouts due -> bounce copies -> transmits, while the NIC has room -> events -> timer
//! ```
//! A completed send makes room for the flow's next message, a completed receive is posted again.
//!
//! | file | what it does |
//! |---|---|
//! | `flows` | flows begin, and hand over what is next |
//! | `messages` | sends and receives |
//! | `shared` | receives for several messages |
//! | `tags` | tagged messages and their receives |
//! | `transfers` | one-sided operations: asked for, completed, told |
//! | `cancel` | operations are taken back |
//! | `closing` | peers are closed, and used again |
//! | `regions` | memory is registered and taken back |
//! | `arrival` | packets come in |
//! | `placing` | payload comes to where it belongs |
//! | `crash` | everything is lost |
//! | `memory`, `peers`, `clock`, `timer` | what a host keeps |
//! | `transport`, `stack` | what it drives |

mod arrival;
mod cancel;
mod clock;
mod closing;
mod crash;
mod flows;
mod memory;
mod messages;
mod peers;
mod placing;
mod regions;
mod shared;
mod stack;
mod tags;
mod timer;
mod transfers;
mod transport;

use std::collections::BTreeMap;

use usrd_proto::{EndpointStats, Event as CoreEvent, PeerId, Service};

pub use self::cancel::Cancels;
use self::clock::Clock;
pub use self::closing::After;
use self::closing::Closings;
use self::memory::{Bounces, Receives};
use self::peers::Peers;
use self::regions::Registrations;
pub use self::stack::Stack;
use self::tags::ExactReceives;
use self::timer::Timer;
pub use self::transport::Transport;
use crate::event::Event;
use crate::fabric::PacketId;
use crate::time::Time;
use crate::world::World;

/// One host and its endpoint.
#[derive(Debug)]
pub struct Host<T> {
    id: u32,
    transport: T,
    peers: Peers,
    receives: Receives,
    receives_ahead: u64,
    /// How many receives for several messages it has posted.
    postings: u32,
    bounces: Bounces,
    registrations: Registrations,
    timer: Timer,
    /// Whether packets wait for room in the network interface.
    blocked: bool,
    clock: Clock,
    /// What has arrived since it stands still, if it does.
    paused: Option<Vec<PacketId>>,
    /// How many planned faults keep it down.
    downs: u32,
    /// Whether it will never be up again.
    gone: bool,
    /// How many endpoints it has lost, ...
    incarnation: u32,
    /// ... and what they had done.
    past: Vec<EndpointStats>,
    /// What its flows last saw of the words that they replace.
    seen: BTreeMap<u32, u64>,
    exact: ExactReceives,
    closings: Closings,
}

/// What a host will receive: how many messages, the largest of them, and from how many flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Messages, over the whole run.
    pub messages: u64,
    /// The largest, in bytes.
    pub largest: u64,
    /// Flows.
    pub flows: u64,
}

impl<T: Transport> Host<T> {
    /// A host that posts `ahead` receives per incoming flow.
    pub fn new(id: u32, transport: T, expected: Expected, ahead: u32) -> Self {
        Self {
            id,
            transport,
            peers: Peers::default(),
            receives: Receives::new(expected.largest, expected.messages),
            receives_ahead: expected.flows * u64::from(ahead),
            postings: 0,
            bounces: Bounces::default(),
            registrations: Registrations::default(),
            timer: Timer::default(),
            blocked: false,
            clock: Clock::default(),
            paused: None,
            downs: 0,
            gone: false,
            incarnation: 0,
            past: Vec::new(),
            seen: BTreeMap::new(),
            exact: ExactReceives::new(),
            closings: Closings::new(),
        }
    }

    /// Its endpoint.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Its endpoint alone.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// What its endpoint has done, and those that it lost in crashes.
    pub fn all_stats(&self) -> impl Iterator<Item = EndpointStats> {
        self.past.iter().copied().chain([self.transport.stats()])
    }

    /// How it numbers another host, once it knows it.
    pub fn peer(&self, host: u32) -> Option<PeerId> {
        self.peers.of(host)
    }

    /// How many other hosts it knows as peers.
    pub fn known_peers(&self) -> usize {
        self.peers.known()
    }

    /// Packets that wait for it to go on.
    pub fn held_packets(&self) -> &[PacketId] {
        self.paused.as_deref().unwrap_or_default()
    }

    /// Whether it stands still.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Receives posted and not completed, by the host's own count.
    pub fn open_receives(&self) -> usize {
        self.receives.open()
    }

    /// Bounce buffers not freed.
    pub fn open_bounces(&self) -> usize {
        self.bounces.open
    }

    /// Whether it waits for nothing: no answer, no rest of a message, no memory to be given back.
    pub fn is_at_rest(&self) -> bool {
        let core = self.transport.core();
        let (regions, awaited) = core.map_or((0, 0), |it| (it.regions(), it.awaited_answers()));
        !self.is_paused()
            && self.in_flight_bytes() == 0
            && self.open_bounces() == 0
            && self.transport.posted_receives() == self.open_receives()
            && (regions, awaited) == (self.regions(), 0)
    }

    /// Bytes in flight to any peer, by its endpoint's count.
    pub fn in_flight_bytes(&self) -> u64 {
        let peers = self.peers.all();
        peers.filter_map(|peer| self.transport.peer_stats(peer)).map(|s| s.in_flight_bytes).sum()
    }

    /// Posts the first receives, and registers what others operate on.
    pub fn start(&mut self, world: &mut World) {
        self.post_receives(world);
        self.register(world);
        self.turn(world);
    }

    /// It stands still, or goes on and sees to what has arrived meanwhile.
    pub fn set_paused(&mut self, world: &mut World, paused: bool) {
        if paused {
            self.paused.get_or_insert_default();
        } else if let Some(held) = self.paused.take() {
            for packet in held {
                self.arrived(world, packet);
            }
            self.turn(world);
        }
    }

    /// Its clock runs so much too fast from now on, in millionths.
    pub fn set_drift(&mut self, world: &mut World, ppm: i32) {
        self.clock.set_drift(world.now, ppm);
        self.turn(world);
    }

    /// The network interface has sent a packet.
    pub fn nic_free(&mut self, world: &mut World) {
        if self.blocked {
            self.turn(world);
        }
    }

    /// The timer rings.
    pub fn timer(&mut self, world: &mut World, generation: u32) {
        if self.timer.rings(generation) {
            self.turn(world);
        }
    }

    /// Everything that the endpoint wants done now.
    pub(crate) fn turn(&mut self, world: &mut World) {
        if self.paused.is_some() || self.is_down() {
            return;
        }
        self.time_out(world);
        loop {
            self.copy_bounced(world);
            self.transmit(world);
            if !self.take_events(world) && !self.see_closings(world) {
                break;
            }
        }
        self.set_timer(world);
    }

    fn time_out(&mut self, world: &World) {
        let now = self.clock.reads(world.now);
        if self.transport.poll_timeout().is_some_and(|due| due <= now) {
            self.transport.handle_timeout(now);
        }
    }

    fn transmit(&mut self, world: &mut World) {
        let now = self.clock.reads(world.now);
        loop {
            let held = world.fabric.up_link(self.id).held_packets(world.now);
            self.blocked = held >= world.options.nic_packets;
            if self.blocked {
                return world.fabric.wake_when_free(&mut world.queue, self.id);
            }
            let id = world.fabric.packets.allocate();
            let content = world.fabric.packets.content_mut(id);
            let Some(transmit) = self.transport.poll_transmit(now, &mut content.header) else {
                return world.fabric.packets.release(id);
            };
            content.payload = transmit.payload;
            content.source = self.id;
            let frame = &mut world.fabric.packets[id];
            frame.header_len = transmit.header_len as u8;
            frame.len = transmit.len() as u32;
            frame.path = transmit.path.0;
            frame.ecn_capable = transmit.ecn_capable;
            frame.destination = self.peers.host_of(transmit.peer);
            self.attach_bytes(world, id);
            world.inject(self.id, id);
            let under_way = world.fabric.under_way_bytes(self.id);
            let stats = || self.transport.stats();
            world.checkers.transmitted(world.now, self.id, under_way, stats);
        }
    }

    /// Hands every event of the endpoint to the user; says whether there were any.
    fn take_events(&mut self, world: &mut World) -> bool {
        let mut any = false;
        while let Some(event) = self.transport.poll_event() {
            any = true;
            match event {
                CoreEvent::SendCompleted { token, result, .. } => self.sent(world, token, result),
                CoreEvent::RecvCompleted {
                    token,
                    peer,
                    service,
                    offset,
                    len,
                    immediate,
                    result,
                } => {
                    // A datagram may come twice, a message end with its sender; others must not miss
                    // their receive.
                    self.receives.unposted += u64::from(service == Service::Ud || result.is_err());
                    self.received_along(world, (token, offset), immediate, result);
                    self.received(world, (token, offset), peer, len, result);
                }
                CoreEvent::BounceFreed { bounce } => self.bounces.free(bounce.0),
                CoreEvent::TransferCompleted { token, result, .. } => {
                    self.transferred(world, token, result);
                }
                CoreEvent::Notified { peer, immediate, len, note, .. } => {
                    self.notified(world, peer, (immediate, len), note);
                }
                CoreEvent::ListArrived { list, bounce, len } => {
                    self.serve_list(world, list, bounce, len);
                }
                CoreEvent::RegionReleased { buffer } => self.released(world, buffer),
                CoreEvent::TaggedCompleted { token, peer, tag, immediate, offset, len, result } => {
                    let place = (token, offset);
                    self.received_tagged(world, place, (peer, len), (tag, immediate), result);
                }
                CoreEvent::MultiRecvOver { token, cancelled } => {
                    self.share_over(world, token, cancelled);
                }
                CoreEvent::PeerDown { peer, .. } => {
                    world.checkers.learned(self.id, self.peers.host_of(peer));
                }
                CoreEvent::RecvCancelled { token } => self.unposted(world, token),
                CoreEvent::PeerUp { .. } | CoreEvent::PathChanged { .. } => {}
            }
        }
        any
    }

    /// Rings no later than the endpoint asks. A ring that has become too early stays: it is cheaper
    /// to take it than to move it with every packet.
    fn set_timer(&mut self, world: &mut World) {
        let Some(due) = self.transport.poll_timeout().map(|due| self.clock.shows(due)) else {
            return;
        };
        // What is due already and has been handled waits for room in the network interface.
        if due <= world.now && self.blocked {
            return;
        }
        let due = due.max(world.now + TIMER_STEP);
        if let Some(generation) = self.timer.set(due) {
            world.queue.schedule_timer(due, Event::Timer { host: self.id, generation });
        }
    }
}

/// A timer that is due at once rings a tick of the core's clock later, so that time goes on.
const TIMER_STEP: Time = Time::from_ns(1);
