//! The receiving half of a peer: what has arrived, and what to tell the sender of it.
//!
//! | file | what it does |
//! |---|---|
//! | `acknowledger` | when to send an ACK, and what goes into it |
//! | `arrivals` | per path: how far it got, marks, repeats |
//! | `order` | RD: which message is next |
//! | `tag_order` | tagged messages: which one is matched next |
//! | `idle` | what a receiver goes on from after a pause |

mod acknowledger;
mod arrivals;
mod idle;
mod order;
mod tag_order;

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::endpoint::{Grant, Turn};
use crate::lazy::Lazy;
use crate::psn::Psn;
use crate::recv_window::{Admission, RecvWindow};
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::{Ack, DataView, Nack, Probe};

use acknowledger::Acknowledger;
pub(crate) use idle::IdleReceiver;
pub(crate) use order::{Order, OrderStage};

use arrivals::{PathArrival, PathArrivals};

/// See the module's head; on the order, [`Peer`](super::Peer).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Receiver {
    acknowledger: Acknowledger,
    nacks: Lazy<VecDeque<Nack>>,
    window: RecvWindow,
    paths: PathArrivals,
    /// Messages of which some packets are missing.
    messages: Lazy<Messages>,
    /// The message that the last packet was part of: most packets follow one of their own.
    last: Option<(u32, u32)>,
    /// The period in which its last message began: see `endpoint::share`.
    pub sent_in: u32,
    /// What it may send, where several peers want more than there is room for.
    pub crowd: Lazy<Crowd>,
    pub order: OrderStage,
}

/// See [`Receiver::messages`].
#[derive(Debug, Default)]
struct Messages {
    /// Their keys, by the id that the peer gave them.
    keys: HashMap<u32, u32, FixedState>,
    /// The lengths of those that need room here, as SENDs do.
    bytes: u64,
}

/// See [`Receiver::crowd`].
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub grant: Grant,
    /// Its place in the line of those that wait for room.
    pub turn: Option<Turn>,
}

impl Crowd {
    /// Whether it says nothing that will be asked for again.
    fn is_done(&self) -> bool {
        self.turn.is_none() && self.grant.backlog_bytes == 0
    }
}

/// Whether a data packet is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Yes, under this PSN.
    New(Psn),
    Duplicate,
    OutOfWindow,
}

impl Receiver {
    /// Judges a reliable data packet, and notes its path. A packet beyond the window leaves no
    /// trace. Rules S1 to S3.
    // Once per packet, and called from three places: left to itself, the compiler makes it a call.
    #[inline(always)]
    pub(crate) fn admit(&mut self, now: Instant, data: DataView<'_>, ce: bool) -> Arrival {
        let psn = Psn::reconstruct(data.psn(), self.window.next_expected());
        let admission = self.window.admit(psn);
        if admission == Admission::Beyond {
            return Arrival::OutOfWindow;
        }
        let path = self.paths.on_arrival(data.transmission(), ce);
        if admission == Admission::Duplicate {
            self.acknowledger.on_duplicate(now, data, psn, path.repeated);
            return Arrival::Duplicate;
        }
        self.note(now, data, ce, path);
        Arrival::New(psn)
    }

    /// The header of a packet whose payload a switch cut off: its path got that far, the packet did
    /// not arrive.
    pub(crate) fn admit_trimmed(&mut self, now: Instant, data: DataView<'_>) -> Arrival {
        let psn = Psn::reconstruct(data.psn(), self.window.next_expected());
        let admission = self.window.admit(psn);
        if admission == Admission::Beyond {
            return Arrival::OutOfWindow;
        }
        // Trimming is a mark, and a strong one.
        self.paths.on_trimmed(data.transmission());
        if admission == Admission::Duplicate {
            self.acknowledger.at_once(now);
            return Arrival::Duplicate;
        }
        Arrival::New(psn)
    }

    #[inline]
    fn note(&mut self, now: Instant, data: DataView<'_>, ce: bool, path: PathArrival) {
        let at_once = ce || path.gap || data.flags().has(crate::wire::DataFlags::ACK_REQUEST);
        self.acknowledger.on_arrival(now, data.transmission(), data.timestamp());
        if at_once {
            self.acknowledger.at_once(now);
        }
    }

    /// All of a message of `total_len` bytes has arrived. Of a long one the sender is told at once;
    /// the ends of several short ones share an ACK. Rule A2.
    #[inline]
    pub(crate) fn message_arrived(&mut self, now: Instant, total_len: u64, shared: &Shared) {
        if total_len >= u64::from(shared.config.ack.every_bytes) {
            self.acknowledger.at_once(now);
        } else {
            self.message_ends(now, shared);
        }
    }

    /// A one-sided operation, or a short message, ends here.
    #[inline]
    pub(crate) fn message_ends(&mut self, now: Instant, shared: &Shared) {
        self.acknowledger.at_latest(now.plus_nanos(shared.times.message_end_ns));
    }

    /// Takes a packet that [`admit`](Self::admit) called new.
    #[inline]
    pub(crate) fn accept(&mut self, now: Instant, psn: Psn, len: u16, shared: &Shared) {
        self.window.insert(psn);
        let is_ahead = self.window.has_gap();
        self.acknowledger.on_accepted(now, (psn, is_ahead), len, &shared.config.ack, &shared.times);
    }

    /// Names the memory of what is known of a path.
    pub(crate) fn lines_of_path(&self, path: u8, ask: &mut impl FnMut(*const u8)) {
        self.paths.lines_of_path(path, ask);
    }

    /// Notes a UD packet: nothing is owed for it, but its path got that far.
    pub(crate) fn on_datagram(&mut self, data: DataView<'_>, ce: bool) {
        self.paths.on_arrival(data.transmission(), ce);
    }

    /// Refuses a packet that [`admit`](Self::admit) called new.
    pub(crate) fn refuse(&mut self, nack: Nack) {
        self.nacks.or_default().push_back(nack);
    }

    /// The NACK that was planned last, if it has not left.
    pub(crate) fn last_nack(&self) -> Option<&Nack> {
        self.nacks.get()?.back()
    }

    pub(crate) fn next_nack(&mut self) -> Option<Nack> {
        self.nacks.get_mut()?.pop_front()
    }

    /// A path is asked whether it lives: the ACK is the answer. Whether it was marked is not said: that
    /// is for the controller, which is to hear of data, and of nothing that it has not let go.
    pub(crate) fn on_probe(&mut self, now: Instant, probe: &Probe) {
        self.paths.on_arrival(probe.transmission, false);
        self.acknowledger.on_arrival(now, probe.transmission, probe.timestamp);
        self.acknowledger.at_once(now);
    }

    /// The key of the message that this id is being put together under.
    #[inline]
    pub(crate) fn message(&mut self, id: u32) -> Option<u32> {
        match self.last {
            Some((last_id, key)) if last_id == id => Some(key),
            _ => {
                let key = *self.messages.get()?.keys.get(&id)?;
                self.last = Some((id, key));
                Some(key)
            }
        }
    }

    pub(crate) fn begin_message(&mut self, id: u32, key: u32) {
        self.messages.or_default().keys.insert(id, key);
        self.last = Some((id, key));
    }

    /// All of its packets have arrived.
    pub(crate) fn end_message(&mut self, id: u32) {
        if let Some(messages) = self.messages.get_mut() {
            messages.keys.remove(&id);
        }
        self.last = None;
    }

    /// Of a message that needs room, other packets are to follow. Whether it is the only one.
    pub(crate) fn expect_bytes(&mut self, len: u64) -> bool {
        let messages = self.messages.or_default();
        let first = messages.bytes == 0;
        messages.bytes += len;
        first
    }

    /// All packets of such a message have arrived. Whether it was the only one.
    pub(crate) fn bytes_arrived(&mut self, len: u64) -> bool {
        let Some(messages) = self.messages.get_mut() else { return false };
        messages.bytes -= len;
        messages.bytes == 0
    }

    /// The lengths of the messages that need room, and of which packets are missing.
    pub(crate) fn expected_bytes(&self) -> u64 {
        self.messages.get().map_or(0, |messages| messages.bytes)
    }

    /// Whether a message has begun to arrive and is not complete.
    pub(crate) fn is_receiving(&self) -> bool {
        self.messages.get().is_some_and(|messages| !messages.keys.is_empty())
    }

    /// When an ACK has to leave.
    #[inline]
    pub(crate) fn ack_due(&self) -> Instant {
        self.acknowledger.due()
    }

    pub(crate) fn has_nacks(&self) -> bool {
        self.nacks.get().is_some_and(|nacks| !nacks.is_empty())
    }

    /// The first PSN that is not acceptable, if the sender may have `packets` under way.
    pub(crate) fn credit(&self, packets: u64) -> Psn {
        let wanted = self.window.next_expected().plus(packets.max(1));
        wanted.min(self.window.limit())
    }

    /// The lowest PSN that has not arrived.
    pub(crate) fn next_expected(&self) -> Psn {
        self.window.next_expected()
    }

    /// The first PSN that would not be accepted.
    pub(crate) fn limit(&self) -> Psn {
        self.window.limit()
    }

    /// Whether a PSN has arrived.
    pub(crate) fn has(&self, psn: Psn) -> bool {
        self.window.admit(psn) == Admission::Duplicate
    }

    /// There is news of credit.
    pub(crate) fn tell_credit(&mut self) {
        self.acknowledger.at_latest(Instant::ZERO);
    }

    /// If nothing arrives until then, credit is told again.
    pub(crate) fn tell_credit_again(&mut self, at: Instant) {
        self.acknowledger.at_latest(at);
    }

    /// Fills in the ACK that is due. There may be more to say: look at [`ack_due`](Self::ack_due)
    /// again. `false` if nothing has ever arrived.
    pub(crate) fn fill_ack(&mut self, now: Instant, ack: &mut Ack) -> bool {
        self.acknowledger.fill(now, ack, &self.window, &mut self.paths)
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.window.has_gap()
            && !self.is_receiving()
            && !self.has_nacks()
            && self.acknowledger.due() == Instant::NEVER
            && self.order.is_idle()
    }
}
