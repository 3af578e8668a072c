//! Messages are taken back. Rule M8.
//!
//! What has not been cut from is simply not sent. Of what has, no more is, and what is lost is sent
//! again under its PSN as ABANDON. When nothing of it is in flight, the message is over, and the last
//! word about it is an ABANDON under a PSN of its own.

use super::Sender;
use crate::ids::Service;
use crate::message::{NO_SIDE, Side, Stop};
use crate::shared::Shared;
use crate::wire::Op;

impl Sender {
    /// Takes a message back of which nothing has left. It must be ended after this.
    pub(crate) fn cancel_untouched(&mut self, key: u32, shared: &mut Shared) {
        if shared.messages[key as usize].service == Service::Rd {
            self.close_ranks(key, shared);
        }
        self.queue.remove(key);
        self.transfers.remove(key);
        self.datagrams.remove(key);
        let message = &mut shared.messages[key as usize];
        self.reports.forget(message.id);
        message.stopped = Some(Stop::NotSent);
    }

    /// The RD messages after one that is not sent take its place in the order. None of them has been
    /// cut from: messages leave in the order of submission.
    fn close_ranks(&mut self, key: u32, shared: &mut Shared) {
        for behind in self.queue.behind(key) {
            let message = &mut shared.messages[behind as usize];
            if message.service == Service::Rd {
                message.order = message.order.wrapping_sub(1);
            }
        }
        self.next_order = self.next_order.wrapping_sub(1);
    }

    /// Takes a message back of which something has left. It ends when nothing of it is in flight.
    pub(crate) fn cancel_begun(&mut self, key: u32, stop: Stop, shared: &mut Shared) {
        self.queue.remove(key);
        let message = &mut shared.messages[key as usize];
        if message.side == NO_SIDE {
            // Its packets are sent again in another form, and whatever credit there is.
            message.op = Op::Abandon;
            message.side = shared.sides.insert(Side::Stopped) as u32;
        }
        self.stop_transfer(key, stop, shared);
    }

    /// The same for a request, whose answer may come all the same.
    pub(crate) fn stop_request(&mut self, key: u32, stop: Stop, shared: &mut Shared) {
        self.transfers.remove(key);
        shared.stop_message(key, stop);
    }

    /// The last word about a message: its answer is waited for under the message's number.
    pub(crate) fn submit_withdrawal(&mut self, id: u32, key: u32) {
        self.reports.expect(id, key);
        self.reports.owe(key);
    }
}
