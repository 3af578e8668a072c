//! What a host does with a packet that has reached it, up to the placed payload.

use usrd_proto::wire::origin_locator;
use usrd_proto::{BounceCopy, Destination, Disposition, DropReason, Inbound, Placement, Reply};

use super::{Host, Transport};
use crate::check::{Checker, Piece, fill_pattern, send_base};
use crate::digest::Kind;
use crate::event::Event;
use crate::fabric::PacketId;
use crate::time::Time;
use crate::world::{PendingPlacement, World};

impl<T: Transport> Host<T> {
    /// A packet is here. It belongs to the host until it is released.
    pub fn arrived(&mut self, world: &mut World, id: PacketId) {
        if self.is_down() {
            world.missed += 1;
            return world.fabric.packets.release(id);
        }
        if let Some(held) = &mut self.paused {
            return held.push(id);
        }
        let packet = world.fabric.packets.packet(id);
        world.observer.packet(world.now, Kind::Arrival, self.id, &packet);
        let source = packet.source();
        let head = packet.head();
        let origin = origin_locator(head).and_then(|_| self.peers.of(source));
        let inbound = Inbound {
            head,
            len: packet.len as usize,
            ce: packet.ce,
            trimmed: packet.trimmed,
            origin,
        };
        let handled = self.transport.handle_datagram(self.clock.reads(world.now), &inbound);
        if let Some(peer) = handled.accepted {
            self.peers.bind(source, peer);
        }
        match handled.disposition {
            Disposition::Place(placement) => self.place(world, id, placement),
            Disposition::Consumed => world.fabric.packets.release(id),
            Disposition::Atomic(atomic) => {
                world.fabric.packets.release(id);
                let what = format!("host {}: {atomic:?} without a region", self.id);
                world.checkers.report(Checker::Host, world.now, what);
            }
            Disposition::Dropped(reason) => {
                if reason == DropReason::Duplicate {
                    world.count_duplicate(id);
                }
                world.fabric.packets.release(id);
            }
            Disposition::Reply(reply) => {
                world.fabric.packets.release(id);
                self.reply(world, source, &reply);
            }
        }
        self.turn(world);
    }

    /// A placement that took its time is done.
    pub fn placed(&mut self, world: &mut World, placement: u32) {
        // A device's copy goes on while the host's program stands still.
        let pending = world.placements.remove(placement as usize);
        if pending.incarnation != self.incarnation {
            return world.fabric.packets.release(pending.packet);
        }
        self.execute(world, pending.packet, &pending.placement);
        self.turn(world);
    }

    /// Copies whole messages from bounce memory to the buffers that were posted for them.
    pub(super) fn copy_bounced(&mut self, world: &mut World) {
        while let Some(copy) = self.transport.poll_copy() {
            self.copy_one(world, &copy);
            self.transport.handle_placed(self.clock.reads(world.now), copy.message);
        }
    }

    /// Gives a packet its real payload, if packets carry any.
    pub(super) fn attach_bytes(&self, world: &mut World, id: PacketId) {
        let packets = &mut world.fabric.packets;
        if let (true, Some(range)) = (packets.carries_bytes(), packets.content(id).payload) {
            let message = range.buffer.0;
            let at = range.offset.wrapping_sub(send_base(message));
            fill_pattern(message, at, packets.payload_mut(id, range.len as usize));
        }
    }

    fn place(&mut self, world: &mut World, packet: PacketId, placement: Placement) {
        if let Destination::Bounce { id, total_len } = placement.destination {
            let held = self.bounces.open(id.0, total_len);
            world.checkers.bounced(world.now, self.id, held);
        }
        let delay = world.options.placement_delay;
        if delay == Time::ZERO {
            return self.execute(world, packet, &placement);
        }
        let pending = PendingPlacement { packet, placement, incarnation: self.incarnation };
        let number = world.placements.insert(pending) as u32;
        let event = Event::Placed { host: self.id, placement: number };
        world.queue.schedule(world.now + delay, event);
    }

    /// The payload comes to where it belongs, and the endpoint is told.
    fn execute(&mut self, world: &mut World, id: PacketId, placement: &Placement) {
        let buffer = match placement.destination {
            Destination::Posted(buffer) => self.receives.get(buffer.0),
            Destination::Bounce { id, .. } => Some(self.bounces.get(id.0)),
            // No workload registers any.
            Destination::Memory(_) => None,
        };
        let payload = world.fabric.packets.content(id).payload;
        if let (Some(buffer), Some(payload)) = (buffer, payload) {
            let message = payload.buffer.0;
            let piece = Piece {
                message,
                host: self.id,
                held: buffer.message,
                source_offset: payload.offset,
                source_len: payload.len,
                offset: placement.offset,
                len: placement.len as u64,
            };
            world.checkers.placed(world.now, &world.traffic, &piece);
            world.traffic.note_progress(world.now);
            buffer.message = Some(message);
            if world.fabric.packets.carries_bytes() {
                buffer.write(placement.offset, world.fabric.packets.payload(id, placement.len));
            }
        } else {
            let what = format!("host {}: {placement:?} has no payload or no buffer", self.id);
            world.checkers.report(Checker::Host, world.now, what);
        }
        world.fabric.packets.release(id);
        let now = self.clock.reads(world.now);
        self.transport.handle_placed(now, placement.message);
    }

    fn copy_one(&mut self, world: &mut World, copy: &BounceCopy) {
        let bounce = self.bounces.take(copy.bounce.0);
        match self.receives.get(copy.buffer.0) {
            Some(buffer) => {
                buffer.message = bounce.message;
                if world.fabric.packets.carries_bytes() {
                    let end = bounce.bytes.len().min(copy.len as usize);
                    buffer.write(0, &bounce.bytes[..end]);
                }
            }
            None => {
                let what = format!("host {}: {copy:?} names no posted buffer", self.id);
                world.checkers.report(Checker::Host, world.now, what);
            }
        }
        self.bounces.put(copy.bounce.0, bounce);
    }

    /// A refusal goes straight back to where the packet came from.
    fn reply(&mut self, world: &mut World, to: u32, reply: &Reply) {
        let id = world.fabric.packets.allocate();
        let bytes = reply.bytes();
        let content = world.fabric.packets.content_mut(id);
        content.header[..bytes.len()].copy_from_slice(bytes);
        (content.payload, content.source) = (None, self.id);
        let frame = &mut world.fabric.packets[id];
        frame.header_len = bytes.len() as u8;
        frame.len = bytes.len() as u32;
        frame.path = 0;
        frame.ecn_capable = false;
        frame.destination = to;
        world.inject(self.id, id);
    }
}
