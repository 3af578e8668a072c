//! A posted buffer that several messages share: each takes its part with it when it is complete.
//!
//! ```text
//!   posted     |------------------------------------------------|
//!   2 is over  |---- 1, arriving ----|   |------- 3, rest ------|     2 is the user's, in its completion
//! ```
//! The parts are split off one allocation, so nothing is copied and no two owners ever see a byte.

use bytes::BytesMut;
use usrd_proto::MULTI_RECV_ALIGN_BYTES;

/// What is left of it, as segments by where they begin.
#[derive(Debug)]
pub(in crate::driver) struct SharedBuffer(Vec<(usize, BytesMut)>);

impl SharedBuffer {
    pub(in crate::driver) fn new(buffer: BytesMut) -> Self {
        Self(vec![(0, buffer)])
    }

    /// Copies `bytes` to where they belong.
    pub(in crate::driver) fn place(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let at = self.at(offset);
        let (start, segment) = &mut self.0[at];
        let from = offset - *start;
        segment[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// Takes a message out that is complete.
    pub(in crate::driver) fn take(&mut self, offset: usize, len: usize) -> BytesMut {
        if len == 0 {
            return BytesMut::new();
        }
        let at = self.at(offset);
        let (start, mut before) = self.0.remove(at);
        let mut message = before.split_off(offset - start);
        let behind = message.split_off(len);
        let segments = [(start, before), (offset + len, behind)];
        self.0.splice(at..at, segments.into_iter().filter_map(usable));
        message
    }

    /// What no message was given: the end of it.
    pub(in crate::driver) fn into_rest(mut self) -> BytesMut {
        self.0.pop().map_or_else(BytesMut::new, |(_, rest)| rest)
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|&(start, _)| start <= offset) - 1
    }
}

/// A segment without what no message can begin in, or nothing if that is all.
fn usable((start, mut segment): (usize, BytesMut)) -> Option<(usize, BytesMut)> {
    let begins = start.next_multiple_of(MULTI_RECV_ALIGN_BYTES as usize);
    if begins - start >= segment.len() {
        return None;
    }
    Some((begins, segment.split_off(begins - start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_in_any_order() {
        let mut shared = SharedBuffer::new(BytesMut::zeroed(1000));
        for (offset, byte) in [(0, 1), (128, 2), (256, 3)] {
            shared.place(offset, &[byte; 100]);
        }
        assert_eq!(shared.take(128, 100), [2; 100][..]);
        shared.place(90, &[9; 10]);
        shared.place(256, &[4; 10]);
        assert_eq!(shared.take(0, 100)[85..], [1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
        assert_eq!(shared.0.len(), 1, "what lies between messages is not kept");
        assert_eq!(shared.take(384, 0), [][..]);
        assert_eq!(shared.take(256, 100)[..11], [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3]);
        assert_eq!(shared.into_rest().len(), 1000 - 384);
    }

    #[test]
    fn a_message_can_have_all_of_it() {
        let mut shared = SharedBuffer::new(BytesMut::zeroed(10));
        shared.place(0, &[1; 10]);
        assert_eq!(shared.take(0, 10), [1; 10][..]);
        assert!(shared.into_rest().is_empty());
    }

    /// Once all parts are dropped, the rest has the whole allocation again.
    #[test]
    fn the_memory_can_be_had_again() {
        let mut shared = SharedBuffer::new(BytesMut::zeroed(4096));
        let message = shared.take(0, 4000);
        let mut rest = shared.into_rest();
        assert!(!rest.try_reclaim(4000), "the message is still somebody's");
        drop(message);
        assert!(rest.try_reclaim(4000));
    }
}
