//! One error per operation, from the caller's point of view, each with what to do about it.

use std::fmt;
use std::time::Duration;

use usrd_device::DeviceError;
use usrd_proto::{AddPeerError, ConfigError, Service};

use crate::Peer;

/// Why an engine could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Neither an address nor a device was given.
    #[error("no device: call udp(\"IP:PORT\") or device(...) on the builder")]
    NoDevice,
    /// The text given to [`Builder::udp`](crate::Builder::udp) is not a socket address.
    #[error("bad address `{0}`: expected IP:PORT, such as 127.0.0.1:0 or [::1]:4791")]
    BadAddress(String),
    /// The device could not be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A value of the configuration cannot work.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// A value of the builder cannot work.
    #[error("{name} must be at least {least}")]
    TooSmall {
        /// The builder's method.
        name: &'static str,
        /// The least that works.
        least: usize,
    },
    /// The configuration asks for packets that the device does not carry.
    #[error("mtu_bytes and open_mtu_bytes: {mtu_bytes} is more than the device's {max_bytes}")]
    Mtu {
        /// What was asked for.
        mtu_bytes: u16,
        /// The most payload that fits into a datagram, beside its header.
        max_bytes: usize,
    },
    /// The device carries less than a packet's header and one byte.
    #[error("the device carries datagrams of {max_bytes} bytes; a header alone has {header_bytes}")]
    DatagramTooSmall {
        /// What the device carries.
        max_bytes: usize,
        /// What a data packet's header takes.
        header_bytes: usize,
    },
    /// The completion queue has no room for the engine's notifications.
    #[error(
        "the completion queue has {limit} places left, and {needed} are kept for notifications; \
         make it larger, or lower max_notifications"
    )]
    CompletionQueue {
        /// The places that are needed.
        needed: usize,
        /// Those that nobody keeps.
        limit: usize,
    },
    /// The operating system gave no randomness for the seed.
    #[error("no randomness from the system ({0}); set a seed on the builder")]
    Seed(String),
    /// The driver's thread could not be started.
    #[error("cannot start the driver's thread: {0}")]
    Thread(std::io::Error),
}

/// Why an address did not become a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The device cannot reach this address.
    #[error(transparent)]
    Address(DeviceError),
    /// There are too many peers.
    #[error(transparent)]
    TooManyPeers(#[from] AddPeerError),
    /// The driver did not answer.
    #[error(transparent)]
    Driver(#[from] CommandError),
}

/// Why a peer's address was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateAddressError {
    /// The device cannot reach the new address.
    #[error(transparent)]
    Address(DeviceError),
    /// Another peer is there.
    #[error("{peer} is at this address; disconnect it first")]
    Taken {
        /// Which.
        peer: Peer,
    },
    /// The driver did not answer, or there is no such peer.
    #[error(transparent)]
    Driver(#[from] CommandError),
}

/// Why notifications of a peer were not given a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationsToError {
    /// The queue has no room for them.
    #[error("the completion queue has {limit} places left; make it larger, or ask for fewer")]
    Places {
        /// What is left of it.
        limit: usize,
    },
    /// They have one.
    #[error("notifications of this peer have a queue of their own, which cannot be changed")]
    Again,
    /// The driver did not answer, or there is no such peer.
    #[error(transparent)]
    Driver(#[from] CommandError),
}

/// Why memory could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The device cannot.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The driver did not answer.
    #[error(transparent)]
    Driver(#[from] CommandError),
}

/// Why the driver did not carry out a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The engine is shut down, or its device failed.
    #[error("the engine is closed")]
    Closed,
    /// The driver did not get round to it.
    #[error(
        "no answer from the driver within {0:?}; with a manual driver, call progress() \
         from another thread or use the methods of Driver"
    )]
    NoAnswer(Duration),
    /// The peer was never connected, or was disconnected.
    #[error("there is no such peer; connect it first")]
    UnknownPeer,
}

/// Why memory was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// There are too many regions, or this one is too long.
    #[error(transparent)]
    Limit(#[from] usrd_proto::RegisterError),
    /// Atomics need memory that starts at a multiple of eight.
    #[error("memory for atomics must start at a multiple of {align}")]
    Misaligned {
        /// What it must be a multiple of.
        align: usize,
    },
    /// Memory was to be borrowed, and the thread that borrows may be the one that drives.
    #[error(
        "the engine has no thread of its own; borrow memory with its driver, or use register_raw"
    )]
    NoThread,
    /// One of the peers that it is for was never connected, or was disconnected.
    #[error("one of the peers that it is for is not connected")]
    UnknownPeer,
    /// The driver did not answer.
    #[error(transparent)]
    Driver(#[from] CommandError),
}

/// Why an operation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The driver has not yet taken what was submitted before.
    #[error("the submission queue is full ({capacity}); try again, or raise submission_capacity")]
    QueueFull {
        /// Its capacity.
        capacity: usize,
    },
    /// Too many operations are pending, or completed and not polled.
    #[error(
        "{limit} operations are outstanding in this completion queue; poll completions, or raise \
         max_outstanding, or the capacity of a queue of your own"
    )]
    TooManyOutstanding {
        /// The limit.
        limit: usize,
    },
    /// UD carries one packet.
    #[error("a UD message has at most {max_bytes} bytes here; use srd or rd for more")]
    TooLongForUd {
        /// The most that fits, in bytes.
        max_bytes: usize,
    },
    /// UD has nobody who could report.
    #[error("UD messages cannot ask for delivery reports; use srd or rd")]
    NoReport,
    /// Tagged messages have a service of their own.
    #[error("a message with a tag is sent as srd, not as {service}; leave the service out")]
    TaggedService {
        /// What was asked for.
        service: Service,
    },
    /// What a transfer is to tell is too long.
    #[error("a note has at most {max_bytes} bytes; send what is longer as a message")]
    NoteTooLong {
        /// The most that it may be, in bytes.
        max_bytes: usize,
    },
    /// The engine is shut down or shutting down, or its device failed.
    #[error("the engine is closed")]
    Closed,
}

/// An operation that was not taken, with the buffer that came with it.
#[derive(Debug)]
pub struct Rejected<B> {
    /// Why.
    pub error: SubmitError,
    /// The caller's buffer.
    pub buffer: B,
}

impl<B> fmt::Display for Rejected<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<B: fmt::Debug> std::error::Error for Rejected<B> {}
