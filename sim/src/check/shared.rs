//! Shared buffers: of the messages that one posted buffer takes, each has a range of its own in it, which
//! begins at a multiple of 64 bytes, and where its end says that it is. When all are over, and not before, the
//! buffer is free: once, because it is full or was taken back, and it says which.

use std::collections::BTreeMap;

use usrd_proto::MULTI_RECV_ALIGN_BYTES;

use super::{Checker, Checkers};
use crate::scenario::ServiceKey;
use crate::time::Time;
use crate::traffic::{MessageId, Traffic};

/// What a host has posted for several messages.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// How long the buffer is, in bytes.
    pub len: u64,
    /// With less than this left it may be given back.
    pub min_left: u64,
    /// The longest message that can come.
    pub largest: u64,
    /// How many messages it is for, at most.
    pub messages: u32,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct SharedBuffers {
    /// What is posted and not over, by host and token.
    open: BTreeMap<Receive, Posting>,
}

/// A receive of a host: the host, and the token.
type Receive = (u32, u64);

#[derive(Debug)]
struct Posting {
    room: Room,
    ranges: Vec<Range>,
    was_taken_back: bool,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    message: MessageId,
    start: u64,
    end: u64,
    is_told: bool,
}

impl SharedBuffers {
    fn posted(&mut self, receive: Receive, room: Room) {
        let posting = Posting { room, ranges: Vec::new(), was_taken_back: false };
        self.open.insert(receive, posting);
    }

    fn taken_back(&mut self, receive: Receive) {
        if let Some(posting) = self.open.get_mut(&receive) {
            posting.was_taken_back = true;
        }
    }

    /// A host has lost its receives.
    pub(super) fn lost(&mut self, host: u32) {
        self.open.retain(|&(of, _), _| of != host);
    }

    /// The first of a message is placed: its range is from `start` on.
    fn begun(
        &mut self,
        traffic: &Traffic,
        receive: Receive,
        message: MessageId,
        start: u64,
    ) -> Result<(), String> {
        let Some(posting) = self.open.get_mut(&receive) else {
            return Err(format!("message {message} placed in {receive:?}, which is not open"));
        };
        let spec = traffic.spec_of(message);
        let end = start.saturating_add(spec.size);
        let other = posting.ranges.iter().copied().find(|range| {
            // What was taken back has left its range to others.
            let counts = range.is_told || !traffic.is_excused(range.message);
            let is_once = spec.service != ServiceKey::Ud && range.message == message;
            counts && (is_once || start < range.end && range.start < end)
        });
        posting.ranges.push(Range { message, start, end, is_told: false });
        let len = posting.room.len;
        if !start.is_multiple_of(MULTI_RECV_ALIGN_BYTES) || end > len {
            return Err(format!(
                "message {message} placed at {start} to {end} of {receive:?}, which has {len} bytes"
            ));
        }
        other.map_or(Ok(()), |other| {
            Err(format!(
                "message {message} placed at {start} to {end} of {receive:?}, where there is {other:?}"
            ))
        })
    }

    /// A message is said to be whole at this offset, where the host finds this one, if any.
    fn told(
        &mut self,
        receive: Receive,
        message: Option<MessageId>,
        offset: u64,
    ) -> Result<(), String> {
        let Some(posting) = self.open.get_mut(&receive) else {
            return Err(format!("message {message:?} told of {receive:?}, which is not open"));
        };
        let is_it =
            |it: &&mut Range| (Some(it.message), it.start) == (message, offset) && !it.is_told;
        let Some(range) = posting.ranges.iter_mut().find(is_it) else {
            return Err(format!(
                "a message told at {offset} of {receive:?}, {message:?}, is not there"
            ));
        };
        range.is_told = true;
        let told = posting.ranges.iter().filter(|range| range.is_told).count();
        match told > posting.room.messages as usize {
            true => Err(format!("{told} messages in {receive:?}: {:?}", posting.room)),
            false => Ok(()),
        }
    }

    /// A buffer is free; `all_came` if no message was taken back or lost, which may have used it up.
    fn over(
        &mut self,
        traffic: &Traffic,
        receive: Receive,
        cancelled: bool,
        all_came: bool,
    ) -> Result<(), String> {
        let Some(Posting { room, ranges, was_taken_back }) = self.open.remove(&receive) else {
            return Err(format!("{receive:?} is over, and was not open"));
        };
        if cancelled != was_taken_back {
            return Err(format!(
                "{receive:?} is over, cancelled: {cancelled}; it was taken back: {was_taken_back}"
            ));
        }
        let untold = ranges.iter().find(|it| !it.is_told && !traffic.is_excused(it.message));
        if let Some(untold) = untold {
            return Err(format!("{receive:?} is over before {untold:?}"));
        }
        let used = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        let left = room.len.saturating_sub(used.next_multiple_of(MULTI_RECV_ALIGN_BYTES));
        let is_full = ranges.len() >= room.messages as usize;
        if all_came && !cancelled && !is_full && left >= room.min_left.max(room.largest) {
            return Err(format!("{receive:?} is over, with {left} bytes left of {room:?}"));
        }
        Ok(())
    }
}

impl Checkers {
    /// A host posts a buffer for several messages: (host, token).
    pub fn posted_shared(&mut self, receive: (u32, u64), room: Room) {
        self.shared.posted(receive, room);
    }

    /// Its host has taken such a buffer back, and its endpoint has agreed.
    pub fn took_back(&mut self, receive: (u32, u64)) {
        self.shared.taken_back(receive);
    }

    /// The first of a message came to its place in one, which begins at `base`.
    pub fn begun_in_shared(
        &mut self,
        now: Time,
        traffic: &Traffic,
        receive: (u32, u64),
        (message, base): (MessageId, u64),
    ) {
        let verdict = self.shared.begun(traffic, receive, message, base);
        self.log.verdict(Checker::SharedBuffers, now, verdict);
    }

    /// A message in one is whole, and said to begin at `base`.
    pub fn told_in_shared(
        &mut self,
        now: Time,
        receive: (u32, u64),
        (message, base): (Option<MessageId>, u64),
    ) {
        let verdict = self.shared.told(receive, message, base);
        self.log.verdict(Checker::SharedBuffers, now, verdict);
    }

    /// A host's endpoint says that one is free.
    pub fn shared_over(
        &mut self,
        now: Time,
        traffic: &Traffic,
        receive: (u32, u64),
        cancelled: bool,
    ) {
        let all_came = !self.saw_cancels && !self.crashes.any();
        let verdict = self.shared.over(traffic, receive, cancelled, all_came);
        self.log.verdict(Checker::SharedBuffers, now, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{FlowSpec, Operation, Plan};

    /// One receive for three messages of 100 bytes.
    fn shared() -> (SharedBuffers, Traffic) {
        let spec = FlowSpec {
            src: 0,
            dst: 1,
            messages: 9,
            size: 100,
            service: ServiceKey::Srd,
            operation: Operation::SEND,
            start: Time::ZERO,
        };
        let mut shared = SharedBuffers::default();
        shared.posted(RECEIVE, Room { len: 400, min_left: 10, largest: 100, messages: 3 });
        (shared, Traffic::new(&Plan::of(&[spec])))
    }

    const RECEIVE: Receive = (1, 7);

    #[test]
    fn messages_side_by_side_are_right() {
        let (mut shared, traffic) = shared();
        for (message, start) in [(4, 128), (3, 0), (5, 256)] {
            shared.begun(&traffic, RECEIVE, message, start).unwrap();
            shared.told(RECEIVE, Some(message), start).unwrap();
        }
        shared.over(&traffic, RECEIVE, false, true).unwrap();
        assert!(shared.over(&traffic, RECEIVE, false, true).unwrap_err().contains("not open"));
        assert!(shared.told(RECEIVE, Some(5), 256).unwrap_err().contains("not open"));
    }

    #[test]
    fn ranges_are_aligned_inside_and_apart() {
        let (mut shared, traffic) = shared();
        shared.begun(&traffic, RECEIVE, 0, 128).unwrap();
        for (message, start) in [(1, 64), (1, 192), (1, 32), (1, 320), (0, 256)] {
            assert!(shared.begun(&traffic, RECEIVE, message, start).is_err(), "{message} {start}");
        }
    }

    #[test]
    fn what_is_told_is_where_it_lies_and_told_once() {
        let (mut shared, traffic) = shared();
        shared.begun(&traffic, RECEIVE, 0, 0).unwrap();
        for (message, start) in [(Some(0), 64), (Some(1), 0), (None, 0)] {
            assert!(shared.told(RECEIVE, message, start).is_err());
        }
        shared.told(RECEIVE, Some(0), 0).unwrap();
        assert!(shared.told(RECEIVE, Some(0), 0).is_err());
    }

    #[test]
    fn the_end_comes_last_and_for_a_reason() {
        let over = |cancelled, prepare: fn(&mut SharedBuffers, &Traffic)| {
            let (mut shared, traffic) = shared();
            prepare(&mut shared, &traffic);
            shared.over(&traffic, RECEIVE, cancelled, true)
        };
        let begun = |shared: &mut SharedBuffers, traffic: &Traffic| {
            shared.begun(traffic, RECEIVE, 0, 0).unwrap();
        };
        assert!(over(false, begun).unwrap_err().contains("before"));
        assert!(over(false, |_, _| {}).unwrap_err().contains("400 bytes left"));
        assert!(over(true, |_, _| {}).unwrap_err().contains("taken back"));
        let taken_back = |shared: &mut SharedBuffers, _: &Traffic| shared.taken_back(RECEIVE);
        over(true, taken_back).unwrap();
        assert!(over(false, taken_back).is_err());
    }
}
