//! Buffers that several messages share: what becomes of them.

use crate::boundary::Event;
use crate::message::{MultiRecv, NO_MULTI, PostedRecv};
use crate::shared::Shared;

impl Shared {
    /// What of a posted receive a message gets, and whether the receive is used up: `None` of it if it
    /// cannot have the message, and is over.
    pub(crate) fn take_of(
        &mut self,
        recv: PostedRecv,
        message_len: u64,
    ) -> (Option<PostedRecv>, bool) {
        let Some(multi) = self.multis.get_mut(recv.multi as usize) else {
            return (Some(recv), true);
        };
        let carved = multi.carve(message_len);
        let is_used_up = multi.is_closed();
        let piece = carved.map(|(offset, len)| PostedRecv { offset, len, ..recv });
        self.end_multi(recv.multi);
        (piece, is_used_up)
    }

    /// What a posted receive can hold, in bytes.
    pub(crate) fn room_of(&self, recv: &PostedRecv) -> u64 {
        if recv.multi == NO_MULTI {
            return recv.len;
        }
        let open = self.multis.get(recv.multi as usize).filter(|multi| !multi.is_closed());
        open.map_or(0, MultiRecv::left)
    }

    /// The message that a receive was for has been reported.
    pub(crate) fn receive_over(&mut self, recv: &PostedRecv) {
        if let Some(multi) = self.multis.get_mut(recv.multi as usize) {
            multi.completed();
            self.end_multi(recv.multi);
        }
    }

    /// The message that was to have a part of a shared buffer will not come. `false`: the receive is an
    /// ordinary one.
    pub(crate) fn put_back(&mut self, recv: &PostedRecv) -> bool {
        let Some(multi) = self.multis.get_mut(recv.multi as usize) else { return false };
        multi.put_back(recv.offset, recv.len);
        self.end_multi(recv.multi);
        true
    }

    /// A posted receive was taken back by the user.
    pub(crate) fn receive_cancelled(&mut self, recv: &PostedRecv) {
        let Some(multi) = self.multis.get_mut(recv.multi as usize) else {
            return self.events.push_back(Event::RecvCancelled { token: recv.token });
        };
        multi.close();
        multi.cancelled = true;
        self.end_multi(recv.multi);
    }

    /// Gives a shared buffer back that no message needs.
    fn end_multi(&mut self, key: u32) {
        if key != NO_MULTI && self.multis[key as usize].is_over() {
            let MultiRecv { token, cancelled, .. } = self.multis.remove(key as usize);
            self.events.push_back(Event::MultiRecvOver { token, cancelled });
        }
    }
}
