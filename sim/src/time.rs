//! Simulated time: picoseconds, because a byte at 800 Gb/s takes ten of them.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use usrd_proto::Instant;

/// Picoseconds: since the start of the run, or between two moments. 64 bits last 213 days.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The start of a run, and no time at all.
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const NEVER: Self = Self(u64::MAX);

    /// From picoseconds.
    pub const fn from_ps(ps: u64) -> Self {
        Self(ps)
    }

    /// From nanoseconds, saturating.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns.saturating_mul(PS_PER_NS))
    }

    /// In picoseconds.
    pub const fn as_ps(self) -> u64 {
        self.0
    }

    /// In whole nanoseconds, rounded down.
    pub const fn as_ns(self) -> u64 {
        self.0 / PS_PER_NS
    }

    /// In microseconds, for people.
    pub const fn as_us(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// What a core's clock shows at this time. Rounded down, so that a core never sees the future.
    pub const fn instant(self) -> Instant {
        Instant::from_nanos(self.as_ns())
    }

    /// When a core's clock shows `instant`.
    pub const fn at(instant: Instant) -> Self {
        Self::from_ns(instant.as_nanos())
    }

    /// `self - earlier`; zero if it is not earlier.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Time {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Time {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.since(other)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} us", self.as_us())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const PS_PER_NS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_clock_is_rounded_down_and_saturates() {
        assert_eq!(Time::from_ps(1_999).instant(), Instant::from_nanos(1));
        assert_eq!(Time::at(Instant::from_nanos(7)), Time::from_ps(7_000));
        assert_eq!(Time::at(Instant::NEVER), Time::NEVER);
        assert_eq!(Time::NEVER + Time::from_ns(1), Time::NEVER);
        assert_eq!(Time::from_ns(1) - Time::from_ns(2), Time::ZERO);
    }
}
