//! RD: messages are given receives, and delivered, in the order in which they were submitted.
//!
//! Their packets still come in any order and are placed as they come. Two edges move through the
//! sender's numbering: messages below `next.bind` have been given a receive or wait for one in
//! bounce memory; messages below `next.deliver` have been delivered. Only the message at
//! `next.bind` may take a posted receive: were later ones to take them, the user could wait for a
//! message that waits for a receive. Rule M5.

use alloc::boxed::Box;
use alloc::vec::Vec;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::tag_order::TagsAhead;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct OrderStage {
    pub(super) next: Places,
    /// Only there once something has come out of order.
    pub(super) ahead: Option<Box<Ahead>>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    bind: u32,
    deliver: u32,
    /// The tagged message to be matched; see `tag_order`.
    pub(super) tagged: u32,
}

/// Messages that are ahead of their turn, by their place in the order.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// In bounce memory, ahead of `next.bind`.
    early: HashMap<u32, u32, FixedState>,
    /// Placed, ahead of `next.deliver`.
    placed: HashMap<u32, u32, FixedState>,
    pub(super) tags: TagsAhead,
}

/// A message's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is next to be given a receive.
    Next,
    /// Others come before it.
    Early,
    /// Its turn is over, or too far away: the sender contradicts itself.
    Impossible,
}

impl OrderStage {
    pub(super) fn new(next: Places) -> Self {
        Self { next, ahead: None }
    }

    pub(super) fn places(&self) -> Places {
        self.next
    }

    /// Where a message stands of which no packet has been taken yet.
    pub(crate) fn judge(&self, order: u32) -> Order {
        match order.wrapping_sub(self.next.bind) {
            0 => Order::Next,
            ahead if ahead < MAX_AHEAD && !self.is_early(order) => Order::Early,
            _ => Order::Impossible,
        }
    }

    /// The next message has been given a place.
    pub(crate) fn bound(&mut self) {
        self.next.bind = self.next.bind.wrapping_add(1);
    }

    /// A message waits in bounce memory for its turn.
    pub(crate) fn wait_early(&mut self, order: u32, message: u32) {
        self.ahead.get_or_insert_default().early.insert(order, message);
    }

    /// The early message whose turn to be given a receive it is now, if it is here.
    pub(crate) fn take_early(&mut self) -> Option<u32> {
        loop {
            let message = self.ahead.as_mut()?.early.remove(&self.next.bind)?;
            self.bound();
            if message != NOBODY {
                return Some(message);
            }
        }
    }

    /// A message will not come, or not whole: nobody waits for it.
    pub(crate) fn pass_over(&mut self, order: u32) {
        match order.wrapping_sub(self.next.bind) {
            0 => self.bound(),
            ahead if ahead < MAX_AHEAD => {
                self.ahead.get_or_insert_default().early.insert(order, NOBODY);
            }
            _ => {}
        }
        self.placed(order, NOBODY);
    }

    /// A message is placed. Returns whether it is next to be delivered; otherwise it is kept.
    pub(crate) fn placed(&mut self, order: u32, message: u32) -> bool {
        if order == self.next.deliver {
            self.next.deliver = order.wrapping_add(1);
            return true;
        }
        self.ahead.get_or_insert_default().placed.insert(order, message);
        false
    }

    /// The placed message whose turn to be delivered it is now.
    pub(crate) fn take_placed(&mut self) -> Option<u32> {
        loop {
            let message = self.ahead.as_mut()?.placed.remove(&self.next.deliver)?;
            self.next.deliver = self.next.deliver.wrapping_add(1);
            if message != NOBODY {
                return Some(message);
            }
        }
    }

    /// Of messages that are here, with their places: those before which none is missing, in order.
    pub(crate) fn without_gap(&self, mut here: Vec<(u32, u32)>) -> Vec<u32> {
        here.sort_unstable_by_key(|&(order, _)| order.wrapping_sub(self.next.deliver));
        let mut next = self.next.deliver;
        let mut messages = Vec::new();
        for (order, message) in here {
            while self.is_nobodys(next) {
                next = next.wrapping_add(1);
            }
            if order != next {
                break;
            }
            next = next.wrapping_add(1);
            messages.push(message);
        }
        messages
    }

    /// Whether the message with this place was taken back.
    fn is_nobodys(&self, order: u32) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.placed.get(&order) == Some(&NOBODY))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ahead.as_ref().is_none_or(|ahead| {
            ahead.early.is_empty() && ahead.placed.is_empty() && ahead.tags.is_empty()
        })
    }

    fn is_early(&self, order: u32) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.early.contains_key(&order))
    }
}

/// In the place of a message that was taken back. Keys are dense, and never so large.
pub(super) const NOBODY: u32 = u32::MAX;

/// Each message has a packet, so none can be further ahead than two windows.
pub(super) const MAX_AHEAD: u32 = 2 * crate::config::MAX_RECV_WINDOW_PACKETS as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_and_delivers_in_order() {
        let mut stage = OrderStage::default();
        assert_eq!(stage.judge(1), Order::Early);
        stage.wait_early(1, 11);
        assert_eq!(stage.judge(1), Order::Impossible, "it is here already");
        assert_eq!(stage.take_early(), None);
        assert_eq!(stage.judge(0), Order::Next);
        stage.bound();
        assert_eq!(stage.take_early(), Some(11));
        assert!(!stage.placed(1, 11));
        assert_eq!(stage.take_placed(), None);
        assert!(stage.placed(0, 10));
        assert_eq!(stage.take_placed(), Some(11));
        assert!(stage.is_idle());
        assert_eq!(stage.judge(0), Order::Impossible);
    }

    #[test]
    fn nobody_waits_for_what_was_taken_back() {
        let mut stage = OrderStage::default();
        stage.wait_early(1, 11);
        stage.pass_over(1);
        stage.wait_early(2, 12);
        assert_eq!(stage.judge(1), Order::Impossible, "its place is taken");
        stage.pass_over(0);
        assert_eq!((stage.take_early(), stage.take_early()), (Some(12), None));
        assert!(!stage.placed(2, 12), "two places before it have nobody");
        assert_eq!((stage.take_placed(), stage.take_placed()), (Some(12), None));
        stage.bound();
        stage.pass_over(3);
        assert!(stage.placed(4, 14));
        assert!(stage.is_idle());
    }

    #[test]
    fn nothing_is_delivered_behind_a_gap() {
        let last = u32::MAX;
        let mut stage = OrderStage::new(Places { bind: last, deliver: last, ..Places::default() });
        stage.pass_over(1);
        let here = |orders: &[u32]| orders.iter().map(|&order| (order, order ^ 64)).collect();
        let whole = here(&[2, last, 0, 4]);
        assert_eq!(stage.without_gap(whole), [last ^ 64, 64, 66], "1 was taken back, 3 is missing");
        assert_eq!(stage.without_gap(here(&[0, 2])), []);
    }
}
