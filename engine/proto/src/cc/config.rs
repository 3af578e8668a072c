//! How congestion control is set up, and what cannot work.

use core::time::Duration;

use super::{Algorithm, NsccParams, SwiftParams};
use crate::time::nanos;

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
    /// The window of [`Fixed`](super::Fixed). 150 kB, the BDP of the other defaults.
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

pub(super) fn check(field: &'static str, in_range: bool) -> Result<(), CcConfigError> {
    if in_range { Ok(()) } else { Err(CcConfigError::OutOfRange(field)) }
}

/// Longer than any path on earth takes.
const MAX_BASE_RTT: Duration = Duration::from_secs(1);
