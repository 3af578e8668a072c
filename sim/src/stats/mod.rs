//! What a sample of numbers says, and how sure that is.

mod bootstrap;

use serde::{Deserialize, Serialize};

pub use self::bootstrap::{Comparison, Interval, compare, mean_interval};

/// A sample in six numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// At most this for 90 %.
    pub p90: f64,
    /// At most this for 99 %.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Distribution {
    /// Of these values; all zero if there are none.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let sorted = sorted(values);
        Self {
            count: sorted.len(),
            mean: mean(&sorted),
            p50: quantile(&sorted, 0.5),
            p90: quantile(&sorted, 0.9),
            p99: quantile(&sorted, 0.99),
            max: sorted[sorted.len() - 1],
        }
    }
}

/// The values in order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The least of the sorted values that at least this share of them does not exceed: always one of
/// the values, so that a percentile of few is not made up.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).wrapping_sub(1)).copied().unwrap_or(0.0)
}

/// Jain's fairness index: (sum of x)^2 / (n x sum of x^2). 1 if all are equal, 1/n if one has all.
pub fn jain(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    if squares > 0.0 { sum * sum / (count * squares) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let all = Distribution::of(&values);
        assert_eq!((all.count, all.p50, all.p90, all.p99, all.max), (100, 50.0, 90.0, 99.0, 100.0));
        assert_eq!(all.mean, 50.5);
        assert_eq!(Distribution::of(&[3.0]).p50, 3.0);
        assert_eq!(Distribution::of(&[]), Distribution::default());
    }

    #[test]
    fn fairness_is_between_one_nth_and_one() {
        assert_eq!(jain([2.0; 8].into_iter()), 1.0);
        assert_eq!(jain([0.0, 0.0, 5.0, 0.0].into_iter()), 0.25);
        assert_eq!(jain(std::iter::empty()), 1.0);
    }
}
