//! What the two ends tell each other beside the messages that are measured.
//!
//! ```text
//!   client                                    server
//!     | ---- Begin: what is to be measured ---> |  posts receives
//!     | <--- Ready ---------------------------- |
//!     | ===== the messages of the measurement = |
//!     | ---- End: how many there were --------> |  waits until it has them all
//!     | <--- Done: what arrived --------------- |
//!     |      ... more measurements ...          |
//!     | ---- Bye -----------------------------> |
//! ```
//! Either end says `Alive` when it has heard nothing for a while: if the other one is gone, this
//! send fails. They are ordinary messages, told apart from the measured ones by how they begin.

use serde::{Deserialize, Serialize};
use usrd::{Bytes, SendOptions, Service};

use super::tally::Tally;

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Control {
    Begin(Trial),
    Ready,
    Refused {
        reason: String,
    },
    End {
        messages: u64,
    },
    Done(Outcome),
    /// The handle of the server's memory.
    Memory {
        handle: Vec<u8>,
    },
    /// Fill the memory with contents `number`.
    Fill {
        number: u64,
    },
    /// Does the memory hold contents `number`, in blocks of this size?
    Look {
        number: u64,
        block: usize,
    },
    /// What was found.
    Seen {
        fine: bool,
    },
    Alive,
    Bye,
}

/// A measurement, as the client asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Of this exchange; see [`VERSION`].
    pub(crate) version: u32,
    pub(crate) kind: Kind,
    /// Bytes in a message.
    pub(crate) size: usize,
    pub(crate) service: Level,
    /// How many messages the client keeps under way.
    pub(crate) in_flight: u32,
    /// Contents of every so many messages are compared.
    pub(crate) verify_every: u32,
    /// Determines the contents from client to server; see [`answer_key`](Self::answer_key).
    pub(crate) key: u64,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Round trips, one message at a time.
    PingPong,
    /// From client to server, as fast as it goes.
    Bulk,
    /// Operations on the server's memory, some of them in blocks of this size.
    Memory { block: usize },
}

/// A service level, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Level {
    Ud,
    Srd,
    Rd,
    /// SRD with a tag.
    Tagged,
}

/// What came of a measurement, as the server saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) counters: Counters,
    /// Processor time of the server's thread, from the first message to the last.
    pub(crate) cpu_ns: u64,
}

/// What one end's engine has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) packets: u64,
    pub(crate) retransmissions: u64,
    pub(crate) spurious_retransmissions: u64,
    /// Packets that came with a mark of congestion.
    pub(crate) ce_marks: u64,
}

impl Trial {
    /// Determines the contents of the answers.
    pub(crate) const fn answer_key(&self) -> u64 {
        !self.key
    }
}

impl Level {
    pub(crate) const fn service(self) -> Service {
        match self {
            Self::Ud => Service::Ud,
            Self::Srd | Self::Tagged => Service::Srd,
            Self::Rd => Service::Rd,
        }
    }

    /// How to send a message of the measurement.
    pub(crate) const fn options(self) -> SendOptions {
        let options = SendOptions::new(0).service(self.service());
        match self {
            Self::Tagged => options.tag(MEASURED_TAG),
            _ => options,
        }
    }

    /// The tag that its messages have.
    pub(crate) const fn tag(self) -> Option<u64> {
        match self {
            Self::Tagged => Some(MEASURED_TAG),
            _ => None,
        }
    }

    pub(crate) const fn is_reliable(self) -> bool {
        !matches!(self, Self::Ud)
    }
}

impl Counters {
    pub(crate) const fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            retransmissions: self.retransmissions - before.retransmissions,
            spurious_retransmissions: self.spurious_retransmissions
                - before.spurious_retransmissions,
            ce_marks: self.ce_marks - before.ce_marks,
        }
    }

    pub(crate) const fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.retransmissions += other.retransmissions;
        self.spurious_retransmissions += other.spurious_retransmissions;
        self.ce_marks += other.ce_marks;
    }
}

impl Control {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = MAGIC.to_vec();
        // Writing to memory, and no map with keys that are not text: this cannot fail.
        serde_json::to_writer(&mut bytes, self).expect("a control message has a JSON form");
        bytes.into()
    }

    /// Reads a message; none if it is not a control message.
    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        serde_json::from_slice(message.strip_prefix(&MAGIC)?).ok()
    }
}

/// Both ends must agree on this, and on the pattern of the contents.
pub(crate) const VERSION: u32 = 3;
/// The tag of measured messages, where they have one.
const MEASURED_TAG: u64 = 0x7573_7264;
/// Room for any control message.
pub(crate) const CONTROL_BYTES: usize = 4096;
/// How a control message begins. Measured messages of this length and more do not: their second
/// word is fixed by their first.
const MAGIC: [u8; 16] = *b"usrd-perf/cntrl:";

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    #[test]
    fn control_messages_are_read_back_and_fit() {
        let first_wrong = Some("x".repeat(200));
        let tally = Tally {
            messages: u64::MAX,
            bytes: u64::MAX,
            contents_checked: u64::MAX,
            wrong: u64::MAX,
            first_wrong,
        };
        let done = Control::Done(Outcome { tally, ..Outcome::default() });
        for control in [Control::Ready, Control::End { messages: 3 }, done] {
            let bytes = control.encode();
            assert!(bytes.len() <= CONTROL_BYTES);
            assert_eq!(Control::decode(&bytes), Some(control));
        }
    }

    #[test]
    fn measured_messages_are_not_control_messages() {
        let pattern = Pattern::new(3, 256);
        for number in 0..1000 {
            assert_eq!(Control::decode(&pattern.message(number)), None);
        }
        assert_eq!(Control::decode(b""), None);
    }
}
