//! How long a round trip takes: smoothed, its spread, and its floor.
//!
//! The smoothed value and the mean deviation are RFC 6298's, in whole nanoseconds with shifts. The
//! floor is the least sample of the last 5 to 10 s, kept in two buckets: a new bucket starts every
//! 5 s and the one before the last is forgotten, so that when a route changes and becomes longer,
//! the floor follows instead of making every later sample look like a queue.

use core::time::Duration;

use crate::time::{Instant, nanos};

/// The round-trip times of a path or a peer.
#[derive(Clone, Debug)]
pub struct RttEstimator {
    srtt_ns: u64,
    rttvar_ns: u64,
    /// The last sample; 0 before the first, as a sample is at least 1 ns.
    latest_ns: u64,
    bucket_start: Instant,
    bucket_min_ns: u64,
    previous_bucket_min_ns: u64,
}

impl RttEstimator {
    /// An estimator that shows `initial` until there is a sample.
    pub const fn new(initial: Duration) -> Self {
        let initial_ns = nanos(initial);
        Self {
            srtt_ns: initial_ns,
            rttvar_ns: initial_ns / 2,
            latest_ns: 0,
            bucket_start: Instant::ZERO,
            bucket_min_ns: initial_ns,
            previous_bucket_min_ns: initial_ns,
        }
    }

    /// Takes in a sample, measured at `now`, with the receiver's turnaround already removed.
    pub fn update(&mut self, now: Instant, sample_ns: u64) {
        let sample_ns = sample_ns.max(1);
        if self.has_sample() {
            self.smooth(sample_ns);
            self.lower_floor(now, sample_ns);
        } else {
            self.srtt_ns = sample_ns;
            self.rttvar_ns = sample_ns / 2;
            self.restart_floor(now, sample_ns);
        }
        self.latest_ns = sample_ns;
    }

    /// Whether anything has been measured yet.
    pub const fn has_sample(&self) -> bool {
        self.latest_ns != 0
    }

    /// The smoothed round-trip time (SRTT).
    pub const fn srtt_ns(&self) -> u64 {
        self.srtt_ns
    }

    /// The smoothed mean deviation (RTTVAR).
    pub const fn rttvar_ns(&self) -> u64 {
        self.rttvar_ns
    }

    /// The last sample; before the first, the initial value.
    pub const fn latest_ns(&self) -> u64 {
        if self.has_sample() { self.latest_ns } else { self.srtt_ns }
    }

    /// The least sample of the last seconds: the round trip without queues.
    pub fn min_ns(&self) -> u64 {
        self.bucket_min_ns.min(self.previous_bucket_min_ns)
    }

    /// The retransmission timeout, before any backoff: SRTT and four deviations, and the time the
    /// receiver may hold its acknowledgement back, but at least `min_rto_ns`.
    pub fn rto_ns(&self, ack_delay_ns: u64, min_rto_ns: u64) -> u64 {
        self.srtt_ns
            .saturating_add(self.rttvar_ns.saturating_mul(4))
            .saturating_add(ack_delay_ns)
            .max(min_rto_ns)
    }

    /// RFC 6298, section 2.3: the deviation first, as it is from the old smoothed value.
    fn smooth(&mut self, sample_ns: u64) {
        let deviation_ns = self.srtt_ns.abs_diff(sample_ns);
        self.rttvar_ns = self.rttvar_ns - (self.rttvar_ns >> 2) + (deviation_ns >> 2);
        self.srtt_ns = self.srtt_ns - (self.srtt_ns >> 3) + (sample_ns >> 3);
    }

    fn lower_floor(&mut self, now: Instant, sample_ns: u64) {
        let bucket_age_ns = now.nanos_since(self.bucket_start);
        if bucket_age_ns >= 2 * BUCKET_NS {
            self.restart_floor(now, sample_ns);
        } else if bucket_age_ns >= BUCKET_NS {
            self.previous_bucket_min_ns = self.bucket_min_ns;
            self.bucket_min_ns = sample_ns;
            self.bucket_start = self.bucket_start.plus_nanos(BUCKET_NS);
        } else {
            self.bucket_min_ns = self.bucket_min_ns.min(sample_ns);
        }
    }

    fn restart_floor(&mut self, now: Instant, sample_ns: u64) {
        self.bucket_start = now;
        self.bucket_min_ns = sample_ns;
        self.previous_bucket_min_ns = sample_ns;
    }
}

/// Two of them span up to 10 s, the time over which BBR also trusts a minimum: long enough to catch
/// a moment with empty queues, short enough to notice a reroute.
const BUCKET_NS: u64 = 5_000_000_000;
const _: () = assert!(size_of::<RttEstimator>() <= 48);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn estimator(samples: &[(u64, u64)]) -> RttEstimator {
        let mut rtt = RttEstimator::new(Duration::from_micros(100));
        samples.iter().for_each(|&(now, sample)| rtt.update(at(now), sample));
        rtt
    }

    #[test]
    fn shows_the_initial_value_before_a_sample() {
        let rtt = estimator(&[]);
        assert!(!rtt.has_sample());
        assert_eq!((rtt.srtt_ns(), rtt.rttvar_ns()), (100_000, 50_000));
        assert_eq!((rtt.min_ns(), rtt.latest_ns()), (100_000, 100_000));
        assert_eq!(rtt.rto_ns(8_000, 0), 308_000);
    }

    #[test]
    fn the_first_sample_replaces_the_initial_value() {
        let rtt = estimator(&[(0, 400_000)]);
        assert!(rtt.has_sample());
        assert_eq!((rtt.srtt_ns(), rtt.rttvar_ns(), rtt.min_ns()), (400_000, 200_000, 400_000));
    }

    #[test]
    fn later_samples_are_smoothed_by_an_eighth_and_a_quarter() {
        let rtt = estimator(&[(0, 8_000), (1, 16_000)]);
        assert_eq!(rtt.srtt_ns(), 9_000);
        assert_eq!(rtt.rttvar_ns(), 5_000);
        assert_eq!(rtt.latest_ns(), 16_000);
        assert_eq!(rtt.rto_ns(1_000, 0), 30_000);
        assert_eq!(rtt.rto_ns(1_000, 50_000), 50_000);
    }

    #[test]
    fn the_floor_is_forgotten_after_two_buckets() {
        let mut rtt = estimator(&[(0, 5_000)]);
        rtt.update(at(4 * SECOND_NS), 9_000);
        rtt.update(at(6 * SECOND_NS), 9_000);
        assert_eq!(rtt.min_ns(), 5_000);
        rtt.update(at(11 * SECOND_NS), 8_000);
        assert_eq!(rtt.min_ns(), 8_000);
    }

    #[test]
    fn a_floor_from_before_a_long_silence_is_void() {
        let rtt = estimator(&[(0, 5_000), (30 * SECOND_NS, 7_000)]);
        assert_eq!(rtt.min_ns(), 7_000);
    }

    proptest! {
        #[test]
        fn stays_within_the_samples(
            samples in prop::collection::vec((0..2 * SECOND_NS, any::<u64>()), 1..100),
        ) {
            let mut rtt = RttEstimator::new(Duration::from_micros(100));
            let (mut now, mut least, mut most) = (Instant::ZERO, u64::MAX, 0);
            for (step, sample) in samples {
                now = now.plus_nanos(step);
                rtt.update(now, sample);
                least = least.min(sample.max(1));
                most = most.max(sample.max(1));
                // Shifts drop less than a nanosecond each, so the smoothed value may sag a little.
                prop_assert!(rtt.srtt_ns() >= least.saturating_sub(7) && rtt.srtt_ns() <= most + 7);
                prop_assert!(rtt.min_ns() >= least && rtt.min_ns() <= rtt.latest_ns());
                prop_assert!(rtt.rto_ns(0, 0) >= rtt.srtt_ns());
            }
        }

        #[test]
        fn the_floor_is_a_windowed_minimum(
            samples in prop::collection::vec((0..3 * SECOND_NS, 1u64..1_000_000), 1..60),
        ) {
            let mut rtt = RttEstimator::new(Duration::ZERO);
            let mut now = 0;
            let mut seen = alloc::vec::Vec::new();
            for (step, sample) in samples {
                now += step;
                rtt.update(at(now), sample);
                seen.push((now, sample));
                let least_within = |age_ns| {
                    let recent = |&&(then, _): &&(u64, u64)| now - then <= age_ns;
                    seen.iter().filter(recent).map(|&(_, sample)| sample).min().unwrap()
                };
                // At least the running bucket's samples count, at most those of two buckets.
                prop_assert!(rtt.min_ns() >= least_within(2 * BUCKET_NS));
                prop_assert!(rtt.min_ns() <= sample);
            }
        }
    }
}
