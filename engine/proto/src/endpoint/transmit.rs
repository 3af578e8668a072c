//! Datagrams go out: first what is small and urgent, then data, each peer in its turn.

use super::Endpoint;
use super::deliver::credit_of;
use super::transfers::dress;
use crate::boundary::{HeaderBuffer, Transmit};
use crate::config::Config;
use crate::ids::{BufferRange, CompletionLevel, PathId, Service};
use crate::message::{NO_SIDE, OutMessage};
use crate::peer::sender::DataPacket;
use crate::peer::{Parting, Peer};
use crate::psn::PathSeq;
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::{
    Ack, DATA_HEADER_BYTES, Data, DataFlags, OpenInfo, OpenPacket, Part, Probe, Transmission,
};

impl Endpoint {
    /// The next datagram to send, its header written to the front of `header`; `None` if there is
    /// none for now. The payload, if any, must stay readable until the datagram has been handed to
    /// the device.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        self.settle(now);
        if !self.talking.is_empty()
            && let Some(transmit) = self.next_control(now, header)
        {
            return Some(transmit);
        }
        self.next_data(now, header)
    }

    fn next_control(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        while let Some(&index) = self.talking.front() {
            let transmit = self.say(now, index, header);
            let Some(peer) = self.peers.get_mut(index as usize) else {
                self.talking.pop_front();
                continue;
            };
            if transmit.is_none() || !peer.has_control(now) {
                peer.talking = false;
                self.talking.pop_front();
                self.timers.arm(index, peer.deadline());
            }
            if transmit.is_some() {
                return transmit;
            }
        }
        None
    }

    /// The next small thing to tell a peer.
    fn say(&mut self, now: Instant, index: u32, header: &mut HeaderBuffer) -> Option<Transmit> {
        let Self { shared, peers, matcher, grants, senders, .. } = self;
        let peer = peers.get_mut(index as usize)?;
        if core::mem::take(&mut peer.open_owed) {
            return Some(say_open(peer, &shared.config, header));
        }
        let address = peer.context.remote()?;
        if let Some((path, seq)) = next_question(now, peer, shared) {
            let transmission = Transmission { path, seq: seq.wire() };
            let probe = Probe { address, transmission, timestamp: now.as_nanos() as u32 };
            let len = match peer.parting {
                Parting::Asked => say_part(peer, probe, header),
                Parting::Together | Parting::Greeting => probe.encode(header),
            };
            // It has its number among the path's data, and is to stay in order with it: where what is
            // small and urgent goes first, this must not. Rule P8.
            return Some(Transmit { ecn_capable: true, ..control(peer, path, len) });
        }
        if let Some(nack) = peer.receiver.next_nack() {
            let path = peer.sender.control_path();
            return Some(control(peer, path, nack.encode(header)));
        }
        if peer.receiver.ack_due() > now {
            return None;
        }
        let credit = credit_of(peer, matcher, grants, senders, &shared.config);
        let mut ack = Ack::new(address, 0, credit.wire());
        if !peer.receiver.fill_ack(now, &mut ack) {
            return None;
        }
        ack.source = peer.context.local_tag();
        // The peer can only use the ACK once it knows this side: say it again until it does.
        peer.open_owed = peer.context.must_open();
        let path = peer.sender.control_path();
        let transmit = control(peer, path, ack.encode(header));
        shared.stats.acks_sent += 1;
        self.credit_told(now, index);
        Some(transmit)
    }

    /// Deficit round robin: a peer sends until its turn is used up or it has nothing to send; what
    /// it overdrew it pays back in the next round. Rule C3.
    #[inline]
    fn next_data(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        let Self { shared, peers, ready, timers, .. } = self;
        while let Some(&index) = ready.front() {
            let Some(peer) = peers.get_mut(index as usize) else {
                ready.pop_front();
                continue;
            };
            if peer.deficit <= 0 {
                peer.deficit += i64::from(shared.config.quantum_bytes);
                ready.rotate_left(1);
                continue;
            }
            if let Some(packet) = peer.sender.next_packet(now, shared) {
                peer.touch(now, &shared.times);
                peer.deficit -= (DATA_HEADER_BYTES + usize::from(packet.len)) as i64;
                return Some(encode_data(now, peer, &packet, shared, header));
            }
            peer.ready = false;
            peer.deficit = 0;
            ready.pop_front();
            timers.arm(index, peer.deadline());
        }
        None
    }
}

/// This side's own OPEN, which is owed. Rule O4.
fn say_open(peer: &mut Peer, config: &Config, header: &mut HeaderBuffer) -> Transmit {
    let open =
        OpenPacket { info: peer.open_info(config), answers: peer.context.remote_incarnation() };
    let path = peer.sender.control_path();
    control(peer, path, open.encode(header))
}

/// The path that is to be asked whether it, or the peer, still lives.
fn next_question(now: Instant, peer: &mut Peer, shared: &mut Shared) -> Option<(u8, PathSeq)> {
    match core::mem::take(&mut peer.doubted) {
        true => Some(peer.sender.ask_peer(&shared.config)),
        false => peer.sender.next_probe(now, peer.id, shared),
    }
}

/// Nothing is under way: this side proposes to part. Rule O11.
#[cold]
fn say_part(peer: &Peer, probe: Probe, header: &mut HeaderBuffer) -> usize {
    let (next_psn, incarnation) = (peer.sender.next_wire_psn(), peer.context.local_incarnation());
    Part { probe, next_psn, incarnation }.encode(header)
}

fn control(peer: &Peer, path: u8, header_len: usize) -> Transmit {
    let path = PathId(path);
    Transmit { peer: peer.id, path, header_len, payload: None, ecn_capable: false }
}

/// Writes a data packet's header, and says where its payload lies.
#[inline]
fn encode_data(
    now: Instant,
    peer: &Peer,
    packet: &DataPacket,
    shared: &mut Shared,
    header: &mut HeaderBuffer,
) -> Transmit {
    let message = &shared.messages[packet.message as usize];
    // Most packets are none of these: what they add would cost all of them.
    let is_longer = message.side != NO_SIDE
        || message.service == Service::Ud
        || message.immediate.is_some()
        || peer.context.must_open();
    if is_longer {
        return encode_longer(now, peer, packet, shared, header);
    }
    let data = header_of(now, peer, packet, message);
    let payload = payload_of(packet, message);
    finish(peer, packet, &data, payload, shared, header)
}

/// The same for a packet of a one-sided operation, of UD, of a message with an immediate, and for one
/// that opens.
#[inline(never)]
fn encode_longer(
    now: Instant,
    peer: &Peer,
    packet: &DataPacket,
    shared: &mut Shared,
    header: &mut HeaderBuffer,
) -> Transmit {
    let message = &shared.messages[packet.message as usize];
    let mut data = header_of(now, peer, packet, message);
    data.open = open_block(peer, &shared.config);
    let payload = match message.side {
        NO_SIDE => {
            carry_immediate(&mut data, message);
            payload_of(packet, message)
        }
        _ => dress(shared, packet, &mut data),
    };
    if data.service == Service::Ud {
        shared.end_message(packet.message as usize, Ok(()));
        shared.stats.messages_sent += 1;
    }
    finish(peer, packet, &data, payload, shared, header)
}

/// The first piece of a message says its immediate where it would say that it is the first. Rule M10.
fn carry_immediate(data: &mut Data, message: &OutMessage) {
    if let (0, Some(immediate)) = (data.offset, message.immediate) {
        data.flags = data.flags.with(DataFlags::IMMEDIATE, true);
        data.offset = immediate;
    }
}

#[inline]
fn payload_of(packet: &DataPacket, message: &OutMessage) -> Option<BufferRange> {
    (packet.len > 0).then(|| BufferRange {
        buffer: message.range.buffer,
        offset: message.range.offset + packet.offset,
        len: packet.len.into(),
    })
}

#[inline]
fn finish(
    peer: &Peer,
    packet: &DataPacket,
    data: &Data,
    payload: Option<BufferRange>,
    shared: &mut Shared,
    header: &mut HeaderBuffer,
) -> Transmit {
    shared.stats.data_packets_sent += 1;
    shared.stats.payload_bytes_sent += u64::from(data.payload_len);
    Transmit {
        peer: peer.id,
        path: PathId(packet.path),
        header_len: data.encode(header),
        payload,
        ecn_capable: true,
    }
}

/// A packet's header, as far as it is the same for all.
#[inline]
fn header_of(now: Instant, peer: &Peer, packet: &DataPacket, message: &OutMessage) -> Data {
    let wants_report = message.level == CompletionLevel::Delivered;
    let flags = DataFlags::default()
        .with(DataFlags::RETRANSMISSION, packet.again)
        .with(DataFlags::ACK_REQUEST, packet.again)
        .with(DataFlags::REPORT, wants_report);
    Data {
        address: peer.context.remote().unwrap_or_default(),
        flags,
        psn: packet.psn.wire(),
        transmission: Transmission { path: packet.path, seq: packet.seq.wire() },
        timestamp: now.as_nanos() as u32,
        service: message.service,
        op: message.op,
        payload_len: packet.len,
        message_id: message.id,
        order: message.order,
        total_len: message.range.len,
        offset: packet.offset,
        open: None,
        args: [0; 2],
    }
}

/// While the peer may not know this side's context, every packet says it. Rule O1.
#[inline]
fn open_block(peer: &Peer, config: &Config) -> Option<OpenInfo> {
    peer.context.must_open().then(|| peer.open_info(config))
}
