//! How a message is to be sent, and which one a receive is for.

use std::num::NonZeroU32;

use usrd_proto::{CompletionLevel, Service};

use crate::Peer;

/// How a message is to be sent: by default as SRD, complete once acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// Handed back in the completion.
    pub context: u64,
    /// How to carry it.
    pub service: Service,
    /// When it is complete.
    pub level: CompletionLevel,
    /// What receives are matched by, see [`tag`](Self::tag).
    pub tag: Option<u64>,
    /// 64 bits beside the data, see [`immediate`](Self::immediate).
    pub immediate: Option<u64>,
}

impl SendOptions {
    /// The defaults, under a name of the caller's choosing.
    pub const fn new(context: u64) -> Self {
        Self {
            context,
            service: Service::Srd,
            level: CompletionLevel::Acknowledged,
            tag: None,
            immediate: None,
        }
    }

    /// Carries the message this way.
    #[must_use]
    pub const fn service(mut self, service: Service) -> Self {
        self.service = service;
        self
    }

    /// Sends under a tag: only receives that ask for it are matched with the message, and those of
    /// one peer's messages in the order of submission. The bytes still come in any order, and
    /// completions as messages are whole.
    ///
    /// A message of up to [`Config::eager_bytes`](crate::Config) is sent at once. A longer one is
    /// announced, and its receiver pulls it straight into the buffer that it is matched with: it
    /// completes no earlier than that receive is posted. Only for [`Service::Srd`], which is the default.
    #[must_use]
    pub const fn tag(mut self, tag: u64) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Sends 64 bits along with the message, whatever its service: the receive's completion has them.
    #[must_use]
    pub const fn immediate(mut self, immediate: u64) -> Self {
        self.immediate = Some(immediate);
        self
    }

    /// Completes only when the peer reports the message placed and visible.
    #[must_use]
    pub const fn delivered(mut self) -> Self {
        self.level = CompletionLevel::Delivered;
        self
    }
}

impl From<u64> for SendOptions {
    fn from(context: u64) -> Self {
        Self::new(context)
    }
}

/// Which message a receive is for: by default any one without a tag, from anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvOptions {
    /// Handed back in the completion.
    pub context: u64,
    /// Which tagged messages; `None`: those without a tag.
    pub tags: Option<Tags>,
    /// For several messages, one after the other in its buffer; `None`: for one.
    pub many: Option<Many>,
}

/// A receive for several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Many {
    /// The most messages. Each of them has a place in the completion queue from the beginning, and
    /// the end of the receive has one more.
    pub max_messages: NonZeroU32,
    /// With less than this left in the buffer, it takes no more.
    pub min_left_bytes: u64,
}

impl RecvOptions {
    /// The defaults, under a name of the caller's choosing.
    pub const fn new(context: u64) -> Self {
        Self { context, tags: None, many: None }
    }

    /// For a message with a tag. Of the receives that a message fits, the one that was posted first
    /// has it; of the messages that a receive fits, the one that has waited longest.
    #[must_use]
    pub const fn tags(mut self, tags: Tags) -> Self {
        self.tags = Some(tags);
        self
    }

    /// For up to `max_messages` messages (at least one), placed one after the other, at multiples of 64
    /// bytes, in the order in which they are matched. Each has a
    /// [`Completion::Recv`](crate::Completion) of its own, with its part of the buffer, split off
    /// without copying. When less than `min_left_bytes` is left, or a message comes that does not fit
    /// into what is left, the receive takes no more: that message goes to the next receive, and a
    /// [`Completion::RecvOver`](crate::Completion) hands back the rest once all messages in it are
    /// complete.
    #[must_use]
    pub const fn many(mut self, max_messages: u32, min_left_bytes: u64) -> Self {
        let max_messages = match NonZeroU32::new(max_messages) {
            Some(messages) => messages,
            None => NonZeroU32::MIN,
        };
        self.many = Some(Many { max_messages, min_left_bytes });
        self
    }

    /// For a message with this very tag, from anybody.
    #[must_use]
    pub const fn tag(self, tag: u64) -> Self {
        self.tags(Tags::exact(tag))
    }
}

impl From<u64> for RecvOptions {
    fn from(context: u64) -> Self {
        Self::new(context)
    }
}

/// A set of tagged messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The tag, in the bits that count.
    pub tag: u64,
    /// The bits that count.
    pub mask: u64,
    /// Whose messages; `None`: anybody's.
    pub peer: Option<Peer>,
}

impl Tags {
    /// Messages with this very tag. Such receives are found at once, however many are posted.
    pub const fn exact(tag: u64) -> Self {
        Self::masked(tag, u64::MAX)
    }

    /// Messages whose tag is the same in those bits that are set in `mask`. Masks are tried one after
    /// the other.
    pub const fn masked(tag: u64, mask: u64) -> Self {
        Self { tag, mask, peer: None }
    }

    /// Only messages of this peer.
    #[must_use]
    pub const fn of(mut self, peer: Peer) -> Self {
        self.peer = Some(peer);
        self
    }
}
