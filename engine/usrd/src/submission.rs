//! What application threads hand to the driver.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use usrd_device::Address;
use usrd_proto::{AtomicOp, Block, CompletionLevel, PeerFailure, RegionAddress};

use crate::driver::Parted;
use crate::memory::Memory;
use crate::{
    CommandError, Completion, CompletionQueue, ConnectError, CopyError, EngineStats, NotRegistered,
    Notice, NotificationsToError, Peeked, Peer, PeerSnapshot, PinError, RecvCompletion,
    RecvFailure, RecvOptions, RecvOver, Region, RegionCompletion, RegionOptions, RegisterError,
    SendCompletion, SendFailure, SendOptions, ShutdownReport, Tags, TransferCompletion,
    TransferFailure, UpdateAddressError,
};

/// An operation, on its way to the driver.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Where it is reported, if not in the engine's queue.
    pub(crate) to: Option<CompletionQueue>,
    pub(crate) operation: Operation,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Operation {
    Send { peer: Peer, data: Bytes, options: SendOptions },
    Recv { buffer: BytesMut, options: RecvOptions },
    Transfer(Transfer),
    Deregister { region: Region, context: u64 },
}

/// A one-sided operation.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) peer: Peer,
    pub(crate) context: u64,
    pub(crate) level: CompletionLevel,
    /// Apart, so that those who say nothing pay nothing for it.
    pub(crate) notice: Option<Box<Notice>>,
    pub(crate) what: What,
}

/// What is to be moved, and where.
#[derive(Debug)]
pub(crate) enum What {
    Write { data: Bytes, to: RegionAddress },
    Read { buffer: BytesMut, from: RegionAddress },
    WriteBlocks(Vec<Block>),
    ReadBlocks(Vec<Block>),
    Atomic { at: RegionAddress, op: AtomicOp },
}

impl Operation {
    /// Whom something will be sent to.
    pub(crate) fn peer(&self) -> Option<Peer> {
        match self {
            Self::Send { peer, .. } | Self::Transfer(Transfer { peer, .. }) => Some(*peer),
            Self::Recv { .. } | Self::Deregister { .. } => None,
        }
    }

    /// How many completions it can have.
    pub(crate) fn places(&self) -> usize {
        match self {
            Self::Recv { options: RecvOptions { many: Some(many), .. }, .. } => {
                many.max_messages.get() as usize + 1
            }
            _ => 1,
        }
    }

    /// The completion of an operation that the driver of `engine` never took.
    pub(crate) fn abandon(self, engine: u32) -> Completion {
        match self {
            Self::Send { peer, options, .. } => Completion::Send(SendCompletion {
                engine,
                context: options.context,
                peer,
                result: Err(SendFailure::NotSent(PeerFailure::Closed)),
            }),
            Self::Recv { buffer: rest, options: RecvOptions { context, many: Some(_), .. } } => {
                let (messages, result) = (0, Err(RecvFailure::Closed));
                Completion::RecvOver(RecvOver { engine, context, rest, messages, result })
            }
            Self::Recv { buffer, options } => Completion::Recv(RecvCompletion {
                engine,
                context: options.context,
                buffer,
                result: Err(RecvFailure::Closed),
            }),
            Self::Transfer(Transfer { peer, context, what, .. }) => {
                let buffer = match what {
                    What::Read { buffer, .. } => Some(buffer),
                    _ => None,
                };
                let result = Err(TransferFailure::NotSent(PeerFailure::Closed));
                Completion::Transfer(TransferCompletion { engine, context, peer, buffer, result })
            }
            // The memory of a region goes with the driver.
            Self::Deregister { context, .. } => {
                let result = Err(NotRegistered);
                Completion::Deregistered(RegionCompletion { engine, context, result })
            }
        }
    }
}

/// Something else that the driver is to do, with where the answer goes. Rare, so these may
/// allocate.
#[derive(Debug)]
pub(crate) enum Command {
    Connect(Address, Answer<Result<Peer, ConnectError>>),
    Disconnect(Peer, Answer<Result<(), CommandError>>),
    ClosePeer(Peer, Duration, Answer<Parted>),
    UpdateAddress(Peer, Address, Answer<Result<(), UpdateAddressError>>),
    NotificationsTo(Peer, CompletionQueue, u32, Answer<Result<(), NotificationsToError>>),
    CancelRecv(u64),
    Cancel(Peer, u64),
    Peek(Tags, Answer<Option<Peeked>>),
    Stats(Answer<EngineStats>),
    Peers(Answer<Vec<Peer>>),
    PeerStats(Peer, Answer<Result<PeerSnapshot, CommandError>>),
    Register(Memory, RegionOptions, Answer<Registered>),
    CopyFrom(Region, u64, usize, Answer<Result<Bytes, CopyError>>),
    CopyInto(Region, u64, Bytes, Answer<Result<(), CopyError>>),
    Pin(Bytes, Answer<Result<(), PinError>>),
    Unpin(Bytes, Answer<()>),
    Shutdown(Duration, Answer<ShutdownReport>),
}

/// A region, or why the memory is given back.
pub(crate) type Registered = Result<Region, (RegisterError, Memory)>;

/// Room for one answer. A caller that no longer waits for it is not an error.
pub(crate) type Answer<T> = SyncSender<T>;
