//! Sequence numbers: long inside, short on the wire.
//!
//! A number that never wraps is easy to reason about, and a header has no room for one. So each side
//! counts in 64 bits, sends the low bits, and puts the rest back by asking which number *near the
//! ones in use* ends in those bits. That is unambiguous while both sides stay within half of the
//! wire's range of each other, and the windows are smaller than that by orders of magnitude.

use core::fmt;

/// A sequence number of which `BITS` (1 to 32) low bits travel on the wire.
///
/// Use it through its two names, [`Psn`] and [`PathSeq`]; they are distinct types.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence<const BITS: u32>(u64);

/// Numbers the packets between two peers; a retransmission keeps its number.
pub type Psn = Sequence<32>;

/// Numbers the transmissions on one path; every transmission takes a fresh one.
pub type PathSeq = Sequence<24>;

impl<const BITS: u32> Sequence<BITS> {
    /// The first number.
    pub const ZERO: Self = Self(0);

    /// The number `value`.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The full number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The low bits, as a header carries them.
    pub const fn wire(self) -> u32 {
        (self.0 & low_mask(BITS)) as u32
    }

    /// The number closest to `near` that a header would show as `wire`.
    ///
    /// Bits of `wire` above the field's width are ignored. Of two equally close numbers it is the
    /// later one, and where the closest would lie below zero, the smallest that exists.
    pub const fn reconstruct(wire: u32, near: Self) -> Self {
        Self(extend(wire, BITS, near.0))
    }

    /// The number below `end` that a header would show as `wire`, if it is nearer to `end` than half
    /// of the field's range: what was numbered so far, as far as anybody can still mean it.
    #[inline]
    pub const fn reconstruct_below(wire: u32, end: Self) -> Option<Self> {
        let unused = u32::BITS - BITS;
        let behind = ((end.0 as u32).wrapping_sub(wire) << unused) as i32 >> unused;
        if behind <= 0 {
            return None;
        }
        match end.0.checked_sub(behind as u64) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// How far the number that a header shows as `wire` is ahead of `near`, the shorter way round;
    /// negative if it is behind.
    #[inline]
    pub const fn distance(wire: u32, near: Self) -> i64 {
        let unused = u32::BITS - BITS;
        ((wire.wrapping_sub(near.0 as u32) << unused) as i32 >> unused) as i64
    }

    /// The number that follows.
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number `n` further on.
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    /// How far this is past `other`; zero if it is not past it.
    pub const fn since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// The aligned block of 64 numbers this one is in: one word of a bitmap.
    pub const fn block(self) -> u64 {
        self.0 >> 6
    }

    /// This number's bit in the word of its [`block`](Self::block), 0 to 63.
    pub const fn bit(self) -> u32 {
        (self.0 & 63) as u32
    }
}

impl<const BITS: u32> fmt::Debug for Sequence<BITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<const BITS: u32> fmt::Display for Sequence<BITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number closest to `near` whose low `bits` bits are those of `wire`.
const fn extend(wire: u32, bits: u32, near: u64) -> u64 {
    // The distance on the wire's circle, the shorter way round: shifted up so that its sign bit is
    // the sign, and back down.
    let unused = u32::BITS - bits;
    let distance = (wire.wrapping_sub(near as u32) << unused) as i32 >> unused;
    // Half way round is as far ahead as behind, and counts as ahead.
    let ahead = if distance == i32::MIN >> unused { -(distance as i64) } else { distance as i64 };
    match near.checked_add_signed(ahead) {
        Some(number) => number,
        // Below zero there is nothing, and past the end neither: the next best is a range away.
        None if ahead < 0 => near.wrapping_add_signed(ahead + (1 << bits)),
        None => near.wrapping_add_signed(ahead - (1 << bits)),
    }
}

const fn low_mask(bits: u32) -> u64 {
    assert!(bits >= 1 && bits <= 32);
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE: u64 = 1 << 32;
    const PATH_RANGE: u64 = 1 << 24;

    /// The definition: of all numbers that end in `wire`, the one at the smallest distance.
    fn closest_by_search(wire: u32, bits: u32, near: u64) -> u64 {
        let range = 1u128 << bits;
        let wire = u128::from(wire) % range;
        let near = u128::from(near);
        let turn = near / range;
        (turn.saturating_sub(1)..=turn + 1)
            .map(|turn| turn * range + wire)
            .filter(|&candidate| candidate <= u128::from(u64::MAX))
            .min_by_key(|&candidate| (candidate.abs_diff(near), u128::MAX - candidate))
            .unwrap() as u64
    }

    fn psn(wire: u32, near: u64) -> u64 {
        Psn::reconstruct(wire, Psn::new(near)).as_u64()
    }

    fn path_seq(wire: u32, near: u64) -> u64 {
        PathSeq::reconstruct(wire, PathSeq::new(near)).as_u64()
    }

    #[test]
    fn reconstructs_across_the_wrap() {
        assert_eq!(psn(0, RANGE - 1), RANGE);
        assert_eq!(psn(u32::MAX, RANGE), RANGE - 1);
        assert_eq!(psn(5, 7 * RANGE - 3), 7 * RANGE + 5);
        assert_eq!(psn(u32::MAX - 2, 7 * RANGE + 5), 7 * RANGE - 3);
        assert_eq!(path_seq(0, PATH_RANGE - 1), PATH_RANGE);
        assert_eq!(path_seq(0xff_ffff, PATH_RANGE), PATH_RANGE - 1);
    }

    #[test]
    fn a_tie_goes_to_the_later_number() {
        assert_eq!(psn(1 << 31, RANGE), RANGE + (1 << 31));
        assert_eq!(psn((1 << 31) + 1, RANGE), (1 << 31) + 1);
    }

    #[test]
    fn saturates_at_both_ends() {
        // The closest would be -1: the smallest number with these bits stands in.
        assert_eq!(psn(u32::MAX, 0), RANGE - 1);
        assert_eq!(path_seq(0xff_fff0, 3), 0xff_fff0);
        assert_eq!(psn(0, u64::MAX), u64::MAX - (RANGE - 1));
        assert_eq!(Psn::new(u64::MAX).next().as_u64(), u64::MAX);
    }

    #[test]
    fn bits_above_a_path_sequence_are_ignored() {
        assert_eq!(path_seq(0xab00_0007, 5), 7);
        assert_eq!(PathSeq::new(0x1234_5678_9abc).wire(), 0x78_9abc);
    }

    #[test]
    fn distance_and_bitmap_position() {
        assert_eq!(Psn::new(70).since(Psn::new(64)), 6);
        assert_eq!(Psn::new(64).since(Psn::new(70)), 0);
        assert_eq!((Psn::new(63).block(), Psn::new(63).bit()), (0, 63));
        assert_eq!((Psn::new(RANGE).block(), Psn::new(RANGE).bit()), (RANGE / 64, 0));
    }

    fn near() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0..2000u64,
            (RANGE - 1000)..(RANGE + 1000),
            (u64::MAX - 1000)..=u64::MAX
        ]
    }

    fn wire() -> impl Strategy<Value = u32> {
        prop_oneof![any::<u32>(), 0..1000u32, (u32::MAX - 1000)..=u32::MAX]
    }

    proptest! {
        #[test]
        fn agrees_with_a_search(wire in wire(), near in near()) {
            prop_assert_eq!(psn(wire, near), closest_by_search(wire, 32, near));
            prop_assert_eq!(path_seq(wire, near), closest_by_search(wire, 24, near));
        }

        #[test]
        fn round_trips_within_half_the_range(near in near(), offset in -(1i64 << 31) + 1..=1i64 << 31) {
            if let Some(value) = near.checked_add_signed(offset) {
                prop_assert_eq!(psn(Psn::new(value).wire(), near), value);
            }
        }
    }
}
