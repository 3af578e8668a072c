//! Peers that come by themselves: anybody can write a first packet, from any address. Rule O9.
//!
//! ```text
//!   first packet --> half open --- addressed by what it was answered --> a peer like any other
//!                        |
//!                        +--- silent, asked, silent --> forgotten
//! ```
//! Only who gets the answer can show that he knows the context that is in it. Until then a peer is *half
//! open*, and of these there is a limited number: a flood of first packets costs so much memory and no
//! more. What is here stays; who comes when all places are taken is dropped, and comes again. Meanwhile
//! those that are half open are asked: many have only had nothing more to say.

use alloc::collections::VecDeque;

use super::Endpoint;
use crate::drop_reason::DropReason;
use crate::ids::PeerId;
use crate::time::Instant;

/// Peers that were half open when they came, the first that came in front.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    /// Where they are, and under which context: it is another peer when that has ended.
    waiting: VecDeque<(u32, u32)>,
    /// When all of them were looked at last.
    swept_at: Instant,
}

impl Endpoint {
    /// Peers that have come by themselves and have not shown that they are where they say.
    pub fn half_open_peers(&self) -> usize {
        self.newcomers.waiting.iter().filter(|it| self.is_half_open(**it)).count()
    }

    /// Makes a peer of somebody who comes by himself, if there is room.
    pub(super) fn admit_newcomer(&mut self, now: Instant) -> Result<PeerId, DropReason> {
        if !self.has_room_for_newcomer(now) {
            return Err(DropReason::TooManyHalfOpen);
        }
        let id = self.begin_peer(now).ok_or(DropReason::TooManyPeers)?;
        if let Some(context) = self.peers.context(id.0 as usize) {
            self.newcomers.waiting.push_back((id.0, context.local_id()));
        }
        Ok(id)
    }

    fn has_room_for_newcomer(&mut self, now: Instant) -> bool {
        let limit = self.shared.config.max_half_open as usize;
        while let Some(&first) = self.newcomers.waiting.front()
            && !self.is_half_open(first)
        {
            self.newcomers.waiting.pop_front();
        }
        // Who was confirmed behind one that is not is found now and then: a flood must not make this
        // side look at all of them for each packet.
        let is_full = self.newcomers.waiting.len() >= limit;
        if is_full && now.nanos_since(self.newcomers.swept_at) >= SWEEP_EVERY_NS {
            self.newcomers.swept_at = now;
            let mut waiting = core::mem::take(&mut self.newcomers.waiting);
            waiting.retain(|&it| self.is_half_open(it));
            self.ask_some(&mut waiting);
            self.newcomers.waiting = waiting;
        }
        self.newcomers.waiting.len() < limit
    }

    /// Who has had nothing more to say since its first packets is asked, so that its place is free for
    /// others; each in turn.
    fn ask_some(&mut self, waiting: &mut VecDeque<(u32, u32)>) {
        let count = waiting.len().min(ASKED_PER_SWEEP);
        for &(index, _) in waiting.iter().take(count) {
            self.peers[index as usize].doubted = true;
            self.mark(index);
        }
        waiting.rotate_left(count);
    }

    fn is_half_open(&self, (index, context): (u32, u32)) -> bool {
        let known = self.peers.context(index as usize);
        known.is_some_and(|it| it.local_id() == context && it.must_open())
    }
}

/// A million places are looked at in a millisecond.
const SWEEP_EVERY_NS: u64 = 1_000_000;
/// As many as are turned away in that time, and for the same reason: who makes up addresses must not make
/// this side ask them all.
const ASKED_PER_SWEEP: usize = 64;
