//! Tagged messages are matched in the order in which their sender submitted them, and arrive in any:
//! who comes early waits for its turn. Rules G2 and G4.
//!
//! What a message waits with is its record and perhaps its bytes, in bounce memory. The peer's
//! numbering goes on without gaps, so a number says whose turn it is. Few peers ever need this: it
//! shares the memory that [`OrderStage`] has for what is ahead.

use alloc::vec::Vec;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::order::NOBODY;
use super::{Order, OrderStage};
use crate::ids::BounceId;

/// Tagged messages that are ahead of their turn, by number.
#[derive(Debug, Default)]
pub(super) struct TagsAhead {
    /// Those that are here.
    early: HashMap<u32, u32, FixedState>,
    /// Those whose sender was told to announce them, with the room that is kept for that.
    promised: HashMap<u32, BounceId, FixedState>,
}

impl TagsAhead {
    pub(super) fn is_empty(&self) -> bool {
        self.early.is_empty() && self.promised.is_empty()
    }
}

impl OrderStage {
    /// Where a tagged message stands that is not here yet.
    pub(crate) fn judge_tagged(&self, number: u32) -> Order {
        let is_early = || self.tags().is_some_and(|tags| tags.early.contains_key(&number));
        match number.wrapping_sub(self.next.tagged) {
            0 => Order::Next,
            ahead if ahead < super::order::MAX_AHEAD && !is_early() => Order::Early,
            _ => Order::Impossible,
        }
    }

    /// The tagged message whose turn it is has been matched, or waits for a receive.
    pub(crate) fn pass_tagged(&mut self) {
        self.next.tagged = self.next.tagged.wrapping_add(1);
    }

    /// A tagged message waits for its turn.
    pub(crate) fn wait_tagged(&mut self, number: u32, message: u32) {
        self.tags_mut().early.insert(number, message);
    }

    /// The early tagged message whose turn it is now, if it is here.
    pub(crate) fn take_tagged(&mut self) -> Option<u32> {
        loop {
            let message = self.ahead.as_mut()?.tags.early.remove(&self.next.tagged)?;
            self.pass_tagged();
            if message != NOBODY {
                return Some(message);
            }
        }
    }

    /// A tagged message that is not here will not come: nobody waits for it.
    pub(crate) fn void_tagged(&mut self, number: u32) {
        self.wait_tagged(number, NOBODY);
    }

    /// The same of one that waits for its turn, if it does.
    pub(crate) fn void_early_tagged(&mut self, message: u32) {
        let early = self.ahead.as_mut().map(|ahead| ahead.tags.early.values_mut());
        if let Some(place) = early.into_iter().flatten().find(|it| **it == message) {
            *place = NOBODY;
        }
    }

    /// The sender of a message is told to announce it.
    pub(crate) fn promise(&mut self, number: u32, room: BounceId) {
        self.tags_mut().promised.insert(number, room);
    }

    /// Whether a message is to come as an announcement.
    pub(crate) fn is_promised(&self, number: u32) -> bool {
        self.tags().is_some_and(|tags| tags.promised.contains_key(&number))
    }

    /// The announcement has come: the room that was kept for it.
    pub(crate) fn redeem(&mut self, number: u32) -> Option<BounceId> {
        self.ahead.as_mut()?.tags.promised.remove(&number)
    }

    /// The context ends: the tagged messages that are here, in their order, and the room that was
    /// kept for others.
    pub(crate) fn end_tagged(&mut self) -> (Vec<u32>, Vec<BounceId>) {
        let next = self.next.tagged;
        let Some(ahead) = self.ahead.as_mut() else { return (Vec::new(), Vec::new()) };
        let mut early: Vec<(u32, u32)> = ahead.tags.early.drain().collect();
        early.sort_unstable_by_key(|&(number, _)| number.wrapping_sub(next));
        let mut rooms: Vec<(u32, BounceId)> = ahead.tags.promised.drain().collect();
        rooms.sort_unstable_by_key(|&(number, _)| number.wrapping_sub(next));
        let messages = early.into_iter().map(|(_, message)| message);
        let messages = messages.filter(|&message| message != NOBODY).collect();
        (messages, rooms.into_iter().map(|(_, room)| room).collect())
    }

    fn tags(&self) -> Option<&TagsAhead> {
        self.ahead.as_ref().map(|ahead| &ahead.tags)
    }

    fn tags_mut(&mut self) -> &mut TagsAhead {
        &mut self.ahead.get_or_insert_default().tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_messages_wait_for_their_turn() {
        let mut order = OrderStage::default();
        assert_eq!(order.judge_tagged(1), Order::Early);
        order.wait_tagged(1, 11);
        assert_eq!(order.judge_tagged(1), Order::Impossible, "it is here already");
        assert_eq!(order.take_tagged(), None);
        assert_eq!(order.judge_tagged(0), Order::Next);
        order.pass_tagged();
        assert_eq!((order.take_tagged(), order.take_tagged()), (Some(11), None));
        assert_eq!(order.judge_tagged(0), Order::Impossible);
        assert!(order.is_idle());
    }

    #[test]
    fn nobody_waits_for_what_was_taken_back() {
        let mut order = OrderStage::default();
        order.wait_tagged(1, 11);
        order.void_tagged(2);
        order.wait_tagged(3, 13);
        order.void_early_tagged(11);
        order.void_early_tagged(77);
        assert_eq!(order.judge_tagged(2), Order::Impossible, "its place is taken");
        order.pass_tagged();
        assert_eq!((order.take_tagged(), order.take_tagged()), (Some(13), None));
        order.void_tagged(5);
        assert_eq!(order.end_tagged(), (alloc::vec![], alloc::vec![]));
        assert!(order.is_idle());
    }

    #[test]
    fn the_end_tells_messages_in_order_and_room_once() {
        let mut order = OrderStage::default();
        for number in [5, 1, 3] {
            order.wait_tagged(number, 10 + number);
        }
        order.promise(2, BounceId(7));
        assert!(order.is_promised(2) && !order.is_idle());
        assert_eq!(order.end_tagged(), (alloc::vec![11, 13, 15], alloc::vec![BounceId(7)]));
        assert!(order.is_idle());
        order.promise(4, BounceId(8));
        assert_eq!((order.redeem(4), order.redeem(4)), (Some(BounceId(8)), None));
    }
}
