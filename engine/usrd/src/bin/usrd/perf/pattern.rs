//! What messages consist of, and whether they arrived as they were sent.
//!
//! A key determines one long row of 64-bit words, no two alike, and message `n` is the stretch that
//! begins at word `n` (modulo [`SHIFTS`]):
//!
//! ```text
//!   words      w0 w1 w2 w3 w4 w5 ...            w[j] = key + j * STEP
//!   message 0  [-----------]
//!   message 1     [-----------]
//!   message 2        [-----------]
//! ```
//! So nothing is written or copied to send a message, its first word tells its number, and a word
//! that belongs to another message, another position or another measurement is noticed.

use usrd::Bytes;

/// The messages of one direction of one measurement.
#[derive(Debug)]
pub(crate) struct Pattern {
    key: u64,
    size: usize,
    row: Bytes,
}

impl Pattern {
    /// The messages of `size` bytes that `key` determines.
    pub(crate) fn new(key: u64, size: usize) -> Self {
        let key = mix(key);
        let words = size.div_ceil(WORD_BYTES) + SHIFTS as usize;
        let mut row = Vec::with_capacity(words * WORD_BYTES);
        for index in 0..words as u64 {
            row.extend_from_slice(&word(key, index).to_le_bytes());
        }
        Self { key, size, row: row.into() }
    }

    /// What all messages are slices of.
    pub(crate) const fn memory(&self) -> &Bytes {
        &self.row
    }

    /// Message `number`. Those too short for a number are all alike.
    pub(crate) fn message(&self, number: u64) -> Bytes {
        let shift = if self.is_numbered() { number % SHIFTS } else { 0 };
        let start = shift as usize * WORD_BYTES;
        self.row.slice(start..start + self.size)
    }

    /// Whether messages are long enough to carry their number.
    pub(crate) const fn is_numbered(&self) -> bool {
        self.size >= WORD_BYTES
    }

    /// The number that a message claims, modulo [`SHIFTS`]; none if it is not of this pattern.
    pub(crate) fn number(&self, message: &[u8]) -> Option<u64> {
        let first = u64::from_le_bytes(*message.first_chunk()?);
        let number = first.wrapping_sub(self.key).wrapping_mul(STEP_INVERSE);
        (number < SHIFTS).then_some(number)
    }

    /// Whether the contents are those of message `number`.
    pub(crate) fn holds(&self, number: u64, message: &[u8]) -> bool {
        let shift = if self.is_numbered() { number % SHIFTS } else { 0 };
        let (words, rest) = message.as_chunks::<WORD_BYTES>();
        let mut expected = word(self.key, shift);
        // Without a branch, so that several words are compared at a time.
        let mut difference = 0;
        for bytes in words {
            difference |= u64::from_le_bytes(*bytes) ^ expected;
            expected = expected.wrapping_add(STEP);
        }
        difference == 0 && expected.to_le_bytes().starts_with(rest)
    }
}

fn word(key: u64, index: u64) -> u64 {
    key.wrapping_add(index.wrapping_mul(STEP))
}

/// Spreads a key over all bits (the finaliser of SplitMix64).
pub(crate) const fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The multiplicative inverse of an odd number modulo 2^64, by Newton's method: each step doubles
/// the bits that are right, from three on.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

/// Numbers that are told apart by contents. Many times the widest receive window in packets, which
/// bounds how far apart two messages under way can be.
pub(crate) const SHIFTS: u64 = 1 << 16;
/// From word to word: odd, so that no word repeats; 2^64 over the golden ratio, so that all bits
/// change.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP_INVERSE: u64 = inverse(STEP);
const WORD_BYTES: usize = size_of::<u64>();

const _: () = assert!(STEP.wrapping_mul(STEP_INVERSE) == 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_its_number_and_holds() {
        for size in [8, 9, 64, 1000, 4096] {
            let pattern = Pattern::new(7, size);
            for number in [0, 1, 999, SHIFTS - 1, SHIFTS, 3 * SHIFTS + 5] {
                let message = pattern.message(number);
                assert_eq!(message.len(), size);
                assert_eq!(pattern.number(&message), Some(number % SHIFTS));
                assert!(pattern.holds(number, &message));
                assert!(!pattern.holds(number + 1, &message));
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        for size in [1, 7, 8, 13, 64] {
            let pattern = Pattern::new(7, size);
            let good = pattern.message(5).to_vec();
            assert!(pattern.holds(5, &good));
            for bit in 0..8 * size {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(!pattern.holds(5, &bad), "bit {bit} of {size} bytes");
            }
        }
    }

    #[test]
    fn another_key_is_another_pattern() {
        let (one, other) = (Pattern::new(1, 64), Pattern::new(2, 64));
        assert_eq!(one.number(&other.message(0)), None);
        assert!(!one.holds(0, &other.message(0)));
    }

    #[test]
    fn an_empty_message_has_no_number() {
        let pattern = Pattern::new(1, 0);
        assert_eq!(pattern.number(&pattern.message(3)), None);
        assert!(pattern.holds(3, &[]));
    }
}
