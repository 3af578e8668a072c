//! Congestion control: how many bytes a peer may have in flight.
//!
//! A controller is a pure function of what the acknowledgements say. It owns no clock and no
//! timer, knows nothing of packets or paths, and answers one question, [`Controller::cwnd_bytes`].
//!
//! ```text
//!   acknowledgement --> on_ack      rtt, CE, bytes        \
//!   loss detected   --> on_loss     once per round trip    >--> cwnd_bytes()
//!   NACK, trimmed   --> on_nack     per packet            /
//!   RTO             --> on_timeout  back to one MTU
//! ```
//!
//! The queueing delay that [`Nscc`] and [`Swift`] steer by is a sample's round trip, without the
//! receiver's turnaround, less the base round trip. No input can make a window leave the range from
//! one MTU to its maximum.

mod breaker;
pub mod fixed;
pub mod nscc;
pub mod pacer;
pub mod swift;

use core::time::Duration;

pub(crate) use breaker::Breaker;
pub use fixed::Fixed;
pub use nscc::{Nscc, NsccParams};
pub use pacer::Pacer;
pub use swift::{Swift, SwiftParams};

use crate::time::{Instant, nanos};

/// Which controller a peer gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ultra Ethernet's window algorithm: delay and ECN.
    #[default]
    Nscc,
    /// Delay only, for networks that do not show ECN to the sender.
    Swift,
    /// A constant window.
    Fixed,
}

/// What one acknowledgement says about the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckSample {
    /// Bytes newly acknowledged.
    pub acked_bytes: u64,
    /// The round trip of the packet that triggered it, without the receiver's turnaround time.
    pub rtt_ns: Option<u64>,
    /// The round trip without queues, as measured.
    pub base_rtt_ns: u64,
    /// The smoothed round trip.
    pub srtt_ns: u64,
    /// Whether the acknowledged packets met congestion (ECN CE).
    pub ce: bool,
    /// Bytes in flight before this acknowledgement.
    pub in_flight_bytes: u64,
    /// Whether the window, rather than the application, held the sender back.
    pub cwnd_limited: bool,
}

/// A congestion controller of any kind.
#[derive(Clone, Debug)]
pub enum Controller {
    /// Delay and ECN.
    Nscc(Nscc),
    /// Delay only.
    Swift(Swift),
    /// Constant.
    Fixed(Fixed),
}

impl Controller {
    /// The controller that `config`, a valid one, asks for.
    pub fn new(config: &CcConfig) -> Self {
        match config.algorithm {
            Algorithm::Nscc => Self::Nscc(Nscc::new(config)),
            Algorithm::Swift => Self::Swift(Swift::new(config)),
            Algorithm::Fixed => Self::Fixed(Fixed::new(config)),
        }
    }

    /// Bytes were acknowledged.
    #[inline]
    pub fn on_ack(&mut self, now: Instant, ack: &AckSample) {
        match self {
            Self::Nscc(nscc) => nscc.on_ack(now, ack),
            Self::Swift(swift) => swift.on_ack(now, ack),
            Self::Fixed(_) => {}
        }
    }

    /// Packets were found lost. Within one SRTT of the last reaction it is the same event, and the
    /// window stays.
    pub fn on_loss(&mut self, now: Instant, lost_bytes: u64, in_flight_bytes: u64) {
        match self {
            Self::Nscc(nscc) => nscc.on_loss(now, lost_bytes, in_flight_bytes),
            Self::Swift(swift) => swift.on_loss(now),
            Self::Fixed(_) => {}
        }
    }

    /// The retransmission timer expired.
    pub fn on_timeout(&mut self, now: Instant) {
        match self {
            Self::Nscc(nscc) => nscc.on_timeout(now),
            Self::Swift(swift) => swift.on_timeout(now),
            Self::Fixed(_) => {}
        }
    }

    /// A packet of `bytes` was refused or trimmed on the way.
    pub fn on_nack(&mut self, now: Instant, bytes: u64) {
        match self {
            Self::Nscc(nscc) => nscc.on_nack(bytes),
            Self::Swift(swift) => swift.on_loss(now),
            Self::Fixed(_) => {}
        }
    }

    /// How many bytes may be in flight.
    #[inline]
    pub fn cwnd_bytes(&self) -> u64 {
        match self {
            Self::Nscc(nscc) => nscc.cwnd_bytes(),
            Self::Swift(swift) => swift.cwnd_bytes(),
            Self::Fixed(fixed) => fixed.cwnd_bytes(),
        }
    }

    /// How many bytes may ever be in flight, whatever is acknowledged.
    pub fn max_cwnd_bytes(&self) -> u64 {
        match self {
            Self::Nscc(nscc) => nscc.max_cwnd_bytes(),
            Self::Swift(swift) => swift.max_cwnd_bytes(),
            Self::Fixed(fixed) => fixed.cwnd_bytes(),
        }
    }

    /// The algorithm's name, for logs and statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nscc(_) => "nscc",
            Self::Swift(_) => "swift",
            Self::Fixed(_) => "fixed",
        }
    }
}

/// How a peer's controller is set up.
#[derive(Clone, Debug, PartialEq)]
pub struct CcConfig {
    /// The algorithm. NSCC.
    pub algorithm: Algorithm,
    /// The rate of this host's link, in bits per second. 100 Gbit/s.
    pub link_bps: u64,
    /// The round trip across the idle network between the farthest hosts (RTT0). 12 us.
    pub base_rtt: Duration,
    /// The largest packet, which stands for the MSS of the algorithms as well. 4096.
    pub mtu_bytes: u32,
    /// The largest window, in place of the algorithm's own: for NSCC
    /// [`NsccParams::max_cwnd_bdp`], for Swift the BDP and the queue it aims at. None.
    pub max_cwnd_bytes: Option<u64>,
    /// The window of [`Fixed`]. 150 kB, the BDP of the other defaults.
    pub fixed_cwnd_bytes: u64,
    /// Whether switches trim packets instead of dropping them, so that a shorter queue can be
    /// aimed at. False.
    pub trimming: bool,
    /// Whether a receiver with several backlogged senders grants each what it may send. False.
    pub receiver_credits: bool,
    /// How much may be granted and missing at a time, in BDP. 1.1.
    pub credit_bdp: f64,
    /// The constants of NSCC.
    pub nscc: NsccParams,
    /// The constants of Swift.
    pub swift: SwiftParams,
}

impl Default for CcConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            link_bps: 100_000_000_000,
            base_rtt: Duration::from_micros(12),
            mtu_bytes: 4096,
            max_cwnd_bytes: None,
            fixed_cwnd_bytes: 150_000,
            trimming: false,
            receiver_credits: false,
            credit_bdp: 1.1,
            nscc: NsccParams::default(),
            swift: SwiftParams::default(),
        }
    }
}

impl CcConfig {
    /// Checks every field, also those of algorithms not chosen.
    pub fn validate(&self) -> Result<(), CcConfigError> {
        check("link_bps", self.link_bps > 0)?;
        check("base_rtt", !self.base_rtt.is_zero() && self.base_rtt <= MAX_BASE_RTT)?;
        check("mtu_bytes", self.mtu_bytes > 0)?;
        let mtu_bytes = u64::from(self.mtu_bytes);
        check("max_cwnd_bytes", self.max_cwnd_bytes.is_none_or(|max| max >= mtu_bytes))?;
        check("fixed_cwnd_bytes", self.fixed_cwnd_bytes >= mtu_bytes)?;
        check("credit_bdp", self.credit_bdp > 0.0 && self.credit_bdp <= 1e6)?;
        self.nscc.validate()?;
        self.swift.validate()
    }

    /// The bandwidth-delay product of link and base round trip, in bytes.
    pub fn bdp_bytes(&self) -> f64 {
        self.link_bps as f64 / 8.0 * nanos(self.base_rtt) as f64 / 1e9
    }
}

/// A [`CcConfig`] that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CcConfigError {
    /// The field named has a value outside of its range.
    #[error("congestion control: {0} is out of range")]
    OutOfRange(&'static str),
}

fn check(field: &'static str, in_range: bool) -> Result<(), CcConfigError> {
    if in_range { Ok(()) } else { Err(CcConfigError::OutOfRange(field)) }
}

/// A duration in nanoseconds in half the space: 4 s at most.
fn nanos_u32(duration: Duration) -> u32 {
    u32::try_from(nanos(duration)).unwrap_or(u32::MAX)
}

/// Longer than any path on earth takes.
const MAX_BASE_RTT: Duration = Duration::from_secs(1);
/// One per peer, so it counts.
const _: () = assert!(size_of::<Controller>() <= 200);

/// What the controllers' tests share.
#[cfg(test)]
mod testing {
    use super::*;

    pub(super) const MTU: u64 = 4096;
    pub(super) const BASE_RTT_NS: u64 = 12_000;
    /// 100 Gbit/s for 12 us: the network for which the published constants are given.
    pub(super) const BDP: u64 = 150_000;

    pub(super) fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    pub(super) fn config() -> CcConfig {
        CcConfig::default()
    }

    /// An unmarked acknowledgement of a sender that fills its window.
    pub(super) fn ack(acked_bytes: u64, delay_ns: u64) -> AckSample {
        AckSample {
            acked_bytes,
            rtt_ns: Some(BASE_RTT_NS + delay_ns),
            base_rtt_ns: BASE_RTT_NS,
            srtt_ns: BASE_RTT_NS,
            ce: false,
            in_flight_bytes: BDP,
            cwnd_limited: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::testing::{BDP, MTU, ack, at, config};
    use super::*;

    const ALGORITHMS: [Algorithm; 3] = [Algorithm::Nscc, Algorithm::Swift, Algorithm::Fixed];

    fn controller(algorithm: Algorithm) -> Controller {
        Controller::new(&CcConfig { algorithm, ..config() })
    }

    #[test]
    fn each_algorithm_knows_its_name() {
        let names = ALGORITHMS.map(|algorithm| controller(algorithm).name());
        assert_eq!(names, ["nscc", "swift", "fixed"]);
    }

    #[test]
    fn the_default_network_has_a_bdp_of_150_kb() {
        assert_eq!(config().validate(), Ok(()));
        assert_eq!(config().bdp_bytes() as u64, BDP);
    }

    #[test]
    fn the_fixed_window_stays() {
        let mut fixed = controller(Algorithm::Fixed);
        fixed.on_ack(at(1), &AckSample { ce: true, ..ack(MTU, 1_000_000) });
        fixed.on_loss(at(2), MTU, BDP);
        fixed.on_nack(at(3), MTU);
        fixed.on_timeout(at(4));
        assert_eq!(fixed.cwnd_bytes(), 150_000);
    }

    #[test]
    fn a_configuration_that_cannot_work_is_named() {
        let rejected = |change: fn(&mut CcConfig)| {
            let mut config = config();
            change(&mut config);
            let CcConfigError::OutOfRange(field) = config.validate().unwrap_err();
            field
        };
        assert_eq!(rejected(|c| c.link_bps = 0), "link_bps");
        assert_eq!(rejected(|c| c.base_rtt = Duration::ZERO), "base_rtt");
        assert_eq!(rejected(|c| c.base_rtt = Duration::from_secs(2)), "base_rtt");
        assert_eq!(rejected(|c| c.mtu_bytes = 0), "mtu_bytes");
        assert_eq!(rejected(|c| c.max_cwnd_bytes = Some(4095)), "max_cwnd_bytes");
        assert_eq!(rejected(|c| c.fixed_cwnd_bytes = 1), "fixed_cwnd_bytes");
        assert_eq!(rejected(|c| c.nscc.ewma = f64::NAN), "nscc.ewma");
        assert_eq!(rejected(|c| c.nscc.fair_gain = f64::INFINITY), "nscc.fair_gain");
        assert_eq!(rejected(|c| c.nscc.decrease_floor = 1.0), "nscc.decrease_floor");
        assert_eq!(rejected(|c| c.swift.beta = 0.0), "swift.beta");
        assert_eq!(rejected(|c| c.swift.base_target = Duration::ZERO), "swift.base_target");
        let error = CcConfigError::OutOfRange("link_bps");
        assert_eq!(error.to_string(), "congestion control: link_bps is out of range");
    }

    #[derive(Clone, Debug)]
    enum Op {
        Ack(AckSample),
        Loss(u64, u64),
        Nack(u64),
        Timeout,
    }

    fn bytes() -> impl Strategy<Value = u64> {
        prop_oneof![6 => 1u64..20_000, 1 => Just(0), 1 => any::<u64>()]
    }

    fn time_ns() -> impl Strategy<Value = u64> {
        prop_oneof![6 => 1_000u64..200_000, 2 => 12_000u64..13_000, 1 => Just(0), 1 => any::<u64>()]
    }

    fn sample() -> impl Strategy<Value = AckSample> {
        let rtts = (prop::option::weighted(0.9, time_ns()), time_ns(), time_ns());
        (bytes(), rtts, any::<bool>(), bytes(), any::<bool>()).prop_map(
            |(acked_bytes, (rtt_ns, base_rtt_ns, srtt_ns), ce, in_flight_bytes, cwnd_limited)| {
                AckSample {
                    acked_bytes,
                    rtt_ns,
                    base_rtt_ns,
                    srtt_ns,
                    ce,
                    in_flight_bytes,
                    cwnd_limited,
                }
            },
        )
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            16 => sample().prop_map(Op::Ack),
            2 => (bytes(), bytes()).prop_map(|(lost, in_flight)| Op::Loss(lost, in_flight)),
            2 => bytes().prop_map(Op::Nack),
            1 => Just(Op::Timeout),
        ]
    }

    fn apply(controller: &mut Controller, now: Instant, op: &Op) {
        match op {
            Op::Ack(ack) => controller.on_ack(now, ack),
            Op::Loss(lost, in_flight) => controller.on_loss(now, *lost, *in_flight),
            Op::Nack(bytes) => controller.on_nack(now, *bytes),
            Op::Timeout => controller.on_timeout(now),
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_the_window_stays_in_range(
            which in 0usize..3,
            max in prop::option::of(MTU..10_000_000),
            trimming in any::<bool>(),
            ops in prop::collection::vec((op(), time_ns()), 1..200),
        ) {
            let config = CcConfig {
                algorithm: ALGORITHMS[which], max_cwnd_bytes: max, trimming, ..config()
            };
            let mut controller = Controller::new(&config);
            let most = max.unwrap_or(BDP * 4).max(config.fixed_cwnd_bytes);
            let mut now = Instant::ZERO;
            for (op, step) in ops {
                now = now.plus_nanos(step);
                let before = controller.cwnd_bytes();
                apply(&mut controller, now, &op);
                let after = controller.cwnd_bytes();
                prop_assert!((MTU..=most).contains(&after), "{op:?}: {after}");
                if !matches!(op, Op::Ack(_)) {
                    prop_assert!(after <= before, "bad news raised the window: {op:?}");
                }
            }
        }

        #[test]
        fn without_demand_nothing_grows(
            which in 0usize..3,
            ops in prop::collection::vec((sample(), time_ns()), 1..100),
        ) {
            let mut controller = controller(ALGORITHMS[which]);
            controller.on_timeout(Instant::ZERO);
            let start = controller.cwnd_bytes();
            let mut now = Instant::ZERO;
            for (sample, step) in ops {
                now = now.plus_nanos(step);
                controller.on_ack(now, &AckSample { cwnd_limited: false, ..sample });
                prop_assert!(controller.cwnd_bytes() <= start);
            }
        }

        /// Above both targets, where each algorithm's answer is ordered; marked, for NSCC. Growth
        /// that was gathered before, and quick adapt, which believes what was achieved, have laws of
        /// their own.
        #[test]
        fn more_delay_never_leaves_a_larger_window(
            which in 0usize..2,
            history in prop::collection::vec((25_000u64..1_000_000, time_ns()), 0..50),
            delays in (25_000u64..1_000_000, 0u64..1_000_000),
        ) {
            let mut config = CcConfig { algorithm: ALGORITHMS[which], ..config() };
            config.nscc.quick_adapt_gate = 0.0;
            let mut controller = Controller::new(&config);
            let marked = |delay_ns| AckSample { ce: true, ..ack(MTU, delay_ns) };
            let mut now = Instant::ZERO;
            for (delay_ns, step) in history {
                now = now.plus_nanos(step);
                controller.on_ack(now, &marked(delay_ns));
            }
            let window_after = |delay_ns| {
                let mut controller = controller.clone();
                controller.on_ack(now.plus_nanos(20_000), &marked(delay_ns));
                controller.cwnd_bytes()
            };
            prop_assert!(window_after(delays.0 + delays.1) <= window_after(delays.0));
        }
    }
}
