//! What can go wrong with a device, from its caller's point of view.

use std::io;
use std::net::SocketAddr;

use crate::{Address, SourceId};

/// Why a device could not do what it was asked.
///
/// Loss is not an error: a datagram that a device has taken may vanish, and nobody is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The text is not an address of this kind of device.
    #[error("bad address `{address}`: expected {expected}")]
    BadAddress {
        /// The text.
        address: Address,
        /// What it should have looked like.
        expected: &'static str,
    },

    /// The local address could not be taken.
    #[error("cannot bind {address}: {source}; {advice}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the user can do about it.
        advice: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A setting is out of range, or contradicts another one.
    #[error("setting `{setting}`: {problem}")]
    BadSetting {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// The system lacks something that this device cannot do without.
    #[error("{feature} is not available here: {source}; {advice}")]
    Unsupported {
        /// What is missing.
        feature: &'static str,
        /// What the user can do about it.
        advice: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A datagram is larger than [`Capabilities::max_datagram_bytes`].
    ///
    /// [`Capabilities::max_datagram_bytes`]: crate::Capabilities::max_datagram_bytes
    #[error("a datagram of {bytes} bytes exceeds this device's limit of {max_bytes} bytes")]
    TooLarge {
        /// Header and payload of the datagram.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },

    /// The source does not belong to an arrival of the last poll.
    #[error("source {} is not one of the last poll: resolve it before polling again", .0.0)]
    UnknownSource(SourceId),

    /// The system failed in a way that trying again will not cure.
    #[error("{operation} failed: {source}")]
    Io {
        /// What the device was doing.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl DeviceError {
    /// For `map_err`: wraps what the system said about `operation`.
    pub(crate) fn io(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }
}
