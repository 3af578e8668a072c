//! A window that never moves.
//!
//! For links with flow control of their own, for measurements, and as the baseline that every other
//! controller has to beat.

use super::CcConfig;

/// The constant controller.
#[derive(Clone, Debug)]
pub struct Fixed {
    cwnd_bytes: u64,
}

impl Fixed {
    /// A window of [`CcConfig::fixed_cwnd_bytes`], at least one MTU.
    pub fn new(config: &CcConfig) -> Self {
        Self { cwnd_bytes: config.fixed_cwnd_bytes.max(u64::from(config.mtu_bytes)) }
    }

    /// The window.
    pub fn cwnd_bytes(&self) -> u64 {
        self.cwnd_bytes
    }
}
