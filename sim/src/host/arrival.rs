//! A packet has reached its host: its endpoint says what is to become of it.

use usrd_proto::wire::origin_locator;
use usrd_proto::{Disposition, DropReason, Inbound, Reply};

use super::{Host, Transport};
use crate::digest::Kind;
use crate::fabric::PacketId;
use crate::world::World;

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
            Disposition::Atomic(atomic) => self.take_atomic(world, id, atomic),
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

    /// A refusal goes straight back to where the packet came from.
    fn reply(&mut self, world: &mut World, to: u32, reply: &Reply) {
        self.send_plain(world, to, reply.bytes(), 0);
    }

    /// Sends a header that belongs to no peer any more, or never did.
    pub(super) fn send_plain(&mut self, world: &mut World, to: u32, bytes: &[u8], path: u8) {
        let id = world.fabric.packets.allocate();
        let content = world.fabric.packets.content_mut(id);
        content.header[..bytes.len()].copy_from_slice(bytes);
        (content.payload, content.source) = (None, self.id);
        let frame = &mut world.fabric.packets[id];
        frame.header_len = bytes.len() as u8;
        frame.len = bytes.len() as u32;
        frame.path = path;
        frame.ecn_capable = false;
        frame.destination = to;
        world.inject(self.id, id);
    }
}
