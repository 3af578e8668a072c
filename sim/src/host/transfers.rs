//! One-sided operations: asked for, completed, and told about.

use std::fmt::Display;

use usrd_proto::wire::{decode_list, encode_list};
use usrd_proto::{
    Access, AtomicOp, AtomicRequest, Block, BounceId, BufferRange, InboundId, Instant, Layout,
    Note, Notice, PeerId, ReadRequest, RegionAddress, RegionRequest, Token, TransferFailure,
    WriteRequest,
};

use super::{Host, Transport};
use crate::check::{Checker, ToldNote, send_base};
use crate::digest::Kind;
use crate::event::Event;
use crate::memory::{
    Areas, Scatter, immediate_of, list_buffer, message_buffer, message_of_immediate, note_buffer,
    operand_of,
};
use crate::time::Time;
use crate::traffic::MessageId;
use crate::workload::{FlowSpec, OperationKey};
use crate::world::{HostSettings, World};

impl<T: Transport> Host<T> {
    /// Hands an operation to the endpoint.
    pub(super) fn operate(
        &mut self,
        world: &mut World,
        peer: PeerId,
        message: MessageId,
        spec: &FlowSpec,
    ) -> Result<(), String> {
        let now = self.clock.reads(world.now);
        if spec.operation.kind == OperationKey::Notify {
            return self.notify(now, peer, message, &world.options);
        }
        let told = world.exposed.told(spec.dst);
        let (address, registration) =
            told.ok_or_else(|| format!("host {} exposes no memory", spec.dst))?;
        world.checkers.operates(message, registration);
        let done = match spec.operation.kind {
            OperationKey::Fadd | OperationKey::Cas => {
                self.ask_for_atomic(world, now, peer, message, address)
            }
            _ => self.transfer(world, now, peer, message, address),
        };
        done.map_err(|error| format!("host {}: {error}", self.id))
    }

    /// A WRITE of nothing but its immediate, to no memory.
    fn notify(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: MessageId,
        &HostSettings { level, note_len, .. }: &HostSettings,
    ) -> Result<(), String> {
        let local = BufferRange { buffer: message_buffer(message), offset: 0, len: 0 };
        let layout = Layout::One { local, remote: RegionAddress::new(0, 0, 0) };
        let notice = Some(notice_of(message, note_len));
        let core = self.transport.core_mut().ok_or(NO_CORE)?;
        let request = WriteRequest { token: Token(message.into()), layout, level, notice };
        core.write(now, peer, request).map_err(text)
    }

    fn ask_for_atomic(
        &mut self,
        world: &mut World,
        now: Instant,
        peer: PeerId,
        message: MessageId,
        address: RegionAddress,
    ) -> Result<(), String> {
        let (flow, kind) = {
            let flow = world.traffic.flow_of(message);
            (flow, world.traffic.spec_of(message).operation.kind)
        };
        let operand = operand_of(message);
        let op = match kind {
            OperationKey::Cas => {
                let expected = self.seen.get(&flow).copied().unwrap_or(0);
                AtomicOp::CompareSwap { expected, new: operand }
            }
            _ => AtomicOp::FetchAdd(operand),
        };
        world.checkers.asked(message, op);
        let remote = address.plus(Areas::word(kind));
        let core = self.transport.core_mut().ok_or(NO_CORE)?;
        core.atomic(now, peer, AtomicRequest { token: Token(message.into()), remote, op })
            .map_err(text)
    }

    fn transfer(
        &mut self,
        world: &mut World,
        now: Instant,
        peer: PeerId,
        message: MessageId,
        address: RegionAddress,
    ) -> Result<(), String> {
        let spec = *world.traffic.spec_of(message);
        let (flow, index) = (world.traffic.flow_of(message), world.traffic.index_of(message));
        let areas = world.exposed.areas();
        let remote = address.plus(areas.offset(areas.spot(flow, index, 0)));
        let scatter = Scatter::new(&spec, message);
        let is_vector = scatter.count() > 1;
        let core = self.transport.core_mut().ok_or(NO_CORE)?;
        let own = RegionRequest {
            buffer: message_buffer(message),
            len: send_base(message) + spec.size,
            access: Access::LOCAL,
            peers: None,
        };
        let local = if is_vector { Some(core.register(own).map_err(text)?) } else { None };
        let layout = match local {
            Some(local) => {
                let local = local.plus(send_base(message));
                let block = |(at, place, len)| Block::new(local.plus(at), remote.plus(place), len);
                Layout::Blocks(scatter.blocks().map(block).collect())
            }
            None => {
                let (buffer, offset) = (message_buffer(message), send_base(message));
                Layout::One { local: BufferRange { buffer, offset, len: spec.size }, remote }
            }
        };
        let token = Token(message.into());
        let notice = spec.operation.immediate.then(|| notice_of(message, world.options.note_len));
        let asked = if spec.pulls() {
            let list = list_of(&layout).map(|bytes| {
                let (buffer, len) = (list_buffer(message), bytes.len() as u64);
                world.exposed.lists.insert(message, bytes);
                BufferRange { buffer, offset: 0, len }
            });
            core.read(now, peer, ReadRequest { token, layout, list, notice })
        } else {
            let level = world.options.level;
            core.write(now, peer, WriteRequest { token, layout, level, notice })
        };
        if let Some(local) = local {
            // It is given back when the operation is over.
            self.registrations.0 += 1;
            core.revoke(now, local).map_err(text)?;
        }
        asked.map_err(text)
    }

    /// An operation is over.
    pub(super) fn transferred(
        &mut self,
        world: &mut World,
        token: Token,
        result: Result<u64, TransferFailure>,
    ) {
        let message = token.0 as MessageId;
        let (now, flow) = (world.now, world.traffic.flow_of(message));
        let spec = *world.traffic.spec_of(message);
        world.observer.message(now, Kind::Sent, self.id, message);
        let is_reason_enough = match result {
            Ok(_) => false,
            Err(TransferFailure::Refused(refusal)) => world.checkers.refused(now, message, refusal),
            Err(_) => world.checkers.excuse(self.id, spec.dst),
        };
        if is_reason_enough {
            world.excuse(message);
        }
        if let Err(TransferFailure::NotSent(reason) | TransferFailure::Unknown(reason)) = result {
            world.checkers.gave_up(now, &world.traffic, message, reason);
        }
        let excused = world.traffic.is_excused(message);
        world.checkers.transferred(
            now,
            &world.traffic,
            message,
            (result, world.options.level),
            excused,
        );
        if let Ok(value) = result {
            self.seen_by(flow, &spec, value, message);
            self.read_is_here(world, message, &spec);
        }
        world.exposed.lists.remove(&message);
        world.exposed.sinks.remove(&message);
        world.message_sent(message, result.is_ok());
        self.submit(world, flow);
    }

    /// What an atomic has told about its word.
    fn seen_by(&mut self, flow: u32, spec: &FlowSpec, old: u64, message: MessageId) {
        if spec.operation.kind == OperationKey::Cas {
            let expected = self.seen.get(&flow).copied().unwrap_or(0);
            let now = if old == expected { operand_of(message) } else { old };
            self.seen.insert(flow, now);
        }
    }

    fn read_is_here(&self, world: &mut World, message: MessageId, spec: &FlowSpec) {
        if !spec.pulls() {
            return;
        }
        let bytes = world.exposed.sinks.remove(&message);
        world.checkers.moved(world.now, &world.traffic, message, bytes.as_deref());
        if !spec.operation.immediate {
            world.observer.message(world.now, Kind::Received, self.id, message);
            world.message_received(message);
        }
    }

    /// The host is told of an operation on its memory.
    pub(super) fn notified(
        &mut self,
        world: &mut World,
        peer: PeerId,
        (immediate, len): (u64, u64),
        note: Option<Note>,
    ) {
        self.take_notice(world);
        let known = world.traffic.message_count() as MessageId;
        let Some(message) = message_of_immediate(immediate).filter(|&message| message < known)
        else {
            let what = format!("host {}: {immediate:#x} is nobody's immediate", self.id);
            return world.checkers.report(Checker::Immediate, world.now, what);
        };
        let from = self.peers.host_of(peer);
        world.observer.message(world.now, Kind::Received, self.id, message);
        world.checkers.told(world.now, &world.traffic, message, (from, self.id, len));
        self.check_note(world, message, note);
        let spec = *world.traffic.spec_of(message);
        if !spec.pulls() {
            self.write_is_here(world, message, &spec);
        }
        world.message_received(message);
    }

    /// What came with the immediate, while it is there.
    fn check_note(&mut self, world: &mut World, message: MessageId, note: Option<Note>) {
        let carries = world.fabric.packets.carries_bytes();
        let note = note.map(|Note { bounce, len }| {
            let held = self.bounces.get(bounce.0);
            let bytes = carries.then_some(&held.bytes[..]);
            ToldNote { len, of: held.message, placed: held.noted, bytes }
        });
        world.checkers.told_note(world.now, message, world.options.note_len, note);
    }

    /// The host's program takes what it is told, at once or when it comes to it.
    fn take_notice(&mut self, world: &mut World) {
        if world.options.notice_delay == Time::ZERO {
            return self.notice_taken();
        }
        let event = Event::NoticeTaken { host: self.id, incarnation: self.incarnation };
        world.queue.schedule(world.now + world.options.notice_delay, event);
    }

    /// The program has come to it.
    pub fn take_late_notice(&mut self, world: &mut World, incarnation: u32) {
        if incarnation != self.incarnation {
            return;
        }
        if self.is_paused() {
            return self.take_notice(world);
        }
        self.notice_taken();
        self.turn(world);
    }

    fn notice_taken(&mut self) {
        if let Some(core) = self.transport.core_mut() {
            core.notifications_taken(1);
        }
    }

    /// All of a WRITE lies in this host's memory.
    pub(super) fn write_is_here(&self, world: &mut World, message: MessageId, spec: &FlowSpec) {
        let (flow, index) = (world.traffic.flow_of(message), world.traffic.index_of(message));
        let spot = world.exposed.areas().spot(flow, index, 0);
        debug_assert_eq!(spec.dst, self.id);
        let World { exposed, checkers, traffic, now, fabric, .. } = world;
        let carries = fabric.packets.carries_bytes() && spec.payload_bytes() > 0;
        let bytes = if carries { Some(&exposed.room(spot).bytes[..]) } else { None };
        checkers.moved(*now, traffic, message, bytes);
    }

    /// What a READ asks for is here: its list of blocks.
    pub(super) fn serve_list(
        &mut self,
        world: &mut World,
        list: InboundId,
        bounce: BounceId,
        len: u64,
    ) {
        let held = self.bounces.get(bounce.0);
        let bytes = match held.message {
            _ if world.fabric.packets.carries_bytes() => held.bytes.get(..len as usize),
            Some(message) => world.exposed.lists.get(&message).map(Vec::as_slice),
            None => None,
        };
        let blocks = bytes.and_then(decode_list);
        if let Some(core) = self.transport.core_mut() {
            core.serve_list(self.clock.reads(world.now), list, blocks);
        }
    }
}

/// What the destination of an operation is told.
const fn notice_of(message: MessageId, note_len: u64) -> Notice {
    let note = BufferRange { buffer: note_buffer(message), offset: 0, len: note_len };
    Notice { immediate: immediate_of(message), note }
}

fn list_of(layout: &Layout) -> Option<Vec<u8>> {
    match layout {
        Layout::Blocks(blocks) => Some(encode_list(blocks)),
        Layout::One { .. } => None,
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

const NO_CORE: &str = "its transport has no operations on memory";
