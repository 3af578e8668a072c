//! The fingerprint of a run: every transmission, arrival, drop, mark and completion, in order, in
//! 64 bits. Two runs with the same digest did the same; the function is fixed for good, so that
//! digests can be compared across machines and builds.

use crate::time::Time;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A host handed a packet to its network interface.
    Transmit = 1,
    /// A packet reached a host.
    Arrival = 2,
    /// A full queue dropped a packet.
    TailDrop = 3,
    /// A link lost a packet.
    Loss = 4,
    /// A queue marked a packet.
    Mark = 5,
    /// A link copied a packet.
    Copy = 6,
    /// A send completed.
    Sent = 7,
    /// A receive completed.
    Received = 8,
    /// A full queue cut a packet's payload off.
    Trim = 9,
    /// A link that is down dropped a packet.
    Down = 10,
    /// A frame check was wrong.
    Corrupt = 11,
    /// A planned fault began or was over.
    Fault = 12,
    /// A message was handed to the sender's endpoint.
    Submitted = 13,
}

/// The fingerprint so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Takes one event in: what, when, at which host or link, and what tells it from its like.
    #[inline]
    pub fn event(&mut self, now: Time, kind: Kind, place: u32, detail: u64) {
        self.word(now.as_ps());
        self.word((kind as u64) << 32 | u64::from(place));
        self.word(detail);
    }

    /// The first 32 bytes of a packet: kind, context, PSN, path and path sequence number, service,
    /// length and message.
    #[inline]
    pub fn header(header: &[u8]) -> u64 {
        let mut bytes = [0u8; HEADER_BYTES];
        let len = header.len().min(HEADER_BYTES);
        bytes[..len].copy_from_slice(&header[..len]);
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().fold(INCREMENT, |sum, &word| {
            fold(sum ^ u64::from_le_bytes(word), MULTIPLIER).wrapping_add(INCREMENT)
        })
    }

    /// The fingerprint.
    pub const fn value(self) -> u64 {
        self.0
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word, MULTIPLIER).wrapping_add(INCREMENT);
    }
}

/// All bits of the product take part, the high half as well.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// What makes a packet itself stands in its first 32 bytes, whatever its kind.
const HEADER_BYTES: usize = 32;
/// Odd, half of its bits set, no pattern (digits of pi and of e).
const MULTIPLIER: u64 = 0x243f_6a88_85a3_08d3;
const INCREMENT: u64 = 0xb7e1_5162_8aed_2a6b;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_time_place_and_kind_matter() {
        let of = |events: &[(u64, Kind, u32, u64)]| {
            let mut digest = Digest::default();
            for &(ps, kind, place, detail) in events {
                digest.event(Time::from_ps(ps), kind, place, detail);
            }
            digest.value()
        };
        let (a, b) = ((1, Kind::Transmit, 0, 5), (2, Kind::Arrival, 1, 5));
        let base = of(&[a, b]);
        assert_eq!(base, of(&[a, b]));
        assert_ne!(base, of(&[b, a]));
        assert_ne!(base, of(&[a]));
        assert_ne!(base, of(&[(3, a.1, a.2, a.3), b]));
        assert_ne!(base, of(&[a, (2, Kind::Loss, 1, 5)]));
        assert_ne!(Digest::header(&[1, 2, 3]), Digest::header(&[1, 2, 4]));
    }
}
