//! The user takes operations back. Rule M8; the peer's side of it is in `withdrawn`.
//!
//! What has left cannot be called back, only be followed by a word that it is void. So a cancelled
//! operation is over at once only if nothing of it has left; otherwise when the peer has all that has,
//! and of a WRITE when it says that nothing is being placed any more. Its completion tells how far it
//! had got.

use super::Endpoint;
use crate::cancelled::Cancelled;
use crate::ids::{CompletionLevel, PeerId, Service, Token};
use crate::message::{Operation, OutMessage, Side, Stop, Wanted};
use crate::region::Refusal;
use crate::time::Instant;
use crate::transfer::TransferFailure;
use crate::wire::Op;

impl Endpoint {
    /// Takes back the message with this token. Its [`Event::SendCompleted`](crate::Event) says
    /// [`Cancelled`], and how far it had got; or, if it was too late, how it has ended otherwise. The
    /// event may come later: the peer has to hear of it. `false` if no such message is pending, or it
    /// was cancelled before.
    ///
    /// Looks at every pending message.
    pub fn cancel_send(&mut self, now: Instant, token: Token) -> bool {
        let is_taken = self.take_send_back(now, token);
        self.shared.stats.cancellations += u64::from(is_taken);
        is_taken
    }

    fn take_send_back(&mut self, now: Instant, token: Token) -> bool {
        let is_it =
            |it: &OutMessage| it.token == Some(token) && matches!(it.op, Op::Send | Op::Tagged);
        let Some(key) = self.find_message(is_it) else { return false };
        let message = self.shared.messages[key as usize];
        if message.stopped.is_some() {
            return false;
        }
        match self.shared.sides.get(message.side as usize) {
            Some(Side::Tagged(side)) if side.pulled => self.cancel_pulled(now, key),
            // Of one that was announced nothing leaves before it is asked for.
            Some(Side::Tagged(side)) if side.announced && !message.is_untouched() => {
                self.cancel_begun(key, Stop::NotSent);
                true
            }
            _ => {
                self.cancel_message(key);
                true
            }
        }
    }

    /// Takes back the one-sided operation with this token. Its
    /// [`Event::TransferCompleted`](crate::Event) says [`Cancelled`], and how far it had got; or, if it
    /// was too late, how it has ended otherwise. Once it has, nothing of the operation is read from, or
    /// placed in, any memory of either side any more. `false` if no such operation is pending, it was
    /// cancelled before, or all that remains to be done is to tell the peer.
    ///
    /// Looks at every pending operation.
    pub fn cancel_transfer(&mut self, now: Instant, token: Token) -> bool {
        let is_taken = self.take_transfer_back(now, token);
        self.shared.stats.cancellations += u64::from(is_taken);
        is_taken
    }

    fn take_transfer_back(&mut self, now: Instant, token: Token) -> bool {
        let is_write = |it: &OutMessage| it.token == Some(token) && it.op == Op::Write;
        if let Some(key) = self.find_message(is_write) {
            let is_news = self.shared.messages[key as usize].stopped.is_none();
            if is_news {
                self.cancel_message(key);
            }
            return is_news;
        }
        let is_it = |it: &Operation| it.token == token && it.pulled.is_none();
        let found = self.shared.operations.iter().find(|(_, it)| is_it(it));
        let Some(key) = found.map(|(key, _)| key as u32) else { return false };
        self.cancel_operation(now, key)
    }

    fn find_message(&self, is_it: impl Fn(&OutMessage) -> bool) -> Option<u32> {
        let found = self.shared.messages.iter().find(|(_, it)| is_it(it));
        found.map(|(key, _)| key as u32)
    }

    /// A message that goes by itself.
    fn cancel_message(&mut self, key: u32) {
        let message = &self.shared.messages[key as usize];
        let (peer, stop) = (message.peer, message.cancellation());
        if !message.is_untouched() {
            return self.cancel_begun(key, stop);
        }
        let sender = &mut self.peers[peer.0 as usize].sender;
        sender.cancel_untouched(key, &mut self.shared);
        self.shared.end_message(key as usize, Ok(()));
        self.mark(peer.0);
    }

    fn cancel_begun(&mut self, key: u32, stop: Stop) {
        let peer = self.shared.messages[key as usize].peer;
        self.peers[peer.0 as usize].sender.cancel_begun(key, stop, &mut self.shared);
        self.mark(peer.0);
    }

    /// A message that was announced, and is on its way as the answer to a PULL.
    fn cancel_pulled(&mut self, now: Instant, announced: u32) -> bool {
        let answers = |it: &OutMessage| match self.shared.sides.get(it.side as usize) {
            Some(Side::Response { announced: Some(key), .. }) => *key == announced,
            _ => false,
        };
        // If the answer is over, its report is all that is waited for.
        let Some(response) = self.find_message(answers) else { return false };
        let message = &self.shared.messages[response as usize];
        if message.stopped.is_some() {
            return false;
        }
        let mut stop = message.cancellation();
        // The receiver may hear of this first, and let nothing more in.
        stop.give_up();
        self.stop_reader(now, response, stop, Refusal::Withdrawn);
        true
    }

    /// An operation that the peer answers.
    fn cancel_operation(&mut self, now: Instant, key: u32) -> bool {
        let operation = &self.shared.operations[key as usize];
        let &Operation { peer, id, failure, .. } = operation;
        let is_read = matches!(operation.wanted, Wanted::Bytes { .. });
        let inbound = operation.inbound();
        let peer_now = self.peers.get(peer.0 as usize);
        let awaits = peer_now.is_some_and(|it| it.sender.operation(id) == Some(key));
        if failure.is_some() || !awaits {
            return false;
        }
        let is_request = |it: &OutMessage| {
            it.peer == peer && it.id == id && it.op.waits_for_answer() && it.token.is_none()
        };
        let request = self.find_message(is_request);
        if let Some(request) = request {
            let message = &self.shared.messages[request as usize];
            if message.is_untouched() {
                self.cancel_message(request);
                return true;
            }
            if message.stopped.is_some() {
                return false;
            }
        }
        match (is_read, request) {
            (true, request) => self.cancel_read(now, key, inbound, request),
            // Unless its request gets lost it is carried out, and the answer comes.
            (false, Some(request)) => self.stop_request(request, Stop::Whole),
            (false, None) => {}
        }
        true
    }

    /// Nothing is placed in its memory from now on; the peer is told not to send the rest.
    fn cancel_read(&mut self, now: Instant, key: u32, inbound: Option<u32>, request: Option<u32>) {
        let &Operation { peer, id, .. } = &self.shared.operations[key as usize];
        self.peers[peer.0 as usize].sender.forget_answer(id);
        match request {
            Some(request) => {
                let is_cut = self.shared.messages[request as usize].all_cut;
                self.stop_request(request, if is_cut { Stop::Unsure } else { Stop::Partly });
            }
            None => self.say_that_nobody_reads(peer, id),
        }
        let failure = TransferFailure::Cancelled(Cancelled::Partly);
        self.fail_read(now, peer.0, key, inbound, failure);
        self.mark(peer.0);
    }

    fn say_that_nobody_reads(&mut self, peer: PeerId, id: u32) {
        let request = OutMessage::new(peer, None, Service::Srd, Op::Read);
        self.shared.withdraw(&OutMessage { id, ..request }, Op::Read, None);
    }

    /// A request is given up. The operation still waits for an answer, if it did.
    fn stop_request(&mut self, request: u32, stop: Stop) {
        let message = &mut self.shared.messages[request as usize];
        debug_assert_eq!(message.level, CompletionLevel::Acknowledged);
        let peer = message.peer;
        self.peers[peer.0 as usize].sender.stop_request(request, stop, &mut self.shared);
        self.mark(peer.0);
    }
}
