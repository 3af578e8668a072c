//! What is left of a peer while nothing is under way with it.
//!
//! Whatever was said before must stay said: numbers are not used twice, and what is late is known.
//! What was learnt of the network is forgotten with the rest, but for the round trip, as it is out of
//! date when it is needed again.

use alloc::boxed::Box;

use super::receiver::{IdleReceiver, Receiver};
use super::sender::{IdleSender, Pace, Sender};
use super::{Context, Parting, Peer};
use crate::config::Config;
use crate::ids::PeerId;
use crate::stats::PeerStats;
use crate::time::Instant;
use crate::times::Times;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct IdlePeer {
    id: PeerId,
    pub(super) context: Context,
    last_active: Instant,
    last_heard: Instant,
    sender: IdleSender,
    receiver: IdleReceiver,
}

/// What a peer that wakes up is made of, beside its record.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub config: Config,
    pub times: Times,
    pub pace: Pace,
}

impl Fresh {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), times: Times::new(config), pace: Pace::new(config) }
    }
}

/// With its places in tables, an idle peer is to take no more than a few hundred bytes.
const _: () = assert!(size_of::<IdlePeer>() <= 256);

impl IdlePeer {
    /// A peer with which nothing has happened yet.
    pub(crate) fn new(
        id: PeerId,
        context: Context,
        config: &Config,
        first_path: u8,
        now: Instant,
    ) -> Self {
        Self {
            id,
            context,
            last_active: now,
            last_heard: now,
            sender: IdleSender::new(config, first_path),
            receiver: IdleReceiver::default(),
        }
    }

    pub(super) fn stats(&self) -> PeerStats {
        let established = self.context.is_established();
        PeerStats { established, ..self.sender.stats() }
    }
}

impl Peer {
    /// Goes on from where it was. Somebody is about to do something with it; should nothing come of
    /// that, it is looked at right away.
    #[cold]
    pub(super) fn wake(idle: &IdlePeer, fresh: &Fresh) -> Box<Self> {
        Box::new(Self {
            id: idle.id,
            context: idle.context,
            sender: Sender::wake(&idle.sender, fresh),
            receiver: Receiver::wake(&idle.receiver, &fresh.config),
            ready: false,
            talking: false,
            deficit: 0,
            open_owed: false,
            doubted: false,
            marked: false,
            parting: Parting::Together,
            waits: false,
            doubted_at: Instant::ZERO,
            last_active: idle.last_active,
            last_heard: idle.last_heard,
            look_at: LOOK_AT_ONCE,
        })
    }

    /// What has to be kept of a peer that [`may_rest`](Self::may_rest).
    pub(super) fn rest(&self) -> IdlePeer {
        IdlePeer {
            id: self.id,
            context: self.context,
            last_active: self.last_active,
            last_heard: self.last_heard,
            sender: self.sender.rest(),
            receiver: self.receiver.rest(),
        }
    }
}

/// Of a peer that woke up and has not been touched since.
pub(super) const LOOK_AT_ONCE: Instant = Instant::ZERO;
