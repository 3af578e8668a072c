//! What comes in: data, which is placed and delivered, and acknowledgements.

use usrd_proto::{
    Destination, Disposition, DropReason, Event, Handled, Inbound, InboundId, PeerId, Placement,
    RecvFailure, Service,
};

use super::{Arriving, Baseline, End};
use crate::baseline::incoming::{Incoming, Verdict};
use crate::baseline::outgoing::packets;
use crate::baseline::packet::{Ack, Data, HEADER_BYTES};

impl Baseline {
    pub(super) fn handle_data(
        &mut self,
        now_ns: u64,
        data: &Data,
        inbound: &Inbound<'_>,
    ) -> Handled {
        let (index, accepted) = self.receiver_of(data);
        let mut handled =
            Handled { disposition: Disposition::Dropped(DropReason::NoBuffer), accepted };
        self.stats.ce_marks_received += u64::from(inbound.ce);
        let Some(receiver) = self.receiver(index) else { return handled };
        match receiver.judge(now_ns, data, inbound.ce) {
            Verdict::Duplicate => handled.disposition = Disposition::Dropped(DropReason::Duplicate),
            Verdict::OutOfOrder => {
                handled.disposition = Disposition::Dropped(DropReason::OutOfWindow);
            }
            Verdict::New => {
                let len = inbound.len - HEADER_BYTES;
                if let Some(placement) = self.place(index, data, len) {
                    handled.disposition = Disposition::Place(placement);
                }
            }
        }
        if let Disposition::Dropped(reason) = handled.disposition {
            self.stats.drops[reason.index()] += 1;
        }
        self.let_talk(index);
        handled
    }

    /// The end that receives this connection, made now if it is its first packet.
    fn receiver_of(&mut self, data: &Data) -> (u32, Option<PeerId>) {
        let name = (data.source, data.connection);
        if let Some(&index) = self.incoming.get(&name) {
            return (index, None);
        }
        let index = self.ends.len() as u32;
        let incoming = Incoming::new(self.settings.kind, data.connection, self.any_path());
        self.ends.push(End::Receiver(Box::new(incoming)));
        self.incoming.insert(name, index);
        (index, Some(PeerId(index)))
    }

    /// Where a new packet goes. Without a receive for its message it is as if it had been lost.
    fn place(&mut self, index: u32, data: &Data, len: usize) -> Option<Placement> {
        let Some(End::Receiver(receiver)) = self.ends.get_mut(index as usize) else { return None };
        let known = receiver.message(data.message)?;
        let key = match *known {
            Some(key) => key,
            None => {
                let request = self.posted.pop_front()?;
                let arriving = Arriving {
                    connection: index,
                    token: request.token,
                    buffer: request.buffer,
                    buffer_len: request.len,
                    total_len: data.total_len,
                    missing: packets(data.total_len, self.settings.mtu_bytes),
                };
                *known.insert(self.messages.insert(arriving) as u32)
            }
        };
        receiver.take(data.psn, data.offset + len as u64 == data.total_len);
        self.stats.data_packets_received += 1;
        self.stats.payload_bytes_received += len as u64;
        let message = &self.messages[key as usize];
        Some(Placement {
            message: InboundId::from_number(key),
            destination: Destination::Posted(message.buffer),
            offset: data.offset,
            len: len.min(message.buffer_len.saturating_sub(data.offset) as usize),
        })
    }

    pub(super) fn handle_ack(&mut self, now_ns: u64, ack: &Ack) {
        let Some(sender) = self.sender(ack.connection) else { return };
        let news = sender.acknowledged(now_ns, ack);
        let mut done = Vec::new();
        while let Some(token) = sender.outgoing.pop_acknowledged(ack.next) {
            done.push(token);
        }
        self.stats.acks_received += 1;
        self.stats.losses_by_path_gap += news.lost;
        self.stats.messages_sent += done.len() as u64;
        let peer = PeerId(ack.connection);
        self.events.extend(done.into_iter().map(|token| Event::SendCompleted {
            token,
            peer,
            result: Ok(()),
        }));
        self.make_ready(ack.connection);
        self.arm(ack.connection);
    }

    /// Hands over what is whole, in the order in which it was sent.
    pub(super) fn deliver(&mut self, index: u32) {
        while let Some(receiver) = self.receiver(index) {
            let Some(key) = receiver.first() else { return };
            if self.messages[key as usize].missing > 0 {
                return;
            }
            if let Some(receiver) = self.receiver(index) {
                receiver.pop();
            }
            let message = self.messages.remove(key as usize);
            let fits = message.total_len <= message.buffer_len;
            let truncated = RecvFailure::Truncated { message_len: message.total_len };
            self.stats.messages_received += 1;
            self.events.push_back(Event::RecvCompleted {
                token: message.token,
                peer: PeerId(index),
                service: Service::Rd,
                offset: 0,
                len: message.total_len.min(message.buffer_len),
                immediate: None,
                result: fits.then_some(()).ok_or(truncated),
            });
        }
    }
}
