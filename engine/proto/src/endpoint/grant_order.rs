//! Whose turn it is to be granted packets: start-time fair queueing over peers.
//!
//! Each peer has a *tag*: how many packets it has had, granted or unasked. The least tag is served:
//!
//! ```text
//!   tags  A 40  B 12  C 13      C joins late, A was early: B, C, B, C, ... until they have had 40
//! ```
//!
//! Turns alone would leave whoever came first, and had the link for itself, ahead until it is done.
//! Who has long been away has not saved up for it: who joins is behind by no more than the *lead*.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

/// See the module's head.
#[derive(Debug)]
pub(super) struct GrantOrder {
    /// Tag and index of peers that may want more, the least first. A tag may have grown since.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    /// The highest tag that was ever the least: virtual time.
    served: u64,
    lead: u64,
}

impl GrantOrder {
    /// Who joins is behind the others by at most `lead` packets.
    pub(super) fn new(lead: u64) -> Self {
        Self { waiting: BinaryHeap::new(), served: 0, lead }
    }

    /// The tag with which a peer joins that had this one when it left.
    pub(super) fn start(&self, tag: u64) -> u64 {
        tag.max(self.served.saturating_sub(self.lead))
    }

    /// The peer with this tag has been served.
    pub(super) fn serve(&mut self, tag: u64) {
        self.served = self.served.max(tag);
    }

    /// Must not be waiting already.
    pub(super) fn push(&mut self, tag: u64, index: u32) {
        self.waiting.push(Reverse((tag, index)));
    }

    /// Whoever has the least, as of when it was pushed.
    pub(super) fn pop(&mut self) -> Option<(u64, u32)> {
        self.waiting.pop().map(|Reverse(it)| it)
    }

    pub(super) fn remove(&mut self, index: u32) {
        self.waiting.retain(|Reverse((_, it))| *it != index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_first_and_who_left_is_not_there() {
        let mut order = GrantOrder::new(10);
        for (tag, index) in [(40, 0), (12, 1), (13, 2)] {
            order.push(tag, index);
        }
        order.remove(1);
        assert_eq!(order.pop(), Some((13, 2)));
        assert_eq!(order.pop(), Some((40, 0)));
        assert_eq!(order.pop(), None);
    }

    #[test]
    fn who_joins_is_behind_by_no_more_than_the_lead() {
        let mut order = GrantOrder::new(10);
        assert_eq!(order.start(0), 0);
        order.serve(25);
        order.serve(20);
        assert_eq!(order.start(0), 15);
        assert_eq!(order.start(18), 18);
    }
}
