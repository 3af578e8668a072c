//! RD at the end of a context: what has arrived whole was acknowledged, and is delivered, in its order all
//! the same. Rule M5.
//!
//! ```text
//!   delivered | whole, and perhaps still being placed | not whole | whole or not
//!             +-------- the tail: delivered ----------+------- aborted --------+
//! ```
//! The order stage goes with its context, and its places mean other messages in the next. So each message
//! of a tail knows the one behind it, whatever becomes of the peer, and tells it when its turn has come.

use alloc::vec::Vec;

use super::Endpoint;
use crate::ids::{PeerId, Service};
use crate::message::Binding;
use crate::time::Instant;

/// The place of a message in its tail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailPlace {
    /// Nothing before it is undelivered.
    is_first: bool,
    /// Key of the message behind it.
    behind: Option<u32>,
}

impl Endpoint {
    /// Links what is to be delivered of a peer's ordered stream, before its context ends.
    pub(super) fn form_order_tail(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id.0 as usize) else { return };
        let whole: Vec<(u32, u32)> = self
            .inbound
            .iter()
            .filter(|(_, it)| it.peer == id && it.service == Service::Rd && !it.detached)
            .filter(|(_, it)| it.ended.is_none() && it.has_arrived())
            .map(|(key, it)| (it.order, key as u32))
            .collect();
        let mut behind = None;
        let tail = peer.receiver.order.without_gap(whole);
        for (at, &key) in tail.iter().enumerate().rev() {
            self.inbound[key as usize].tail = Some(TailPlace { is_first: at == 0, behind });
            behind = Some(key);
        }
    }

    /// A message of a tail is placed: it is delivered if it is the first, and so are those behind it that
    /// waited only for their turn.
    pub(super) fn deliver_tail(&mut self, now: Instant, key: u32) {
        let mut next = Some(key);
        while let Some(key) = next {
            let message = &self.inbound[key as usize];
            let Some(TailPlace { is_first: true, behind }) = message.tail else { return };
            let Binding::Posted(recv) = message.binding else { return };
            if !message.is_placed() {
                return;
            }
            self.deliver(now, key, recv);
            if let Some(place) = behind.and_then(|key| self.inbound[key as usize].tail.as_mut()) {
                place.is_first = true;
            }
            next = behind;
        }
    }
}
