//! Operations on the memory of peers, which need no part of theirs.

use std::ptr::NonNull;

use bytes::{Bytes, BytesMut};
use usrd_proto::{AtomicOp, Block, RegionAddress};

use super::Engine;
use crate::memory::Memory;
use crate::submission::{Command, Operation, Transfer, What};
use crate::{
    CommandError, MAX_NOTE_BYTES, NotRegistered, Notice, Peer, Region, RegionOptions,
    RegisterError, Rejected, SubmitError, TransferOptions, Unregistered,
};

impl Engine {
    // ---- memory ----

    /// Registers a buffer: all of its length can then be read and written by operations of this
    /// engine, and by peers as far as `options` (an [`Access`](crate::Access) is enough) allow and
    /// they have been told its [`remote`](Region::remote) handle.
    ///
    /// The buffer belongs to the engine until [`deregister`](Self::deregister) gives it back.
    /// Meanwhile, [`copy_from`](Self::copy_from) and [`copy_into`](Self::copy_into) reach it; for
    /// memory that is also used directly, see [`register_raw`](Self::register_raw).
    ///
    /// Waits for the driver.
    pub fn register(
        &self,
        memory: BytesMut,
        options: impl Into<RegionOptions>,
    ) -> Result<Region, Unregistered> {
        self.register_memory(Memory::Owned(memory), options.into())
    }

    /// Registers `len` bytes of memory that stays the caller's.
    ///
    /// Waits for the driver.
    ///
    /// # Safety
    /// Until the region's deregistration has completed, or this engine and its driver are dropped:
    /// * the memory is valid for reads and writes of `len` bytes, from any thread;
    /// * nobody else reads or writes any of it at the same time as the engine writes it, or writes
    ///   any of it at the same time as the engine reads it. The engine touches it when operations
    ///   of this side do, from their submission to their completion, and when peers do, as far as
    ///   `options` allow: whoever tells a peer of the region has to agree with it on when. A
    ///   completion or notification comes after the accesses that it is about, and what is
    ///   submitted comes before those that it leads to.
    /// * Eight-byte words that peers use with atomics only are an exception: they may be accessed
    ///   as [`AtomicU64`](std::sync::atomic::AtomicU64) at any time.
    pub unsafe fn register_raw(
        &self,
        memory: NonNull<u8>,
        len: usize,
        options: impl Into<RegionOptions>,
    ) -> Result<Region, RegisterError> {
        // SAFETY: the caller promises what `Memory::raw` asks for.
        let memory = unsafe { Memory::raw(memory, len) };
        self.register_memory(memory, options.into()).map_err(|it| it.error)
    }

    fn register_memory(
        &self,
        memory: Memory,
        options: RegionOptions,
    ) -> Result<Region, Unregistered> {
        match self.ask(|answer| Command::Register(memory, options, answer)) {
            Ok(Ok(region)) => Ok(region),
            Ok(Err((error, memory))) => Err(Unregistered { error, memory: memory.into_owned() }),
            Err(error) => Err(Unregistered { error: error.into(), memory: None }),
        }
    }

    /// Takes a region back: its key is worthless at once, and READs of peers that are under way
    /// are refused. Completes, as [`Completion::Deregistered`](crate::Completion), when all that
    /// was being placed is placed and this engine's own operations on it are over: nothing touches
    /// the memory after that.
    pub fn deregister(&self, region: Region, context: u64) -> Result<(), SubmitError> {
        self.submit(Operation::Deregister { region, context }).map_err(|(error, _)| error)
    }

    /// A copy of `len` bytes of a region of this engine's, as they are between two turns of the
    /// driver: no transfer is half visible within a packet. Waits for the driver.
    pub fn copy_from(&self, region: Region, offset: u64, len: usize) -> Result<Bytes, CopyError> {
        self.ask(|answer| Command::CopyFrom(region, offset, len, answer))?
    }

    /// Changes a region of this engine's. Waits for the driver.
    pub fn copy_into(
        &self,
        region: Region,
        offset: u64,
        data: impl Into<Bytes>,
    ) -> Result<(), CopyError> {
        let data = data.into();
        self.ask(|answer| Command::CopyInto(region, offset, data, answer))?
    }

    // ---- operations ----

    /// Writes `data` to a peer's memory. The bytes are not copied: the engine keeps a reference
    /// until the operation completes, as [`Completion::Transfer`](crate::Completion).
    pub fn write(
        &self,
        peer: Peer,
        data: impl Into<Bytes>,
        to: RegionAddress,
        options: impl Into<TransferOptions>,
    ) -> Result<(), Rejected<Bytes>> {
        let what = What::Write { data: data.into(), to };
        self.transfer(peer, options.into(), what).map_err(|(error, what)| match what {
            What::Write { data: buffer, .. } => Rejected { error, buffer },
            _ => unreachable!("a rejected operation comes back unchanged"),
        })
    }

    /// Fills `buffer`, all of its length, from a peer's memory. It comes back in the completion.
    pub fn read(
        &self,
        peer: Peer,
        from: RegionAddress,
        buffer: BytesMut,
        options: impl Into<TransferOptions>,
    ) -> Result<(), Rejected<BytesMut>> {
        let what = What::Read { buffer, from };
        self.transfer(peer, options.into(), what).map_err(|(error, what)| match what {
            What::Read { buffer, .. } => Rejected { error, buffer },
            _ => unreachable!("a rejected operation comes back unchanged"),
        })
    }

    /// Writes any number of blocks from regions of this engine to regions of the peer, as one
    /// operation with one completion. Blocks are carried out in any order; none may overlap with
    /// another one at the peer. The cost of submitting them does not depend on their number.
    pub fn write_v(
        &self,
        peer: Peer,
        blocks: Vec<Block>,
        options: impl Into<TransferOptions>,
    ) -> Result<(), Rejected<Vec<Block>>> {
        self.transfer_blocks(peer, options.into(), What::WriteBlocks(blocks))
    }

    /// Reads any number of blocks from regions of the peer into regions of this engine, as one
    /// operation with one completion. None may overlap with another one on this side. The
    /// peer keeps their list, 24 bytes each, while it arrives, in the memory that its
    /// [`bounce_bytes`](crate::Config::bounce_bytes) bound.
    pub fn read_v(
        &self,
        peer: Peer,
        blocks: Vec<Block>,
        options: impl Into<TransferOptions>,
    ) -> Result<(), Rejected<Vec<Block>>> {
        self.transfer_blocks(peer, options.into(), What::ReadBlocks(blocks))
    }

    /// Adds to eight bytes of a peer's memory, wrapping around, exactly once; the completion has
    /// the value before. They are a number in the byte order of the peer's host, at an offset that
    /// is a multiple of eight.
    pub fn fetch_add(
        &self,
        peer: Peer,
        at: RegionAddress,
        more: u64,
        context: u64,
    ) -> Result<(), SubmitError> {
        self.atomic(peer, at, AtomicOp::FetchAdd(more), context)
    }

    /// Replaces eight bytes of a peer's memory by `new` if they are `expected`, exactly once; the
    /// completion has the value before. As for [`fetch_add`](Self::fetch_add).
    pub fn compare_swap(
        &self,
        peer: Peer,
        at: RegionAddress,
        expected: u64,
        new: u64,
        context: u64,
    ) -> Result<(), SubmitError> {
        self.atomic(peer, at, AtomicOp::CompareSwap { expected, new }, context)
    }

    /// Says something to a peer's user, apart from messages: a [`Notification`](crate::Notification)
    /// comes out of its engine, exactly once. It needs no receive there. A number is enough, or a few
    /// bytes: see [`Notice`].
    pub fn notify(
        &self,
        peer: Peer,
        notice: impl Into<Notice>,
        context: u64,
    ) -> Result<(), SubmitError> {
        let options = TransferOptions::new(context).notify(notice);
        let to = RegionAddress::new(0, 0, 0);
        self.write(peer, Bytes::new(), to, options).map_err(|rejected| rejected.error)
    }

    fn atomic(
        &self,
        peer: Peer,
        at: RegionAddress,
        op: AtomicOp,
        context: u64,
    ) -> Result<(), SubmitError> {
        let what = What::Atomic { at, op };
        self.transfer(peer, TransferOptions::new(context), what).map_err(|(error, _)| error)
    }

    fn transfer_blocks(
        &self,
        peer: Peer,
        options: TransferOptions,
        what: What,
    ) -> Result<(), Rejected<Vec<Block>>> {
        self.transfer(peer, options, what).map_err(|(error, what)| match what {
            What::WriteBlocks(buffer) | What::ReadBlocks(buffer) => Rejected { error, buffer },
            _ => unreachable!("a rejected operation comes back unchanged"),
        })
    }

    fn transfer(
        &self,
        peer: Peer,
        options: TransferOptions,
        what: What,
    ) -> Result<(), (SubmitError, What)> {
        let TransferOptions { context, level, notice } = options;
        if notice.as_ref().is_some_and(|notice| notice.note.len() > MAX_NOTE_BYTES) {
            return Err((SubmitError::NoteTooLong { max_bytes: MAX_NOTE_BYTES }, what));
        }
        let notice = notice.map(Box::new);
        let operation = Operation::Transfer(Transfer { peer, context, level, notice, what });
        self.submit(operation).map_err(|(error, operation)| match operation {
            Operation::Transfer(Transfer { what, .. }) => (error, what),
            _ => unreachable!("a rejected operation comes back unchanged"),
        })
    }
}

/// Why a region of this engine's was not copied from, or into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// There is no such region.
    #[error(transparent)]
    NotRegistered(#[from] NotRegistered),
    /// It reaches past the region's end.
    #[error("it reaches past the end of the region, at {len} bytes")]
    OutOfBounds {
        /// The region's length.
        len: u64,
    },
    /// The driver did not answer.
    #[error(transparent)]
    Driver(#[from] CommandError),
}
