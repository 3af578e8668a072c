//! What can happen.

use arbitrary::Arbitrary;
use usrd_proto::{CompletionLevel, Service};

/// Which of the two endpoints.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum How {
    Ud,
    Srd,
    SrdDelivered,
    Rd,
    RdDelivered,
}

impl How {
    pub(crate) fn service(self) -> Service {
        match self {
            Self::Ud => Service::Ud,
            Self::Srd | Self::SrdDelivered => Service::Srd,
            Self::Rd | Self::RdDelivered => Service::Rd,
        }
    }

    pub(crate) fn level(self) -> CompletionLevel {
        match self {
            Self::Ud | Self::Srd | Self::Rd => CompletionLevel::Acknowledged,
            Self::SrdDelivered | Self::RdDelivered => CompletionLevel::Delivered,
        }
    }
}

/// One step. `which` chooses among what there is, modulo how much there is.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Op {
    // Commands.
    Send {
        side: Side,
        how: How,
        len: u16,
    },
    Post {
        side: Side,
        len: u16,
    },
    Cancel {
        side: Side,
        which: u8,
    },
    /// A peer that never answers, and a message to it.
    SendToNobody {
        side: Side,
        how: How,
        len: u8,
    },
    /// The other endpoint, or another peer, is removed.
    Remove {
        side: Side,
        which: u8,
    },
    // Time.
    /// `mantissa << shift` nanoseconds pass at once.
    Wait {
        mantissa: u8,
        shift: u8,
    },
    /// Time goes on to the next timer.
    Timer,
    // The network between the two.
    Deliver {
        to: Side,
        which: u8,
        ce: bool,
    },
    DeliverAll {
        to: Side,
    },
    Repeat {
        to: Side,
        which: u8,
    },
    Lose {
        to: Side,
        which: u8,
    },
    // The driver.
    /// Placements take time from now on, or not.
    PlaceLater {
        side: Side,
        on: bool,
    },
    Placed {
        side: Side,
        which: u8,
    },
    // An attacker.
    Garbage {
        to: Side,
        from_peer: bool,
        bytes: [u8; 12],
        len: u8,
    },
    Replay {
        to: Side,
        which: u8,
        from_peer: bool,
    },
    Alter {
        to: Side,
        which: u8,
        from_peer: bool,
        at: u8,
        bits: u8,
        len: i8,
    },
    Forge {
        to: Side,
        from_peer: bool,
        forgery: Forgery,
    },
}

/// A packet with a valid address. Distances are from numbers that are in use.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Forgery {
    Data { how: How, psn: i8, path: u8, len: u8, message: i8, order: i8, total: u16, offset: u16 },
    Ack { cumulative: i8, credit: i16, path: u8, seq: i8, blocks: [(u8, u64); 2], number: u8 },
    Nack { psn: i8, path: u8, seq: i8, delay_ns: u32, credit: i16, trimmed: bool },
    Open { context: i8, incarnation: u16, answers_truly: bool, mtu: u16, credit: u16, paths: u8 },
    Reset { path: u8, seq: i8 },
    Probe { path: u8, seq: i8 },
}
