//! The link between the two, and what it does to datagrams.

use std::boxed::Box;
use std::collections::BTreeSet;
use std::vec::Vec;

use core::time::Duration;

use super::Side;
use crate::time::Instant;
use crate::wire::Packet;

type Filter = Box<dyn FnMut(Side, &Packet) -> bool>;

/// What the link does to datagrams. Probabilities are of one datagram.
pub(in crate::tests) struct Link {
    pub delay: Duration,
    /// Added for path `p`: `p` times this.
    pub delay_per_path: Duration,
    pub loss: f64,
    pub duplication: f64,
    pub reordering: f64,
    /// A reordered datagram is held for up to this long.
    pub held_for: Duration,
    pub black_holes: BTreeSet<(Side, u8)>,
    pub mark_ce: bool,
    /// A side that is away from then until then: what arrives meanwhile waits.
    pub away: Option<(Side, Instant, Instant)>,
    /// Cuts the payload off those data packets for which it says `true`.
    pub trim: Option<Filter>,
    /// How long packets with payload wait in a queue; what has none overtakes them.
    pub queue: Duration,
    /// Decides about single datagrams: `false` drops. Sees the sender and the packet.
    pub filter: Option<Filter>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(5),
            delay_per_path: Duration::ZERO,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            held_for: Duration::from_micros(50),
            black_holes: BTreeSet::new(),
            mark_ce: false,
            away: None,
            trim: None,
            queue: Duration::ZERO,
            filter: None,
        }
    }
}

impl Link {
    pub(in crate::tests) fn hostile() -> Self {
        Self { loss: 0.10, reordering: 0.20, duplication: 0.05, ..Self::default() }
    }
}

/// A datagram on the link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tests) struct Flight {
    pub(super) at: Instant,
    pub(super) order: u64,
    pub to: Side,
    pub bytes: Vec<u8>,
    pub ce: bool,
}
