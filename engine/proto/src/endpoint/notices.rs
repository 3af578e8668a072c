//! What peers tell of their transfers: 64 bits, and perhaps a note, which waits in bounce memory. Rule T6.

use super::Endpoint;
use super::receive::Outcome;
use crate::boundary::{Destination, Disposition, Event, InboundId, Note, Placement};
use crate::message::{Binding, InMessage, InNotice};
use crate::psn::Psn;
use crate::region::Refusal;
use crate::time::Instant;
use crate::wire::DataView;

impl Endpoint {
    /// The user has taken this many notifications: there is room for as many more.
    pub fn notifications_taken(&mut self, count: u32) {
        let limit = self.shared.config.max_notifications;
        self.notifications_free = self.notifications_free.saturating_add(count).min(limit);
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
        if begun.is_none() && self.is_overloaded() {
            return self.refuse(index, data);
        }
        let notice = match begun.and_then(|key| self.inbound[key as usize].notice()) {
            Some(notice) => notice,
            None => match self.room_for_notice(now, index, data) {
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
        data: DataView<'_>,
    ) -> Result<InNotice, Outcome> {
        if self.notifications_free == 0 {
            return Err(self.refuse(index, data));
        }
        let note = match data.note_len() {
            0 => None,
            len if !self.matcher.can_ever_hold(len) => {
                return Err(self.turn_down(index, data, Refusal::NoteTooLong));
            }
            len => match self.take_bounce(now, index, len) {
                Some(id) => Some(id),
                None => return Err(self.refuse_for_now(now, index, data, len)),
            },
        };
        self.notifications_free -= 1;
        Ok(InNotice { immediate: data.args()[0], note })
    }

    /// Everything of a transfer is in place: the user is told, and bounce memory is free after that.
    pub(super) fn deliver_notice(&mut self, message: &InMessage, notice: InNotice) {
        let note = notice.note.map(|bounce| Note { bounce, len: message.note_len() });
        self.shared.events.push_back(Event::Notified {
            peer: message.peer,
            immediate: notice.immediate,
            len: message.written_len(),
            note,
        });
        if let Some(id) = notice.note {
            self.free_bounce(id);
        }
    }

    /// The same for a transfer that has failed: nobody is told.
    pub(super) fn forget_notice(&mut self, notice: InNotice) {
        self.notifications_free += 1;
        if let Some(id) = notice.note {
            self.free_bounce(id);
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// Notifications that there is room for.
    pub(crate) fn free_notifications(&self) -> u32 {
        self.notifications_free
    }
}
