//! Long messages stay at their sender until their receive is known: announced, matched, pulled.
//! Rules G3, G5 and G6.
//!
//! ```text
//!   sender                                  receiver
//!     |  ANNOUNCE: tag, length, number         |
//!     |--------------------------------------->|  matched, now or later
//!     |  PULL: that number                     |
//!     |<---------------------------------------|
//!     |  RESPONSE: all of it                   |
//!     |--------------------------------------->|  placed in the receive as it arrives
//! ```
//! The second half is a READ in all but what it names: a message by its number instead of a region
//! by its key, so it needs neither a registration nor a key.

use super::Endpoint;
use super::receive::Outcome;
use crate::boundary::{Disposition, RecvFailure};
use crate::drop_reason::DropReason;
use crate::ids::{BufferRange, PeerId, Service};
use crate::message::{BlockList, Operation, OutMessage, PostedRecv, Pulled, Side, Stop, Wanted};
use crate::psn::Psn;
use crate::region::{Refusal, RegionAddress};
use crate::time::Instant;
use crate::wire::{DataView, Op};

impl Endpoint {
    /// Asks for a message that a receive was found for: the peer's number for it, and its length.
    pub(super) fn pull(
        &mut self,
        now: Instant,
        peer: PeerId,
        (id, len): (u32, u64),
        envelope: u32,
        recv: PostedRecv,
    ) {
        if let Err(failure) = recv.fits(len) {
            // Rule G6: nothing is moved for a receive that cannot take all of it.
            self.shared.served += 1;
            self.answer(now, peer.0, Op::Refused, (id, Refusal::Truncated.code().into()));
            return self.shared.complete_tagged(peer, envelope, &recv, (0, Err(failure)));
        }
        let local = BufferRange { buffer: recv.buffer, offset: recv.offset, len };
        let blocks = BlockList::whole(local);
        let wanted = Wanted::Bytes { blocks, notice: None, inbound: None };
        let pulled = Some(Pulled { envelope, len, recv });
        let operation = Operation { pulled, ..Operation::new(peer, recv.token, wanted) };
        let operation = self.shared.operations.insert(operation) as u32;
        let message = OutMessage::new(peer, None, Service::Srd, Op::Pull);
        let remote = RegionAddress::from_words([id.into(), 0]);
        self.ask(now, message, Side::Request { operation, remote, operands: [len, 0] }, operation);
    }

    /// The peer has a receive for a message that was announced to it.
    pub(super) fn take_pull(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        let peer = &mut self.peers[index as usize];
        let id = data.args()[0] as u32;
        let announced = peer.sender.announced(id);
        let is_its = |&key: &u32| self.shared.messages[key as usize].range.len == data.total_len();
        if announced.is_some_and(|key| !is_its(&key)) {
            return Err(DropReason::Inconsistent);
        }
        self.accept(now, index, psn, data);
        self.shared.served += 1;
        let Some(key) = announced else {
            let code = Refusal::Withdrawn.code().into();
            self.answer(now, index, Op::Refused, (data.message_id(), code));
            return Ok(Disposition::Consumed);
        };
        self.peers[index as usize].sender.forget_answer(id);
        let message = &self.shared.messages[key as usize];
        let (peer, range) = (message.peer, message.range);
        let mut level = message.level;
        if let Side::Tagged(side) = &mut self.shared.sides[message.side as usize] {
            side.pulled = true;
            level = side.level;
        }
        let (blocks, operation) = (BlockList::whole(range), data.message_id());
        let response = OutMessage::new(peer, None, Service::Srd, Op::Response);
        let response =
            OutMessage { range: BufferRange { len: range.len, ..range }, level, ..response };
        self.submit(now, response, Side::Response { blocks, operation, announced: Some(key) });
        self.shared.stats.messages_pulled += 1;
        Ok(Disposition::Consumed)
    }

    /// The peer will not take a message of this side's, or has not taken all of it: its receive is
    /// too short. Rule G6.
    pub(super) fn take_truncation(&mut self, index: u32, id: u32) {
        let sender = &mut self.peers[index as usize].sender;
        if let Some(key) = sender.take_refused(id) {
            self.shared.stop_message(key, Stop::Refused(Refusal::Truncated));
        }
    }
}

impl PostedRecv {
    /// Whether a message of this length fits.
    pub(super) fn fits(&self, message_len: u64) -> Result<(), RecvFailure> {
        match message_len <= self.len {
            true => Ok(()),
            false => Err(RecvFailure::Truncated { message_len }),
        }
    }
}
