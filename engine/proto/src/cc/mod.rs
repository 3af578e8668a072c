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
mod config;
pub mod fixed;
pub mod nscc;
pub mod pacer;
pub mod swift;

use core::time::Duration;

pub(crate) use breaker::Breaker;
use config::check;
pub use config::{CcConfig, CcConfigError};
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

/// A duration in nanoseconds in half the space: 4 s at most.
fn nanos_u32(duration: Duration) -> u32 {
    u32::try_from(nanos(duration)).unwrap_or(u32::MAX)
}

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
mod tests;
