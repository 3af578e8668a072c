//! The output queue of a port: data, and with priority what is small and urgent apart from it.

use super::packet::{Arena, Frame, NIL, PacketId};
use crate::rng::Stream;
use crate::scenario::Links;

/// What all queues of a kind do alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueRules {
    /// Most bytes of each class.
    pub capacity_bytes: u64,
    /// With a shared buffer: most bytes of data, as a multiple of what is free.
    pub alpha: f64,
    /// From where to mark, and from where to mark everything.
    pub marking: Option<(u64, u64)>,
    /// Whether to cut payload off instead of dropping.
    pub trimming: bool,
    /// Whether what has no payload goes first.
    pub priority: bool,
}

impl QueueRules {
    /// Of a host's network interface: it neither drops nor marks, because the host asks for room.
    pub fn of_host(links: &Links) -> Self {
        Self {
            capacity_bytes: u64::MAX,
            alpha: f64::INFINITY,
            marking: None,
            trimming: false,
            priority: links.has_priority(),
        }
    }

    /// Of a switch's ports.
    pub fn of_switch(links: &Links) -> Self {
        Self {
            capacity_bytes: links.queue.0,
            alpha: links.alpha.unwrap_or(1.0),
            marking: links.ecn_min.map(|min| (min.0, links.ecn_max.unwrap_or(min).0)),
            trimming: links.trimming,
            priority: links.has_priority(),
        }
    }

    /// Whether a packet that leaves so many bytes of data behind is to be marked: none up to the
    /// first threshold, all from the second, a rising share in between.
    #[inline]
    pub(super) fn marks(&self, queued_bytes: u64, rng: &mut Stream) -> bool {
        let Some((min, max)) = self.marking else { return false };
        if queued_bytes < min || queued_bytes == 0 {
            return false;
        }
        let (span, over) = (max - min, queued_bytes - min);
        over >= span || rng.below(span) < over
    }
}

/// What becomes of a packet that comes to a busy port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Queued,
    /// Its payload does not fit, its header does.
    Trimmed,
    Dropped,
}

/// Packets in a row, chained through the arena.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fifo {
    head: PacketId,
    tail: PacketId,
}

/// See the module's head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    urgent: Fifo,
    data: Fifo,
    urgent_bytes: u64,
    data_bytes: u64,
    packets: u32,
}

impl Queue {
    /// Judges a packet that has to wait; `room` is what a shared buffer has left.
    pub(super) fn judge(
        &self,
        rules: &QueueRules,
        packet: &Frame,
        (bytes, trimmed_bytes): (u64, u64),
        room: u64,
    ) -> Admission {
        let urgent = rules.priority && packet.is_urgent();
        let limit = rules.capacity_bytes.min((room as f64 * rules.alpha) as u64).min(room);
        let (held, limit) = match urgent {
            // What is urgent is small, and never the reason for a full buffer.
            true => (self.urgent_bytes, rules.capacity_bytes.min(room)),
            false => (self.data_bytes, limit),
        };
        if held + bytes <= limit {
            return Admission::Queued;
        }
        let fits = self.urgent_bytes + trimmed_bytes <= rules.capacity_bytes.min(room);
        match rules.trimming && packet.carries_payload() && fits {
            true => Admission::Trimmed,
            false => Admission::Dropped,
        }
    }

    #[inline]
    pub(super) fn push(
        &mut self,
        rules: &QueueRules,
        packets: &mut Arena,
        packet: PacketId,
        bytes: u64,
    ) {
        self.packets += 1;
        if rules.priority && packets[packet].is_urgent() {
            self.urgent_bytes += bytes;
            self.urgent.push(packets, packet);
        } else {
            self.data_bytes += bytes;
            self.data.push(packets, packet);
        }
    }

    #[inline]
    pub(super) fn pop(&mut self, packets: &mut Arena, overhead: u64) -> Option<PacketId> {
        if let Some(packet) = self.urgent.pop(packets) {
            self.urgent_bytes -= u64::from(packets[packet].len) + overhead;
            self.packets -= 1;
            return Some(packet);
        }
        let packet = self.data.pop(packets)?;
        self.data_bytes -= u64::from(packets[packet].len) + overhead;
        self.packets -= 1;
        Some(packet)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.packets == 0
    }

    pub(super) fn packets(&self) -> u32 {
        self.packets
    }

    /// Bytes of data, and of what is urgent.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.data_bytes, self.urgent_bytes)
    }

    /// Packets and bytes, by looking.
    pub(super) fn walk(&self, packets: &Arena, overhead: u64) -> (u64, u64) {
        let (mut count, mut bytes) = (0, 0);
        for fifo in [self.urgent, self.data] {
            let mut at = fifo.head;
            while at != NIL {
                count += 1;
                bytes += u64::from(packets[at].len) + overhead;
                at = packets[at].next;
            }
        }
        (count, bytes)
    }
}

impl Default for Fifo {
    fn default() -> Self {
        Self { head: NIL, tail: NIL }
    }
}

impl Fifo {
    #[inline]
    pub(super) fn push(&mut self, packets: &mut Arena, packet: PacketId) {
        packets[packet].next = NIL;
        if self.tail == NIL {
            self.head = packet;
        } else {
            packets[self.tail].next = packet;
        }
        self.tail = packet;
    }

    #[inline]
    pub(super) fn pop(&mut self, packets: &mut Arena) -> Option<PacketId> {
        let packet = self.first()?;
        self.head = packets[packet].next;
        if self.head == NIL {
            self.tail = NIL;
        }
        Some(packet)
    }

    #[inline]
    pub(super) fn first(&self) -> Option<PacketId> {
        (self.head != NIL).then_some(self.head)
    }

    #[inline]
    pub(super) fn last(&self) -> Option<PacketId> {
        (self.tail != NIL).then_some(self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Component;

    const RULES: QueueRules = QueueRules {
        capacity_bytes: 250,
        alpha: 1.0,
        marking: None,
        trimming: false,
        priority: false,
    };

    fn packet(packets: &mut Arena, len: u32, is_data: bool) -> PacketId {
        let id = packets.allocate();
        (packets[id].len, packets[id].is_data) = (len, is_data);
        id
    }

    fn offer(
        queue: &mut Queue,
        rules: &QueueRules,
        packets: &mut Arena,
        id: PacketId,
    ) -> Admission {
        let bytes = u64::from(packets[id].len);
        let admission = queue.judge(rules, &packets[id], (bytes, 64), 1_000);
        if admission == Admission::Queued {
            queue.push(rules, packets, id, bytes);
        }
        admission
    }

    #[test]
    fn first_in_first_out_and_drops_at_the_tail() {
        let (mut queue, mut packets) = (Queue::default(), Arena::new(0));
        let ids = [100, 100, 100].map(|len| packet(&mut packets, len, true));
        let fates = ids.map(|id| offer(&mut queue, &RULES, &mut packets, id));
        assert_eq!(fates, [Admission::Queued, Admission::Queued, Admission::Dropped]);
        assert_eq!(queue.bytes(), (200, 0));
        assert_eq!(queue.walk(&packets, 0), (2, 200));
        assert_eq!(queue.pop(&mut packets, 0), Some(ids[0]));
        assert_eq!(queue.pop(&mut packets, 0), Some(ids[1]));
        assert_eq!(queue.pop(&mut packets, 0), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_urgent_overtakes_and_a_full_queue_trims() {
        let rules = QueueRules { trimming: true, priority: true, ..RULES };
        let (mut queue, mut packets) = (Queue::default(), Arena::new(0));
        let data = packet(&mut packets, 200, true);
        let ack = packet(&mut packets, 60, false);
        let more = packet(&mut packets, 100, true);
        assert_eq!(offer(&mut queue, &rules, &mut packets, data), Admission::Queued);
        assert_eq!(offer(&mut queue, &rules, &mut packets, ack), Admission::Queued);
        assert_eq!(offer(&mut queue, &rules, &mut packets, more), Admission::Trimmed);
        assert_eq!(queue.pop(&mut packets, 0), Some(ack));
        assert_eq!(queue.pop(&mut packets, 0), Some(data));
    }

    #[test]
    fn a_header_among_data_keeps_its_place() {
        let rules = QueueRules { priority: true, ..RULES };
        let (mut queue, mut packets) = (Queue::default(), Arena::new(0));
        let data = packet(&mut packets, 100, true);
        let report = packet(&mut packets, 64, false);
        packets[report].ecn_capable = true;
        for id in [data, report] {
            assert_eq!(offer(&mut queue, &rules, &mut packets, id), Admission::Queued);
        }
        assert_eq!(queue.pop(&mut packets, 0), Some(data));
        assert_eq!(queue.pop(&mut packets, 0), Some(report));
    }

    #[test]
    fn a_shared_buffer_gives_each_queue_its_part_of_what_is_free() {
        let rules = QueueRules { capacity_bytes: 1_000_000, alpha: 0.5, ..RULES };
        let (queue, mut packets) = (Queue::default(), Arena::new(0));
        let data = packet(&mut packets, 200, true);
        let judge = |room| queue.judge(&rules, &packets[data], (200, 64), room);
        assert_eq!(judge(400), Admission::Queued);
        assert_eq!(judge(399), Admission::Dropped);
    }

    #[test]
    fn marks_rise_from_none_to_all() {
        let mut rng = Stream::new(1, Component::Marking, 0);
        let mut share = |queued, marking| {
            let rules = QueueRules { marking: Some(marking), ..RULES };
            (0..1_000).filter(|_| rules.marks(queued, &mut rng)).count()
        };
        assert_eq!(share(199, (200, 600)), 0);
        assert!((430..570).contains(&share(400, (200, 600))));
        assert_eq!(share(600, (200, 600)), 1_000);
        assert_eq!(share(200, (200, 200)), 1_000);
    }
}
