//! What is to become of each datagram.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::FaultConfig;

/// What is to become of one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) lose: bool,
    pub(super) duplicate: bool,
    /// Flip a bit: the one of this number, modulo how many there are.
    pub(super) corrupt: Option<u64>,
    pub(super) delay: Option<Duration>,
}

impl Verdict {
    /// Whether the datagram just goes on.
    pub(super) fn is_innocuous(&self) -> bool {
        *self == Self::default()
    }
}

/// Draws verdicts.
#[derive(Debug)]
pub(super) struct Judge {
    config: FaultConfig,
    random: Pcg64Mcg,
}

impl Judge {
    pub(super) fn new(config: FaultConfig) -> Self {
        let random = Pcg64Mcg::seed_from_u64(config.seed);
        Self { config, random }
    }

    /// The next datagram's. Always draws equally often, so that a setting that is changed leaves
    /// the other faults where they were.
    pub(super) fn next(&mut self) -> Verdict {
        let lose = self.chance(self.config.loss);
        let duplicate = self.chance(self.config.duplicate);
        let corrupt = self.chance(self.config.corrupt);
        let bit = self.random.random::<u64>();
        let delay = self.chance(self.config.delay);
        let share = self.random.random::<f64>();
        if lose {
            return Verdict { lose, ..Verdict::default() };
        }
        Verdict {
            lose,
            duplicate,
            corrupt: corrupt.then_some(bit),
            delay: delay.then(|| self.config.max_delay.mul_f64(share)),
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.random.random::<f64>() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(config: &FaultConfig) -> Vec<Verdict> {
        let mut judge = Judge::new(config.clone());
        std::iter::repeat_with(|| judge.next()).take(1000).collect()
    }

    fn config(seed: u64) -> FaultConfig {
        FaultConfig {
            seed,
            loss: 0.1,
            duplicate: 0.2,
            corrupt: 0.3,
            delay: 0.4,
            ..FaultConfig::default()
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(verdicts(&config(1)), verdicts(&config(1)));
        assert_ne!(verdicts(&config(1)), verdicts(&config(2)));
    }

    #[test]
    fn each_fault_has_its_share() {
        let verdicts = verdicts(&config(3));
        let share = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|v| is(v)).count();
        assert!((70..130).contains(&share(|v| v.lose)));
        // Of the 900 that are not lost.
        assert!((140..220).contains(&share(|v| v.duplicate)));
        assert!((220..320).contains(&share(|v| v.corrupt.is_some())));
        assert!((310..410).contains(&share(|v| v.delay.is_some())));
    }

    #[test]
    fn one_setting_leaves_the_other_faults_alone() {
        let without = FaultConfig { duplicate: 0.0, ..config(4) };
        for (with, without) in verdicts(&config(4)).iter().zip(verdicts(&without)) {
            assert_eq!(
                (with.lose, with.corrupt, with.delay),
                (without.lose, without.corrupt, without.delay)
            );
        }
    }

    #[test]
    fn certainty_and_impossibility_are_exact() {
        assert!(verdicts(&FaultConfig::default()).iter().all(Verdict::is_innocuous));
        let config = FaultConfig { loss: 1.0, ..FaultConfig::default() };
        assert!(verdicts(&config).iter().all(|verdict| verdict.lose));
    }
}
