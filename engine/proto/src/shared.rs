//! What the parts of an endpoint write to, whichever peer they work for.

mod cancelled;
mod multi;
mod one_sided;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use slab::Slab;

use crate::boundary::{Event, PeerFailure, SendFailure};
use crate::config::Config;
use crate::drop_reason::DropReason;
use crate::message::{Envelope, MultiRecv, NO_SIDE, Operation, OutMessage, Side};
use crate::region::Regions;
use crate::stats::EndpointStats;
use crate::times::Times;

/// Handed to a peer's methods beside the peer itself.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: Config,
    pub times: Times,
    /// Every message that was submitted and has not completed, by key.
    pub messages: Slab<OutMessage>,
    pub events: VecDeque<Event>,
    pub stats: EndpointStats,
    /// Operations of the user's that have not completed.
    pub pending_sends: usize,
    /// Registered memory.
    pub regions: Regions,
    /// What messages of one-sided operations need beside.
    pub sides: Slab<Side>,
    /// Operations of this side's that wait for an answer.
    pub operations: Slab<Operation>,
    /// Keys of what tells peers that they will not get the rest of messages.
    pub withdrawals: Vec<u32>,
    /// Operations of peers that are being carried out or answered.
    pub served: u32,
    /// What tagged messages that have arrived say of themselves.
    pub envelopes: Slab<Envelope>,
    /// Buffers that several messages share.
    pub multis: Slab<MultiRecv>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            times: Times::new(&config),
            config,
            messages: Slab::new(),
            events: VecDeque::new(),
            stats: EndpointStats::default(),
            pending_sends: 0,
            regions: Regions::default(),
            sides: Slab::new(),
            operations: Slab::new(),
            withdrawals: Vec::new(),
            served: 0,
            envelopes: Slab::new(),
            multis: Slab::new(),
        }
    }

    /// A packet of a message has arrived.
    #[inline]
    pub(crate) fn packet_arrived(&mut self, key: u32) {
        let message = &mut self.messages[key as usize];
        message.outstanding -= 1;
        if message.is_complete() {
            self.complete_if_done(key);
        }
    }

    /// Completes a message if nothing is missing.
    pub(crate) fn complete_if_done(&mut self, key: u32) {
        if self.messages[key as usize].is_complete() {
            self.end_message(key as usize, Ok(()));
            self.stats.messages_sent += 1;
        }
    }

    /// Ends a message that cannot be completed.
    pub(crate) fn fail_message(&mut self, key: usize, reason: PeerFailure) {
        let failure = match self.messages[key].is_untouched() {
            true => SendFailure::NotSent(reason),
            false => SendFailure::Unknown(reason),
        };
        self.end_message(key, Err(failure));
    }

    /// Ends a message and tells the user, if it is the user's.
    pub(crate) fn end_message(&mut self, key: usize, result: Result<(), SendFailure>) {
        let message = self.messages.remove(key);
        let OutMessage { token, peer, side, .. } = message;
        if side != NO_SIDE {
            return self.end_side(&message, result);
        }
        let result = message.ending(result);
        if let Some(token) = token {
            self.pending_sends -= 1;
            self.events.push_back(Event::SendCompleted { token, peer, result });
        }
    }

    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        self.stats.drops[reason.index()] += 1;
    }
}
