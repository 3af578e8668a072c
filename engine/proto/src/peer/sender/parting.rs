//! The peer may have forgotten this side, as this side has proposed: nothing is sent before that is known.
//! What was submitted meanwhile goes on in the context that there is then. Rule O11.

use super::Sender;
use crate::ids::{CompletionLevel, Service};
use crate::message::Side;
use crate::shared::Shared;
use crate::time::Instant;

impl Sender {
    /// Before anything else is sent, it is to be known whether the peer still has the context: messages
    /// wait until [`receiver_may_be_ready`](Self::receiver_may_be_ready). Whether a word has to be said
    /// to find that out. Rule O11.
    pub(crate) fn wait_for_peer(&mut self) -> bool {
        self.not_ready_until = Instant::NEVER;
        self.reports.first_owed().is_none()
    }

    /// Whether what was said to find that out has arrived.
    pub(crate) fn has_nothing_on_its_way(&self) -> bool {
        self.window.is_empty() && self.reports.first_owed().is_none()
    }

    /// The next PSN, as it goes on the wire.
    pub(crate) fn next_wire_psn(&self) -> u32 {
        self.window.next_psn().wire()
    }

    /// Takes up a message that was submitted in a context that has ended since, and of which nothing has
    /// left: under a number of this one. Whether it is the first that waits for the peer to be known.
    pub(crate) fn adopt(&mut self, key: u32, shared: &mut Shared) -> bool {
        let id = self.next_message;
        self.next_message = id.wrapping_add(1);
        let message = &mut shared.messages[key as usize];
        message.id = id;
        if message.level == CompletionLevel::Delivered {
            self.reports.expect(id, key);
        }
        match shared.sides.get(message.side as usize) {
            None => {
                if message.service == Service::Rd {
                    message.order = self.next_order;
                    self.next_order = message.order.wrapping_add(1);
                }
                self.queue.push(key);
                false
            }
            Some(side) => {
                if let &(Side::Request { operation, .. } | Side::List { operation }) = side {
                    shared.operations[operation as usize].id = id;
                    self.reports.expect_answer(id, operation);
                }
                self.hold(key)
            }
        }
    }
}
