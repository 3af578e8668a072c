//! A link: an output queue, a line that sends one packet at a time, and the way to the far end.
//!
//! The end of a transmission is only an event if somebody waits for it; an idle link costs one
//! event per packet (the arrival), a busy one two.

use super::faults::{Fate, FaultProfile, FaultSource};
use super::packet::{Arena, NIL, Packet, PacketId};
use crate::event::{Event, EventQueue};
use crate::rng::{Component, Stream};
use crate::time::Time;
use crate::units::Rate;

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The switch.
    Switch,
    /// A host.
    Host(u32),
}

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets that came to it.
    pub offered: u64,
    /// Packets that it started to send.
    pub started: u64,
    /// Packets that its full queue dropped.
    pub dropped: u64,
    /// The longest its queue ever was, in bytes.
    pub most_queued_bytes: u64,
}

/// One direction between two nodes.
#[derive(Debug)]
pub struct Link {
    rate: Rate,
    latency: Time,
    overhead_bytes: u64,
    end: End,
    path_delays: bool,
    capacity_bytes: u64,
    marking: Option<Marking>,
    faults: FaultSource,
    head: PacketId,
    tail: PacketId,
    queued_bytes: u64,
    queued_packets: u32,
    busy_until: Time,
    free_announced: bool,
    stats: LinkStats,
}

/// Marks none up to `min_bytes` of queue, all from `max_bytes`, a rising share in between.
#[derive(Debug)]
struct Marking {
    min_bytes: u64,
    max_bytes: u64,
    rng: Stream,
}

impl Link {
    /// A link with an endless queue that marks nothing, and with no faults.
    pub(super) fn new(rate: Rate, latency: Time, overhead_bytes: u64, end: End) -> Self {
        Self {
            rate,
            latency,
            overhead_bytes,
            end,
            path_delays: false,
            capacity_bytes: u64::MAX,
            marking: None,
            faults: FaultSource::new(FaultProfile::default(), Stream::new(0, Component::Faults, 0)),
            head: NIL,
            tail: NIL,
            queued_bytes: 0,
            queued_packets: 0,
            busy_until: Time::ZERO,
            free_announced: false,
            stats: LinkStats::default(),
        }
    }

    pub(super) fn with_faults(self, profile: FaultProfile, rng: Stream) -> Self {
        Self { faults: FaultSource::new(profile, rng), ..self }
    }

    pub(super) fn with_path_delays(self, path_delays: bool) -> Self {
        Self { path_delays, ..self }
    }

    pub(super) fn with_queue(
        self,
        capacity_bytes: u64,
        marking: Option<(u64, u64)>,
        rng: Stream,
    ) -> Self {
        let marking = marking.map(|(min_bytes, max_bytes)| Marking { min_bytes, max_bytes, rng });
        Self { capacity_bytes, marking, ..self }
    }

    /// What it leads to.
    pub fn end(&self) -> End {
        self.end
    }

    /// How long a bit takes to the far end.
    pub fn latency(&self) -> Time {
        self.latency
    }

    /// Whether paths differ here.
    pub fn has_path_delays(&self) -> bool {
        self.path_delays
    }

    /// When the packet on the line has left.
    pub fn busy_until(&self) -> Time {
        self.busy_until
    }

    /// Whether packets wait for the line.
    pub fn has_waiting(&self) -> bool {
        self.head != NIL
    }

    /// Whether a packet that comes now can start now. Once the end of a transmission is announced,
    /// it is that event which starts the next packet.
    pub fn is_idle(&self, now: Time) -> bool {
        now >= self.busy_until && !self.free_announced
    }

    /// Packets in the queue and on the line.
    pub fn held_packets(&self, now: Time) -> u32 {
        self.queued_packets + u32::from(now < self.busy_until)
    }

    /// Packets and bytes in the queue, by count.
    pub fn queued(&self) -> (u64, u64) {
        (self.queued_packets.into(), self.queued_bytes)
    }

    /// Packets and bytes in the queue, by looking.
    pub fn walk(&self, packets: &Arena) -> (u64, u64) {
        let (mut at, mut count, mut bytes) = (self.head, 0, 0);
        while at != NIL {
            count += 1;
            bytes += self.wire_bytes(&packets[at]);
            at = packets[at].next;
        }
        (count, bytes)
    }

    /// What it has done.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    /// A packet has come to it.
    pub(super) fn count_offered(&mut self) {
        self.stats.offered += 1;
    }

    /// Puts a packet into the queue; `false` if it has no room for it.
    pub(super) fn enqueue(&mut self, packets: &mut Arena, packet: PacketId) -> bool {
        let bytes = self.wire_bytes(&packets[packet]);
        if self.queued_bytes + bytes > self.capacity_bytes {
            self.stats.dropped += 1;
            return false;
        }
        if self.tail == NIL {
            self.head = packet;
        } else {
            packets[self.tail].next = packet;
        }
        self.tail = packet;
        self.queued_bytes += bytes;
        self.queued_packets += 1;
        self.stats.most_queued_bytes = self.stats.most_queued_bytes.max(self.queued_bytes);
        true
    }

    /// The line is free: takes the next packet from the queue.
    pub(super) fn next_packet(&mut self, packets: &mut Arena) -> Option<PacketId> {
        self.free_announced = false;
        if self.head == NIL {
            return None;
        }
        let packet = self.head;
        self.head = packets[packet].next;
        packets[packet].next = NIL;
        if self.head == NIL {
            self.tail = NIL;
        }
        self.queued_bytes -= self.wire_bytes(&packets[packet]);
        self.queued_packets -= 1;
        Some(packet)
    }

    /// Sends a packet; says whether it was marked, by the queue that it leaves behind.
    pub(super) fn launch(&mut self, now: Time, packet: &mut Packet) -> bool {
        self.stats.started += 1;
        self.busy_until = now + self.rate.time_for(self.wire_bytes(packet));
        let queued_bytes = self.queued_bytes;
        let marks = |marking: &mut Marking| marking.marks(queued_bytes);
        let marked = packet.ecn_capable && self.marking.as_mut().is_some_and(marks);
        packet.ce |= marked;
        marked
    }

    /// What happens to the packet on its way.
    pub(super) fn judge(&mut self) -> Fate {
        self.faults.judge()
    }

    /// Plans the event at which the line is free, if it is not planned yet.
    pub(super) fn announce_free(&mut self, queue: &mut EventQueue, link: u32) {
        if !self.free_announced {
            self.free_announced = true;
            queue.schedule(self.busy_until, Event::LinkFree { link });
        }
    }

    fn wire_bytes(&self, packet: &Packet) -> u64 {
        u64::from(packet.len) + self.overhead_bytes
    }
}

impl Marking {
    fn marks(&mut self, queued_bytes: u64) -> bool {
        if queued_bytes < self.min_bytes || queued_bytes == 0 {
            return false;
        }
        let span = self.max_bytes - self.min_bytes;
        let over = queued_bytes - self.min_bytes;
        over >= span || self.rng.below(span) < over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(capacity_bytes: u64, marking: Option<(u64, u64)>) -> Link {
        Link::new(Rate { bps: 8_000_000_000 }, Time::ZERO, 0, End::Switch).with_queue(
            capacity_bytes,
            marking,
            Stream::new(1, Component::Marking, 0),
        )
    }

    fn packet(packets: &mut Arena, len: u32) -> PacketId {
        let id = packets.allocate();
        (packets[id].len, packets[id].ecn_capable) = (len, true);
        id
    }

    #[test]
    fn a_queue_is_first_in_first_out_and_drops_at_the_tail() {
        let (mut link, mut packets) = (link(250, None), Arena::new(0));
        let ids = [100, 100, 100].map(|len| packet(&mut packets, len));
        assert_eq!(ids.map(|id| link.enqueue(&mut packets, id)), [true, true, false]);
        assert_eq!(link.queued(), (2, 200));
        assert_eq!(link.walk(&packets), (2, 200));
        assert_eq!(link.next_packet(&mut packets), Some(ids[0]));
        assert!(link.enqueue(&mut packets, ids[2]));
        assert_eq!(link.next_packet(&mut packets), Some(ids[1]));
        assert_eq!(link.next_packet(&mut packets), Some(ids[2]));
        assert_eq!(link.next_packet(&mut packets), None);
        assert_eq!(link.queued(), (0, 0));
    }

    #[test]
    fn the_line_is_busy_for_as_long_as_the_packet_takes() {
        let (mut link, mut packets) = (link(1_000, None), Arena::new(0));
        let id = packet(&mut packets, 125);
        link.launch(Time::ZERO, &mut packets[id]);
        assert_eq!(link.busy_until(), Time::from_ns(125));
        assert!(!link.is_idle(Time::from_ns(124)) && link.is_idle(Time::from_ns(125)));
        assert_eq!(link.held_packets(Time::from_ns(124)), 1);
    }

    #[test]
    fn marks_rise_from_none_to_all() {
        let share = |queued: u64| {
            let mut link = link(1_000, Some((200, 600)));
            let marking = link.marking.as_mut().unwrap();
            (0..1_000).filter(|_| marking.marks(queued)).count()
        };
        assert_eq!(share(199), 0);
        assert!((430..570).contains(&share(400)));
        assert_eq!(share(600), 1_000);
        let mut step = link(1_000, Some((200, 200)));
        assert!(step.marking.as_mut().unwrap().marks(200));
    }

    #[test]
    fn what_is_not_ecn_capable_is_not_marked() {
        let (mut link, mut packets) = (link(1_000, Some((100, 100))), Arena::new(0));
        let waiting = packet(&mut packets, 500);
        link.enqueue(&mut packets, waiting);
        let leaving = packet(&mut packets, 100);
        packets[leaving].ecn_capable = false;
        assert!(!link.launch(Time::ZERO, &mut packets[leaving]));
        packets[leaving].ecn_capable = true;
        assert!(link.launch(Time::ZERO, &mut packets[leaving]) && packets[leaving].ce);
    }
}
