//! Go-back-N: the receiver takes packets in order only, so all that follows a loss is for nothing,
//! and is sent again.
//!
//! ```text
//!   first          next            high
//!  ---|--------------|---------------|------------->
//!     sent, not      to be sent      never sent
//!     acknowledged   again
//! ```

/// Which packet is next.
#[derive(Debug, Default)]
pub(super) struct GoBackN {
    first: u64,
    next: u64,
    high: u64,
}

impl GoBackN {
    /// The next packet before `end`, and whether it was sent before.
    pub(super) fn next(&mut self, end: u64) -> Option<(u64, bool)> {
        let psn = self.next;
        if psn >= end {
            return None;
        }
        self.next += 1;
        let again = psn < self.high;
        self.high = self.high.max(self.next);
        Some((psn, again))
    }

    pub(super) fn has_next(&self, end: u64) -> bool {
        self.next < end
    }

    /// Everything before `next` has arrived. Returns how many packets that is news of.
    pub(super) fn acknowledge(&mut self, next: u64) -> u64 {
        let news = next.min(self.high).saturating_sub(self.first);
        self.first += news;
        self.next = self.next.max(self.first);
        news
    }

    /// The first packet that is not acknowledged is lost: go back. Returns whether anything was
    /// under way.
    pub(super) fn go_back(&mut self) -> bool {
        let under_way = self.next > self.first;
        self.next = self.first;
        under_way
    }

    /// The first packet that is not acknowledged.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Packets sent and neither acknowledged nor given up.
    pub(super) fn in_flight(&self) -> u64 {
        self.next - self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_costs_all_behind_it() {
        let mut sender = GoBackN::default();
        let sent: Vec<_> = (0..5).map(|_| sender.next(5).unwrap()).collect();
        assert_eq!(sent, [(0, false), (1, false), (2, false), (3, false), (4, false)]);
        assert_eq!(sender.next(5), None);
        // The receiver misses packet 2.
        assert_eq!(sender.acknowledge(2), 2);
        assert!(sender.go_back());
        let again: Vec<_> = (0..3).map(|_| sender.next(6).unwrap()).collect();
        assert_eq!(again, [(2, true), (3, true), (4, true)]);
        assert_eq!(sender.next(6), Some((5, false)));
        assert_eq!((sender.acknowledge(2), sender.acknowledge(6), sender.in_flight()), (0, 4, 0));
        assert!(!sender.go_back());
    }

    #[test]
    fn an_ack_beyond_what_was_gone_back_to_skips_it() {
        let mut sender = GoBackN::default();
        assert_eq!((0..4).filter_map(|_| sender.next(9)).count(), 4);
        sender.go_back();
        assert_eq!(sender.acknowledge(3), 3);
        assert_eq!(sender.next(9), Some((3, true)));
        assert_eq!(sender.acknowledge(99), 1, "no more than was sent");
    }
}
