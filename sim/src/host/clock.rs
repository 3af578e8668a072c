//! A host's clock. It shows whole nanoseconds, and may run too fast or too slow.

use usrd_proto::Instant;

use crate::time::Time;

/// What a host takes for the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// Since when it runs as it does...
    since: Time,
    /// ...what it showed then...
    showed: Time,
    /// ...and how much too fast it runs, in millionths.
    ppm: i32,
}

impl Clock {
    /// What it shows. Rounded down, so that nobody sees the future.
    #[inline]
    pub(super) fn reads(&self, now: Time) -> Instant {
        self.at(now).instant()
    }

    /// When it will show `instant`.
    #[inline]
    pub(super) fn shows(&self, instant: Instant) -> Time {
        let due = Time::at(instant);
        if self.ppm == 0 && self.since == self.showed || due == Time::NEVER {
            return due;
        }
        let ahead = u128::from((due - self.showed).as_ps()) * MILLION;
        let real = ahead.div_ceil((MILLION as i128 + i128::from(self.ppm)) as u128);
        self.since + Time::from_ps(real as u64)
    }

    /// From now on it runs so.
    pub(super) fn set_drift(&mut self, now: Time, ppm: i32) {
        *self = Self { since: now, showed: self.at(now), ppm };
    }

    #[inline]
    fn at(&self, now: Time) -> Time {
        let passed = now - self.since;
        if self.ppm == 0 {
            return self.showed + passed;
        }
        let factor = (MILLION as i128 + i128::from(self.ppm)) as u128;
        self.showed + Time::from_ps((u128::from(passed.as_ps()) * factor / MILLION) as u64)
    }
}

const MILLION: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_drifts_and_never_goes_back() {
        let mut clock = Clock::default();
        assert_eq!(clock.reads(Time::from_ps(1_999)), Instant::from_nanos(1));
        clock.set_drift(Time::from_ns(1_000_000), 1_000);
        assert_eq!(clock.reads(Time::from_ns(2_000_000)), Instant::from_nanos(2_001_000));
        assert_eq!(clock.shows(Instant::from_nanos(2_001_000)), Time::from_ns(2_000_000));
        clock.set_drift(Time::from_ns(2_000_000), -1_000);
        assert_eq!(clock.reads(Time::from_ns(3_000_000)), Instant::from_nanos(3_000_000));
        clock.set_drift(Time::from_ns(3_500_000), 0);
        let later = clock.reads(Time::from_ns(4_500_000));
        assert_eq!(clock.shows(later), Time::from_ns(4_500_000));
        assert_eq!(clock.shows(Instant::NEVER), Time::NEVER);
    }

    #[test]
    fn what_is_shown_then_is_read_then() {
        let mut clock = Clock::default();
        clock.set_drift(Time::from_ns(123), 777);
        for nanos in [124, 1_000, 123_456_789] {
            let at = clock.shows(Instant::from_nanos(nanos));
            assert_eq!(clock.reads(at), Instant::from_nanos(nanos));
        }
    }
}
