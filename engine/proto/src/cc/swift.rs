//! Swift: hold the queueing delay at a target.
//!
//! After Kumar et al., "Swift: Delay is Simple and Effective for Congestion Control in the
//! Datacenter", SIGCOMM 2020. Below the target the window grows by a packet per round trip; above
//! it, it shrinks in proportion to the excess, at most once per round trip. It looks at delay only,
//! so it is the choice where ECN marks do not reach the sender.
//!
//! Where this differs: the window never falls below one MTU (Swift goes on to fractions of a packet,
//! which a driver without a fine timer cannot pace), there is no flow scaling, and a timeout
//! restarts from one MTU at once instead of after several in a row, as a tail-loss probe has by then
//! failed.

use core::time::Duration;

use super::{AckSample, CcConfig, CcConfigError, check, nanos_u32};
use crate::time::{Instant, nanos};

/// The constants of [`Swift`].
#[derive(Clone, Debug, PartialEq)]
pub struct SwiftParams {
    /// The queueing delay aimed at, over the base round trip. 25 us.
    pub base_target: Duration,
    /// What each hop adds to the target. 1 us.
    pub per_hop: Duration,
    /// Hops between the peers, both ways; 0 where they are not known. 0.
    pub hops: u32,
    /// Additive increase, in MTU per round trip. 1.
    pub additive_increase_mtu: f64,
    /// Multiplicative decrease: how strongly the excess over the target shrinks the window. 0.8.
    pub beta: f64,
    /// The largest part of the window that one decrease takes. 0.5.
    pub max_cut: f64,
}

impl Default for SwiftParams {
    fn default() -> Self {
        Self {
            base_target: Duration::from_micros(25),
            per_hop: Duration::from_micros(1),
            hops: 0,
            additive_increase_mtu: 1.0,
            beta: 0.8,
            max_cut: 0.5,
        }
    }
}

impl SwiftParams {
    /// The queueing delay at which the window stops growing.
    pub fn target(&self) -> Duration {
        self.base_target.saturating_add(self.per_hop.saturating_mul(self.hops))
    }

    pub(super) fn validate(&self) -> Result<(), CcConfigError> {
        check("swift.base_target", !self.target().is_zero() && self.target() < MAX_TARGET)?;
        let increase = self.additive_increase_mtu;
        check("swift.additive_increase_mtu", increase > 0.0 && increase.is_finite())?;
        check("swift.beta", self.beta > 0.0 && self.beta <= 1.0)?;
        check("swift.max_cut", self.max_cut > 0.0 && self.max_cut < 1.0)
    }
}

/// The delay-only controller; see the [module](self).
#[derive(Clone, Debug)]
pub struct Swift {
    cwnd: f64,
    min_cwnd: f64,
    max_cwnd: f64,
    /// Bytes per round trip.
    additive_increase: f64,
    beta: f64,
    max_cut: f64,
    target_ns: u32,
    srtt_ns: u32,
    /// When the window last shrank; none until it does.
    last_decrease: Option<Instant>,
}

impl Swift {
    /// Starts at the bandwidth-delay product, and can fill the target's queue as well.
    pub fn new(config: &CcConfig) -> Self {
        let params = &config.swift;
        let mtu = f64::from(config.mtu_bytes);
        let bdp = config.bdp_bytes();
        let target_queue = bdp * nanos(params.target()) as f64 / nanos(config.base_rtt) as f64;
        let max_cwnd = config.max_cwnd_bytes.map_or(bdp + target_queue, |max| max as f64).max(mtu);
        Self {
            cwnd: bdp.clamp(mtu, max_cwnd),
            min_cwnd: mtu,
            max_cwnd,
            additive_increase: params.additive_increase_mtu * mtu,
            beta: params.beta,
            max_cut: params.max_cut,
            target_ns: nanos_u32(params.target()),
            srtt_ns: nanos_u32(config.base_rtt),
            last_decrease: None,
        }
    }

    /// Bytes were acknowledged.
    pub fn on_ack(&mut self, now: Instant, ack: &AckSample) {
        self.srtt_ns = u32::try_from(ack.srtt_ns).unwrap_or(u32::MAX);
        let Some(rtt_ns) = ack.rtt_ns else { return };
        let target_ns = ack.base_rtt_ns.saturating_add(u64::from(self.target_ns));
        if rtt_ns >= target_ns {
            let excess = (rtt_ns - target_ns) as f64 / rtt_ns as f64;
            self.decrease(now, self.beta * excess);
        } else if ack.cwnd_limited {
            let growth = self.additive_increase * ack.acked_bytes as f64 / self.cwnd;
            self.set_cwnd(self.cwnd + growth);
        }
    }

    /// Packets were lost. The round trip's first loss cuts as deep as a decrease may.
    pub fn on_loss(&mut self, now: Instant) {
        self.decrease(now, self.max_cut);
    }

    /// Nothing was heard for a retransmission timeout.
    pub fn on_timeout(&mut self, now: Instant) {
        self.cwnd = self.min_cwnd;
        self.last_decrease = Some(now);
    }

    /// The window.
    pub fn cwnd_bytes(&self) -> u64 {
        self.cwnd as u64
    }

    /// The largest window that there can be.
    pub fn max_cwnd_bytes(&self) -> u64 {
        self.max_cwnd as u64
    }

    /// Takes the part `cut` off the window, once per round trip.
    fn decrease(&mut self, now: Instant, cut: f64) {
        if self.last_decrease.is_some_and(|at| now.nanos_since(at) < u64::from(self.srtt_ns)) {
            return;
        }
        self.last_decrease = Some(now);
        self.set_cwnd(self.cwnd * (1.0 - cut.min(self.max_cut)));
    }

    fn set_cwnd(&mut self, cwnd: f64) {
        self.cwnd = cwnd.clamp(self.min_cwnd, self.max_cwnd);
    }
}

/// A queue of a second is no target.
const MAX_TARGET: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cc::testing::{BASE_RTT_NS, BDP, MTU, ack, at, config};

    const TARGET_NS: u64 = 25_000;

    fn swift() -> Swift {
        Swift::new(&config())
    }

    #[test]
    fn starts_at_the_bdp_and_may_fill_the_target_queue() {
        let mut swift = swift();
        assert_eq!(swift.cwnd_bytes(), BDP);
        (0..100_000).for_each(|n| swift.on_ack(at(n), &ack(4096, 0)));
        assert_eq!(swift.cwnd_bytes(), BDP + BDP * TARGET_NS / BASE_RTT_NS);
    }

    #[test]
    fn grows_by_one_mtu_per_window_below_the_target() {
        let mut swift = swift();
        swift.on_ack(at(0), &ack(BDP, TARGET_NS - 1));
        assert_eq!(swift.cwnd_bytes(), BDP + MTU);
    }

    #[test]
    fn grows_only_when_the_window_is_the_limit() {
        let mut swift = swift();
        swift.on_ack(at(0), &AckSample { cwnd_limited: false, ..ack(BDP, 0) });
        swift.on_ack(at(0), &AckSample { rtt_ns: None, ..ack(BDP, 0) });
        assert_eq!(swift.cwnd_bytes(), BDP);
    }

    #[test]
    fn shrinks_in_proportion_to_the_excess() {
        let mut swift = swift();
        // A round trip of 50 us is 13 us over base and target: 0.8 * 13 / 50.
        swift.on_ack(at(0), &ack(4096, 50_000 - BASE_RTT_NS));
        assert_eq!(swift.cwnd_bytes(), BDP * 792 / 1000);
    }

    #[test]
    fn one_cut_takes_at_most_half() {
        let mut swift = swift();
        swift.on_ack(at(0), &ack(4096, 10_000_000));
        assert_eq!(swift.cwnd_bytes(), BDP / 2);
    }

    #[test]
    fn shrinks_once_per_round_trip() {
        let mut swift = swift();
        swift.on_loss(at(1_000));
        swift.on_loss(at(1_001));
        swift.on_ack(at(1_002), &ack(4096, 10_000_000));
        assert_eq!(swift.cwnd_bytes(), BDP / 2);
        swift.on_loss(at(1_000 + BASE_RTT_NS));
        assert_eq!(swift.cwnd_bytes(), BDP / 4);
    }

    #[test]
    fn a_timeout_restarts_from_one_mtu() {
        let mut swift = swift();
        swift.on_timeout(at(5));
        assert_eq!(swift.cwnd_bytes(), MTU);
        swift.on_ack(at(6), &ack(MTU, 0));
        assert_eq!(swift.cwnd_bytes(), 2 * MTU);
    }

    #[test]
    fn hops_raise_the_target() {
        let params = SwiftParams { hops: 4, ..SwiftParams::default() };
        assert_eq!(params.target(), Duration::from_micros(29));
        let mut swift = Swift::new(&CcConfig { swift: params, ..config() });
        swift.on_ack(at(0), &ack(4096, 28_999));
        assert!(swift.cwnd_bytes() > BDP);
    }

    #[test]
    fn marks_are_not_looked_at() {
        let mut swift = swift();
        swift.on_ack(at(0), &AckSample { ce: true, ..ack(BDP, 0) });
        assert_eq!(swift.cwnd_bytes(), BDP + MTU);
    }
}
