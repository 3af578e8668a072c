//! The bootstrap: how much a figure would move if the sample had come out differently, found by
//! drawing new samples out of the one there is. Assumes nothing about how the values are
//! distributed, which matters for completion times with their long tails.

use serde::Serialize;

use super::{mean, quantile, sorted};
use crate::rng::{Component, Stream};

/// Where a figure lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The figure for the sample itself.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How a figure of B compares with the same figure of A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The figure of A.
    pub a: f64,
    /// The figure of B.
    pub b: f64,
    /// B's change against A, as a share of A.
    pub change: Interval,
}

impl Comparison {
    /// Whether the interval leaves no doubt that there is a difference.
    pub fn is_significant(&self) -> bool {
        self.change.low > 0.0 || self.change.high < 0.0
    }
}

/// The mean, with its interval.
pub fn mean_interval(values: &[f64]) -> Interval {
    let mut rng = Stream::new(SEED, Component::Bootstrap, 0);
    interval(mean(values), || mean(&resample(values, &mut rng)))
}

/// Compares a figure of two samples. `paired` says that value i of both belongs together (the same
/// seed, the same flow): then pairs are drawn, and what they have in common cancels out.
pub fn compare(a: &[f64], b: &[f64], paired: bool, figure: impl Fn(&[f64]) -> f64) -> Comparison {
    let mut rng = Stream::new(SEED, Component::Bootstrap, 1);
    let paired = paired && a.len() == b.len();
    let change = |a: &[f64], b: &[f64]| {
        let (a, b) = (figure(a), figure(b));
        if a == 0.0 { 0.0 } else { (b - a) / a }
    };
    let change = interval(change(a, b), || {
        if paired {
            let drawn: Vec<usize> = draws(a.len(), &mut rng).collect();
            let pick = |from: &[f64]| drawn.iter().map(|&at| from[at]).collect::<Vec<_>>();
            change(&pick(a), &pick(b))
        } else {
            let drawn = resample(a, &mut rng);
            change(&drawn, &resample(b, &mut rng))
        }
    });
    Comparison { a: figure(a), b: figure(b), change }
}

fn interval(value: f64, mut again: impl FnMut() -> f64) -> Interval {
    let drawn = sorted(&(0..ROUNDS).map(|_| again()).collect::<Vec<_>>());
    Interval { value, low: quantile(&drawn, 0.025), high: quantile(&drawn, 0.975) }
}

fn resample(values: &[f64], rng: &mut Stream) -> Vec<f64> {
    draws(values.len(), rng).map(|at| values[at]).collect()
}

fn draws(count: usize, rng: &mut Stream) -> impl Iterator<Item = usize> {
    (0..count).map(move |_| rng.below(count as u64) as usize)
}

/// Enough for the ends of a 95 % interval to be steady in their second digit.
const ROUNDS: usize = 1_000;
/// The same data always give the same interval.
const SEED: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u32, count: usize, shift: f64) -> Vec<f64> {
        let mut rng = Stream::new(1, Component::Bootstrap, seed);
        (0..count).map(|_| 100.0 + shift + 20.0 * (rng.unit() - 0.5)).collect()
    }

    #[test]
    fn the_interval_holds_the_true_mean_about_as_often_as_it_says() {
        let holds = (10..210)
            .filter(|&seed| {
                let interval = mean_interval(&sample(seed, 40, 0.0));
                interval.low <= 100.0 && 100.0 <= interval.high
            })
            .count();
        assert!((180..=198).contains(&holds), "{holds} of 200");
    }

    #[test]
    fn a_difference_is_seen_and_none_is_not_made_up() {
        let (a, same, slower) = (sample(1, 60, 0.0), sample(2, 60, 0.0), sample(3, 60, 10.0));
        assert!(!compare(&a, &same, false, mean).is_significant());
        let found = compare(&a, &slower, false, mean);
        assert!(found.is_significant());
        assert!((found.change.value - 0.1).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn pairs_show_what_their_common_noise_would_hide() {
        let a = sample(1, 20, 0.0);
        let b: Vec<f64> = a.iter().map(|value| value + 0.5).collect();
        assert!(!compare(&a, &b, false, mean).is_significant());
        assert!(compare(&a, &b, true, mean).is_significant());
    }
}
