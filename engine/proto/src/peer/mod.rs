//! One remote endpoint: its context, what is sent to it, what comes from it.

mod context;
pub(crate) mod receiver;
pub(crate) mod sender;

pub(crate) use context::{Context, OpenVerdict};

use receiver::Receiver;
use sender::Sender;

use crate::config::Config;
use crate::ids::PeerId;
use crate::time::Instant;
use crate::wire::OpenInfo;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Peer {
    pub id: PeerId,
    pub context: Context,
    pub sender: Sender,
    pub receiver: Receiver,
    /// In the queue of those that may have data to send.
    pub ready: bool,
    /// In the queue of those that have something small to say.
    pub talking: bool,
    /// What is left of its turn, in bytes.
    pub deficit: i64,
    /// An OPEN of its own is owed.
    pub open_owed: bool,
    /// Its live context is to be asked whether it still lives.
    pub doubted: bool,
    doubted_at: Instant,
    last_active: Instant,
    holds_memory: bool,
}

impl Peer {
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
            sender: Sender::new(config, first_path),
            receiver: Receiver::new(config),
            ready: false,
            talking: false,
            deficit: 0,
            open_owed: false,
            doubted: false,
            doubted_at: Instant::ZERO,
            last_active: now,
            holds_memory: false,
        }
    }

    /// Takes up what the peer said when it opened. Rule O4.
    pub(crate) fn adopt(&mut self, open: &OpenInfo, config: &Config) {
        self.context.adopt(open);
        self.sender.agree(config, open.mtu_bytes, open.paths, open.credit_packets);
    }

    /// Starts over with a new pair of incarnations. What was pending must have been failed before.
    pub(crate) fn renew(&mut self, local_id: u32, incarnation: u64, config: &Config, path: u8) {
        self.context.renew(local_id, incarnation);
        self.sender = Sender::new(config, path);
        self.receiver = Receiver::new(config);
        self.open_owed = false;
        self.doubted = false;
        self.deficit = 0;
    }

    /// What this side tells about itself.
    pub(crate) fn open_info(&self, config: &Config) -> OpenInfo {
        OpenInfo {
            context: self.context.local_id(),
            incarnation: self.context.local_incarnation(),
            mtu_bytes: config.mtu_bytes,
            features: 0,
            credit_packets: config.recv_window_packets,
            locator: config.locator,
            paths: config.paths,
        }
    }

    /// Another incarnation has shown up: is the one that is known still there? Asked at most once a
    /// millisecond, so that a stream of old packets makes no stream of questions. Rule O5.
    pub(crate) fn doubt(&mut self, now: Instant) {
        if self.doubted_at == Instant::ZERO || now.nanos_since(self.doubted_at) >= DOUBT_EVERY_NS {
            self.doubted_at = now;
            self.doubted = true;
        }
    }

    /// Whether something small is to be said now.
    #[inline]
    pub(crate) fn has_control(&self, now: Instant) -> bool {
        self.receiver.ack_due() <= now
            || self.receiver.has_nacks()
            || self.open_owed
            || self.doubted
            || self.sender.probe_due() <= now
    }

    #[inline]
    pub(crate) fn touch(&mut self, now: Instant) {
        self.last_active = now;
        self.holds_memory = true;
    }

    /// When this peer's timer has something to do.
    #[inline]
    pub(crate) fn deadline(&self, config: &Config) -> Instant {
        let idle_at = match self.holds_memory {
            true => self.last_active + config.idle_after,
            false => Instant::NEVER,
        };
        // While it has the word already, what it has to say needs no reminder.
        let control_at = match self.talking {
            true => Instant::NEVER,
            false => self.receiver.ack_due().min(self.sender.probe_due()),
        };
        control_at.min(self.sender.deadline()).min(idle_at)
    }

    /// Gives the windows back once nothing has happened for a while.
    pub(crate) fn rest_if_idle(&mut self, now: Instant, config: &Config) {
        if !self.holds_memory || now < self.last_active + config.idle_after {
            return;
        }
        if self.sender.is_idle() && self.receiver.is_idle() {
            self.sender.release_idle();
            self.receiver.release_idle();
            self.holds_memory = false;
        } else {
            self.last_active = now;
        }
    }
}

const DOUBT_EVERY_NS: u64 = 1_000_000;
