//! Tags, and which receives are posted for them: some by exact tag, some by a mask, some from one peer only,
//! and now and then one for anything. Every message has a receive of its own that fits, so none waits for
//! ever, whichever receives the others are given.

use crate::time::Time;
use crate::traffic::MessageId;

/// The tag of a flow's message: the flow, and the how manieth of it, from 0.
pub const fn tag_of(flow: u32, index: u32) -> u64 {
    (flow as u64) << 32 | index as u64
}

/// Which messages a receive is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The tag, ...
    pub tag: u64,
    /// ... and its bits that count.
    pub mask: u64,
    /// The host that it has to come from; `None`: any.
    pub from: Option<u32>,
}

impl Pattern {
    /// Any message.
    pub const ANY: Self = Self { tag: 0, mask: 0, from: None };

    /// The receive of a message from a host. Messages of one flow have receives of one kind.
    pub const fn of(flow: u32, index: u32, from: u32) -> Self {
        let tag = tag_of(flow, index);
        let (mask, from) = match flow % 4 {
            0 => (u64::MAX, None),
            1 => (FLOW_BITS, None),
            2 => (FLOW_BITS | 1, None),
            _ => (u64::MAX, Some(from)),
        };
        Self { tag: tag & mask, mask, from }
    }

    /// Whether a message from a host is one of these.
    pub fn takes(&self, from: u32, tag: u64) -> bool {
        tag & self.mask == self.tag && self.from.is_none_or(|it| it == from)
    }

    /// Whether it is for one message only.
    pub const fn is_exact(&self) -> bool {
        self.mask == u64::MAX
    }
}

/// Whether one more receive is posted with a message's, for anything.
pub const fn has_wildcard(message: MessageId) -> bool {
    message % 7 == 3
}

/// How long after a message was handed over its receive is posted: at once, or when the message has been
/// there for a while.
pub fn posted_after(message: MessageId, round_trip: Time) -> Time {
    Time::from_ps(round_trip.as_ps() * u64::from(message % 5) / 2)
}

const FLOW_BITS: u64 = 0xffff_ffff_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_its_own_receive_and_few_others() {
        for flow in 0..4 {
            let pattern = Pattern::of(flow, 6, 9);
            assert!(pattern.takes(9, tag_of(flow, 6)) && !pattern.takes(9, tag_of(flow + 1, 6)));
            assert_eq!(pattern.takes(9, tag_of(flow, 7)), flow == 1);
            assert_eq!(pattern.takes(9, tag_of(flow, 8)), flow == 1 || flow == 2);
            assert_eq!(pattern.takes(8, tag_of(flow, 6)), flow != 3);
            assert!(Pattern::ANY.takes(9, tag_of(flow, 6)));
        }
    }
}
