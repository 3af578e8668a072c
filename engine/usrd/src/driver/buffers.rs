//! The user's memory while the engine has it: what pending sends read from and what posted receives
//! write to. The core names both by [`BufferId`]; here that is an index.

use bytes::{Bytes, BytesMut};
use slab::Slab;
use usrd_proto::{BufferId, BufferRange, Token};

use crate::{Peer, SendOptions};

/// All buffers of pending operations.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    sends: Slab<PendingSend>,
    receives: Slab<PendingReceive>,
}

/// A send that is not completed.
#[derive(Debug)]
pub(super) struct PendingSend {
    pub(super) data: Bytes,
    pub(super) peer: Peer,
    pub(super) context: u64,
}

/// A receive that is not completed.
#[derive(Debug)]
pub(super) struct PendingReceive {
    pub(super) buffer: BytesMut,
    pub(super) context: u64,
}

impl Buffers {
    pub(super) fn add_send(&mut self, peer: Peer, data: Bytes, options: &SendOptions) -> BufferId {
        let context = options.context;
        buffer_id(self.sends.insert(PendingSend { data, peer, context }))
    }

    pub(super) fn add_receive(&mut self, buffer: BytesMut, context: u64) -> BufferId {
        buffer_id(self.receives.insert(PendingReceive { buffer, context }))
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
    pub(super) fn payload(&self, range: BufferRange) -> &[u8] {
        let (start, len) = (range.offset as usize, range.len as usize);
        &self.sends[range.buffer.0 as usize].data[start..start + len]
    }

    /// Copies `bytes` to where they belong.
    pub(super) fn place(&mut self, buffer: BufferId, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        let buffer = &mut self.receives[buffer.0 as usize].buffer;
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// A posted receive with this context.
    pub(super) fn find_receive(&self, context: u64) -> impl Iterator<Item = BufferId> + '_ {
        let matching = self.receives.iter().filter(move |(_, receive)| receive.context == context);
        matching.map(|(index, _)| buffer_id(index))
    }

    /// Everything that is left, when the engine ends.
    pub(super) fn drain(
        &mut self,
    ) -> (impl Iterator<Item = PendingSend> + '_, impl Iterator<Item = PendingReceive> + '_) {
        (self.sends.drain(), self.receives.drain())
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
    BufferId(u32::try_from(index).expect("reservations keep operations far below 2^32"))
}
