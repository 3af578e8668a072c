//! Randomness: one stream per (component, id), all from the run's seed. A component that draws more
//! or less than before moves nobody else's luck, so two runs stay comparable.

use rand::RngExt;
use rand_pcg::Pcg64;

use crate::time::Time;
use crate::units::{Probability, RANDOM_BITS};

/// Who draws. The numbers are part of every digest: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Component {
    /// Seeds of the protocol endpoints, by host.
    Endpoint = 1,
    /// Who sends to whom.
    Workload = 2,
    /// Loss, duplication and reordering, by link.
    Faults = 3,
    /// Which packets a queue marks, by link.
    Marking = 4,
    /// What tells a switch's ECMP choices from another's, by switch.
    Ecmp = 5,
    /// Which way a packet takes through switches that spray, by switch.
    Spray = 6,
    /// Seeds of the endpoints that hosts have after a crash, by step of the plan of faults.
    Incarnation = 7,
    /// Which operations are taken back and when, by message.
    Cancel = 8,
    /// What a sweep draws, by draw; the seeds of its runs.
    Sweep = 64,
    /// Samples drawn to find out how sure a figure is.
    Bootstrap = 65,
    /// Random scenarios.
    Fuzz = 66,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64);

impl Stream {
    /// The stream of one component's part `id`.
    pub fn new(seed: u64, component: Component, id: u32) -> Self {
        let stream = u128::from(component as u16) << 32 | u128::from(id);
        // Seeds are small numbers in practice; the state should not be.
        let state = u128::from(seed).wrapping_mul(SPREAD);
        let mut pcg = Pcg64::new(state, stream);
        // The first outputs of neighbouring streams are related.
        for _ in 0..WARM_UP {
            pcg.random::<u64>();
        }
        Self(pcg)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }

    /// Evenly from 0 to `bound - 1`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Evenly from 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A time from an exponential distribution: the gap to the next of events that come at random.
    pub fn exponential(&mut self, mean: Time) -> Time {
        Time::from_ps((-(1.0 - self.unit()).ln() * mean.as_ps() as f64) as u64)
    }

    /// Whether something of this probability happens. What is impossible draws nothing.
    pub fn happens(&mut self, chance: Chance) -> bool {
        chance.0 != 0 && (self.bits() >> (64 - RANDOM_BITS)) < chance.0
    }
}

/// A probability, made ready to be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chance(u64);

impl From<Probability> for Chance {
    fn from(probability: Probability) -> Self {
        Self(probability.threshold())
    }
}

/// An odd constant with no pattern: 2^128 divided by the golden ratio.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
const WARM_UP: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, component, id| Stream::new(seed, component, id).bits();
        let base = first(1, Component::Faults, 0);
        assert_eq!(base, first(1, Component::Faults, 0));
        assert_ne!(base, first(2, Component::Faults, 0));
        assert_ne!(base, first(1, Component::Faults, 1));
        assert_ne!(base, first(1, Component::Marking, 0));
    }

    #[test]
    fn chances_are_kept() {
        let mut stream = Stream::new(7, Component::Faults, 3);
        let chance = Chance::from(Probability::new(0.25).unwrap());
        let hits = (0..40_000).filter(|_| stream.happens(chance)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
        assert!(!stream.happens(Chance::default()));
        assert!(stream.happens(Chance::from(Probability::new(1.0).unwrap())));
        assert!((0..1_000).all(|_| stream.below(3) < 3));
        let sum: f64 =
            (0..10_000).map(|_| stream.exponential(Time::from_ns(5)).as_ps() as f64).sum();
        assert!((4_800.0..5_200.0).contains(&(sum / 10_000.0)), "{sum}");
    }
}
