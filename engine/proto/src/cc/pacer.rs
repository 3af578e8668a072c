//! Spacing packets out: a leaky bucket kept as a time.
//!
//! Instead of a level that has to be drained, the pacer keeps the time at which the bucket will be
//! empty. Sending pushes it into the future by the packet's time at the current rate; the sender
//! may go on while that time is at most a burst ahead. After idling the whole burst is available,
//! and no more than that, however long the idle time was.

use crate::time::Instant;

/// Paces one sender; see the [module](self).
#[derive(Clone, Debug)]
pub struct Pacer {
    /// When everything sent so far would have left at the paced rate: nanoseconds, and below them
    /// a binary fraction, as a packet's time at hundreds of gigabits is only tens of nanoseconds.
    empty_at: Instant,
    empty_at_fraction: u32,
    burst_bytes: u32,
    /// The time of a burst at that rate.
    burst_ns: u64,
    /// The rate for which `ns_per_byte` was computed.
    rate_bytes_per_s: u64,
    /// Fixed point with [`FRACTION_BITS`].
    ns_per_byte: u64,
}

impl Pacer {
    /// A pacer that lets `burst_bytes`, and the packet that exceeds them, go back to back.
    pub const fn new(burst_bytes: u32) -> Self {
        Self {
            empty_at: Instant::ZERO,
            empty_at_fraction: 0,
            burst_bytes,
            burst_ns: 0,
            rate_bytes_per_s: u64::MAX,
            ns_per_byte: 0,
        }
    }

    /// From when on the next packet may be sent.
    pub fn ready_at(&self) -> Instant {
        Instant::from_nanos(self.empty_at.as_nanos().saturating_sub(self.burst_ns))
    }

    /// Accounts for a packet sent at `now` at a rate of `rate_bytes_per_s` (0 counts as 1).
    #[inline]
    pub fn on_send(&mut self, now: Instant, bytes: u32, rate_bytes_per_s: u64) {
        // A division, but only when the rate moves.
        if rate_bytes_per_s != self.rate_bytes_per_s {
            self.rate_bytes_per_s = rate_bytes_per_s;
            self.ns_per_byte = (NANOS_PER_S << FRACTION_BITS) / rate_bytes_per_s.max(1);
            self.burst_ns = saturate(self.cost(u64::from(self.burst_bytes)) >> FRACTION_BITS);
        }
        if self.empty_at < now {
            self.empty_at = now;
            self.empty_at_fraction = 0;
        }
        let cost = self.cost(u64::from(bytes)) + u128::from(self.empty_at_fraction);
        self.empty_at = self.empty_at.plus_nanos(saturate(cost >> FRACTION_BITS));
        self.empty_at_fraction = (cost & FRACTION_MASK) as u32;
    }

    /// The time of `bytes` at the current rate, in fixed point.
    fn cost(&self, bytes: u64) -> u128 {
        u128::from(bytes) * u128::from(self.ns_per_byte)
    }
}

fn saturate(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// At 800 Gbit/s a byte takes 0.01 ns: 24 bits keep that to one part in 160,000.
const FRACTION_BITS: u32 = 24;
const FRACTION_MASK: u128 = (1 << FRACTION_BITS) - 1;
const NANOS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 400 Gbit/s: a 4 KiB packet takes 81.92 ns.
    const RATE: u64 = 50_000_000_000;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// Sends as soon as allowed from `start` on and tells when the last packet went.
    fn send_back_to_back(pacer: &mut Pacer, start: u64, packets: u32, rate: u64) -> u64 {
        let mut now = at(start);
        for _ in 0..packets {
            now = now.max(pacer.ready_at());
            pacer.on_send(now, 4096, rate);
        }
        now.as_nanos()
    }

    #[test]
    fn a_new_pacer_is_ready() {
        assert_eq!(Pacer::new(0).ready_at(), Instant::ZERO);
    }

    #[test]
    fn holds_the_rate_over_many_packets() {
        let mut pacer = Pacer::new(0);
        let last = send_back_to_back(&mut pacer, 1_000, 100_001, RATE);
        // 100,000 packet times of 81.92 ns; the sum would be 1 % off if each were rounded.
        assert!(last.abs_diff(1_000 + 8_192_000) <= 100, "took until {last} ns");
    }

    #[test]
    fn a_burst_goes_out_at_once_and_no_more() {
        let mut pacer = Pacer::new(4 * 4096);
        assert_eq!(send_back_to_back(&mut pacer, 1_000_000, 5, RATE), 1_000_000);
        assert!(pacer.ready_at() > at(1_000_000));
    }

    #[test]
    fn idling_longer_does_not_save_up_more_than_a_burst() {
        let mut pacer = Pacer::new(2 * 4096);
        send_back_to_back(&mut pacer, 0, 100, RATE);
        assert_eq!(send_back_to_back(&mut pacer, 1 << 40, 3, RATE), 1 << 40);
        assert!(pacer.ready_at() > at(1 << 40));
    }

    #[test]
    fn a_new_rate_applies_to_the_next_packet() {
        let mut pacer = Pacer::new(0);
        pacer.on_send(at(0), 1_000, 1_000_000_000);
        assert_eq!(pacer.ready_at(), at(1_000));
        pacer.on_send(at(1_000), 1_000, 500_000_000);
        assert_eq!(pacer.ready_at(), at(3_000));
    }

    #[test]
    fn extreme_rates_saturate() {
        let mut pacer = Pacer::new(0);
        pacer.on_send(at(5), u32::MAX, 0);
        pacer.on_send(at(5), u32::MAX, 0);
        assert_eq!(pacer.ready_at(), at(5 + 2 * u64::from(u32::MAX) * NANOS_PER_S));
        let mut pacer = Pacer::new(1);
        pacer.on_send(at(u64::MAX - 1), u32::MAX, 1);
        assert!(pacer.ready_at() >= at(u64::MAX - 1 - NANOS_PER_S));
    }

    proptest! {
        #[test]
        fn never_exceeds_rate_and_burst(
            burst in 0u32..100_000,
            rate in 1_000_000u64..100_000_000_000,
            sends in prop::collection::vec((1u32..10_000, 0u64..20_000), 1..100),
        ) {
            let mut pacer = Pacer::new(burst);
            let mut now = at(1_000_000);
            let start = now;
            let mut sent = 0u64;
            for (bytes, pause) in sends {
                now = now.plus_nanos(pause).max(pacer.ready_at());
                // Before this packet, no more than the burst beyond what the rate allows; a
                // nanosecond's worth for the rounding of `ready_at`, and the rate's own.
                let allowed = u128::from(now.nanos_since(start) + 2) * u128::from(rate)
                    / u128::from(NANOS_PER_S) + u128::from(burst) + 1;
                prop_assert!(u128::from(sent) <= allowed + u128::from(sent) / 1_000);
                pacer.on_send(now, bytes, rate);
                sent += u64::from(bytes);
            }
        }
    }
}
