//! Datagrams on their way to the device.
//!
//! The core writes each header straight into this batch's memory, and payload stays where the user
//! has it. What the device does not take waits here for the next turn.

use bytes::Bytes;
use usrd_device::{Device, DeviceError, Memory, Outgoing, RouteId};
use usrd_proto::wire::{self, DataFlags, MAX_HEADER_BYTES};
use usrd_proto::{BufferId, BufferRange, HeaderBuffer, Transmit};

use super::buffers::{Buffers, Space, split};
use super::regions::Regions;

/// A batch that is being filled or emptied.
#[derive(Debug)]
pub(super) struct Batch {
    headers: Box<[HeaderBuffer]>,
    packets: Vec<Packet>,
    /// How many of `packets` the device has taken.
    taken: usize,
    /// Whether the device has left some of them.
    refused: bool,
    /// Always empty: its allocation serves every batch.
    outgoing: Vec<Outgoing<'static>>,
}

#[derive(Debug)]
struct Packet {
    route: RouteId,
    path: u8,
    ecn_capable: bool,
    header_len: usize,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    None,
    /// Part of the memory of a pending operation, or of a region.
    Pending(BufferRange),
    /// Part of what completed before the device took this packet.
    Held(Bytes),
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            headers: vec![[0; MAX_HEADER_BYTES]; MAX_PACKETS].into_boxed_slice(),
            packets: Vec::with_capacity(MAX_PACKETS),
            taken: 0,
            refused: false,
            outgoing: Vec::with_capacity(MAX_PACKETS),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether to add more: not while the device has no room for what there is.
    pub(super) fn takes_more(&self) -> bool {
        !self.refused
    }

    /// Where the next packet's header goes, if there is room for one.
    pub(super) fn next_header(&mut self) -> Option<&mut HeaderBuffer> {
        self.headers.get_mut(self.packets.len())
    }

    /// Adds the packet whose header was written to [`next_header`](Self::next_header).
    pub(super) fn push(&mut self, route: RouteId, transmit: &Transmit) {
        self.packets.push(Packet {
            route,
            path: transmit.path.0,
            ecn_capable: transmit.ecn_capable,
            header_len: transmit.header_len,
            payload: transmit.payload.map_or(Payload::None, Payload::Pending),
        });
    }

    /// Adds a reply to somebody who is no peer. Without room it is left out: it will be asked for
    /// again.
    pub(super) fn push_reply(&mut self, route: RouteId, bytes: &[u8]) {
        let Some(header) = self.next_header() else {
            return;
        };
        header[..bytes.len()].copy_from_slice(bytes);
        self.packets.push(Packet {
            route,
            path: 0,
            ecn_capable: false,
            header_len: bytes.len(),
            payload: Payload::None,
        });
    }

    /// Offers everything to the device, and returns how many packets it took.
    pub(super) fn offer(
        &mut self,
        device: &mut dyn Device,
        buffers: &Buffers,
        regions: &Regions,
    ) -> Result<usize, DeviceError> {
        let mut outgoing = recycle(std::mem::take(&mut self.outgoing));
        let waiting = self.packets.iter().zip(&self.headers).skip(self.taken);
        outgoing.extend(waiting.map(|(packet, header)| packet.outgoing(header, buffers, regions)));
        let result = device.transmit(&outgoing);
        self.outgoing = recycle(outgoing);
        let taken = result?;
        self.taken += taken;
        self.refused = self.taken < self.packets.len();
        if !self.refused {
            self.packets.clear();
            self.taken = 0;
        }
        Ok(taken)
    }

    /// An operation is completing, or a region goes: packets with some of its memory that still wait
    /// keep it themselves, as `piece` gives it (where from, how much).
    pub(super) fn hold(&mut self, buffer: BufferId, piece: impl Fn(usize, usize) -> Bytes) {
        for packet in self.packets.iter_mut().skip(self.taken) {
            if let Payload::Pending(range) = packet.payload
                && range.buffer == buffer
            {
                let held = piece(range.offset as usize, range.len as usize);
                packet.payload = Payload::Held(held);
            }
        }
    }

    /// An operation on regions is completing: what still waits of it has arrived before, and is only to
    /// be sent again. Such packets keep what they carry themselves, as `piece` gives it.
    pub(super) fn hold_repeats(&mut self, piece: impl Fn(BufferRange) -> Bytes) {
        for (packet, header) in self.packets.iter_mut().zip(&self.headers).skip(self.taken) {
            if let Payload::Pending(range) = packet.payload
                && split(range.buffer).0 == Space::Region
                && is_repeat(&header[..packet.header_len], range)
            {
                packet.payload = Payload::Held(piece(range));
            }
        }
    }
}

/// Whether a data packet was sent before.
fn is_repeat(header: &[u8], payload: BufferRange) -> bool {
    match wire::Packet::decode(header, header.len() + payload.len as usize) {
        Ok(wire::Packet::Data(data)) => data.flags.has(DataFlags::RETRANSMISSION),
        _ => false,
    }
}

impl Packet {
    fn outgoing<'a>(
        &'a self,
        header: &'a HeaderBuffer,
        buffers: &'a Buffers,
        regions: &'a Regions,
    ) -> Outgoing<'a> {
        Outgoing {
            route: self.route,
            path: self.path,
            ecn_capable: self.ecn_capable,
            header: &header[..self.header_len],
            payload: match &self.payload {
                Payload::None => &[],
                Payload::Pending(range) => buffers.payload(*range, regions),
                Payload::Held(bytes) => bytes,
            },
            memory: match &self.payload {
                Payload::None => None,
                Payload::Pending(range) => buffers.memory(range.buffer, regions),
                Payload::Held(bytes) => Some(Memory::Shared(bytes)),
            },
        }
    }
}

/// Empties a vector for elements of another lifetime. Collecting a vector's own iterator reuses
/// its allocation.
fn recycle<'b>(mut outgoing: Vec<Outgoing<'_>>) -> Vec<Outgoing<'b>> {
    outgoing.clear();
    outgoing.into_iter().map(|_| unreachable!("it has just been cleared")).collect()
}

/// Packets per batch: several trains, so that a turn's fixed costs are shared, and still only a
/// fraction of a window, so that acknowledgements are looked at in between.
const MAX_PACKETS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_vector_keeps_its_allocation() {
        let header = [0; 4];
        let mut outgoing = Vec::with_capacity(100);
        outgoing.push(Outgoing {
            route: RouteId(0),
            path: 0,
            ecn_capable: false,
            header: &header,
            payload: &[],
            memory: None,
        });
        let recycled: Vec<Outgoing<'static>> = recycle(outgoing);
        assert!(recycled.is_empty() && recycled.capacity() >= 100);
    }
}
