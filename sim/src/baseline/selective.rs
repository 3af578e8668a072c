//! Selective repeat: the receiver says what it has, so only what is lost is sent again.
//!
//! On one path packets arrive in the order in which they left. So a transmission is lost once some
//! later ones have arrived, whether it was the packet's first or not; only what nothing follows is
//! left to the timeout. (RACK, with the order of transmissions in the place of their times.)

use std::collections::{BTreeSet, VecDeque};

use super::packet::ACK_RANGES;

/// Which packet is next.
#[derive(Debug)]
pub(super) struct Selective {
    /// The first packet that is not acknowledged.
    first: u64,
    /// From `first` on, as many as were sent.
    packets: VecDeque<State>,
    /// Transmissions in the order in which they left: (number of the transmission, packet).
    order: VecDeque<(u64, u64)>,
    sent: u64,
    /// Transmissions before this one have arrived, or never will.
    arrived_end: u64,
    lost: BTreeSet<u64>,
    in_flight: u64,
    /// How many later ones have to arrive.
    threshold: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Under way, as this transmission.
    InFlight(u64),
    Arrived,
    Lost,
}

/// What an ACK was good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Packets that have arrived.
    pub(super) arrived: u64,
    /// Packets that are lost.
    pub(super) lost: u64,
}

impl Selective {
    pub(super) fn new(threshold: u64) -> Self {
        Self {
            first: 0,
            packets: VecDeque::new(),
            order: VecDeque::new(),
            sent: 0,
            arrived_end: 0,
            lost: BTreeSet::new(),
            in_flight: 0,
            threshold,
        }
    }

    /// The next packet before `end`, and whether it was sent before.
    pub(super) fn next(&mut self, end: u64) -> Option<(u64, bool)> {
        let state = State::InFlight(self.sent);
        let lost = self.lost.pop_first();
        let psn = lost.unwrap_or_else(|| self.sent_end());
        if psn >= end {
            return None;
        }
        match lost {
            Some(_) => self.packets[(psn - self.first) as usize] = state,
            None => self.packets.push_back(state),
        }
        self.order.push_back((self.sent, psn));
        self.sent += 1;
        self.in_flight += 1;
        Some((psn, lost.is_some()))
    }

    pub(super) fn has_next(&self, end: u64) -> bool {
        !self.lost.is_empty() || self.sent_end() < end
    }

    /// Everything before `next` has arrived, and so have these.
    pub(super) fn acknowledge(&mut self, next: u64, ranges: &[(u64, u64); ACK_RANGES]) -> News {
        let mut arrived = 0;
        for psn in self.first..next.min(self.sent_end()) {
            arrived += u64::from(self.has_arrived(psn));
            self.packets.pop_front();
            self.first += 1;
        }
        for &(from, to) in ranges {
            for psn in from.max(self.first)..to.min(self.sent_end()) {
                arrived += u64::from(self.has_arrived(psn));
            }
        }
        News { arrived, lost: self.find_lost() }
    }

    /// Nothing was heard for long: all that is under way is lost. Returns how much that is.
    pub(super) fn give_up(&mut self) -> u64 {
        self.order.clear();
        let lost = self.in_flight;
        for (psn, state) in (self.first..).zip(&mut self.packets) {
            if matches!(state, State::InFlight(_)) {
                *state = State::Lost;
                self.lost.insert(psn);
            }
        }
        self.in_flight = 0;
        lost
    }

    /// The first packet that is not acknowledged.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The packet behind the last one that was ever sent.
    pub(super) fn sent_end(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    /// Packets under way.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Takes note that a packet has arrived; says whether that is news.
    fn has_arrived(&mut self, psn: u64) -> bool {
        let state = &mut self.packets[(psn - self.first) as usize];
        match std::mem::replace(state, State::Arrived) {
            State::Arrived => return false,
            State::InFlight(transmission) => {
                self.in_flight -= 1;
                self.arrived_end = self.arrived_end.max(transmission + 1);
            }
            State::Lost => drop(self.lost.remove(&psn)),
        }
        true
    }

    fn find_lost(&mut self) -> u64 {
        let mut found = 0;
        while let Some(&(transmission, psn)) = self.order.front() {
            let index = psn.checked_sub(self.first).map(|index| index as usize);
            let state = index.and_then(|index| self.packets.get_mut(index));
            match state {
                Some(state) if *state == State::InFlight(transmission) => {
                    if transmission + self.threshold >= self.arrived_end {
                        break;
                    }
                    *state = State::Lost;
                    self.lost.insert(psn);
                    self.in_flight -= 1;
                    found += 1;
                }
                _ => {}
            }
            self.order.pop_front();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(u64, u64); ACK_RANGES] = [(0, 0); ACK_RANGES];

    fn sender(threshold: u64, packets: u64) -> Selective {
        let mut sender = Selective::new(threshold);
        (0..packets).for_each(|psn| assert_eq!(sender.next(packets), Some((psn, false))));
        sender
    }

    fn sack(from: u64, to: u64) -> [(u64, u64); ACK_RANGES] {
        [(from, to), (0, 0), (0, 0)]
    }

    #[test]
    fn three_later_ones_make_a_loss() {
        let mut sender = sender(3, 10);
        // Packet 2 is missing.
        assert_eq!(sender.acknowledge(2, &NONE), News { arrived: 2, lost: 0 });
        assert_eq!(sender.acknowledge(2, &sack(3, 5)), News { arrived: 2, lost: 0 });
        assert_eq!(sender.acknowledge(2, &sack(3, 6)), News { arrived: 1, lost: 1 });
        assert_eq!(sender.in_flight(), 4);
        assert_eq!(sender.next(10), Some((2, true)));
        assert_eq!(sender.acknowledge(10, &NONE), News { arrived: 5, lost: 0 });
        assert_eq!((sender.in_flight(), sender.has_next(10)), (0, false));
    }

    #[test]
    fn a_lost_repetition_is_noticed_by_what_follows_it() {
        let mut sender = sender(1, 3);
        assert_eq!(sender.acknowledge(0, &sack(1, 2)), News { arrived: 1, lost: 1 });
        assert_eq!(sender.next(5), Some((0, true)));
        assert_eq!(sender.next(5), Some((3, false)));
        assert_eq!(sender.next(5), Some((4, false)));
        assert_eq!(sender.acknowledge(0, &sack(1, 5)), News { arrived: 3, lost: 1 });
        assert_eq!(sender.next(5), Some((0, true)));
        assert_eq!(sender.acknowledge(5, &NONE), News { arrived: 1, lost: 0 });
    }

    #[test]
    fn the_timeout_gives_up_what_is_under_way() {
        let mut sender = sender(3, 4);
        assert_eq!(sender.acknowledge(1, &sack(3, 4)).lost, 0);
        assert_eq!(sender.give_up(), 2);
        assert_eq!(sender.acknowledge(2, &NONE), News { arrived: 1, lost: 0 }, "late, not lost");
        assert_eq!(sender.next(4), Some((2, true)));
        assert_eq!(sender.next(4), None);
    }
}
