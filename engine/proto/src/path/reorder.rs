//! How long a path may keep packets out of order before one counts as lost. Rule L3.
//!
//! A path is one route through the network, so it hardly reorders: the window starts small. Each
//! retransmission that the receiver had already proves it too small, so it grows a step; after a
//! run of recoveries without one it falls back, as a route that reordered once need not do so for
//! ever.

use crate::config::LossConfig;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReorderWindow {
    steps: u32,
    recoveries: u32,
}

impl ReorderWindow {
    /// The window, given the path's round-trip times and what one packet takes on the link.
    #[inline]
    pub(crate) fn nanos(&self, config: &LossConfig, rtt: PathRtt) -> u64 {
        let first = (rtt.min_ns / u64::from(config.reorder_divisor)).max(2 * rtt.packet_ns);
        let step = rtt.min_ns / u64::from(config.reorder_step_divisor);
        (first + u64::from(self.steps) * step).min(rtt.srtt_ns.max(first))
    }

    /// A retransmission from this path was a duplicate.
    pub(crate) fn on_duplicate(&mut self) {
        self.steps = (self.steps + 1).min(MAX_STEPS);
        self.recoveries = 0;
    }

    /// A packet of this path was found lost.
    pub(crate) fn on_recovery(&mut self, config: &LossConfig) {
        self.recoveries += 1;
        if self.recoveries >= config.reorder_decay_recoveries {
            *self = Self::default();
        }
    }
}

/// The round-trip times that a reordering window is made of, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathRtt {
    pub(crate) min_ns: u64,
    pub(crate) srtt_ns: u64,
    pub(crate) packet_ns: u64,
}

/// Far more steps than fit below SRTT, which is the real limit.
const MAX_STEPS: u32 = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: PathRtt = PathRtt { min_ns: 8_000, srtt_ns: 9_000, packet_ns: 100 };

    #[test]
    fn grows_with_duplicates_up_to_srtt_and_falls_back() {
        let config = LossConfig::default();
        let mut window = ReorderWindow::default();
        assert_eq!(window.nanos(&config, RTT), 1_000);
        window.on_duplicate();
        assert_eq!(window.nanos(&config, RTT), 3_000);
        for _ in 0..10 {
            window.on_duplicate();
        }
        assert_eq!(window.nanos(&config, RTT), 9_000);
        for _ in 0..config.reorder_decay_recoveries {
            window.on_recovery(&config);
        }
        assert_eq!(window.nanos(&config, RTT), 1_000);
    }

    #[test]
    fn two_packet_times_are_the_least() {
        let slow_link = PathRtt { packet_ns: 5_000, ..RTT };
        assert_eq!(ReorderWindow::default().nanos(&LossConfig::default(), slow_link), 10_000);
    }
}
