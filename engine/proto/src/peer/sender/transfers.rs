//! Messages of one-sided operations: queued apart from others, so that a receiver that is not ready
//! for a message does not hold up what needs no receive; cut along their blocks.
//!
//! Their headers have no room for the open block, so they wait until the peer is known to have this
//! side's context. Rule T3.

use alloc::vec::Vec;

use super::{DataPacket, Sender};
use crate::ids::CompletionLevel;
use crate::lazy::Lazy;
use crate::message::{Cut, OutMessage, SendQueue, Side, Stop};
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::Op;

/// See the module's head. Few peers ever need it.
#[derive(Debug, Default)]
pub(super) struct Transfers(Lazy<State>);

#[derive(Debug, Default)]
struct State {
    /// READs, PULLs and atomics: small, and somebody waits for the answer. They go first.
    requests: SendQueue,
    /// Tagged messages: short ones, or that there is one. They take turns with `bulk`.
    tagged: SendQueue,
    /// WRITEs, and answers to READs.
    bulk: SendQueue,
    /// Until the context is confirmed.
    held: Vec<u32>,
    /// An ordinary message was cut whole last: it is this queue's turn.
    is_next: bool,
    /// A tagged message was sent last: it is the turn of `bulk`.
    bulk_is_next: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.tagged.is_empty()
            && self.bulk.is_empty()
            && self.held.is_empty()
    }

    /// Where messages of an operation wait.
    fn queue_of(&mut self, op: Op) -> &mut SendQueue {
        match op {
            Op::Tagged => &mut self.tagged,
            op if op.waits_for_answer() => &mut self.requests,
            _ => &mut self.bulk,
        }
    }
}

impl Transfers {
    /// A message to cut from.
    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        let state = self.0.get()?;
        let tagged_or_bulk = || state.tagged.first().or_else(|| state.bulk.first());
        state.requests.first().or_else(tagged_or_bulk)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(State::is_empty)
    }

    /// Sets a message aside that the receiver is not ready for.
    pub(super) fn park(&mut self, message: u32) {
        if let Some(state) = self.0.get_mut() {
            state.requests.park(message);
            state.tagged.park(message);
            state.bulk.park(message);
        }
    }

    pub(super) fn unpark(&mut self) {
        if let Some(state) = self.0.get_mut() {
            state.requests.unpark();
            state.tagged.unpark();
            state.bulk.unpark();
        }
    }

    pub(super) fn remove(&mut self, message: u32) {
        if let Some(state) = self.0.get_mut() {
            state.requests.remove(message);
            state.tagged.remove(message);
            state.bulk.remove(message);
            state.held.retain(|&key| key != message);
        }
    }
}

impl Sender {
    /// Numbers a message of a one-sided operation and takes it up; `hold`: until
    /// [`release_held`](Self::release_held). Returns its key and its number, and whether it is the
    /// first that is held.
    pub(crate) fn submit_transfer(
        &mut self,
        shared: &mut Shared,
        message: OutMessage,
        hold: bool,
    ) -> Submitted {
        let wants_report = message.level == CompletionLevel::Delivered;
        let id = self.next_message;
        self.next_message = id.wrapping_add(1);
        let key = shared.messages.insert(OutMessage { id, ..message }) as u32;
        if wants_report {
            self.reports.expect(id, key);
        }
        let state = self.transfers.0.or_default();
        let first_held = hold && state.held.is_empty();
        match hold {
            true => state.held.push(key),
            false => state.queue_of(message.op).push(key),
        }
        Submitted { id, first_held }
    }

    /// Holds a message until [`release_held`](Self::release_held). Whether it is the first.
    pub(super) fn hold(&mut self, key: u32) -> bool {
        let held = &mut self.transfers.0.or_default().held;
        held.push(key);
        held.len() == 1
    }

    /// The context is confirmed.
    pub(crate) fn release_held(&mut self, shared: &Shared) {
        let Some(state) = self.transfers.0.get_mut() else { return };
        for key in core::mem::take(&mut state.held) {
            state.queue_of(shared.messages[key as usize].op).push(key);
        }
    }

    /// Whether something waits for the context to be confirmed.
    #[inline]
    pub(crate) fn has_held(&self) -> bool {
        self.transfers.0.get().is_some_and(|state| !state.held.is_empty())
    }

    /// No more of a message is sent: its peer has refused it, the memory is gone, or its user has taken
    /// it back.
    pub(crate) fn stop_transfer(&mut self, key: u32, stop: Stop, shared: &mut Shared) {
        self.transfers.remove(key);
        self.reports.forget(shared.messages[key as usize].id);
        shared.stop_message(key, stop);
    }

    /// The next new packet where both kinds of messages may have one: each in its turn, a message
    /// at a time.
    #[inline(never)]
    pub(super) fn next_of_both(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        let transfers_first = self.transfers.0.get().is_some_and(|state| state.is_next);
        let early = if transfers_first { self.next_of_transfer(now, shared) } else { None };
        early
            .or_else(|| self.next_of_message(now, shared))
            .or_else(|| self.next_of_transfer(now, shared))
    }

    /// Whose turn it is after a message has been cut whole.
    pub(super) fn pass_turn(&mut self, to_transfers: bool) {
        if let Some(state) = self.transfers.0.get_mut() {
            state.is_next = to_transfers;
        }
    }

    /// A peer that was not ready is not asked for more before its time; bytes go on moving.
    fn next_transfer(&self, now: Instant, shared: &Shared) -> Option<u32> {
        let state = self.transfers.0.get()?;
        let may_begin = |key: &u32| {
            now >= self.not_ready_until || !shared.messages[*key as usize].is_untouched()
        };
        let tagged = || state.tagged.first().filter(may_begin);
        let bulk = || state.bulk.first();
        state.requests.first().filter(may_begin).or_else(|| match state.bulk_is_next {
            true => bulk().or_else(tagged),
            false => tagged().or_else(bulk),
        })
    }

    /// Numbers a tagged message of which nothing has left, and chooses whether it goes as it is, or is
    /// announced: because it is long, or because there is no credit for bytes that may have to wait.
    /// Rules G2 and G3.
    fn begin_tagged(&mut self, key: u32, shared: &mut Shared) {
        let message = &mut shared.messages[key as usize];
        message.order = self.next_tagged;
        let len = message.range.len;
        let is_long = len > shared.config.eager_bytes.into();
        if is_long || (len > 0 && self.window.next_psn() >= self.credit) {
            self.announce(key, shared);
        }
    }

    /// From now on a tagged message stays here until it is pulled. `false` if it is not one that can.
    pub(super) fn announce(&mut self, key: u32, shared: &mut Shared) -> bool {
        let message = &mut shared.messages[key as usize];
        if message.op != Op::Tagged || message.range.len == 0 {
            return false;
        }
        if message.stopped.is_some() {
            // Its PSN is to be sent again, and says that nothing of it comes.
            return true;
        }
        let Side::Tagged(side) = &mut shared.sides[message.side as usize] else { return false };
        if side.announced {
            return true;
        }
        if u64::from(message.outstanding) < message.cut.div_ceil(self.mtu.into()) {
            // Some of it was taken, so all of it is.
            return false;
        }
        side.announced = true;
        // It is complete when the answer to its PULL is.
        message.level = CompletionLevel::Delivered;
        self.reports.expect_pull(message.id, key);
        if message.cut > 0 {
            // The first packet becomes the announcement; there are no more than have left.
            message.all_cut = true;
            self.transfers.remove(key);
        }
        true
    }

    fn next_of_transfer(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        let key = self.next_transfer(now, shared)?;
        // Rule M3: credit is about receives and bounce memory, which transfers do not need.
        let limit = self.window.unacknowledged().plus(self.peer_window.into());
        if self.window.next_psn() >= limit || !self.window.has_room() {
            return None;
        }
        let begins_tagged = {
            let message = &shared.messages[key as usize];
            message.op == Op::Tagged && message.is_untouched()
        };
        if begins_tagged {
            self.begin_tagged(key, shared);
        }
        let message = &shared.messages[key as usize];
        let side = &mut shared.sides[message.side as usize];
        let cut = side.next(message.cut, message.range.len, self.mtu);
        if !self.may_send(now, cut.len) {
            return None;
        }
        if cut.last
            && let Some(state) = self.transfers.0.get_mut()
        {
            state.queue_of(message.op).pop();
            state.is_next = false;
        }
        if let Some(state) = self.transfers.0.get_mut() {
            state.bulk_is_next = message.op == Op::Tagged;
        }
        let Cut { offset, len, last } = cut;
        let message = &mut shared.messages[key as usize];
        message.cut += u64::from(len);
        message.all_cut = last;
        message.outstanding += 1;
        self.next_tagged = self.next_tagged.wrapping_add(begins_tagged.into());
        Some(self.launch_piece(now, key, (offset, len), shared))
    }
}

/// What [`submit_transfer`](Sender::submit_transfer) has made of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submitted {
    pub id: u32,
    pub first_held: bool,
}
