//! One buffer for many messages, one after the other. Rule M9.
//!
//! ```text
//!   |#### first ####|## second ##|pad|### third ###|pad|......... left .........|
//!                                                      ^used
//! ```
//! A message's range is its own from the moment it is matched. When less is left than the user wants,
//! or a message comes that does not fit, no more are matched; the buffer is given back when the last of
//! those in it is complete.

use crate::ids::Token;

/// A buffer that several messages share.
#[derive(Debug)]
pub(crate) struct MultiRecv {
    pub token: Token,
    /// Its size, in bytes.
    capacity: u64,
    /// What has been given to messages, from the start, in bytes.
    used: u64,
    /// With less than this left, it is given back.
    min_left: u64,
    /// How many more messages it takes.
    messages_left: u32,
    /// Messages in it that are not complete.
    live: u32,
    /// No more messages are matched with it.
    closed: bool,
    /// That is because the user has taken it back.
    pub cancelled: bool,
}

impl MultiRecv {
    pub(crate) fn new(token: Token, capacity: u64, min_left: u64, messages: u32) -> Self {
        Self {
            token,
            capacity,
            used: 0,
            // Without any room left it is of no use.
            min_left: min_left.max(1),
            messages_left: messages,
            live: 0,
            closed: false,
            cancelled: false,
        }
    }

    /// Room for a message: where it begins, and how much of the message it holds. All of it, unless
    /// it is longer than the whole buffer. `None`: the next receive has it, and this one is over.
    pub(crate) fn carve(&mut self, message_len: u64) -> Option<(u64, u64)> {
        let len = if self.used == 0 { message_len.min(self.capacity) } else { message_len };
        if self.closed || len > self.left() {
            self.closed = true;
            return None;
        }
        let offset = self.used;
        self.used = (offset + len).next_multiple_of(MULTI_RECV_ALIGN_BYTES).min(self.capacity);
        self.live += 1;
        self.messages_left -= 1;
        self.closed = self.messages_left == 0 || self.left() < self.min_left;
        Some((offset, len))
    }

    /// A message that has begun at `offset` will not come: its room can be had again, if nothing was
    /// given away behind it.
    pub(crate) fn put_back(&mut self, offset: u64, len: u64) {
        self.live -= 1;
        self.messages_left += 1;
        if (offset + len).next_multiple_of(MULTI_RECV_ALIGN_BYTES).min(self.capacity) == self.used {
            self.used = offset;
        }
    }

    /// A message in it is complete.
    pub(crate) fn completed(&mut self) {
        self.live -= 1;
    }

    /// No more messages.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether it can be given back.
    pub(crate) fn is_over(&self) -> bool {
        self.closed && self.live == 0
    }

    /// What is not given to messages, in bytes.
    pub(crate) fn left(&self) -> u64 {
        self.capacity - self.used
    }
}

/// Where messages in a shared buffer begin: at multiples of this. So they do not share a line of the
/// cache, and placing one does not slow the reader of another down.
pub const MULTI_RECV_ALIGN_BYTES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lie_one_after_the_other() {
        let mut multi = MultiRecv::new(Token(0), 1000, 300, 100);
        assert_eq!(multi.carve(100), Some((0, 100)));
        assert_eq!(multi.carve(0), Some((128, 0)), "an empty one takes no room");
        assert_eq!(multi.carve(64), Some((128, 64)));
        assert_eq!(multi.carve(500), Some((192, 500)));
        assert!(multi.is_closed() && !multi.is_over(), "less than 300 are left");
        assert_eq!(multi.carve(1), None);
        (0..4).for_each(|_| multi.completed());
        assert!(multi.is_over());
    }

    #[test]
    fn what_does_not_fit_ends_it() {
        let mut multi = MultiRecv::new(Token(0), 1000, 0, 100);
        assert_eq!(multi.carve(600), Some((0, 600)));
        assert_eq!(multi.carve(361), None, "640 are used");
        assert!(multi.is_closed());
        let mut whole = MultiRecv::new(Token(0), 1000, 0, 100);
        assert_eq!(whole.carve(5000), Some((0, 1000)), "it fits nowhere else either");
        assert!(whole.is_closed());
    }

    #[test]
    fn it_takes_no_more_messages_than_it_is_for() {
        let mut multi = MultiRecv::new(Token(0), 1000, 0, 2);
        assert!(multi.carve(1).is_some() && multi.carve(1).is_some());
        assert!(multi.is_closed());
    }

    #[test]
    fn room_comes_back_from_the_end() {
        let mut multi = MultiRecv::new(Token(0), 1000, 0, 3);
        assert_eq!((multi.carve(100), multi.carve(100)), (Some((0, 100)), Some((128, 100))));
        multi.put_back(0, 100);
        assert_eq!(multi.left(), 1000 - 256, "something lies behind it");
        multi.put_back(128, 100);
        assert_eq!(multi.carve(10), Some((128, 10)));
    }
}
