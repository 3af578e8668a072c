//! What a sender remembers in order to judge silence: its timers, since when it waits, what it has
//! sent again. Rules L3 to L5; the judging is in `overdue`.

use alloc::boxed::Box;

use crate::psn::{PathSeq, Psn};
use crate::time::Instant;
use crate::times::Times;

/// The timers of a sender, and what it needs to judge silence; what only trouble needs at the end.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Recovery {
    /// No packet's time is over before this; moved lazily, so it may be early.
    pub loss_at: Instant,
    /// The pacer lets the next packet go.
    pub paced_until: Instant,
    /// No path's probe is due before this; may be early.
    pub path_at: Instant,
    /// Since when something has been waiting for an answer.
    pub waiting_since: Instant,
    /// When the latest transmission left that is known to have arrived.
    pub delivered_until: Instant,
    pub peer_timeout_ns: u64,
    /// Nobody answers, and the oldest packet has been sent again because of it.
    pub tail_probed: bool,
    /// Packets that may leave whatever the window says.
    pub probes: u8,
    pub backoff: u32,
    /// The transmission that the tail probe repeated: whose fault was it?
    pub tail: Option<Tail>,
    /// The next RTO, once the tail has been probed.
    pub rto_at: Instant,
    /// Until then no path is absolved again. Rule P6.
    pub absolved_until: Instant,
    recent: Recent,
}

/// A transmission that got no answer, while nothing else did either.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub path: u8,
    pub seq: PathSeq,
    pub sent_at: Instant,
    /// Once the peer has answered: when all that it has to tell is known.
    pub judge_at: Instant,
}

/// The PSNs that were sent again last, and the paths on which they had been given up.
#[derive(Debug, Default)]
struct Recent {
    entries: Option<Box<[(u64, u8); RECENT_RETRANSMISSIONS]>>,
    next: u8,
}

/// A duplicate is reported within about one round trip of the retransmission that made it.
const RECENT_RETRANSMISSIONS: usize = 32;

impl Recovery {
    /// `peer_timeout_ns` is the timeout of a packet on a path without samples.
    pub(super) fn new(peer_timeout_ns: u64) -> Self {
        Self {
            loss_at: Instant::NEVER,
            paced_until: Instant::NEVER,
            path_at: Instant::NEVER,
            rto_at: Instant::NEVER,
            delivered_until: Instant::ZERO,
            waiting_since: Instant::NEVER,
            absolved_until: Instant::ZERO,
            tail_probed: false,
            tail: None,
            backoff: 0,
            probes: 0,
            peer_timeout_ns,
            recent: Recent::default(),
        }
    }

    /// A packet leaves. `timeout_ns` is asked for only if the timer would otherwise be late.
    #[inline]
    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        times: &Times,
        timeout_ns: impl FnOnce(u64) -> u64,
    ) {
        self.waiting_since = self.waiting_since.min(now);
        if self.loss_at > now.plus_nanos(times.least_timeout_ns) {
            let timeout_at = now.plus_nanos(timeout_ns(self.peer_timeout_ns));
            self.loss_at = self.loss_at.min(timeout_at);
        }
    }

    /// The peer lives. After a silence, what else was sent before it is looked at again, but not
    /// before ACKs that are on their way had time to come.
    pub(super) fn on_heard(&mut self, now: Instant, srtt_ns: u64) {
        self.waiting_since = now;
        if core::mem::take(&mut self.tail_probed) {
            self.rto_at = Instant::NEVER;
            let told_at = now.plus_nanos(srtt_ns);
            self.loss_at = self.loss_at.min(told_at);
            self.backoff = 0;
            if let Some(tail) = &mut self.tail {
                tail.judge_at = told_at;
            }
        }
    }

    /// All that was in flight is to be sent again, elsewhere: `probes` packets whatever the windows say.
    pub(super) fn on_moved(&mut self, now: Instant, probes: u8) {
        if self.waiting_since != Instant::NEVER {
            self.waiting_since = now;
            self.probes = probes;
        }
        self.loss_at = Instant::NEVER;
        self.rto_at = Instant::NEVER;
        self.tail_probed = false;
        self.tail = None;
        self.backoff = 0;
    }

    /// What left at `sent_at` has arrived.
    pub(super) fn on_delivered(&mut self, sent_at: Instant) {
        self.delivered_until = self.delivered_until.max(sent_at);
    }

    /// Whether what left after `sent_at`, and by so much that no path's length explains it, has
    /// arrived: the peer is there, and so should be what left then.
    pub(super) fn should_have_arrived(&self, sent_at: Instant, srtt_ns: u64) -> bool {
        self.delivered_until > sent_at.plus_nanos(srtt_ns)
    }

    /// Nothing waits for an answer.
    pub(super) fn on_all_arrived(&mut self) {
        self.waiting_since = Instant::NEVER;
        self.loss_at = Instant::NEVER;
    }

    pub(super) fn set_peer_timeout(&mut self, timeout_ns: u64) {
        self.peer_timeout_ns = timeout_ns;
    }

    /// A packet's time may be over then.
    pub(super) fn look_at(&mut self, at: Instant) {
        self.loss_at = self.loss_at.min(at);
    }

    pub(super) fn wake_at(&mut self, at: Instant) {
        self.paced_until = at;
    }

    /// A path's timer may have become earlier.
    pub(super) fn watch(&mut self, at: Instant) {
        self.path_at = self.path_at.min(at);
    }

    /// Uses up the right to send one packet whatever the window says.
    pub(super) fn take_probe(&mut self) -> bool {
        let granted = self.probes > 0;
        self.probes = self.probes.saturating_sub(1);
        granted
    }

    pub(super) fn note_retransmission(&mut self, psn: Psn, lost_on: u8) {
        let recent = &mut self.recent;
        let entries =
            recent.entries.get_or_insert_with(|| Box::new([(u64::MAX, 0); RECENT_RETRANSMISSIONS]));
        entries[usize::from(recent.next) % RECENT_RETRANSMISSIONS] = (psn.as_u64(), lost_on);
        recent.next = recent.next.wrapping_add(1);
    }

    /// The path on which this PSN was given up lately.
    pub(super) fn retransmitted_from(&self, psn: Psn) -> Option<u8> {
        let entries = self.recent.entries.as_ref()?;
        entries.iter().find(|entry| entry.0 == psn.as_u64()).map(|entry| entry.1)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.loss_at.min(self.paced_until)
    }
}
