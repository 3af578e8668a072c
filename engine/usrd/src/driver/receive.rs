//! From the device to the core, and payload to where it belongs.

use usrd_device::Arrival;
use usrd_proto::wire::{DATA_HEADER_BYTES, origin_locator};
use usrd_proto::{
    Destination, Disposition, DropReason, Handled, Inbound, PeerId, Placement, Reply,
};

use super::Driver;
use super::buffers::{Space, split};

impl Driver {
    /// Works through the batch that was polled. Acknowledgements leave with the turn's
    /// transmissions, so a batch shares them.
    pub(super) fn handle_arrivals(&mut self) -> bool {
        if self.arrivals.is_empty() {
            return false;
        }
        let mut arrivals = std::mem::take(&mut self.arrivals);
        self.look_ahead_of_arrivals(&arrivals);
        for arrival in &arrivals {
            self.handle_arrival(arrival);
        }
        self.device.release(&arrivals);
        self.copy_bounced();
        self.stats.receive_batches += 1;
        self.stats.datagrams_received += arrivals.len() as u64;
        arrivals.clear();
        self.arrivals = arrivals;
        true
    }

    fn handle_arrival(&mut self, arrival: &Arrival) {
        let locator = origin_locator(self.device.bytes(arrival));
        let origin = locator.and_then(|locator| self.origin(arrival, locator));
        let inbound = Inbound {
            head: self.device.bytes(arrival),
            len: arrival.len as usize,
            ce: arrival.ce,
            // No device here can tell yet.
            trimmed: false,
            origin,
        };
        let Handled { disposition, accepted } = self.endpoint.handle_datagram(self.now, &inbound);
        if let Some(peer) = accepted {
            self.accept(arrival, locator.unwrap_or(0), peer);
        }
        match disposition {
            Disposition::Place(placement) => self.place(arrival, &placement),
            Disposition::Atomic(atomic) => self.perform(&atomic),
            Disposition::Consumed => {}
            Disposition::Dropped(reason) => self.note_drop(arrival, reason),
            Disposition::Reply(reply) => self.reply(arrival, &reply),
        }
    }

    /// The peer that the sender is, if it is one.
    fn origin(&mut self, arrival: &Arrival, locator: u16) -> Option<PeerId> {
        // Whoever it is costs nothing until the core has made a peer of it.
        let route = self.device.known_source(arrival.source, locator)?;
        self.routes.peer_at(route)
    }

    /// The core has made the sender a peer.
    fn accept(&mut self, arrival: &Arrival, locator: u16, id: PeerId) {
        match self.device.resolve_source(arrival.source, locator) {
            Ok(route) => {
                let peer = self.routes.bind(route, id);
                tracing::debug!(%peer, "accepted a new peer");
            }
            // Without a route nothing can be answered.
            Err(error) => {
                tracing::warn!(%error, "a new peer cannot be reached");
                self.endpoint.remove_peer(self.now, id);
            }
        }
    }

    fn place(&mut self, arrival: &Arrival, placement: &Placement) {
        if matches!(placement.destination, Destination::Bounce { .. }) {
            // The core may have given this memory to somebody else before: that it was freed has to
            // be heard first.
            self.publish();
        }
        let datagram = self.device.bytes(arrival);
        let payload = &datagram[DATA_HEADER_BYTES..][..placement.len];
        match placement.destination {
            Destination::Posted(buffer) => self.buffers.place(buffer, placement.offset, payload),
            Destination::Memory(buffer) => match split(buffer) {
                (Space::Region, index) => {
                    self.regions.memory_mut(index).write(placement.offset as usize, payload);
                }
                (_, index) => self.buffers.place_read(index, placement.offset, payload),
            },
            Destination::Bounce { id, total_len } => {
                self.bounce.store(id, total_len, placement.offset, payload);
            }
        }
        self.endpoint.handle_placed(self.now, placement.message);
    }

    /// Unexpected messages whose receive is now posted.
    pub(super) fn copy_bounced(&mut self) {
        while let Some(copy) = self.endpoint.poll_copy() {
            let message = self.bounce.front(copy.bounce, copy.len);
            self.buffers.place(copy.buffer, copy.offset, message);
            self.endpoint.handle_placed(self.now, copy.message);
            self.stats.bounce_copies += 1;
        }
    }

    fn reply(&mut self, arrival: &Arrival, reply: &Reply) {
        // To the very source of the datagram, not to where its sender can be reached.
        if let Ok(route) = self.device.resolve_source(arrival.source, 0) {
            self.batch.push_reply(route, reply.bytes());
            self.leave_route(route);
        }
    }

    fn note_drop(&self, arrival: &Arrival, reason: DropReason) {
        match reason {
            // Part of ordinary operation.
            DropReason::Duplicate => tracing::trace!(bytes = arrival.len, %reason, "dropped"),
            _ => tracing::debug!(bytes = arrival.len, %reason, "dropped"),
        }
    }
}
