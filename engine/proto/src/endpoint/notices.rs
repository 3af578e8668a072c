//! What peers tell of their transfers: 64 bits, and perhaps a note, which waits in bounce memory. Rule T6.

use super::Endpoint;
use super::notice_places::Place;
use super::receive::Outcome;
use crate::boundary::{Destination, Disposition, Event, InboundId, Note, Placement};
use crate::ids::{BounceId, PeerId};
use crate::message::{Binding, InMessage, InNotice};
use crate::psn::Psn;
use crate::region::Refusal;
use crate::time::Instant;
use crate::transfer::MAX_NOTE_BYTES;
use crate::wire::DataView;

impl Endpoint {
    /// The user has taken this many notifications that were not
    /// [`reserved`](Event::Notified::reserved): there is room for as many more.
    pub fn notifications_taken(&mut self, count: u32) {
        self.notice_places.give_back_shared(count);
    }

    /// From now on, this peer's notifications have so many places of their own, and take no others.
    /// `false` if there is no such peer, or it has some.
    pub fn reserve_notifications(&mut self, peer: PeerId, places: u32) -> bool {
        self.peers.contains(peer.0 as usize) && self.notice_places.reserve(peer.0, places)
    }

    /// The user has taken this many [`reserved`](Event::Notified::reserved) notifications of a peer.
    pub fn reserved_notifications_taken(&mut self, peer: PeerId, count: u32) {
        self.notice_places.give_back(peer.0, Place::Own, count);
    }

    /// A peer goes, and its own places with it: what has arrived for them and is still being placed is
    /// told nobody.
    pub(super) fn forget_reserved(&mut self, index: u32) {
        for (_, message) in self.inbound.iter_mut().filter(|(_, it)| it.peer.0 == index) {
            if let Binding::Write { notice: Some(notice) } = &mut message.binding
                && notice.place == Place::Own
            {
                notice.place = Place::Gone;
            }
        }
        self.notice_places.forget(index);
    }

    /// A packet of a WRITE that is for the user: the immediate, and a piece of the note if there is one.
    pub(super) fn take_notice(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        let begun = self.begun(index, data)?;
        if begun.is_none() && self.is_overloaded(now, index, psn, data) {
            return self.refuse(index, data);
        }
        let notice = match begun.and_then(|key| self.inbound[key as usize].notice()) {
            Some(notice) => notice,
            None => match self.room_for_notice(now, index, psn, data) {
                Ok(notice) => notice,
                Err(refused) => return refused,
            },
        };
        let binding = Binding::Write { notice: Some(notice) };
        let key = match begun {
            Some(key) => key,
            None => self.begin(index, data, binding),
        };
        self.inbound[key as usize].binding = binding;
        self.take_written(now, index, psn, key, data);
        let Some(id) = notice.note else {
            self.advance(now, key);
            return Ok(Disposition::Consumed);
        };
        Ok(Disposition::Place(Placement {
            message: InboundId::message(key),
            destination: Destination::Bounce { id, total_len: data.note_len() },
            offset: data.offset() - data.written_len(),
            len: data.payload_len().into(),
        }))
    }

    /// A place for the notification, and memory for its note. If there is none, what the peer is told.
    fn room_for_notice(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Result<InNotice, Outcome> {
        // The last room is only for what is sure to arrive whole: the rest of others could lie beyond a
        // window that waits for room. With the last piece all others have been sent; and what comes
        // before the window has arrived.
        let is_first = self.peers[index as usize].receiver.next_expected() == psn;
        let is_sure = is_first || data.is_end();
        let Some(place) = self.notice_places.take(index, is_sure) else {
            return Err(self.refuse(index, data));
        };
        match self.room_for_note(now, index, data, is_sure) {
            Ok(note) => Ok(InNotice { immediate: data.args()[0], note, place }),
            Err(refused) => {
                self.notice_places.give_back(index, place, 1);
                Err(refused)
            }
        }
    }

    fn room_for_note(
        &mut self,
        now: Instant,
        index: u32,
        data: DataView<'_>,
        is_sure: bool,
    ) -> Result<Option<BounceId>, Outcome> {
        let another_bytes = self.matcher.cost_of(MAX_NOTE_BYTES);
        match data.note_len() {
            0 => Ok(None),
            len if !self.matcher.can_ever_hold(len) => {
                Err(self.turn_down(index, data, Refusal::NoteTooLong))
            }
            _ if !is_sure && self.matcher.free_bytes() < 2 * another_bytes => {
                Err(self.refuse(index, data))
            }
            len => match self.take_bounce(now, index, len) {
                Some(id) => Ok(Some(id)),
                None => Err(self.refuse_for_now(now, index, data, len)),
            },
        }
    }

    /// Everything of a transfer is in place: the user is told, and bounce memory is free after that.
    pub(super) fn deliver_notice(&mut self, message: &InMessage, notice: InNotice) {
        if notice.place != Place::Gone {
            self.shared.events.push_back(Event::Notified {
                peer: message.peer,
                immediate: notice.immediate,
                len: message.written_len(),
                note: notice.note.map(|bounce| Note { bounce, len: message.note_len() }),
                reserved: notice.place == Place::Own,
            });
        }
        if let Some(id) = notice.note {
            self.free_bounce(id);
        }
    }

    /// The same for a transfer that has failed: nobody is told.
    pub(super) fn forget_notice(&mut self, peer: PeerId, notice: InNotice) {
        self.notice_places.give_back(peer.0, notice.place, 1);
        if let Some(id) = notice.note {
            self.free_bounce(id);
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// Notifications that there is room for.
    pub(crate) fn free_notifications(&self) -> u32 {
        self.notice_places.shared_free()
    }
}
