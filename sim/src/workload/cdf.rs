//! Flow sizes as measured in data centres, as cumulative distributions.

use serde::Deserialize;

use crate::rng::Stream;
use crate::units::{Bytes, Probability};

/// Where flow sizes come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum SizesKey {
    /// A distribution by name.
    Named(NamedCdf),
    /// Points of a distribution: this share of the flows is at most this large.
    Points(Vec<(Bytes, Probability)>),
}

/// A published distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedCdf {
    /// Web search (DCTCP, SIGCOMM 2010): a third of the flows above 1 MB carry nearly all bytes.
    WebSearch,
    /// Data mining (VL2, SIGCOMM 2009): half the flows are one packet, the largest nearly a GB.
    DataMining,
}

/// A distribution, ready to draw from. Between two points it is even.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeCdf {
    /// (bytes, share of the flows that are at most this large), rising in both.
    points: Vec<(f64, f64)>,
}

impl SizeCdf {
    /// The distribution of a key, cut off at `largest`: flows above it become that large.
    pub fn new(key: &SizesKey, largest: Option<u64>) -> Result<Self, String> {
        let points: Vec<(f64, f64)> = match key {
            SizesKey::Named(NamedCdf::WebSearch) => WEB_SEARCH.to_vec(),
            SizesKey::Named(NamedCdf::DataMining) => DATA_MINING.to_vec(),
            SizesKey::Points(points) => {
                points.iter().map(|(bytes, share)| (bytes.0 as f64, share.share())).collect()
            }
        };
        let rising = points.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
        let whole = points.last().is_some_and(|last| last.1 == 1.0);
        if !rising || !whole || points[0].0 < 1.0 {
            return Err(
                "sizes and shares must rise, from 1 byte or more to a share of 100 %".into()
            );
        }
        let largest = largest.map_or(f64::INFINITY, |bytes| bytes as f64);
        let points = points.into_iter().map(|(bytes, share)| (bytes.min(largest), share)).collect();
        Ok(Self { points })
    }

    /// The mean size, in bytes.
    pub fn mean(&self) -> f64 {
        let first = self.points[0];
        let rest = self.points.windows(2);
        let parts = rest.map(|pair| (pair[1].1 - pair[0].1) * (pair[0].0 + pair[1].0) / 2.0);
        first.0 * first.1 + parts.sum::<f64>()
    }

    /// A size, at least one byte.
    pub fn draw(&self, rng: &mut Stream) -> u64 {
        let at = rng.unit();
        let above = self.points.partition_point(|point| point.1 <= at);
        let to = self.points[above.min(self.points.len() - 1)];
        let from = if above == 0 { to } else { self.points[above - 1] };
        let share = if to.1 > from.1 { (at - from.1) / (to.1 - from.1) } else { 0.0 };
        (from.0 + share * (to.0 - from.0)).round().max(1.0) as u64
    }
}

/// Points as later studies tabulate them.
const WEB_SEARCH: &[(f64, f64)] = &[
    (1.0, 0.0),
    (10_000.0, 0.15),
    (20_000.0, 0.2),
    (30_000.0, 0.3),
    (50_000.0, 0.4),
    (80_000.0, 0.53),
    (200_000.0, 0.6),
    (1e6, 0.7),
    (2e6, 0.8),
    (5e6, 0.9),
    (10e6, 0.97),
    (30e6, 1.0),
];
/// Tabulated in packets of 1,460 bytes.
const DATA_MINING: &[(f64, f64)] = &[
    (1_460.0, 0.5),
    (2_920.0, 0.6),
    (4_380.0, 0.7),
    (10_220.0, 0.8),
    (389_820.0, 0.9),
    (3_076_220.0, 0.95),
    (97_333_820.0, 0.99),
    (973_333_820.0, 1.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Component;

    #[test]
    fn draws_have_the_mean_of_the_distribution() {
        for (named, about) in [(NamedCdf::WebSearch, 1.7e6), (NamedCdf::DataMining, 7.4e6)] {
            let cdf = SizeCdf::new(&SizesKey::Named(named), None).unwrap();
            assert!((cdf.mean() / about - 1.0).abs() < 0.2, "{named:?}: {}", cdf.mean());
            let mut rng = Stream::new(3, Component::Workload, 9);
            let mean = (0..200_000).map(|_| cdf.draw(&mut rng) as f64).sum::<f64>() / 200_000.0;
            assert!((mean / cdf.mean() - 1.0).abs() < 0.05, "{named:?}: {mean}");
        }
    }

    #[test]
    fn a_cut_distribution_has_no_larger_flow() {
        let cdf = SizeCdf::new(&SizesKey::Named(NamedCdf::DataMining), Some(1_000_000)).unwrap();
        let mut rng = Stream::new(3, Component::Workload, 9);
        let drawn: Vec<_> = (0..10_000).map(|_| cdf.draw(&mut rng)).collect();
        assert_eq!(drawn.iter().max(), Some(&1_000_000));
        assert_eq!(drawn.iter().min(), Some(&1_460));
    }

    #[test]
    fn points_must_rise_to_one() {
        let points = |points: &[(u64, f64)]| {
            let point = |&(bytes, share)| (Bytes(bytes), Probability::new(share).unwrap());
            SizeCdf::new(&SizesKey::Points(points.iter().map(point).collect()), None)
        };
        points(&[(1, 0.5), (2, 1.0)]).unwrap();
        for bad in [&[(1, 0.5)][..], &[(2, 0.5), (1, 1.0)], &[(0, 1.0)], &[]] {
            assert!(points(bad).is_err(), "{bad:?}");
        }
    }
}
