//! How bad the network is.

use std::time::Duration;

use crate::DeviceError;

/// Settings of a [`FaultDevice`](super::FaultDevice). By default there are no faults.
///
/// Faults are drawn for each datagram by themselves, so one can be corrupted, delayed and
/// duplicated; only a lost one has nothing else happen to it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultConfig {
    /// Where the randomness starts.
    pub seed: u64,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram is sent a second time, intact, right after the first.
    pub duplicate: f64,
    /// Probability that one bit of a datagram is flipped.
    pub corrupt: f64,
    /// Probability that a datagram is held back, and so overtaken by later ones.
    pub delay: f64,
    /// The longest that a datagram is held back; the time is drawn evenly from zero up to it.
    pub max_delay: Duration,
}

impl Default for FaultConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            loss: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            delay: 0.0,
            max_delay: DEFAULT_MAX_DELAY,
        }
    }
}

impl FaultConfig {
    pub(super) fn validate(&self) -> Result<(), DeviceError> {
        for (setting, probability) in [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("corrupt", self.corrupt),
            ("delay", self.delay),
        ] {
            if !(0.0..=1.0).contains(&probability) {
                let problem = format!("{probability} is not a probability: use 0 to 1");
                return Err(DeviceError::BadSetting { setting, problem });
            }
        }
        if self.max_delay > LONGEST_DELAY {
            return Err(DeviceError::BadSetting {
                setting: "max_delay",
                problem: format!("{:?} is longer than {LONGEST_DELAY:?}", self.max_delay),
            });
        }
        Ok(())
    }
}

/// A few round trips of a data centre's network.
const DEFAULT_MAX_DELAY: Duration = Duration::from_micros(100);
/// No packet lives longer in a network (the customary maximum segment lifetime, RFC 9293).
const LONGEST_DELAY: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let good = FaultConfig::default();
        good.validate().unwrap();
        FaultConfig { loss: 1.0, ..good.clone() }.validate().unwrap();
        for (name, config) in [
            ("loss", FaultConfig { loss: -0.1, ..good.clone() }),
            ("duplicate", FaultConfig { duplicate: 1.1, ..good.clone() }),
            ("corrupt", FaultConfig { corrupt: f64::NAN, ..good.clone() }),
            ("delay", FaultConfig { delay: f64::INFINITY, ..good.clone() }),
            ("max_delay", FaultConfig { max_delay: Duration::MAX, ..good.clone() }),
        ] {
            let text = config.validate().unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }
}
