//! The constants of NSCC, where they come from, and what they may be.

use core::time::Duration;

use crate::cc::CcConfigError;
use crate::cc::config::check;

/// The constants of [`Nscc`](super::Nscc), as published but for eta. B is the BDP, a = B / `reference_bdp_bytes` and
/// b = target / `reference_rtt` scale them from the network that they were found for.
#[derive(Clone, Debug, PartialEq)]
pub struct NsccParams {
    /// The BDP for which the gains are given. 150 kB: 100 Gbit/s for 12 us.
    pub reference_bdp_bytes: f64,
    /// The round trip for which the gains are given. 12 us.
    pub reference_rtt: Duration,
    /// Target delay with trimming, in base round trips. 0.75.
    pub target_with_trimming_rtt: f64,
    /// Target delay without trimming, in base round trips. 1.0.
    pub target_without_trimming_rtt: f64,
    /// The first and the largest window, in BDP. 1.5.
    pub max_cwnd_bdp: f64,
    /// Growth when only delay is high, in MTU times a per window. 5.
    pub fair_gain: f64,
    /// Growth when nothing is high, at no delay, in MTU times a b per window. 4.
    pub proportional_gain: f64,
    /// How strongly the average excess of delay shrinks the window. 0.8.
    pub decrease_gain: f64,
    /// The part of the window that a decrease leaves at least. 0.5.
    pub decrease_floor: f64,
    /// Growth is applied after so many MTU, or a base round trip. 8.
    pub adjust_mtu: u32,
    /// What is added once per round trip (eta), in MTU times a. 1, not 0.15: windows that share a
    /// link then become equal within some tens of round trips, not hundreds, which is as long as a
    /// transfer of some megabytes lasts.
    pub eta_mtu: f64,
    /// Fast increase: the part of the acknowledged bytes, times a, that is added. 0.25.
    pub fast_gain: f64,
    /// Fast increase: the delay below which the path counts as empty. 1 us.
    pub fast_delay: Duration,
    /// The weight of a sample in the average delay. 0.0125.
    pub ewma: f64,
    /// Quick adapt: the delay, in targets, that calls for it as a loss does. 4.
    pub quick_adapt_targets: f64,
    /// Quick adapt: it happens below this part of the largest window. 1/8.
    pub quick_adapt_gate: f64,
}

impl Default for NsccParams {
    fn default() -> Self {
        Self {
            reference_bdp_bytes: 150_000.0,
            reference_rtt: Duration::from_micros(12),
            target_with_trimming_rtt: 0.75,
            target_without_trimming_rtt: 1.0,
            max_cwnd_bdp: 1.5,
            fair_gain: 5.0,
            proportional_gain: 4.0,
            decrease_gain: 0.8,
            decrease_floor: 0.5,
            adjust_mtu: 8,
            eta_mtu: 1.0,
            fast_gain: 0.25,
            fast_delay: Duration::from_micros(1),
            ewma: 0.0125,
            quick_adapt_targets: 4.0,
            quick_adapt_gate: 0.125,
        }
    }
}

impl NsccParams {
    pub(in crate::cc) fn validate(&self) -> Result<(), CcConfigError> {
        // Wide enough for any experiment, and far from where arithmetic ends.
        let positive = |value: f64| value > 0.0 && value <= 1e6;
        check("nscc.reference_bdp_bytes", self.reference_bdp_bytes >= 1.0)?;
        check("nscc.reference_bdp_bytes", positive(self.reference_bdp_bytes))?;
        check("nscc.reference_rtt", !self.reference_rtt.is_zero())?;
        check("nscc.target_with_trimming_rtt", is_target(self.target_with_trimming_rtt))?;
        check("nscc.target_without_trimming_rtt", is_target(self.target_without_trimming_rtt))?;
        check("nscc.max_cwnd_bdp", positive(self.max_cwnd_bdp))?;
        check("nscc.fair_gain", positive(self.fair_gain))?;
        check("nscc.proportional_gain", positive(self.proportional_gain))?;
        check("nscc.decrease_gain", self.decrease_gain > 0.0 && self.decrease_gain <= 1.0)?;
        check("nscc.decrease_floor", self.decrease_floor > 0.0 && self.decrease_floor < 1.0)?;
        check("nscc.adjust_mtu", self.adjust_mtu > 0)?;
        check("nscc.eta_mtu", self.eta_mtu >= 0.0 && self.eta_mtu <= 1e6)?;
        check("nscc.fast_gain", self.fast_gain >= 0.0 && self.fast_gain <= 1e6)?;
        check("nscc.ewma", self.ewma > 0.0 && self.ewma <= 1.0)?;
        check("nscc.quick_adapt_targets", positive(self.quick_adapt_targets))?;
        check("nscc.quick_adapt_gate", self.quick_adapt_gate >= 0.0 && self.quick_adapt_gate <= 1.0)
    }
}

/// In base round trips; the base round trip is at most a second, and nanoseconds have 32 bits here.
fn is_target(rtts: f64) -> bool {
    rtts > 0.0 && rtts <= 4.0
}
