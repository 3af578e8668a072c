//! CUBIC (RFC 9438): after a loss the window grows back as a cubic function of time, steeply at
//! first, flat around where the loss was, then steeply again; never slower than Reno would.
//!
//! ```text
//!   window |        W_max  ____----  /
//!          |          _--          <- K later: where the loss was
//!          |        /
//!          |  0.7 W_max
//!          +---loss-----------------> time
//! ```
//! In units of packets. Slow start is the classic one, without HyStart.

/// The window of one connection.
#[derive(Debug)]
pub(super) struct Cubic {
    cwnd: f64,
    ssthresh: f64,
    w_max: f64,
    /// What Reno would have, since the loss.
    w_reno: f64,
    /// When growth began after the last loss; none before it did.
    epoch_ns: Option<u64>,
    /// How long until the window is where it was, in seconds.
    k_seconds: f64,
}

impl Cubic {
    pub(super) fn new(initial_window: u32) -> Self {
        Self {
            cwnd: f64::from(initial_window),
            ssthresh: f64::INFINITY,
            w_max: 0.0,
            w_reno: 0.0,
            epoch_ns: None,
            k_seconds: 0.0,
        }
    }

    /// The window, in packets.
    pub(super) fn window(&self) -> u64 {
        self.cwnd as u64
    }

    /// So many packets have arrived.
    pub(super) fn acknowledged(&mut self, now_ns: u64, packets: u64, srtt_ns: u64) {
        let packets = packets as f64;
        if self.cwnd < self.ssthresh {
            self.cwnd = (self.cwnd + packets).min(self.ssthresh.max(self.cwnd));
            return;
        }
        let epoch_ns = *self.epoch_ns.get_or_insert_with(|| {
            self.w_max = self.w_max.max(self.cwnd);
            self.k_seconds = cube_root((self.w_max - self.cwnd) / C);
            self.w_reno = self.cwnd;
            now_ns
        });
        let seconds = (now_ns - epoch_ns + srtt_ns) as f64 / 1e9 - self.k_seconds;
        let target = C * seconds * seconds * seconds + self.w_max;
        let target = target.clamp(self.cwnd, 1.5 * self.cwnd);
        self.cwnd += (target - self.cwnd) / self.cwnd * packets;
        let slope = if self.w_reno < self.w_max { RENO_SLOPE } else { 1.0 };
        self.w_reno += slope * packets / self.cwnd;
        self.cwnd = self.cwnd.max(self.w_reno);
    }

    /// A round trip had losses.
    pub(super) fn lost(&mut self) {
        // Fast convergence: who had less than before leaves room for others.
        let shrinks = self.cwnd < self.w_max;
        self.w_max = if shrinks { self.cwnd * (1.0 + BETA) / 2.0 } else { self.cwnd };
        self.ssthresh = (self.cwnd * BETA).max(2.0);
        self.cwnd = self.ssthresh;
        self.epoch_ns = None;
    }

    /// The retransmission timeout expired.
    pub(super) fn timed_out(&mut self) {
        self.lost();
        self.cwnd = 1.0;
    }
}

/// By Newton's method: standard libraries differ in the last bit, and digests must not.
fn cube_root(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let mut root = value.max(1.0);
    for _ in 0..CUBE_ROOT_STEPS {
        root -= (root - value / (root * root)) / 3.0;
    }
    root
}

/// RFC 9438: the constant C, the window that is left after a loss, and the growth that makes the
/// Reno of this beta as fast as Reno.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
const RENO_SLOPE: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// Enough for any window: the first steps each take a third off.
const CUBE_ROOT_STEPS: u32 = 48;

#[cfg(test)]
mod tests {
    use super::*;

    const RTT_NS: u64 = 100_000;

    /// Whole windows arrive, one per round trip, from `from_ns` for `rounds`; when that is over.
    fn rounds(cubic: &mut Cubic, from_ns: u64, rounds: u64) -> u64 {
        for round in 0..rounds {
            cubic.acknowledged(from_ns + round * RTT_NS, cubic.window(), RTT_NS);
        }
        from_ns + rounds * RTT_NS
    }

    #[test]
    fn slow_start_doubles_until_the_first_loss() {
        let mut cubic = Cubic::new(10);
        rounds(&mut cubic, 0, 3);
        assert_eq!(cubic.window(), 80);
        cubic.lost();
        assert_eq!(cubic.window(), 56);
        cubic.timed_out();
        assert_eq!(cubic.window(), 1);
        rounds(&mut cubic, 0, 10);
        assert!((39..45).contains(&cubic.window()), "slow start ends at 39: {}", cubic.window());
    }

    #[test]
    fn with_short_round_trips_it_grows_like_reno() {
        let mut cubic = Cubic::new(100);
        cubic.lost();
        rounds(&mut cubic, 0, 40);
        // About half a packet per round trip.
        assert!((88..93).contains(&cubic.window()), "{}", cubic.window());
    }

    #[test]
    fn with_long_ones_it_is_back_after_k() {
        let mut cubic = Cubic::new(1_000);
        cubic.lost();
        let k_seconds: f64 = cube_root(300.0 / 0.4);
        assert!((9.08..9.09).contains(&k_seconds), "{k_seconds}");
        let mut now_ns = 0;
        while (now_ns as f64) < k_seconds * 1e9 {
            cubic.acknowledged(now_ns, cubic.window(), 200_000_000);
            now_ns += 200_000_000;
        }
        assert!((995..1_005).contains(&cubic.window()), "{}", cubic.window());
    }

    #[test]
    fn roots_are_roots() {
        for value in [0.001, 0.5, 1.0, 8.0, 1e3, 1e9] {
            let root = cube_root(value);
            assert!((root * root * root / value - 1.0).abs() < 1e-9, "{value}: {root}");
        }
    }
}
