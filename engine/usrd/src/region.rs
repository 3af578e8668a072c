//! Registered memory, and what its owner tells peers about it.

use bytes::BytesMut;
use usrd_proto::region::MAX_REGION_BYTES;
use usrd_proto::{Access, RegionAddress};

use crate::Peer;

/// Memory that was registered with an engine: a small handle, good until it is deregistered.
///
/// It is not tied to the memory: dropping it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub(crate) start: RegionAddress,
    pub(crate) len: u64,
    pub(crate) access: Access,
}

impl Region {
    /// The place at `offset` bytes, for the `local` side of a [`Block`](crate::Block). Whether it
    /// lies inside is checked when it is used.
    pub const fn at(&self, offset: u64) -> RegionAddress {
        self.start.plus(offset)
    }

    /// What a peer has to be told to use it: send it the [bytes](RemoteRegion::to_bytes).
    pub const fn remote(&self) -> RemoteRegion {
        RemoteRegion { start: self.start, len: self.len, access: self.access }
    }
}

/// A region of a peer: whoever has this can use the region as far as its owner allows.
///
/// The key in it is a secret. It is worth nothing once the region is deregistered, or its owner
/// restarts: operations then fail as refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteRegion {
    start: RegionAddress,
    len: u64,
    access: Access,
}

/// What both say of themselves.
macro_rules! impl_extent {
    ($($region:ty),+) => {$(
        impl $region {
            /// How long it is, in bytes.
            pub const fn len(&self) -> u64 {
                self.len
            }

            /// Whether there is nothing in it.
            pub const fn is_empty(&self) -> bool {
                self.len == 0
            }

            /// What its owner allows peers to do with it.
            pub const fn access(&self) -> Access {
                self.access
            }
        }
    )+};
}

impl_extent!(Region, RemoteRegion);

/// Bytes that are not those of a [`RemoteRegion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a remote region; expected what to_bytes of the owner's gave")]
pub struct BadRemoteRegion;

impl RemoteRegion {
    /// How many bytes [`to_bytes`](Self::to_bytes) gives.
    pub const BYTES: usize = 24;

    /// The place at `offset` bytes, for operations. Whether it lies inside is checked by the owner.
    pub const fn at(&self, offset: u64) -> RegionAddress {
        self.start.plus(offset)
    }

    /// To be sent to a peer: key, slot, length, rights; big-endian.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [key, place] = self.start.words();
        let rights_and_len = u64::from(self.access.bits()) << ACCESS_SHIFT | self.len;
        let mut bytes = [0; Self::BYTES];
        for (to, word) in bytes.chunks_exact_mut(8).zip([key, place, rights_and_len]) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// What a peer has sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRemoteRegion> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| BadRemoteRegion)?;
        let mut words = [0; 3];
        for (word, from) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_be_bytes(*from);
        }
        let [key, place, rights_and_len] = words;
        let start = RegionAddress::from_words([key, place]);
        let access = Access::from_bits((rights_and_len >> ACCESS_SHIFT) as u8);
        let len = rights_and_len & ((1 << ACCESS_SHIFT) - 1);
        match access {
            Some(access) if start.offset() == 0 && len < MAX_REGION_BYTES => {
                Ok(Self { start, len, access })
            }
            _ => Err(BadRemoteRegion),
        }
    }
}

const ACCESS_SHIFT: u32 = 56;

/// How memory is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionOptions {
    pub(crate) access: Access,
    pub(crate) peers: Option<Vec<Peer>>,
}

impl RegionOptions {
    /// For all peers that know the key.
    pub const fn new(access: Access) -> Self {
        Self { access, peers: None }
    }

    /// For these peers only. One that is disconnected loses the right for good.
    #[must_use]
    pub fn only(mut self, peers: &[Peer]) -> Self {
        self.peers = Some(peers.to_vec());
        self
    }
}

impl From<Access> for RegionOptions {
    fn from(access: Access) -> Self {
        Self::new(access)
    }
}

/// Memory was not registered.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unregistered {
    /// Why.
    #[source]
    pub error: crate::RegisterError,
    /// The memory, unless the driver has it and does not answer.
    pub memory: Option<BytesMut>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_region_travels_as_bytes() {
        let start = RegionAddress::new(0x0102, 0x1122_3344_5566_7788, 0);
        let access = Access::READ | Access::ATOMIC;
        let remote = Region { start, len: 0x0a0b_0c0d, access }.remote();
        let bytes = remote.to_bytes();
        let expected = [
            0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, // key
            0x01, 0x02, 0, 0, 0, 0, 0, 0, // slot, offset
            0x05, 0, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, // rights, length
        ];
        assert_eq!(bytes, expected);
        assert_eq!(RemoteRegion::from_bytes(&bytes), Ok(remote));
        assert_eq!(RemoteRegion::from_bytes(&bytes[1..]), Err(BadRemoteRegion));
        for (at, bad) in [(15, 1), (16, 8), (17, 1)] {
            let mut bytes = bytes;
            bytes[at] = bad;
            assert_eq!(RemoteRegion::from_bytes(&bytes), Err(BadRemoteRegion), "byte {at}");
        }
    }
}
