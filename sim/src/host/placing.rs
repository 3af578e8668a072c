//! Payload comes to where it belongs, now or after a delay, and the endpoint is told.

use usrd_proto::{Atomic, BounceCopy, BufferId, BufferRange, Destination, Placement, Token};

use super::{Host, Transport};
use crate::check::{Checker, Landing, NOTE_START, Piece, fill_pattern, send_base};
use crate::digest::Kind;
use crate::event::Event;
use crate::fabric::PacketId;
use crate::memory::{self, Name};
use crate::time::Time;
use crate::traffic::MessageId;
use crate::world::{Pending, Work, World};

impl<T: Transport> Host<T> {
    /// A packet's payload is to be placed, or what it asks for done.
    pub(super) fn place(&mut self, world: &mut World, packet: PacketId, placement: Placement) {
        match placement.destination {
            Destination::Bounce { id, total_len } => {
                let held = self.bounces.open(id.0, total_len);
                world.checkers.bounced(world.now, self.id, held);
            }
            Destination::Memory(buffer) => self.accepted(world, buffer),
            Destination::Posted(_) => {}
        }
        self.work(world, packet, Work::Place(placement));
    }

    /// An atomic is to be performed.
    pub(super) fn take_atomic(&mut self, world: &mut World, packet: PacketId, atomic: Atomic) {
        self.accepted(world, atomic.buffer);
        self.work(world, packet, Work::Perform(atomic));
    }

    /// What took its time is done.
    pub fn placed(&mut self, world: &mut World, placement: u32) {
        // A device's copy goes on while the host's program stands still.
        let pending = world.placements.remove(placement as usize);
        if pending.incarnation != self.incarnation {
            return world.fabric.packets.release(pending.packet);
        }
        self.execute(world, pending.packet, &pending.work);
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
        let World { fabric, exposed, .. } = world;
        let packets = &mut fabric.packets;
        let (true, Some(range)) = (packets.carries_bytes(), packets.content(id).payload) else {
            return;
        };
        let payload = packets.payload_mut(id, range.len as usize);
        match Name::of(range.buffer) {
            Name::Message(message) => {
                fill_pattern(message, range.offset.wrapping_sub(send_base(message)), payload);
            }
            Name::List(message) => {
                let list = exposed.lists.get(&message).map_or(&[][..], Vec::as_slice);
                let from = (range.offset as usize).min(list.len());
                let part = &list[from..list.len().min(from + payload.len())];
                payload[..part.len()].copy_from_slice(part);
            }
            Name::Note(message) => fill_pattern(message, NOTE_START + range.offset, payload),
            Name::Region(_) => {
                // What READs find has never been written: it is theirs from the start.
                if let Some(spot) = exposed.areas().find(self.id, range.offset) {
                    let message = world.traffic.message(spot.flow, spot.slot);
                    fill_pattern(message, spot.at, payload);
                }
            }
        }
    }

    /// The endpoint has let something into a region.
    fn accepted(&self, world: &mut World, buffer: BufferId) {
        if let Name::Region(registration) = Name::of(buffer) {
            world.checkers.accepted(world.now, self.id, registration);
        }
    }

    fn work(&mut self, world: &mut World, packet: PacketId, work: Work) {
        let delay = world.options.placement_delay;
        if delay == Time::ZERO {
            return self.execute(world, packet, &work);
        }
        let pending = Pending { packet, work, incarnation: self.incarnation };
        let number = world.placements.insert(pending) as u32;
        let event = Event::Placed { host: self.id, placement: number };
        world.queue.schedule(world.now + delay, event);
    }

    /// It is done, and the endpoint is told.
    fn execute(&mut self, world: &mut World, id: PacketId, work: &Work) {
        let now = self.clock.reads(world.now);
        match work {
            Work::Place(placement) => {
                self.put(world, id, placement);
                world.fabric.packets.release(id);
                self.transport.handle_placed(now, placement.message);
            }
            Work::Perform(atomic) => {
                world.fabric.packets.release(id);
                let old = self.perform(world, atomic.buffer, atomic.offset, atomic.op);
                match (old, self.transport.core_mut()) {
                    (Some(old), Some(core)) => core.handle_atomic(now, atomic.id, old),
                    _ => {
                        let what = format!("host {}: {atomic:?} has no memory", self.id);
                        world.checkers.report(Checker::Host, world.now, what);
                    }
                }
            }
        }
    }

    fn put(&mut self, world: &mut World, id: PacketId, placement: &Placement) {
        let buffer = match placement.destination {
            Destination::Posted(buffer) => self.receives.get(buffer.0),
            Destination::Bounce { id, .. } => Some(self.bounces.get(id.0)),
            Destination::Memory(buffer) => return self.put_in_memory(world, id, placement, buffer),
        };
        let payload = world.fabric.packets.content(id).payload;
        let (Some(buffer), Some(payload)) = (buffer, payload) else {
            return self.misplaced(world, placement);
        };
        let mut base = 0;
        let message = match Name::of(payload.buffer) {
            Name::Message(message) => {
                // What was taken back has left its buffer to others.
                let is_held = |it: &MessageId| *it == message || !world.traffic.is_excused(*it);
                let position = payload.offset.wrapping_sub(send_base(message));
                base = buffer.base_of(placement.offset, position);
                let piece = Piece {
                    message,
                    host: self.id,
                    held: buffer.message_at(base).filter(is_held),
                    source_offset: payload.offset,
                    source_len: payload.len,
                    offset: placement.offset.wrapping_sub(base),
                    len: placement.len as u64,
                };
                world.checkers.placed(world.now, &world.traffic, &piece);
                message
            }
            // Lists lie in their buffers from the start, and keep their place.
            Name::List(message) if payload.offset == placement.offset => message,
            // So do notes.
            Name::Note(message) if payload.offset == placement.offset => {
                buffer.noted += payload.len;
                message
            }
            _ => return self.misplaced(world, placement),
        };
        world.traffic.note_progress(world.now);
        if let Some(Token(token)) = buffer.hold(base, message) {
            let (now, receive) = (world.now, (self.id, token));
            world.checkers.begun_in_shared(now, &world.traffic, receive, (message, base));
        }
        if world.fabric.packets.carries_bytes() {
            buffer.write(placement.offset, world.fabric.packets.payload(id, placement.len));
        }
    }

    /// Into a region, or what a READ reads into.
    fn put_in_memory(
        &mut self,
        world: &mut World,
        id: PacketId,
        placement: &Placement,
        buffer: BufferId,
    ) {
        let content = world.fabric.packets.content(id);
        let (source, payload) = (content.source, content.payload);
        let Some(BufferRange { buffer: from, offset, len: source_len }) = payload else {
            return self.misplaced(world, placement);
        };
        let areas = world.exposed.areas();
        let (message, own, spot) = match (Name::of(buffer), Name::of(from)) {
            (Name::Region(registration), Name::Message(message)) => {
                world.checkers.touched(world.now, registration);
                (message, offset, areas.find(self.id, placement.offset))
            }
            (Name::Message(message), Name::Region(_)) => {
                (message, placement.offset, areas.find(source, offset))
            }
            _ => return self.misplaced(world, placement),
        };
        let at = own.wrapping_sub(send_base(message));
        let len = placement.len as u64;
        let landing = Landing { message, host: self.id, at, len, source_len, spot };
        let is_right = world.checkers.landed(world.now, &world.traffic, areas, &landing);
        world.traffic.note_progress(world.now);
        let spec = *world.traffic.spec_of(message);
        let bytes = world.fabric.packets.carries_bytes();
        let bytes = bytes.then(|| world.fabric.packets.payload(id, placement.len));
        if spec.pulls() {
            if let Some(bytes) = bytes {
                let sink = world.exposed.sinks.entry(message).or_default();
                memory::write(sink, if is_right { at } else { 0 }, bytes);
            }
            return;
        }
        let Some(spot) = spot else { return };
        let room = world.exposed.room(spot);
        if let Some(bytes) = bytes {
            room.write(spot.at, bytes);
        }
        let is_whole = room.place(message, len) == spec.size;
        if is_whole && !spec.operation.immediate && is_right {
            world.observer.message(world.now, Kind::Received, self.id, message);
            self.write_is_here(world, message, &spec);
            world.message_received(message);
        }
    }

    fn misplaced(&self, world: &mut World, placement: &Placement) {
        let what = format!("host {}: {placement:?} has no payload or no buffer", self.id);
        world.checkers.report(Checker::Host, world.now, what);
    }

    fn copy_one(&mut self, world: &mut World, copy: &BounceCopy) {
        let bounce = self.bounces.take(copy.bounce.0);
        match self.receives.get(copy.buffer.0) {
            Some(buffer) => {
                if let Some(message) = bounce.message
                    && let Some(Token(token)) = buffer.hold(copy.offset, message)
                {
                    let (receive, place) = ((self.id, token), (message, copy.offset));
                    world.checkers.begun_in_shared(world.now, &world.traffic, receive, place);
                }
                if world.fabric.packets.carries_bytes() {
                    let end = bounce.bytes.len().min(copy.len as usize);
                    buffer.write(copy.offset, &bounce.bytes[..end]);
                }
            }
            None => {
                let what = format!("host {}: {copy:?} names no posted buffer", self.id);
                world.checkers.report(Checker::Host, world.now, what);
            }
        }
        self.bounces.put(copy.bounce.0, bounce);
    }
}
