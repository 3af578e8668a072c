//! Which runs a sweep has: numbered, each with its settings and its seed.

use std::str::FromStr;

use toml::Value;

use super::{Axis, Range};
use crate::rng::{Component, Stream};
use crate::scenario::{Document, Scenario, ScenarioError};

/// A whole sweep.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// What every run starts from.
    pub document: Document,
    /// Every combination of these is run...
    pub grid: Vec<Axis>,
    /// ...with each draw of these...
    pub random: Vec<Range>,
    /// ...this many draws...
    pub draws: u32,
    /// ...and each of this many seeds.
    pub seeds: u32,
    /// Where all draws and seeds come from.
    pub root_seed: u64,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// Its number in the whole sweep.
    pub number: u32,
    /// What it sets.
    pub settings: Vec<(String, Value)>,
    /// Its seed.
    pub seed: u64,
}

/// Part `index` of `count`, from 0: every `count`-th run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether a run is part of it.
    pub fn has(self, run: u32) -> bool {
        run % self.count == self.index
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
        });
        parts
            .filter(|shard| shard.index < shard.count)
            .ok_or_else(|| format!("\"{text}\" is not I/N with I from 0 to N-1"))
    }
}

impl SweepPlan {
    /// All runs, by number. Seed k is the same for all settings, so that they meet the same luck.
    pub fn runs(&self) -> Vec<RunSpec> {
        let mut runs = Vec::new();
        for point in self.grid_points() {
            for draw in 0..self.draws {
                let mut settings = point.clone();
                settings.extend(self.drawn(draw));
                for seed in 0..self.seeds {
                    runs.push(RunSpec {
                        number: runs.len() as u32,
                        settings: settings.clone(),
                        seed: self.seed(seed),
                    });
                }
            }
        }
        runs
    }

    /// The scenario of a run.
    pub fn scenario(&self, run: &RunSpec) -> Result<Scenario, ScenarioError> {
        self.document.with(&run.settings)?.scenario()
    }

    fn grid_points(&self) -> Vec<Vec<(String, Value)>> {
        let mut points = vec![Vec::new()];
        for axis in &self.grid {
            let longer = |point: &Vec<(String, Value)>| {
                let point = point.clone();
                axis.values.iter().map(move |value| {
                    let setting = (axis.key.clone(), value.clone());
                    point.iter().cloned().chain([setting]).collect()
                })
            };
            points = points.iter().flat_map(longer).collect();
        }
        points
    }

    /// The draws are the same at every point of the grid.
    fn drawn(&self, draw: u32) -> Vec<(String, Value)> {
        let mut rng = Stream::new(self.root_seed, Component::Sweep, draw + 1);
        self.random.iter().map(|range| (range.key.clone(), range.draw(&mut rng))).collect()
    }

    /// A seed from the root seed; 53 bits, so that every JSON reader can hold it.
    fn seed(&self, number: u32) -> u64 {
        let mut rng = Stream::new(self.root_seed, Component::Sweep, 0);
        (0..=number).map(|_| rng.bits() >> 11).last().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan() -> SweepPlan {
        SweepPlan {
            document: Document::new("name = \"x\"", "x.toml").unwrap(),
            grid: vec!["a.b=1,2".parse().unwrap(), "c=x,y,z".parse().unwrap()],
            random: vec!["d=0..1000000".parse().unwrap()],
            draws: 2,
            seeds: 3,
            root_seed: 7,
        }
    }

    #[test]
    fn every_combination_comes_once() {
        let runs = plan().runs();
        assert_eq!(runs.len(), 2 * 3 * 2 * 3);
        let distinct: HashSet<String> =
            runs.iter().map(|run| format!("{:?} {}", run.settings, run.seed)).collect();
        assert_eq!(distinct.len(), runs.len());
        assert!(runs.iter().enumerate().all(|(at, run)| run.number as usize == at));
    }

    #[test]
    fn settings_meet_the_same_seeds_and_draws() {
        let runs = plan().runs();
        let (first, later) = (&runs[..6], &runs[6..12]);
        for (a, b) in first.iter().zip(later) {
            assert_eq!((a.seed, &a.settings[2]), (b.seed, &b.settings[2]));
            assert_ne!(a.settings[1], b.settings[1]);
        }
        assert_eq!(runs, plan().runs());
        assert_ne!(runs, SweepPlan { root_seed: 8, ..plan() }.runs());
    }

    #[test]
    fn shards_share_out_the_runs() {
        let shard: Shard = "2/3".parse().unwrap();
        assert_eq!((0..7).filter(|&run| shard.has(run)).collect::<Vec<_>>(), [2, 5]);
        for text in ["3/3", "1", "a/b", "0/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
