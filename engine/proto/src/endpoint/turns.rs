//! Who gets room for the next message, where peers want more of it than there is. Rule M7.
//!
//! Left to chance, free bounce memory goes to whoever happens to send in that moment: who was not
//! refused is never slowed down, and who was waits again and again. So refused peers stand in line,
//! and are called:
//!
//! ```text
//!   no room ---> NACK, "wait" ---> in line ---> room is free: kept for the first in line
//!                                                   |
//!            the message begins <--- it is sent <---+--- NACK, "now"
//! ```
//! While somebody stands in line nobody else gets bounce memory. A peer stands in line once, so
//! peers take turns message by message. Who was called and does not come loses its turn, not its
//! message: it asks again when its delay is over.

use alloc::collections::VecDeque;

use super::Endpoint;
use crate::ids::BounceId;
use crate::time::{Instant, nanos};
use crate::wire::Nack;

/// The lines, and what is kept for those who were called.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Peers whose message found no room, in the order in which they were refused.
    waiting: VecDeque<Ticket>,
    /// Those whose message is longer than all bounce memory: only a receive can take it.
    waiting_for_receive: VecDeque<Ticket>,
    /// Peers that were called, in that order.
    called: VecDeque<(Instant, Ticket)>,
    /// Bounce memory that is kept for them.
    kept_bytes: u64,
    /// Receives that they were called for.
    kept_receives: usize,
    next_number: u32,
    /// Somebody may be in a line, or called.
    busy: bool,
    /// Room may have become free since the last look.
    look: bool,
}

/// A peer's place. It is void once the peer has given the number up.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    peer: u32,
    number: u32,
}

/// What one peer waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    number: u32,
    /// What its message counts against bounce memory.
    cost: u64,
    /// What it was told, to be told again with another delay.
    nack: Nack,
    kept: Kept,
}

/// What is kept for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Nothing: it has not been called.
    Nothing,
    Memory,
    Receive,
}

impl Turns {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.waiting_for_receive.is_empty() && self.called.is_empty()
    }

    fn unkeep(&mut self, turn: &Turn) {
        match turn.kept {
            Kept::Nothing => {}
            Kept::Memory => self.kept_bytes -= turn.cost,
            Kept::Receive => self.kept_receives -= 1,
        }
    }
}

impl Endpoint {
    /// Bounce memory for a message of this peer, if it has a turn, or nobody else waits for one.
    #[inline]
    pub(super) fn take_bounce(
        &mut self,
        now: Instant,
        index: u32,
        total_len: u64,
    ) -> Option<BounceId> {
        match self.turns.busy {
            false => self.matcher.take_bounce(total_len, 0),
            true => self.take_bounce_in_turn(now, index, total_len),
        }
    }

    /// The same for a short tagged message, which does not stand in line: it can be announced,
    /// or is empty, and as short as that. Rule G4.
    pub(super) fn take_tagged_bounce(
        &mut self,
        now: Instant,
        index: u32,
        len: u64,
    ) -> Option<BounceId> {
        self.senders.begins(now, &mut self.peers[index as usize].receiver.sent_in);
        if len == 0 {
            return self.take_record();
        }
        if self.turns.busy {
            return None;
        }
        self.matcher.take_bounce(len, self.matcher.record_bytes())
    }

    /// Bounce memory for the record of a tagged message.
    pub(super) fn take_record(&mut self) -> Option<BounceId> {
        self.matcher.take_bounce(0, self.turns.kept_bytes)
    }

    #[cold]
    fn take_bounce_in_turn(
        &mut self,
        now: Instant,
        index: u32,
        total_len: u64,
    ) -> Option<BounceId> {
        self.drop_overdue(now);
        self.drop_void();
        let turn = self.peers[index as usize].receiver.crowd.get().and_then(|crowd| crowd.turn);
        let is_called = turn.is_some_and(|turn| turn.kept != Kept::Nothing);
        if !is_called && !self.turns.waiting.is_empty() {
            return None;
        }
        let own_bytes = match turn {
            Some(Turn { kept: Kept::Memory, cost, .. }) => cost,
            _ => 0,
        };
        let kept_bytes = self.turns.kept_bytes - own_bytes;
        let bounce = self.matcher.take_bounce(total_len, kept_bytes)?;
        self.end_turn(index);
        Some(bounce)
    }

    /// A message of the peer's has begun, or the peer is gone: it waits no more.
    #[inline]
    pub(super) fn end_turn(&mut self, index: u32) {
        if self.turns.busy {
            self.give_turn_up(index);
        }
    }

    #[cold]
    fn give_turn_up(&mut self, index: u32) {
        let crowd = self.peers[index as usize].receiver.crowd.get_mut();
        if let Some(turn) = crowd.and_then(|crowd| crowd.turn.take()) {
            self.turns.unkeep(&turn);
            self.look_for_room();
        }
    }

    /// A message of the peer's found no room: it gets in line, if it is not there, and is to be
    /// told with this NACK. Rule M7.
    pub(super) fn wait_for_turn(&mut self, now: Instant, index: u32, total_len: u64, nack: Nack) {
        let Self { peers, turns, matcher, .. } = self;
        let turn = &mut peers[index as usize].receiver.crowd.or_default().turn;
        let was_called = match turn {
            Some(turn) if turn.kept == Kept::Nothing => {
                // It keeps its place, whatever it asks for.
                turn.nack = nack;
                return;
            }
            // What was kept for it does not do.
            Some(turn) => {
                turns.unkeep(turn);
                true
            }
            None => false,
        };
        turns.busy = true;
        turns.next_number = turns.next_number.wrapping_add(1);
        let cost = matcher.cost_of(total_len);
        let number = turns.next_number;
        *turn = Some(Turn { number, cost, nack, kept: Kept::Nothing });
        let line = match matcher.can_ever_hold(total_len) {
            true => &mut turns.waiting,
            false => &mut turns.waiting_for_receive,
        };
        let ticket = Ticket { peer: index, number };
        match was_called {
            true => line.push_front(ticket),
            false => line.push_back(ticket),
        }
        self.drop_overdue(now);
    }

    /// Room may have become free: those who wait are seen to with the rest of the batch.
    #[inline]
    pub(super) fn look_for_room(&mut self) {
        if self.turns.busy {
            self.plan_calls();
        }
    }

    #[cold]
    fn plan_calls(&mut self) {
        self.drop_void();
        self.turns.look = true;
        let first = self.turns.waiting_for_receive.front().or_else(|| self.turns.waiting.front());
        if let Some(&Ticket { peer, .. }) = first {
            self.mark(peer);
        }
    }

    /// Calls whom there is room for.
    #[inline]
    pub(super) fn call_waiting(&mut self, now: Instant) {
        if core::mem::take(&mut self.turns.look) {
            self.call_all(now);
        }
    }

    #[cold]
    fn call_all(&mut self, now: Instant) {
        self.drop_overdue(now);
        loop {
            self.drop_void();
            let has_receive = self.matcher.posted() > self.turns.kept_receives;
            let next = match has_receive {
                true => self.turns.waiting_for_receive.pop_front(),
                false => None,
            };
            let Some(ticket) = next.or_else(|| self.next_with_room(has_receive)) else { return };
            self.call(now, ticket, has_receive);
        }
    }

    fn next_with_room(&mut self, has_receive: bool) -> Option<Ticket> {
        let &first = self.turns.waiting.front()?;
        let cost = self.turn_of(first)?.cost;
        let has_memory = self.turns.kept_bytes + cost <= self.matcher.free_bytes();
        if has_memory || has_receive { self.turns.waiting.pop_front() } else { None }
    }

    fn call(&mut self, now: Instant, ticket: Ticket, has_receive: bool) {
        let credit = self.credit(ticket.peer);
        let Self { peers, turns, shared, .. } = self;
        let receiver = &mut peers[ticket.peer as usize].receiver;
        let Some(crowd) = receiver.crowd.get_mut() else { return };
        let Some(turn) = &mut crowd.turn else { return };
        turn.kept = match has_receive {
            true => Kept::Receive,
            false => Kept::Memory,
        };
        match turn.kept {
            Kept::Receive => turns.kept_receives += 1,
            _ => turns.kept_bytes += turn.cost,
        }
        let nack = Nack { delay_ns: 0, credit: credit.wire(), ..turn.nack };
        receiver.refuse(nack);
        let patience_ns = PATIENCE * nanos(shared.config.rnr_delay);
        turns.called.push_back((now.plus_nanos(patience_ns), ticket));
        self.mark(ticket.peer);
    }

    fn turn_of(&self, ticket: Ticket) -> Option<&Turn> {
        let crowd = self.peers.get(ticket.peer as usize)?.receiver.crowd.get()?;
        let turn = crowd.turn.as_ref()?;
        (turn.number == ticket.number).then_some(turn)
    }

    /// Takes out of the lines who has given its place up.
    fn drop_void(&mut self) {
        let is_void = |this: &Self, ticket| this.turn_of(ticket).is_none();
        while self.turns.waiting.front().is_some_and(|&first| is_void(self, first)) {
            self.turns.waiting.pop_front();
        }
        while self.turns.waiting_for_receive.front().is_some_and(|&first| is_void(self, first)) {
            self.turns.waiting_for_receive.pop_front();
        }
        while self.turns.called.front().is_some_and(|&(_, first)| is_void(self, first)) {
            self.turns.called.pop_front();
        }
        self.turns.busy = !self.turns.is_empty();
    }

    /// Gives away what is kept for those who were called and did not come.
    fn drop_overdue(&mut self, now: Instant) {
        while let Some(&(until, ticket)) = self.turns.called.front() {
            let is_void = self.turn_of(ticket).is_none();
            if !is_void && now < until {
                return;
            }
            self.turns.called.pop_front();
            if !is_void {
                self.end_turn(ticket.peer);
            }
        }
    }
}

/// How many delays a peer that was called may take: it may have missed the call, and comes by
/// itself after one.
const PATIENCE: u64 = 2;
