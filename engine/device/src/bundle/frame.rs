//! How datagrams lie in a bundle.
//!
//! ```text
//!   mark 1 | length 2 | datagram ... | length 2 | datagram ... |         big-endian, no end mark
//! ```
//! A bundle is taken whole or not at all: every length is checked before the first piece is shown.

use std::ops::Range;

/// Writes a bundle to the front of `to`, each of its datagrams given as header and payload, and
/// returns its length.
///
/// # Panics
/// If `to` is too short, or a datagram is longer than a length can say.
pub fn write<'a>(to: &mut [u8], datagrams: impl Iterator<Item = [&'a [u8]; 2]>) -> usize {
    to[0] = MARK;
    let mut end = BUNDLE_BYTES;
    for parts in datagrams {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let length = u16::try_from(bytes).expect("datagrams of a bundle are small");
        let mut at = end + PIECE_BYTES;
        to[end..at].copy_from_slice(&length.to_be_bytes());
        for part in parts {
            to[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        end = at;
    }
    end
}

/// The pieces of a bundle.
pub fn split(bundle: &[u8]) -> Result<Pieces<'_>, BadBundle> {
    if bundle.first() != Some(&MARK) {
        return Err(BadBundle::Mark);
    }
    let pieces = Pieces { bundle, at: BUNDLE_BYTES };
    let mut ahead = pieces.clone();
    let count = ahead.by_ref().take(MAX_PIECES + 1).count();
    match () {
        () if count > MAX_PIECES => Err(BadBundle::TooMany),
        () if ahead.at < bundle.len() || count == 0 => Err(BadBundle::Length),
        () => Ok(pieces),
    }
}

/// The places of a bundle's datagrams in it, from first to last.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    bundle: &'a [u8],
    at: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    /// Ends where no whole datagram follows.
    fn next(&mut self) -> Option<Range<usize>> {
        let (length, rest) = self.bundle.get(self.at..)?.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > rest.len() {
            return None;
        }
        let start = self.at + PIECE_BYTES;
        self.at = start + length;
        Some(start..self.at)
    }
}

/// Bytes that are no bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBundle {
    /// They do not begin like one.
    #[error("a bundle begins with another byte")]
    Mark,
    /// A length is zero, or says more than there is; or there is no datagram in it.
    #[error("the lengths of a bundle's datagrams do not add up")]
    Length,
    /// More datagrams than anybody joins.
    #[error("a bundle of more than {MAX_PIECES} datagrams")]
    TooMany,
}

/// What a bundle has that its datagrams have not.
pub const BUNDLE_BYTES: usize = 1;
/// What each datagram takes up beside itself.
pub const PIECE_BYTES: usize = 2;
/// More than fit of the smallest datagrams of any use into the largest of an RDMA network, and few
/// enough that a hostile bundle causes no more work than as many datagrams.
pub const MAX_PIECES: usize = 64;
/// The first byte, which tells a bundle from what else devices say to each other.
pub const MARK: u8 = 0xb5;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bundle(datagrams: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let parts = datagrams.iter().map(|datagram| datagram.split_at(datagram.len() / 2).into());
        let len = write(&mut bytes, parts);
        bytes.truncate(len);
        bytes
    }

    fn pieces(bundle: &[u8]) -> Result<Vec<&[u8]>, BadBundle> {
        Ok(split(bundle)?.map(|piece| &bundle[piece]).collect())
    }

    #[test]
    fn a_bundle_has_known_bytes() {
        let bytes = bundle(&[b"ab", b"c"]);
        assert_eq!(bytes, [0xb5, 0, 2, b'a', b'b', 0, 1, b'c']);
        assert_eq!(pieces(&bytes), Ok(vec![&b"ab"[..], &b"c"[..]]));
    }

    #[test]
    fn what_does_not_add_up_is_refused_whole() {
        let good = bundle(&[b"ab", b"c"]);
        for len in 0..good.len() {
            // Cut between two datagrams it is a shorter bundle.
            let expected = match len {
                0 => Err(BadBundle::Mark),
                5 => Ok(vec![&b"ab"[..]]),
                _ => Err(BadBundle::Length),
            };
            assert_eq!(pieces(&good[..len]), expected, "{len} bytes");
        }
        assert_eq!(pieces(&[0xb5, 0, 0]), Err(BadBundle::Length));
        assert_eq!(pieces(&[0xb5, 0, 1, 7, 0]), Err(BadBundle::Length));
        assert_eq!(pieces(&[1, 0, 1, 7]), Err(BadBundle::Mark));
    }

    #[test]
    fn there_is_an_end_to_how_many() {
        let most = bundle(&[&b"x"[..]; MAX_PIECES]);
        assert_eq!(pieces(&most).unwrap().len(), MAX_PIECES);
        assert_eq!(pieces(&bundle(&[&b"x"[..]; MAX_PIECES + 1])), Err(BadBundle::TooMany));
    }

    proptest! {
        #[test]
        fn what_was_joined_is_split_the_same(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..60),
        ) {
            let datagrams: Vec<&[u8]> = datagrams.iter().map(Vec::as_slice).collect();
            let bundle = bundle(&datagrams);
            prop_assert_eq!(pieces(&bundle), Ok(datagrams));
        }

        #[test]
        fn pieces_of_anything_lie_inside_and_apart(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [&[MARK], &bytes[..]].concat();
            if let Ok(pieces) = split(&bytes) {
                let mut end = BUNDLE_BYTES;
                for piece in pieces {
                    prop_assert_eq!(piece.start, end + PIECE_BYTES);
                    prop_assert!(!piece.is_empty());
                    end = piece.end;
                }
                prop_assert_eq!(end, bytes.len());
            }
        }
    }
}
