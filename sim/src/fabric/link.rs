//! A link: an output queue, a transmitter that sends one packet at a time, and the line to the far
//! end. Packets on the line keep their order, so only the first of them is a planned event.
//!
//! The end of a transmission is only an event if somebody waits for it; an idle link costs one
//! event per packet (the arrival), a busy one two.

use super::faults::FaultSource;
use super::packet::{Arena, PacketId};
use super::queue::{Fifo, Queue, QueueRules};
use crate::event::{Event, EventQueue};
use crate::rng::Stream;
use crate::time::Time;
use crate::topology::{Node, PlannedLink, SwitchId};
use crate::units::Rate;

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets that came to it.
    pub offered: u64,
    /// Packets that it started to send.
    pub started: u64,
    /// Bytes in them, on the wire.
    pub started_bytes: u64,
    /// Packets dropped by its full queue, or because it was down.
    pub dropped: u64,
    /// Packets whose payload its full queue cut off.
    pub trimmed: u64,
    /// Packets that it marked.
    pub marked: u64,
    /// The most data its queue ever held, in bytes.
    pub most_queued_bytes: u64,
}

/// One direction between two nodes.
#[derive(Debug)]
pub struct Link {
    busy_until: Time,
    line: Fifo,
    /// When the last packet on the line arrives, if there is one.
    last_arrival: Time,
    pub(super) queue: Queue,
    rate: Rate,
    /// Picoseconds per byte if that is a whole number, else zero.
    byte_ps: u64,
    latency: Time,
    overhead_bytes: u32,
    end: Node,
    /// The switch whose buffer it takes from.
    pub(super) owner: Option<SwitchId>,
    free_announced: bool,
    /// How many planned faults keep it down.
    pub(super) downs: u32,
    pub(super) is_up_link: bool,
    pub(super) marking_rng: Stream,
    pub(super) faults: Option<Box<FaultSource>>,
    pub(super) stats: LinkStats,
}

impl Link {
    /// A link without faults.
    pub(super) fn new(planned: &PlannedLink, overhead_bytes: u32, marking_rng: Stream) -> Self {
        let mut link = Self {
            busy_until: Time::ZERO,
            line: Fifo::default(),
            last_arrival: Time::ZERO,
            queue: Queue::default(),
            rate: planned.rate,
            byte_ps: 0,
            latency: planned.latency,
            overhead_bytes,
            end: planned.to,
            owner: match planned.from {
                Node::Host(_) => None,
                Node::Switch(switch) => Some(switch),
            },
            free_announced: false,
            downs: 0,
            is_up_link: matches!(planned.from, Node::Host(_)),
            marking_rng,
            faults: None,
            stats: LinkStats::default(),
        };
        link.set_rate(planned.rate);
        link
    }

    /// What it leads to.
    pub fn end(&self) -> Node {
        self.end
    }

    /// How fast it is now.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// When the packet on the transmitter has left.
    pub fn busy_until(&self) -> Time {
        self.busy_until
    }

    /// Whether it carries nothing for now, by a fault.
    pub fn is_down(&self) -> bool {
        self.downs > 0
    }

    /// Packets in the queue and on the transmitter.
    pub fn held_packets(&self, now: Time) -> u32 {
        self.queue.packets() + u32::from(now < self.busy_until)
    }

    /// Packets in the queue.
    pub fn queued_packets(&self) -> u32 {
        self.queue.packets()
    }

    /// Bytes in the queue, by count: of data, and of what goes first.
    pub fn queued_bytes(&self) -> (u64, u64) {
        self.queue.bytes()
    }

    /// Packets and bytes in the queue, by looking.
    pub fn walk(&self, packets: &Arena) -> (u64, u64) {
        self.queue.walk(packets, self.overhead_bytes.into())
    }

    /// What it has done.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    /// What a packet of `len` bytes takes on it.
    #[inline]
    pub(super) fn wire_bytes(&self, len: u32) -> u64 {
        u64::from(len) + u64::from(self.overhead_bytes)
    }

    /// Whether a packet that comes now can start now. Once the end of a transmission is announced,
    /// it is that event which starts the next packet.
    #[inline]
    pub(super) fn is_idle(&self, now: Time) -> bool {
        now >= self.busy_until && !self.free_announced
    }

    pub(super) fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
        let exact = BYTE_PS_AT_1_BPS.is_multiple_of(rate.bps);
        self.byte_ps = if exact { BYTE_PS_AT_1_BPS / rate.bps } else { 0 };
    }

    /// The transmitter is free: takes the next packet from the queue.
    #[inline]
    pub(super) fn next_packet(&mut self, packets: &mut Arena) -> Option<PacketId> {
        self.free_announced = false;
        self.queue.pop(packets, self.overhead_bytes.into())
    }

    /// Sends a packet of `len` bytes; says when it arrives.
    #[inline]
    pub(super) fn launch(&mut self, now: Time, len: u32) -> Time {
        let bytes = self.wire_bytes(len);
        self.stats.started += 1;
        self.stats.started_bytes += bytes;
        let takes = match self.byte_ps {
            0 => self.rate.time_for(bytes),
            byte_ps => Time::from_ps(bytes * byte_ps),
        };
        self.busy_until = now + takes;
        self.busy_until + self.latency
    }

    /// Whether the packet that leaves now is to be marked, by the queue that it leaves behind.
    #[inline]
    pub(super) fn marks(&mut self, rules: &QueueRules) -> bool {
        let marked = rules.marks(self.queue.bytes().0, &mut self.marking_rng);
        self.stats.marked += u64::from(marked);
        marked
    }

    /// Puts a packet on the line, if it keeps the order there; says whether it does.
    #[inline]
    pub(super) fn put_on_line(
        &mut self,
        events: &mut EventQueue,
        packets: &mut Arena,
        (link, packet): (u32, PacketId),
        arrives: Time,
    ) -> bool {
        match self.line.last() {
            Some(_) if self.last_arrival > arrives => return false,
            Some(last) => packets[last].next_arrives = arrives,
            None => events.schedule(arrives, Event::Arrive { link }),
        }
        self.last_arrival = arrives;
        self.line.push(packets, packet);
        true
    }

    /// The first packet on the line is at the far end.
    #[inline]
    pub(super) fn take_from_line(
        &mut self,
        events: &mut EventQueue,
        packets: &mut Arena,
        link: u32,
    ) -> Option<PacketId> {
        let packet = self.line.pop(packets)?;
        if self.line.first().is_some() {
            events.schedule(packets[packet].next_arrives, Event::Arrive { link });
        }
        Some(packet)
    }

    /// When the last packet on the line arrives.
    pub(super) fn last_arrival(&self) -> Time {
        if self.line.last().is_some() { self.last_arrival } else { Time::ZERO }
    }

    /// Plans the event at which the transmitter is free, if it is not planned yet.
    #[inline]
    pub(super) fn announce_free(&mut self, events: &mut EventQueue, link: u32) {
        if !self.free_announced {
            self.free_announced = true;
            events.schedule(self.busy_until, Event::LinkFree { link });
        }
    }
}

/// 8 bits at one bit per second, in picoseconds.
const BYTE_PS_AT_1_BPS: u64 = 8_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Component;

    fn link(bps: u64) -> Link {
        let planned = PlannedLink {
            from: Node::Host(0),
            to: Node::Switch(0),
            rate: Rate { bps },
            latency: Time::from_ns(10),
        };
        Link::new(&planned, 0, Stream::new(1, Component::Marking, 0))
    }

    #[test]
    fn the_transmitter_is_busy_for_as_long_as_the_packet_takes() {
        let mut link = link(8_000_000_000);
        assert_eq!(link.launch(Time::ZERO, 125), Time::from_ns(135));
        assert_eq!(link.busy_until(), Time::from_ns(125));
        assert!(!link.is_idle(Time::from_ns(124)) && link.is_idle(Time::from_ns(125)));
        assert_eq!(link.held_packets(Time::from_ns(124)), 1);
        link.set_rate(Rate { bps: 3_000_000_000 });
        let uneven = link.launch(Time::from_ns(200), 100) - Time::from_ns(210);
        assert_eq!(uneven, Rate { bps: 3_000_000_000 }.time_for(100));
    }

    #[test]
    fn the_line_plans_one_event_and_takes_no_packet_out_of_order() {
        let (mut link, mut packets) = (link(8_000_000_000), Arena::new(0));
        let mut events = EventQueue::default();
        let ids = [0; 3].map(|_| packets.allocate());
        let times = [20, 30, 25].map(Time::from_ns);
        let mut put = |nth: usize, events: &mut EventQueue, packets: &mut Arena| {
            link.put_on_line(events, packets, (7, ids[nth]), times[nth])
        };
        assert!(put(0, &mut events, &mut packets) && put(1, &mut events, &mut packets));
        assert!(!put(2, &mut events, &mut packets), "it would overtake");
        assert_eq!(events.scheduled(), 1);
        assert_eq!(events.pop(), Some((times[0], Event::Arrive { link: 7 })));
        assert_eq!(link.take_from_line(&mut events, &mut packets, 7), Some(ids[0]));
        assert_eq!(events.pop(), Some((times[1], Event::Arrive { link: 7 })));
    }
}
