//! What has been sent and is not known to have arrived.
//!
//! One record per PSN from the lowest unacknowledged to the next to be sent, in a ring that grows
//! with what is in flight. Beside it stands a mirror of the peer's receive window, as far as its
//! ACKs have told: the same type that the peer keeps, fed by reports instead of arrivals, so that
//! the new bits of a SACK block cost one `and`.
//!
//! Every record that still needs something is in one doubly linked [`PacketList`]: in flight, in
//! its path's list, in the order of transmission; lost or refused, in a queue to be sent again.

use alloc::vec::Vec;

use crate::lines::lines_of;
use crate::psn::{PathSeq, Psn};
use crate::recv_window::{Admission, RecvWindow};
use crate::time::Instant;

/// A packet that was sent: a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct SentPacket {
    /// Key of its message.
    pub message: u32,
    /// Where its payload starts in the message, in bytes.
    pub offset: u64,
    /// Payload, in bytes.
    pub len: u16,
    /// The path of its latest transmission.
    pub path: u8,
    /// Where it stands.
    pub state: SentState,
    /// How often it was sent, saturating.
    pub sends: u8,
    /// The receiver has said, after the path had carried something later, that it is missing.
    pub missing: bool,
    /// Its number on that path.
    pub seq: PathSeq,
    /// When.
    pub sent_at: Instant,
    prev: u64,
    next: u64,
}

/// Where a sent packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentState {
    /// In its path's list.
    InFlight,
    /// In the queue of what is to be sent again.
    Lost,
    /// In the queue of what waits for the receiver to be ready.
    Refused,
    /// Known to have arrived, or never sent.
    Done,
}

impl SentPacket {
    /// A piece of a message, at `offset`, and its first transmission.
    #[inline]
    pub(crate) fn new(
        message: u32,
        (offset, len): (u64, u16),
        (path, seq): (u8, PathSeq),
        sent_at: Instant,
    ) -> Self {
        Self { message, offset, len, path, seq, sent_at, ..VACANT }
    }
}

const NIL: u64 = u64::MAX;

const VACANT: SentPacket = SentPacket {
    message: 0,
    offset: 0,
    len: 0,
    path: 0,
    state: SentState::Done,
    sends: 0,
    missing: false,
    seq: PathSeq::ZERO,
    sent_at: Instant::ZERO,
    prev: NIL,
    next: NIL,
};

/// A list through the records of one window, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketList {
    head: u64,
    tail: u64,
}

impl PacketList {
    pub(crate) const EMPTY: Self = Self { head: NIL, tail: NIL };

    #[inline]
    pub(crate) fn first(&self) -> Option<Psn> {
        (self.head != NIL).then_some(Psn::new(self.head))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NIL
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct SendWindow {
    ring: Vec<SentPacket>,
    next: u64,
    arrived: RecvWindow,
}

impl SendWindow {
    /// Nothing is on its way, and this PSN is next.
    pub(crate) fn starting_at(next: Psn, capacity_packets: u32) -> Self {
        let arrived = RecvWindow::starting_at(next, capacity_packets);
        Self { ring: Vec::new(), next: next.as_u64(), arrived }
    }

    /// The lowest PSN that is not known to have arrived.
    pub(crate) fn unacknowledged(&self) -> Psn {
        self.arrived.next_expected()
    }

    /// Names the memory of the record that the next packet gets.
    pub(crate) fn lines_of_next(&self, ask: &mut impl FnMut(*const u8)) {
        if let Some(record) = self.ring.get(self.next as usize & self.ring.len().wrapping_sub(1)) {
            lines_of(record, ask);
        }
    }

    /// The PSN that the next new packet gets.
    pub(crate) fn next_psn(&self) -> Psn {
        Psn::new(self.next)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unacknowledged() == self.next_psn()
    }

    /// Whether one more packet fits, as far as this side's bookkeeping goes.
    pub(crate) fn has_room(&self) -> bool {
        self.next_psn() < self.arrived.limit()
    }

    /// Takes up a new packet, which is in flight from now on: at the end of its path's list.
    #[inline]
    pub(crate) fn push_in_flight(&mut self, packet: SentPacket, list: &mut PacketList) -> Psn {
        let psn = self.next;
        if list.tail == NIL {
            list.head = psn;
        } else {
            let tail = self.index(list.tail);
            self.ring[tail].next = psn;
        }
        let packet = SentPacket {
            prev: list.tail,
            next: NIL,
            state: SentState::InFlight,
            sends: 1,
            ..packet
        };
        list.tail = psn;
        self.push(packet)
    }

    /// Takes up a new packet.
    #[inline]
    fn push(&mut self, packet: SentPacket) -> Psn {
        debug_assert!(self.has_room());
        let in_use = self.next - self.unacknowledged().as_u64();
        if in_use as usize == self.ring.len() {
            self.grow();
        }
        let psn = self.next;
        let index = self.index(psn);
        self.ring[index] = packet;
        self.next += 1;
        Psn::new(psn)
    }

    /// The record of a PSN that was sent and is not acknowledged cumulatively.
    #[inline]
    pub(crate) fn get(&self, psn: Psn) -> Option<&SentPacket> {
        if psn < self.unacknowledged() || psn >= self.next_psn() {
            return None;
        }
        Some(&self.ring[self.index(psn.as_u64())])
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, psn: Psn) -> Option<&mut SentPacket> {
        if psn < self.unacknowledged() || psn >= self.next_psn() {
            return None;
        }
        let index = self.index(psn.as_u64());
        Some(&mut self.ring[index])
    }

    /// Which of the reported arrivals of a block are news.
    #[inline]
    pub(crate) fn news(&self, block: u64, bits: u64) -> u64 {
        bits & !self.arrived.word(block)
    }

    /// Notes that a PSN has arrived. It must have been sent, and be news.
    #[inline]
    pub(crate) fn set_arrived(&mut self, psn: Psn) {
        debug_assert!(psn < self.next_psn() && self.arrived.admit(psn) == Admission::New);
        self.arrived.insert(psn);
    }

    /// Puts a record at the end of a list. It must be in none.
    #[inline]
    pub(crate) fn append(&mut self, list: &mut PacketList, psn: Psn) {
        let psn = psn.as_u64();
        let index = self.index(psn);
        self.ring[index].prev = list.tail;
        self.ring[index].next = NIL;
        if list.tail == NIL {
            list.head = psn;
        } else {
            let tail = self.index(list.tail);
            self.ring[tail].next = psn;
        }
        list.tail = psn;
    }

    /// Puts a record into a list that is in the order of PSNs. It must be in none. Quick near both
    /// ends: most packets are lost in order, and what is lost again is the lowest.
    pub(crate) fn insert_in_order(&mut self, list: &mut PacketList, psn: Psn) {
        let psn = psn.as_u64();
        let mut after = list.tail;
        if list.head != NIL && psn < list.head {
            after = NIL;
        }
        while after != NIL && after > psn {
            after = self.ring[self.index(after)].prev;
        }
        let before = match after {
            NIL => core::mem::replace(&mut list.head, psn),
            _ => {
                let after = self.index(after);
                core::mem::replace(&mut self.ring[after].next, psn)
            }
        };
        let index = self.index(psn);
        (self.ring[index].prev, self.ring[index].next) = (after, before);
        if before == NIL {
            list.tail = psn;
        } else {
            let before = self.index(before);
            self.ring[before].prev = psn;
        }
    }

    /// Takes a record out of the list that it is in.
    #[inline]
    pub(crate) fn unlink(&mut self, list: &mut PacketList, psn: Psn) {
        let SentPacket { prev, next, .. } = self.ring[self.index(psn.as_u64())];
        if prev == NIL {
            list.head = next;
        } else {
            let prev = self.index(prev);
            self.ring[prev].next = next;
        }
        if next == NIL {
            list.tail = prev;
        } else {
            let next = self.index(next);
            self.ring[next].prev = prev;
        }
    }

    /// The number, on its path, of a list's first transmission.
    #[inline]
    pub(crate) fn seq_of_first(&self, list: &PacketList) -> Option<PathSeq> {
        list.first().map(|psn| self.ring[self.index(psn.as_u64())].seq)
    }

    /// The record after this one in its list.
    #[inline]
    pub(crate) fn following(&self, psn: Psn) -> Option<Psn> {
        let next = self.ring[self.index(psn.as_u64())].next;
        (next != NIL).then_some(Psn::new(next))
    }

    /// See [`SentPacket::missing`].
    pub(crate) fn set_missing(&mut self, psn: Psn) {
        let index = self.index(psn.as_u64());
        self.ring[index].missing = true;
    }

    #[inline]
    fn index(&self, psn: u64) -> usize {
        // The length is a power of two.
        psn as usize & (self.ring.len() - 1)
    }

    /// Doubles the ring. Records move, PSNs do not, so the lists stay what they are.
    #[cold]
    fn grow(&mut self) {
        let len = (self.ring.len() * 2).max(INITIAL_RECORDS);
        let mut ring = alloc::vec![VACANT; len];
        for psn in self.unacknowledged().as_u64()..self.next {
            ring[psn as usize & (len - 1)] = self.ring[self.index(psn)];
        }
        self.ring = ring;
    }
}

/// Enough for small exchanges; growth doubles it. More would be memory that has left the cache when a
/// peer's turn comes again, as each packet takes the next record.
const INITIAL_RECORDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(window: &SendWindow, list: &PacketList) -> Vec<u64> {
        let mut at = list.first();
        core::iter::from_fn(|| {
            let psn = at?;
            at = window.following(psn);
            Some(psn.as_u64())
        })
        .collect()
    }

    proptest! {
        /// Lists survive growth, and hold exactly what a plain vector holds.
        #[test]
        fn lists_behave_like_vectors(steps in prop::collection::vec((any::<bool>(), any::<u16>()), 0..300)) {
            let mut window = SendWindow::starting_at(Psn::ZERO, 512);
            let mut list = PacketList::EMPTY;
            let mut model: Vec<u64> = Vec::new();
            for (push, pick) in steps {
                if push || model.is_empty() {
                    let psn = window.push_in_flight(SentPacket::new(0, (0, 1), (0, PathSeq::ZERO), Instant::ZERO), &mut list);
                    model.push(psn.as_u64());
                } else {
                    let psn = model.remove(usize::from(pick) % model.len());
                    window.unlink(&mut list, Psn::new(psn));
                    window.set_arrived(Psn::new(psn));
                }
                prop_assert_eq!(listed(&window, &list), model.clone());
            }
        }
    }

    #[test]
    fn a_block_reports_each_arrival_once() {
        let mut window = SendWindow::starting_at(Psn::ZERO, 64);
        for _ in 0..8 {
            window.push(SentPacket::new(0, (0, 1), (0, PathSeq::ZERO), Instant::ZERO));
        }
        assert_eq!(window.news(0, 0b1010), 0b1010);
        window.set_arrived(Psn::new(1));
        window.set_arrived(Psn::new(3));
        assert_eq!(window.news(0, 0b1111), 0b0101);
        window.set_arrived(Psn::new(0));
        assert_eq!(window.unacknowledged(), Psn::new(2));
    }
}
