//! DCQCN, as published (Zhu et al., SIGCOMM 2015): the receiver answers marks with congestion
//! notifications, at most one in 50 us; each cuts the sender's rate, by half at most; without more
//! of them it comes back: fast to where it was, then by steady steps, then by growing ones.
//!
//! ```text
//!   rate |____                 ______   <- target
//!        |    |          __---          fast recovery: half of the way to the target, 5 times
//!        |    |     _--                 then the target grows: by AI, or by HAI
//!        |    |___-
//!        +----CNP--------------------> timer (55 us) and byte counter (10 MB)
//! ```

/// The rate of one connection.
#[derive(Debug)]
pub(super) struct Dcqcn {
    line_bps: f64,
    rate_bps: f64,
    target_bps: f64,
    alpha: f64,
    /// When alpha next forgets.
    alpha_at_ns: u64,
    timer_at_ns: u64,
    /// Increases since the last cut, by the timer...
    timer_steps: u32,
    /// ... and by the byte counter.
    byte_steps: u32,
    bytes: u64,
    next_at_ps: u64,
}

impl Dcqcn {
    /// At the rate of the line.
    pub(super) fn new(line_bps: u64) -> Self {
        let line_bps = line_bps as f64;
        Self {
            line_bps,
            rate_bps: line_bps,
            target_bps: line_bps,
            alpha: 1.0,
            alpha_at_ns: u64::MAX,
            timer_at_ns: u64::MAX,
            timer_steps: 0,
            byte_steps: 0,
            bytes: 0,
            next_at_ps: 0,
        }
    }

    /// When the next packet may leave, in nanoseconds.
    pub(super) fn next_at_ns(&self) -> u64 {
        self.next_at_ps.div_ceil(PS_PER_NS)
    }

    /// A packet of so many bytes leaves.
    pub(super) fn sent(&mut self, now_ns: u64, bytes: u64) {
        self.advance(now_ns);
        self.bytes += bytes;
        if self.bytes >= COUNTER_BYTES {
            self.bytes = 0;
            self.byte_steps += 1;
            self.increase();
        }
        // What rounding to nanoseconds cost is made good; what was not asked for is not.
        let now_ps = now_ns * PS_PER_NS;
        let from = if self.next_at_ps + PS_PER_NS > now_ps { self.next_at_ps } else { now_ps };
        self.next_at_ps = from + (bytes as f64 * 8e12 / self.rate_bps) as u64;
    }

    /// A congestion notification came.
    pub(super) fn notified(&mut self, now_ns: u64) {
        self.advance(now_ns);
        self.target_bps = self.rate_bps;
        self.rate_bps = (self.rate_bps * (1.0 - self.alpha / 2.0)).max(LEAST_BPS);
        self.alpha = (1.0 - GAIN) * self.alpha + GAIN;
        (self.timer_steps, self.byte_steps, self.bytes) = (0, 0, 0);
        self.alpha_at_ns = now_ns + TIMER_NS;
        self.timer_at_ns = now_ns + TIMER_NS;
    }

    /// Does what the timers should have done until now.
    fn advance(&mut self, now_ns: u64) {
        while self.alpha_at_ns <= now_ns {
            self.alpha *= 1.0 - GAIN;
            self.alpha_at_ns = match self.alpha > FORGOTTEN {
                true => self.alpha_at_ns + TIMER_NS,
                false => u64::MAX,
            };
        }
        while self.timer_at_ns <= now_ns {
            self.timer_at_ns += TIMER_NS;
            self.timer_steps += 1;
            self.increase();
        }
    }

    fn increase(&mut self) {
        let (most, least) =
            (self.timer_steps.max(self.byte_steps), self.timer_steps.min(self.byte_steps));
        if least > RECOVERY_STEPS {
            self.target_bps += HYPER_BPS * f64::from(least - RECOVERY_STEPS);
        } else if most > RECOVERY_STEPS {
            self.target_bps += ADDITIVE_BPS;
        }
        self.target_bps = self.target_bps.min(self.line_bps);
        self.rate_bps = (self.rate_bps + self.target_bps) / 2.0;
        if self.rate_bps > self.line_bps - LEAST_BPS {
            (self.rate_bps, self.timer_at_ns) = (self.line_bps, u64::MAX);
        }
    }
}

/// A receiver notifies at most once in this time: the paper's N.
pub(super) const CNP_EVERY_NS: u64 = 50_000;
/// The paper's g, timer T (also of alpha), byte counter B, fast recovery F and R_AI.
const GAIN: f64 = 1.0 / 256.0;
const TIMER_NS: u64 = 55_000;
const COUNTER_BYTES: u64 = 10_000_000;
const RECOVERY_STEPS: u32 = 5;
const ADDITIVE_BPS: f64 = 40e6;
/// Ten times R_AI, as in QCN, from which DCQCN has this step; the paper gives no figure.
const HYPER_BPS: f64 = 400e6;
/// No published figure either: a step of the additive increase.
const LEAST_BPS: f64 = 40e6;
/// Below this alpha cuts nothing.
const FORGOTTEN: f64 = 1e-6;
const PS_PER_NS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const GBPS: u64 = 1_000_000_000;

    #[test]
    fn the_first_notification_halves_and_five_timers_bring_most_of_it_back() {
        let mut rate = Dcqcn::new(100 * GBPS);
        rate.notified(0);
        assert_eq!((rate.rate_bps as u64), 50 * GBPS);
        rate.advance(TIMER_NS);
        assert_eq!((rate.rate_bps as u64), 75 * GBPS);
        rate.advance(5 * TIMER_NS);
        assert_eq!((rate.rate_bps as u64) / 10_000_000, 9_843);
        rate.advance(1_000 * TIMER_NS);
        assert_eq!((rate.rate_bps as u64), 100 * GBPS);
    }

    #[test]
    fn alpha_forgets_so_that_a_rare_notification_costs_little() {
        let mut rate = Dcqcn::new(100 * GBPS);
        rate.notified(0);
        // 177 timers: alpha is half of what it was.
        rate.notified(177 * TIMER_NS);
        assert_eq!((rate.rate_bps as u64) / GBPS, 74);
    }

    #[test]
    fn notifications_that_go_on_lead_to_the_least_rate() {
        let mut rate = Dcqcn::new(100 * GBPS);
        (0..40).for_each(|n| rate.notified(n * CNP_EVERY_NS));
        assert_eq!((rate.rate_bps as u64), LEAST_BPS as u64);
        // The target was cut as well: what comes back comes by additive steps.
        rate.advance(40 * CNP_EVERY_NS + 25 * TIMER_NS);
        assert!(
            (700_000_000..1_000_000_000).contains(&(rate.rate_bps as u64)),
            "{}",
            (rate.rate_bps as u64)
        );
    }

    #[test]
    fn packets_leave_at_the_rate() {
        let mut rate = Dcqcn::new(100 * GBPS);
        rate.notified(0);
        // 1,000 bytes at 50 Gb/s take 160 ns; rounding does not add up.
        for n in 0..100 {
            assert_eq!(rate.next_at_ns(), n * 160);
            rate.sent(rate.next_at_ns(), 1_000);
        }
        rate.sent(40_000, 1_000);
        assert_eq!(rate.next_at_ns(), 40_160, "no credit for silence");
    }
}
