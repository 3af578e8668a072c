//! What application threads hand to the driver.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use usrd_device::Address;
use usrd_proto::PeerFailure;

use crate::{
    CommandError, Completion, ConnectError, EngineStats, Peer, PeerSnapshot, RecvCompletion,
    RecvFailure, SendCompletion, SendFailure, SendOptions, ShutdownReport,
};

/// An operation, on its way to the driver.
#[derive(Debug)]
pub(crate) enum Submission {
    Send { peer: Peer, data: Bytes, options: SendOptions },
    Recv { buffer: BytesMut, context: u64 },
}

impl Submission {
    /// The completion of an operation that the driver never took.
    pub(crate) fn abandon(self) -> Completion {
        match self {
            Self::Send { peer, options, .. } => Completion::Send(SendCompletion {
                context: options.context,
                peer,
                result: Err(SendFailure::NotSent(PeerFailure::Closed)),
            }),
            Self::Recv { buffer, context } => Completion::Recv(RecvCompletion {
                context,
                buffer,
                result: Err(RecvFailure::Closed),
            }),
        }
    }
}

/// Something else that the driver is to do, with where the answer goes. Rare, so these may
/// allocate.
#[derive(Debug)]
pub(crate) enum Command {
    Connect(Address, Answer<Result<Peer, ConnectError>>),
    Disconnect(Peer, Answer<Result<(), CommandError>>),
    CancelRecv(u64),
    Stats(Answer<EngineStats>),
    Peers(Answer<Vec<Peer>>),
    PeerStats(Peer, Answer<Result<PeerSnapshot, CommandError>>),
    Shutdown(Duration, Answer<ShutdownReport>),
}

/// Room for one answer. A caller that no longer waits for it is not an error.
pub(crate) type Answer<T> = SyncSender<T>;
