//! A host: drives one endpoint as a real driver would, on simulated time.
//!
//! ```text
//!  arrival -> handle_datagram -> placement (now or after a delay) -> handle_placed
//!  turn:      timeouts due -> bounce copies -> transmits, while the NIC has room -> events -> timer
//! ```
//! A completed send makes room for the flow's next message, a completed receive is posted again.

mod arrival;
mod clock;
mod crash;
mod memory;
mod peers;
mod stack;
mod transport;

use usrd_proto::{
    AddPeerError, BufferId, BufferRange, CompletionLevel, EndpointStats, Event as CoreEvent,
    PeerId, RecvFailure, RecvRequest, SendFailure, SendRequest, Service, Token,
};

use self::clock::Clock;
use self::memory::{Bounces, Receives};
use self::peers::Peers;
pub use self::stack::Stack;
pub use self::transport::Transport;
use crate::check::{Checker, send_base};
use crate::digest::Kind;
use crate::event::Event;
use crate::fabric::PacketId;
use crate::time::Time;
use crate::traffic::MessageId;
use crate::world::World;

/// One host and its endpoint.
#[derive(Debug)]
pub struct Host<T> {
    id: u32,
    transport: T,
    peers: Peers,
    receives: Receives,
    receives_ahead: u64,
    bounces: Bounces,
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
            bounces: Bounces::default(),
            timer: Timer::default(),
            blocked: false,
            clock: Clock::default(),
            paused: None,
            downs: 0,
            gone: false,
            incarnation: 0,
            past: Vec::new(),
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

    /// Bytes in flight to any peer, by its endpoint's count.
    pub fn in_flight_bytes(&self) -> u64 {
        let peers = self.peers.all();
        peers.filter_map(|peer| self.transport.peer_stats(peer)).map(|s| s.in_flight_bytes).sum()
    }

    /// Posts the first receives.
    pub fn start(&mut self, world: &mut World) {
        self.post_receives(world);
        self.turn(world);
    }

    /// A flow from here begins.
    pub fn start_flow(&mut self, world: &mut World, flow: u32) {
        if self.is_down() {
            return self.miss_start(world, flow);
        }
        let to = world.traffic.flows()[flow as usize].spec.dst;
        if let Err(error) = self.connect(world.now, flow, to) {
            return world.checkers.report(Checker::Host, world.now, error);
        }
        self.submit(world, flow);
        self.turn(world);
    }

    /// Sees to it that a flow has a peer to go to.
    fn connect(&mut self, now: Time, flow: u32, to: u32) -> Result<(), AddPeerError> {
        let per_flow = self.transport.opens_per_flow();
        let known = if per_flow { self.peers.reuse(flow, to) } else { self.peers.of(to).is_some() };
        if !known {
            let peer = self.transport.add_peer(self.clock.reads(now))?;
            self.peers.bind(to, peer);
            if per_flow {
                self.peers.occupy(flow, peer);
            }
        }
        Ok(())
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
            if !self.take_events(world) {
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
                CoreEvent::RecvCompleted { token, peer, service, len, result } => {
                    // A datagram may come twice, a message end with its sender; others must not miss
                    // their receive.
                    self.receives.unposted += u64::from(service == Service::Ud || result.is_err());
                    self.received(world, token, peer, len, result);
                }
                CoreEvent::BounceFreed { bounce } => self.bounces.free(bounce.0),
                CoreEvent::TransferCompleted { .. }
                | CoreEvent::TaggedCompleted { .. }
                | CoreEvent::Notified { .. }
                | CoreEvent::ListArrived { .. }
                | CoreEvent::RegionReleased { .. } => {
                    let what =
                        format!("host {}: {event:?} of an operation nobody asked for", self.id);
                    world.checkers.report(Checker::Host, world.now, what);
                }
                CoreEvent::PeerDown { peer, .. } => {
                    world.checkers.learned(self.id, self.peers.host_of(peer));
                }
                CoreEvent::RecvCancelled { .. }
                | CoreEvent::PeerUp { .. }
                | CoreEvent::PathChanged { .. } => {}
            }
        }
        any
    }

    fn sent(&mut self, world: &mut World, token: Token, result: Result<(), SendFailure>) {
        let message = token.0 as MessageId;
        world.observer.message(world.now, Kind::Sent, self.id, message);
        if result.is_err() && world.checkers.excuse(self.id, world.traffic.spec_of(message).dst) {
            world.excuse(message);
        }
        let excused = world.traffic.is_excused(message);
        world.checkers.sent(world.now, message, result, excused);
        world.message_sent(message, result.is_ok());
        self.submit(world, world.traffic.flow_of(message));
    }

    fn received(
        &mut self,
        world: &mut World,
        token: Token,
        peer: PeerId,
        len: u64,
        result: Result<(), RecvFailure>,
    ) {
        let number = token.0 as u32;
        let from = self.peers.host_of(peer);
        let Some(buffer) = self.receives.close(number) else {
            let unknown = format!("host {}: no receive is open as token {}", self.id, token.0);
            return world.checkers.report(Checker::Host, world.now, unknown);
        };
        let seen = buffer.message.unwrap_or(MessageId::MAX);
        world.observer.message(world.now, Kind::Received, self.id, seen);
        let delivered = (from, self.id, buffer.message, len);
        world.checkers.received(world.now, &world.traffic, delivered, &buffer.bytes, result);
        if let (Some(message), Ok(())) = (buffer.message, result) {
            world.message_received(message);
        }
        self.post_receives(world);
    }

    /// Submits the flow's next messages, as many as may be under way.
    fn submit(&mut self, world: &mut World, flow: u32) {
        let state = &world.traffic.flows()[flow as usize];
        let (spec, is_over) = (state.spec, state.completed >= state.spec.messages);
        if is_over {
            return self.peers.release(flow);
        }
        let Some(peer) = self.peers.of_flow(flow, spec.dst) else {
            return;
        };
        let service = Service::from(spec.service);
        while let Some(message) = world.traffic.submit(flow, world.options.outstanding) {
            let range = BufferRange {
                buffer: BufferId(message),
                offset: send_base(message),
                len: spec.size,
            };
            let level = match service {
                Service::Ud => CompletionLevel::Acknowledged,
                Service::Srd | Service::Rd => world.options.level,
            };
            let request = SendRequest { token: Token(message.into()), service, range, level };
            world.checkers.submitted(&world.traffic, message);
            world.observer.message(world.now, Kind::Submitted, self.id, message);
            if let Err(error) = self.transport.send(self.clock.reads(world.now), peer, request) {
                return world.checkers.report(Checker::Host, world.now, error);
            }
        }
    }

    fn post_receives(&mut self, world: &mut World) {
        while (self.receives.open() as u64) < self.receives_ahead && self.receives.unposted > 0 {
            let number = self.receives.post();
            let (token, buffer) = (Token(number.into()), BufferId(number));
            let request = RecvRequest { token, buffer, len: self.receives.len };
            if let Err(error) = self.transport.post_recv(self.clock.reads(world.now), request) {
                return world.checkers.report(Checker::Host, world.now, error);
            }
        }
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

/// The one timer event that counts.
#[derive(Debug)]
struct Timer {
    rings_at: Time,
    generation: u32,
}

impl Default for Timer {
    fn default() -> Self {
        Self { rings_at: Time::NEVER, generation: 0 }
    }
}

impl Timer {
    /// The generation to schedule, if `due` is sooner than what is scheduled.
    fn set(&mut self, due: Time) -> Option<u32> {
        if due >= self.rings_at {
            return None;
        }
        self.rings_at = due;
        self.generation = self.generation.wrapping_add(1);
        Some(self.generation)
    }

    /// Nothing rings any more.
    fn cancel(&mut self) {
        self.rings_at = Time::NEVER;
        self.generation = self.generation.wrapping_add(1);
    }

    fn rings(&mut self, generation: u32) -> bool {
        let current = generation == self.generation;
        if current {
            self.rings_at = Time::NEVER;
        }
        current
    }
}

/// A timer that is due at once rings a tick of the core's clock later, so that time goes on.
const TIMER_STEP: Time = Time::from_ns(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_soonest_setting_rings() {
        let mut timer = Timer::default();
        let first = timer.set(Time::from_ns(10)).unwrap();
        assert_eq!(timer.set(Time::from_ns(11)), None);
        let second = timer.set(Time::from_ns(5)).unwrap();
        assert!(!timer.rings(first));
        assert!(timer.rings(second));
        assert!(timer.set(Time::from_ns(20)).is_some());
    }
}
