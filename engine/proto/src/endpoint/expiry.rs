//! Peers with which nothing has been under way for long part by agreement. Rule O11.
//!
//! ```text
//!   idle for long --> PART --+--> RESET: it agrees, or had forgotten this side   --> both have forgotten
//!                            +--> ACK: something is under way there              --> later again
//!                            +--> nothing, for as long as a peer may be silent   --> forgotten
//! ```
//! Were a side to forget the other without a word, what the other sends next would meet nobody, and fail.
//! So it asks, and the other ends its context first. From then on it cannot know whether the other has;
//! if its user has something to send before the answer is here, a HELLO finds out, and the rest waits
//! for that. PART names the next PSN, so a copy that comes after the HELLO agrees to nothing.

use alloc::vec::Vec;

use super::Endpoint;
use super::receive::{Outcome, find};
use crate::boundary::{Disposition, PeerFailure, Reply};
use crate::drop_reason::DropReason;
use crate::ids::Service;
use crate::message::{OutMessage, Side};
use crate::peer::Parting;
use crate::time::Instant;
use crate::wire::{Part, Reset};

impl Endpoint {
    /// The peer proposes to part.
    #[cold]
    pub(super) fn on_part(&mut self, now: Instant, part: &Part) -> Outcome {
        let address = part.probe.address;
        let Some((index, peer)) = find(&mut self.peers, address) else {
            return self.turn_away(now, address, part.probe.transmission);
        };
        if peer.context.remote_incarnation() != part.incarnation {
            return Err(DropReason::StaleIncarnation);
        }
        let has_all = peer.receiver.next_expected().wire() == part.next_psn;
        if !has_all || !peer.may_part() {
            peer.receiver.on_probe(now, &part.probe);
            self.heard(now, index);
            return Ok(Disposition::Consumed);
        }
        self.expire(now, index);
        let reset = Reset { address, transmission: part.probe.transmission };
        Ok(Disposition::Reply(Reply::new(|out| reset.encode(out))))
    }

    /// Something waits to know whether the peer has this side's context, or still has it.
    #[cold]
    pub(super) fn see_to_waiting(&mut self, index: u32) {
        let peer = &mut self.peers[index as usize];
        match peer.parting {
            Parting::Asked if peer.sender.has_work() => self.greet(index),
            // The peer has heard the greeting, so it has the context, and keeps it.
            Parting::Greeting if peer.sender.has_nothing_on_its_way() => {
                peer.parting = Parting::Together;
                peer.sender.receiver_may_be_ready();
            }
            _ => {}
        }
        self.release_held(index);
        let peer = &mut self.peers[index as usize];
        peer.waits = peer.parting != Parting::Together || peer.sender.has_held();
    }

    /// There is something to send to a peer that may have forgotten this side.
    fn greet(&mut self, index: u32) {
        let peer = &mut self.peers[index as usize];
        peer.parting = Parting::Greeting;
        if peer.sender.wait_for_peer() {
            self.say_hello(index);
        }
    }

    /// Both sides forget each other. What has been submitted meanwhile goes on in a new context.
    pub(super) fn expire(&mut self, now: Instant, index: u32) {
        let Some(peer) = self.peers.get_mut(index as usize) else { return };
        let id = peer.id;
        let messages = self.shared.messages.iter().filter(|(_, it)| it.peer == id);
        let mut waiting: Vec<(u32, u32)> = messages
            .filter(|(_, it)| self.may_go_on(it))
            .map(|(key, it)| (it.id, key as u32))
            .collect();
        waiting.sort_unstable();
        let keys: Vec<u32> = waiting.into_iter().map(|(_, key)| key).collect();
        self.shared.stats.contexts_expired += 1;
        self.end_context_but(now, index, PeerFailure::Expired, &keys);
        let peer = &mut self.peers[index as usize];
        let mut says_hello = false;
        for &key in &keys {
            says_hello |= peer.sender.adopt(key, &mut self.shared);
        }
        if !keys.is_empty() {
            peer.touch(now, &self.shared.times);
        }
        peer.waits = peer.sender.has_held();
        if says_hello {
            self.say_hello(index);
        }
        self.mark(index);
    }

    /// Whether a message is the user's, and nothing of it has left.
    fn may_go_on(&self, message: &OutMessage) -> bool {
        let is_users = match self.shared.sides.get(message.side as usize) {
            None => message.token.is_some() && message.service != Service::Ud,
            Some(Side::Write { .. } | Side::Tagged(_)) => message.token.is_some(),
            Some(&(Side::Request { operation, .. } | Side::List { operation })) => {
                self.shared.operations[operation as usize].pulled.is_none()
            }
            Some(_) => false,
        };
        is_users && message.is_untouched() && message.stopped.is_none()
    }

    /// The peer has opened another context: then it has agreed to end the one that this side knows.
    pub(super) fn has_agreed_to_part(&self, index: u32) -> bool {
        let peer = self.peers.get(index as usize);
        peer.is_some_and(|peer| peer.parting != Parting::Together)
    }
}
