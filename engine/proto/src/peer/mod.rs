//! One remote endpoint: its context, what is sent to it, what comes from it.
//!
//! ```text
//!              something is submitted, or comes from it
//!   IdlePeer -------------------------------------------> Peer
//!   who it is, the numbers that go on,          beside: windows, queues, paths, congestion
//!   the round trip: a few hundred bytes         control, timers: all that few peers need at a time
//!            <-------------------------------------------
//!              a look finds that nothing is under way for long
//! ```
//! Endpoints have peers by the hundred thousand, and busy ones by the hundred: so what most of them
//! are made of is [`IdlePeer`]. A [`PeerTable`] holds both.

mod context;
mod idle;
pub(crate) mod receiver;
pub(crate) mod sender;
mod table;

pub(crate) use context::{Context, OpenVerdict};
pub(crate) use idle::{Fresh, IdlePeer};
pub(crate) use table::PeerTable;

use idle::LOOK_AT_ONCE;
use receiver::{IdleReceiver, Receiver};
use sender::{IdleSender, Sender};

use crate::config::Config;
use crate::ids::PeerId;
use crate::stats::PeerStats;
use crate::time::Instant;
use crate::times::Times;
use crate::wire::OpenInfo;

/// One with which something is under way, or was a moment ago.
///
/// Its memory has left the cache when its turn comes again, where thousands take turns. So what is
/// looked at for each of them lies together, in this order, and begins with a line of its own.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Peer {
    pub id: PeerId,
    /// In the queue of those that may have data to send.
    pub ready: bool,
    /// In the queue of those that have something small to say.
    pub talking: bool,
    /// In the list of those that something has happened to.
    pub marked: bool,
    /// An OPEN of its own is owed.
    pub open_owed: bool,
    /// Its live context is to be asked whether it still lives.
    pub doubted: bool,
    /// Something may wait to know whether the peer has this side's context, or still has it.
    pub waits: bool,
    pub parting: Parting,
    /// What is left of its turn, in bytes.
    pub deficit: i64,
    last_active: Instant,
    last_heard: Instant,
    /// When to see whether it is idle, or gone.
    look_at: Instant,
    pub context: Context,
    pub receiver: Receiver,
    pub sender: Sender,
    doubted_at: Instant,
}

/// Whether this side has proposed to part. Rule O11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    Together,
    /// It has: nothing is sent before it is known whether the peer still has the context.
    Asked,
    /// There is something to send, and a HELLO finds that out.
    Greeting,
}

/// What a look at a quiet peer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Fine,
    /// Nothing has been under way for long, and nothing is: it may rest, until it is time to part.
    Idle {
        until: Instant,
    },
    /// It owes the rest of a message, and does not answer.
    Gone,
    /// It has never shown that it got an answer.
    Unconfirmed,
    /// It was asked to part, and does not answer.
    Expired,
}

impl Peer {
    /// Takes up what the peer said when it opened. Rule O4.
    pub(crate) fn adopt(&mut self, open: &OpenInfo, config: &Config) {
        self.context.adopt(open);
        self.sender.agree(config, open.mtu_bytes, open.paths, open.credit_packets);
    }

    /// Starts over with a new pair of incarnations. What was pending must have been failed before.
    fn renew(&mut self, (local_id, incarnation): (u32, u64), path: u8, fresh: &Fresh) {
        self.context.renew(local_id, incarnation);
        self.sender = Sender::wake(&IdleSender::new(&fresh.config, path), fresh);
        self.receiver = Receiver::wake(&IdleReceiver::default(), &fresh.config);
        self.open_owed = false;
        self.doubted = false;
        self.parting = Parting::Together;
        self.waits = false;
        self.deficit = 0;
    }

    /// What this side tells about itself.
    pub(crate) fn open_info(&self, config: &Config) -> OpenInfo {
        OpenInfo {
            context: self.context.local_id(),
            incarnation: self.context.local_incarnation(),
            mtu_bytes: config.mtu_bytes,
            features: 0,
            credit_packets: config.window_packets(),
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

    /// Something is sent to it, or wanted of it.
    #[inline]
    pub(crate) fn touch(&mut self, now: Instant, times: &Times) {
        self.last_active = now;
        if self.look_at == LOOK_AT_ONCE {
            self.look_at = now.plus_nanos(times.look_after_ns);
        }
    }

    /// Something came from it.
    #[inline]
    pub(crate) fn heard(&mut self, now: Instant, times: &Times) {
        self.last_heard = now;
        self.touch(now, times);
    }

    /// How long it has not been heard of.
    pub(crate) fn silence_ns(&self, now: Instant) -> u64 {
        now.nanos_since(self.last_heard)
    }

    /// Whether a PROBE that comes now is one of a peer that has nothing else to say, and asks
    /// whether this side still lives.
    pub(crate) fn is_asking(&self, now: Instant, times: &Times) -> bool {
        self.silence_ns(now) >= times.look_after_ns / (2 * QUESTIONS_PER_LOOK)
    }

    /// When this peer's timer has something to do.
    #[inline]
    pub(crate) fn deadline(&self) -> Instant {
        // While it has the word already, what it has to say needs no reminder.
        let control_at = match self.talking {
            true => Instant::NEVER,
            false => self.receiver.ack_due().min(self.sender.probe_due()),
        };
        control_at.min(self.sender.deadline()).min(self.look_at)
    }

    /// Now and then: sees whether nothing has happened for a while, and asks a peer that owes the rest
    /// of a message, or a report, whether it is still there. Rule O7.
    pub(crate) fn look(&mut self, now: Instant, times: &Times) -> Look {
        if now < self.look_at {
            return Look::Fine;
        }
        self.look_at = now.plus_nanos(times.look_after_ns);
        let quiet_ns = now.nanos_since(self.last_active);
        let silent_ns = now.nanos_since(self.last_heard);
        // Rule O9: whoever got this side's answer can be asked for one.
        let is_half_open = self.context.is_established() && self.context.must_open();
        let owes = !self.receiver.is_idle() || self.sender.awaits_report() || is_half_open;
        if owes && silent_ns >= times.peer_dead_ns {
            return if is_half_open { Look::Unconfirmed } else { Look::Gone };
        }
        if owes && silent_ns >= times.look_after_ns {
            self.doubted = self.context.is_established();
            self.look_at = now.plus_nanos((times.look_after_ns / QUESTIONS_PER_LOOK).max(1));
        }
        match self.look_for_expiry(now, times) {
            Look::Fine if self.may_rest(quiet_ns, times) => {
                Look::Idle { until: self.expires_at(times) }
            }
            look => look,
        }
    }

    /// When this side proposes to part, if nothing happens until then.
    fn expires_at(&self, times: &Times) -> Instant {
        match self.context.is_established() {
            true => self.last_active.plus_nanos(times.expire_after_ns),
            false => Instant::NEVER,
        }
    }

    /// With nothing under way for long, both sides may forget each other. Rule O11.
    fn look_for_expiry(&mut self, now: Instant, times: &Times) -> Look {
        let quiet_ns = now.nanos_since(self.last_active);
        // It was asked since it was heard of last.
        let is_asked = self.parting == Parting::Asked && self.last_active > self.last_heard;
        if is_asked && quiet_ns >= times.peer_dead_ns {
            return Look::Expired;
        }
        let is_due = quiet_ns >= times.expire_after_ns && self.may_part();
        if is_asked || is_due {
            if is_due && !is_asked {
                self.parting = Parting::Asked;
                self.waits = true;
                self.last_active = now;
            }
            self.doubted = true;
            self.look_at = now.plus_nanos((times.look_after_ns / QUESTIONS_PER_LOOK).max(1));
        }
        Look::Fine
    }

    /// Whether this side could forget its peer and nothing would be missing.
    pub(crate) fn may_part(&self) -> bool {
        self.context.is_established()
            && !self.open_owed
            && self.parting != Parting::Greeting
            && self.sender.is_idle()
            && self.receiver.is_idle()
    }

    /// Whether an idle peer's record is all that is needed to go on. Bad paths are asked for a while
    /// longer, then forgotten: traffic will find out again.
    fn may_rest(&self, quiet_ns: u64, times: &Times) -> bool {
        let has_lost_patience = quiet_ns >= times.idle_after_ns.saturating_mul(PATIENCE);
        let paths_are_fine = self.sender.probe_due() == Instant::NEVER;
        let is_in_a_list = self.ready || self.talking || self.marked;
        let owes_a_word = self.open_owed || self.doubted || self.waits;
        quiet_ns >= times.idle_after_ns
            && (paths_are_fine || has_lost_patience)
            && !is_in_a_list
            && !owes_a_word
            && self.parting == Parting::Together
            && self.sender.may_rest()
            && self.receiver.may_rest()
    }

    pub(crate) fn stats(&self) -> PeerStats {
        PeerStats { established: self.context.is_established(), ..self.sender.stats() }
    }
}

/// A path that comes back within this many times the idle time is found good again.
const PATIENCE: u64 = 8;

/// A peer that seems gone is asked this often in the time between two looks: on networks that lose a
/// tenth of all packets, a few questions are not enough.
const QUESTIONS_PER_LOOK: u64 = 8;

const DOUBT_EVERY_NS: u64 = 1_000_000;
