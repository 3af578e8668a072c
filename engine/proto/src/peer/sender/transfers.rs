//! Messages of one-sided operations: queued apart from others, so that a receiver that is not ready
//! for a message does not hold up what needs no receive; cut along their blocks.
//!
//! Their headers have no room for the open block, so they wait until the peer is known to have this
//! side's context. Rule T3.

use alloc::vec::Vec;

use super::{DataPacket, Sender};
use crate::lazy::Lazy;
use crate::message::{Cut, OutMessage, SendQueue};
use crate::region::Refusal;
use crate::shared::Shared;
use crate::time::Instant;

/// See the module's head. Few peers ever need it.
#[derive(Debug, Default)]
pub(super) struct Transfers(Lazy<State>);

#[derive(Debug, Default)]
struct State {
    /// READs and atomics: small, and somebody waits for the answer. They go first.
    requests: SendQueue,
    /// WRITEs, and answers to READs.
    bulk: SendQueue,
    /// Until the context is confirmed.
    held: Vec<u32>,
    /// An ordinary message was cut whole last: it is this queue's turn.
    is_next: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.bulk.is_empty() && self.held.is_empty()
    }

    fn push(&mut self, message: u32, is_request: bool) {
        match is_request {
            true => self.requests.push(message),
            false => self.bulk.push(message),
        }
    }
}

impl Transfers {
    /// A message to cut from.
    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        let state = self.0.get()?;
        state.requests.first().or_else(|| state.bulk.first())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(State::is_empty)
    }

    /// Sets a message aside that the receiver is not ready for.
    pub(super) fn park(&mut self, message: u32) {
        if let Some(state) = self.0.get_mut() {
            state.requests.park(message);
            state.bulk.park(message);
        }
    }

    pub(super) fn unpark(&mut self) {
        if let Some(state) = self.0.get_mut() {
            state.requests.unpark();
            state.bulk.unpark();
        }
    }

    fn remove(&mut self, message: u32) {
        if let Some(state) = self.0.get_mut() {
            state.requests.remove(message);
            state.bulk.remove(message);
            state.held.retain(|&key| key != message);
        }
    }

    pub(super) fn release_idle(&mut self) {
        if self.is_empty() {
            self.0.release();
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
        let wants_report = message.level == crate::ids::CompletionLevel::Delivered;
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
            false => state.push(key, message.op.waits_for_answer()),
        }
        Submitted { id, first_held }
    }

    /// The context is confirmed.
    pub(crate) fn release_held(&mut self, shared: &Shared) {
        let Some(state) = self.transfers.0.get_mut() else { return };
        for key in core::mem::take(&mut state.held) {
            state.push(key, shared.messages[key as usize].op.waits_for_answer());
        }
    }

    /// Whether something waits for the context to be confirmed.
    #[inline]
    pub(crate) fn has_held(&self) -> bool {
        self.transfers.0.get().is_some_and(|state| !state.held.is_empty())
    }

    /// No more of a message is sent: its peer has refused it, or the memory is gone.
    pub(crate) fn stop_transfer(&mut self, key: u32, refusal: Refusal, shared: &mut Shared) {
        self.transfers.remove(key);
        let message = &shared.messages[key as usize];
        if message.op != crate::wire::Op::Response {
            self.reports.forget(message.id);
        }
        shared.refuse_message(key, refusal);
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
        state.requests.first().filter(may_begin).or_else(|| state.bulk.first())
    }

    fn next_of_transfer(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        let key = self.next_transfer(now, shared)?;
        // Rule M3: credit is about receives and bounce memory, which transfers do not need.
        let limit = self.window.unacknowledged().plus(self.peer_window);
        if self.window.next_psn() >= limit || !self.window.has_room() {
            return None;
        }
        let message = &shared.messages[key as usize];
        let side = &mut shared.sides[message.side as usize];
        let cut = side.next(message.cut, message.range.len, self.mtu);
        if !self.may_send(now, cut.len, &shared.config) {
            return None;
        }
        if cut.last
            && let Some(state) = self.transfers.0.get_mut()
        {
            match message.op.waits_for_answer() {
                true => state.requests.pop(),
                false => state.bulk.pop(),
            }
            state.is_next = false;
        }
        let Cut { offset, len, last } = cut;
        let message = &mut shared.messages[key as usize];
        message.cut += u64::from(len);
        message.all_cut = last;
        message.outstanding += 1;
        Some(self.launch_piece(now, key, (offset, len), shared))
    }
}

/// What [`submit_transfer`](Sender::submit_transfer) has made of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submitted {
    pub id: u32,
    pub first_held: bool,
}
