//! The user's memory while the engine has it: what pending operations read from and write to. The
//! core names it by [`BufferId`]; here that is a space, in the two upper bits, and an index in it.

use bytes::{Bytes, BytesMut};
use slab::Slab;
use usrd_proto::{BufferId, BufferRange, Token};

use super::regions::Regions;
use super::shared_buffer::SharedBuffer;
use crate::{CompletionQueue, Peer};

/// All buffers of pending operations.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    sends: Slab<PendingSend>,
    receives: Slab<PendingReceive>,
    pub(super) transfers: Slab<PendingTransfer>,
}

/// Where the core's placements and transmissions find memory. Receives are named apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The data of a send.
    Send,
    /// What a one-sided operation has brought along.
    Transfer,
    /// A region.
    Region,
    /// What a one-sided operation tells the peer.
    Note,
}

/// A send that is not completed.
#[derive(Debug)]
pub(super) struct PendingSend {
    pub(super) data: Bytes,
    pub(super) peer: Peer,
    pub(super) context: u64,
    /// Where it is reported, as in its submission.
    pub(super) to: Option<CompletionQueue>,
}

/// A receive that is not completed.
#[derive(Debug)]
pub(super) struct PendingReceive {
    pub(super) room: Room,
    pub(super) context: u64,
    pub(super) to: Option<CompletionQueue>,
}

/// Where it places what arrives.
#[derive(Debug)]
pub(super) enum Room {
    One(BytesMut),
    Many {
        buffer: SharedBuffer,
        /// Messages that it has been given.
        messages: u32,
        /// Places in the completion queue that are kept for others.
        places: usize,
    },
}

/// A one-sided operation that is not completed.
#[derive(Debug)]
pub(super) struct PendingTransfer {
    pub(super) peer: Peer,
    pub(super) context: u64,
    pub(super) to: Option<CompletionQueue>,
    pub(super) memory: TransferMemory,
    /// What the peer is told.
    pub(super) note: Bytes,
}

/// Memory of a one-sided operation that is not in regions.
#[derive(Debug)]
pub(super) enum TransferMemory {
    None,
    /// To be sent.
    Data(Bytes),
    /// To be filled.
    Buffer(BytesMut),
}

impl Buffers {
    pub(super) fn add_send(&mut self, send: PendingSend) -> BufferId {
        buffer_id(self.sends.insert(send))
    }

    pub(super) fn add_receive(&mut self, receive: PendingReceive) -> BufferId {
        buffer_id(self.receives.insert(receive))
    }

    /// Ends the engine's hold on a send's data.
    pub(super) fn take_send(&mut self, buffer: BufferId) -> Option<PendingSend> {
        self.sends.try_remove(buffer.0 as usize)
    }

    /// Ends the engine's hold on a receive's buffer.
    pub(super) fn take_receive(&mut self, buffer: BufferId) -> Option<PendingReceive> {
        self.receives.try_remove(buffer.0 as usize)
    }

    /// What a packet carries.
    #[inline]
    pub(super) fn payload<'a>(&'a self, range: BufferRange, regions: &'a Regions) -> &'a [u8] {
        let (start, len) = (range.offset as usize, range.len as usize);
        match split(range.buffer) {
            (Space::Send, index) => &self.sends[index as usize].data[start..start + len],
            (Space::Region, index) => regions.memory(index).slice(start, len),
            (Space::Note, index) => &self.transfers[index as usize].note[start..start + len],
            (Space::Transfer, index) => match &self.transfers[index as usize].memory {
                TransferMemory::Data(data) => &data[start..start + len],
                memory => unreachable!("{memory:?} is not sent"),
            },
        }
    }

    /// What an operation's packets are parts of, if the device may read from it later.
    #[inline]
    pub(super) fn memory<'a>(
        &'a self,
        buffer: BufferId,
        regions: &Regions,
    ) -> Option<usrd_device::Memory<'a>> {
        use usrd_device::Memory::{Lent, Shared};
        match split(buffer) {
            (Space::Send, index) => Some(Shared(&self.sends.get(index as usize)?.data)),
            (Space::Transfer, index) => match &self.transfers.get(index as usize)?.memory {
                TransferMemory::Data(data) => Some(Shared(data)),
                _ => None,
            },
            (Space::Region, index) => regions.loan(index).map(Lent),
            (Space::Note, index) => Some(Shared(&self.transfers.get(index as usize)?.note)),
        }
    }

    /// Copies `bytes` into the buffer of a READ.
    pub(super) fn place_read(&mut self, index: u32, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        match &mut self.transfers[index as usize].memory {
            TransferMemory::Buffer(buffer) => {
                buffer[start..start + bytes.len()].copy_from_slice(bytes);
            }
            memory => unreachable!("{memory:?} is not written to"),
        }
    }

    /// Copies `bytes` to where they belong.
    pub(super) fn place(&mut self, buffer: BufferId, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        match &mut self.receives[buffer.0 as usize].room {
            Room::One(buffer) => buffer[start..start + bytes.len()].copy_from_slice(bytes),
            Room::Many { buffer, .. } => buffer.place(start, bytes),
        }
    }

    /// The receive behind a name.
    pub(super) fn receive(&mut self, buffer: BufferId) -> Option<&mut PendingReceive> {
        self.receives.get_mut(buffer.0 as usize)
    }

    /// A posted receive with this context.
    pub(super) fn find_receive(&self, context: u64) -> impl Iterator<Item = BufferId> + '_ {
        let matching = self.receives.iter().filter(move |(_, receive)| receive.context == context);
        matching.map(|(index, _)| buffer_id(index))
    }

    /// Sends to a peer with this context.
    pub(super) fn find_sends(
        &self,
        peer: Peer,
        context: u64,
    ) -> impl Iterator<Item = BufferId> + '_ {
        let is_one = move |it: &PendingSend| (it.peer, it.context) == (peer, context);
        let sends = self.sends.iter().filter(move |(_, send)| is_one(send));
        sends.map(|(index, _)| buffer_id(index))
    }

    /// One-sided operations with a peer with this context, by index.
    pub(super) fn find_transfers(
        &self,
        peer: Peer,
        context: u64,
    ) -> impl Iterator<Item = usize> + '_ {
        let is_one = move |it: &PendingTransfer| (it.peer, it.context) == (peer, context);
        let transfers = self.transfers.iter().filter(move |(_, transfer)| is_one(transfer));
        transfers.map(|(index, _)| index)
    }

    /// How many sends and one-sided operations to a peer are not complete.
    pub(super) fn pending_with(&self, peer: Peer) -> usize {
        let sends = self.sends.iter().filter(|(_, send)| send.peer == peer);
        let transfers = self.transfers.iter().filter(|(_, transfer)| transfer.peer == peer);
        sends.count() + transfers.count()
    }

    /// Everything that is left, when the engine ends.
    pub(super) fn drain(
        &mut self,
    ) -> (Vec<PendingSend>, Vec<PendingReceive>, Vec<PendingTransfer>) {
        let Self { sends, receives, transfers } = self;
        (sends.drain().collect(), receives.drain().collect(), transfers.drain().collect())
    }
}

/// What the core hands back when the operation on this buffer is over.
pub(super) fn token(buffer: BufferId) -> Token {
    Token(u64::from(buffer.0))
}

/// The buffer that a [`token`] was made from.
pub(super) fn buffer_of(token: Token) -> BufferId {
    BufferId(token.0 as u32)
}

fn buffer_id(index: usize) -> BufferId {
    id_in(Space::Send, index)
}

/// The name of the memory with this index.
pub(super) fn id_in(space: Space, index: usize) -> BufferId {
    let index = u32::try_from(index).ok().filter(|index| index >> SPACE_SHIFT == 0);
    let index = index.expect("reservations keep operations, and slots regions, far below 2^30");
    BufferId((space as u32) << SPACE_SHIFT | index)
}

/// What [`id_in`] was made from.
#[inline]
pub(super) fn split(buffer: BufferId) -> (Space, u32) {
    let index = buffer.0 & ((1 << SPACE_SHIFT) - 1);
    let space = match buffer.0 >> SPACE_SHIFT {
        0 => Space::Send,
        1 => Space::Transfer,
        2 => Space::Region,
        _ => Space::Note,
    };
    (space, index)
}

const SPACE_SHIFT: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_do_not_mix() {
        for space in [Space::Send, Space::Transfer, Space::Region, Space::Note] {
            for index in [0, 1, (1 << 30) - 1] {
                assert_eq!(split(id_in(space, index)), (space, index as u32));
            }
        }
    }
}
