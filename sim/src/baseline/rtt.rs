//! The retransmission timeout by RFC 6298: smoothed round trip and four deviations, not below a
//! minimum, doubled each time it expires.

/// Round trips of one connection.
#[derive(Debug)]
pub(super) struct Rtt {
    srtt_ns: u64,
    rttvar_ns: u64,
    min_rto_ns: u64,
    backoff: u32,
}

impl Rtt {
    pub(super) fn new(min_rto_ns: u64) -> Self {
        Self { srtt_ns: 0, rttvar_ns: 0, min_rto_ns, backoff: 0 }
    }

    /// A packet's echo came back.
    pub(super) fn sample(&mut self, rtt_ns: u64) {
        if self.srtt_ns == 0 {
            (self.srtt_ns, self.rttvar_ns) = (rtt_ns, rtt_ns / 2);
            return;
        }
        self.rttvar_ns = (3 * self.rttvar_ns + self.srtt_ns.abs_diff(rtt_ns)) / 4;
        self.srtt_ns = (7 * self.srtt_ns + rtt_ns) / 8;
    }

    /// Something new was acknowledged.
    pub(super) fn progress(&mut self) {
        self.backoff = 0;
    }

    /// The timeout expired.
    pub(super) fn expired(&mut self) {
        self.backoff = (self.backoff + 1).min(MOST_DOUBLINGS);
    }

    /// How long to wait for progress. Without a sample the minimum: the connection is not new.
    pub(super) fn rto_ns(&self) -> u64 {
        (self.srtt_ns + 4 * self.rttvar_ns).max(self.min_rto_ns) << self.backoff
    }

    /// Zero before the first sample.
    pub(super) fn srtt_ns(&self) -> u64 {
        self.srtt_ns
    }
}

/// Waits stay below a hundred minima.
const MOST_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_round_trips_and_doubles() {
        let mut rtt = Rtt::new(1_000);
        assert_eq!(rtt.rto_ns(), 1_000);
        rtt.sample(10_000);
        assert_eq!((rtt.srtt_ns(), rtt.rto_ns()), (10_000, 30_000));
        rtt.sample(18_000);
        assert_eq!((rtt.srtt_ns(), rtt.rto_ns()), (11_000, 11_000 + 4 * 5_750));
        rtt.expired();
        rtt.expired();
        assert_eq!(rtt.rto_ns(), 4 * (11_000 + 4 * 5_750));
        rtt.progress();
        assert_eq!(rtt.rto_ns(), 11_000 + 4 * 5_750);
    }
}
