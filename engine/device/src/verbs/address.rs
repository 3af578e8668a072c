//! The address of a verbs endpoint: everything that another needs in order to reach it, as bytes and
//! as text, to be passed around by whatever the user has.
//!
//! ```text
//!   version 1 | features 1 | rails 1 | Q_Key 4 | then for each rail:  GID 16 | LID 2 | QPs 1 | QPN 3 ...
//!   as text:  verbs: and the bytes in hexadecimal
//! ```
//! Features are what others may do when they send there; bits without a meaning are ignored, so
//! that later versions can have more.

use std::fmt::Write;

use super::gid::Gid;
use crate::{Address, DeviceError};

/// A verbs endpoint, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointAddress {
    /// What its queue pairs accept, and what names this endpoint among those of its host.
    pub qkey: u32,
    /// Whether it understands [bundles](crate::bundle).
    pub bundles: bool,
    /// Its ports. One at least.
    pub rails: Vec<RailAddress>,
}

/// A port, and the queue pairs there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RailAddress {
    /// The port.
    pub gid: Gid,
    /// The port, on InfiniBand; otherwise 0.
    pub lid: u16,
    /// The queue pairs' numbers, 24 bits each. One at least.
    pub queue_pairs: Vec<u32>,
}

impl EndpointAddress {
    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let features = if self.bundles { BUNDLES } else { 0 };
        let mut bytes = vec![VERSION, features, self.rails.len() as u8];
        bytes.extend(self.qkey.to_be_bytes());
        for rail in &self.rails {
            bytes.extend(rail.gid.0);
            bytes.extend(rail.lid.to_be_bytes());
            bytes.push(rail.queue_pairs.len() as u8);
            bytes.extend(
                rail.queue_pairs.iter().flat_map(|number| number.to_be_bytes()[1..].to_vec()),
            );
        }
        bytes
    }

    /// Reads bytes; none if they are no address.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [version, features, rails] = rest.take()?;
        let qkey = u32::from_be_bytes(rest.take()?);
        if version != VERSION || rails == 0 || qkey == 0 || qkey & CONTROLLED != 0 {
            return None;
        }
        let rails = (0..rails).map(|_| rest.rail()).collect::<Option<Vec<_>>>()?;
        let bundles = features & BUNDLES != 0;
        rest.0.is_empty().then_some(Self { qkey, bundles, rails })
    }

    /// The text.
    pub fn to_address(&self) -> Address {
        let mut text = PREFIX.to_owned();
        for byte in self.to_bytes() {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Address::new(text)
    }

    /// Reads a text.
    pub fn from_address(address: &Address) -> Result<Self, DeviceError> {
        let bytes = address.as_str().strip_prefix(PREFIX).and_then(from_hex);
        (bytes.as_deref().and_then(Self::from_bytes)).ok_or_else(|| DeviceError::BadAddress {
            address: address.clone(),
            expected: "verbs: and hexadecimal digits, as the other end prints its address",
        })
    }
}

/// Bytes that are still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    fn rail(&mut self) -> Option<RailAddress> {
        let gid = Gid(self.take()?);
        let lid = u16::from_be_bytes(self.take()?);
        let [count] = self.take()?;
        let queue_pairs = (0..count).map(|_| self.number()).collect::<Option<Vec<_>>>()?;
        (!queue_pairs.is_empty()).then_some(RailAddress { gid, lid, queue_pairs })
    }

    fn number(&mut self) -> Option<u32> {
        let [a, b, c] = self.take()?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| (digit as char).to_digit(16);
    let byte = |pair: &[u8; 2]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(byte).collect()
}

const PREFIX: &str = "verbs:";
const VERSION: u8 = 2;
/// Of the features.
const BUNDLES: u8 = 1;
/// Q_Keys with this bit are for privileged users only.
pub(super) const CONTROLLED: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> EndpointAddress {
        let rail = |last, queue_pairs: &[u32]| RailAddress {
            gid: Gid::from_ipv4([10, 0, 0, last]),
            lid: 7,
            queue_pairs: queue_pairs.to_vec(),
        };
        EndpointAddress {
            qkey: 0x1234_5678,
            bundles: true,
            rails: vec![rail(1, &[17, 0xff_ffff]), rail(2, &[18])],
        }
    }

    #[test]
    fn bytes_and_text_lead_back() {
        let address = example();
        assert_eq!(EndpointAddress::from_bytes(&address.to_bytes()).unwrap(), address);
        assert_eq!(EndpointAddress::from_address(&address.to_address()).unwrap(), address);
        assert_eq!(address.to_bytes().len(), 7 + 2 * 19 + 3 * 3);
    }

    #[test]
    fn features_without_a_meaning_are_ignored() {
        for (features, bundles) in [(0, false), (1, true), (0xfe, false), (0xff, true)] {
            let mut bytes = example().to_bytes();
            bytes[1] = features;
            let address = EndpointAddress::from_bytes(&bytes).unwrap();
            assert_eq!(address, EndpointAddress { bundles, ..example() });
        }
    }

    #[test]
    fn every_cut_and_every_excess_is_refused() {
        let bytes = example().to_bytes();
        for len in 0..bytes.len() {
            assert_eq!(EndpointAddress::from_bytes(&bytes[..len]), None, "{len}");
        }
        assert_eq!(EndpointAddress::from_bytes(&[&bytes[..], &[0]].concat()), None);
        for (at, value) in [(0, 1), (2, 0), (3, 0x80), (25, 0)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert_eq!(EndpointAddress::from_bytes(&wrong), None, "{at}");
        }
        for text in ["", "verbs:", "verbs:0", "verbs:zz", "udp:00", "127.0.0.1:1", "verbs:é"] {
            assert!(EndpointAddress::from_address(&text.into()).is_err(), "{text}");
        }
    }
}
