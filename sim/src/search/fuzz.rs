//! Runs random scenarios until time is up, and keeps those that fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as WallClock};

use rayon::prelude::*;

use super::{Finding, Judge, generate};
use crate::rng::{Component, Stream};
use crate::scenario::Document;

/// How long to look, and where.
#[derive(Clone, Copy, Debug)]
pub struct Fuzz {
    /// Scenario k of this root seed is always the same.
    pub root_seed: u64,
    /// No new run starts after this long...
    pub time: Duration,
    /// ...or after this many.
    pub runs: u64,
}

/// A scenario that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that made the scenario and its run.
    pub seed: u64,
    /// The scenario.
    pub document: Document,
    /// What was wrong.
    pub finding: Finding,
}

/// How the search went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Scenarios run.
    pub runs: u64,
    /// Of those, failed.
    pub failures: u64,
}

impl Fuzz {
    /// Looks, on all of rayon's threads; hands over each failure as soon as it is found.
    pub fn search(self, judge: impl Judge, found: impl Fn(Failure) + Sync) -> Summary {
        let began = WallClock::now();
        let (runs, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        let threads = rayon::current_num_threads() as u64;
        // Each thread takes the numbers of its own, so that the order of scenarios is no matter.
        (0..threads).into_par_iter().for_each(|thread| {
            let mut number = thread;
            while number < self.runs && began.elapsed() < self.time {
                runs.fetch_add(1, Ordering::Relaxed);
                if let Some(failure) = try_one(self.seed(number), &judge) {
                    failures.fetch_add(1, Ordering::Relaxed);
                    found(failure);
                }
                number += threads;
            }
        });
        Summary { runs: runs.into_inner(), failures: failures.into_inner() }
    }

    /// The seed of scenario `number`; 53 bits, so that TOML and JSON hold it.
    fn seed(self, number: u64) -> u64 {
        let stream = Stream::new(self.root_seed, Component::Fuzz, number as u32);
        (stream.clone().bits() >> 11) ^ (number >> 32)
    }
}

/// Runs the scenario of a seed.
fn try_one(seed: u64, judge: &impl Judge) -> Option<Failure> {
    let text = generate(seed);
    let source = format!("seed {seed}");
    let document = Document::new(&text, &source).expect("generated scenarios are TOML");
    let finding = match document.scenario() {
        Ok(scenario) => judge(&scenario, seed)?,
        // The generator is at fault, not the core; but it must not go unnoticed.
        Err(error) => Finding { sort: "scenario".into(), detail: error.to_string() },
    };
    Some(Failure { seed, document, finding })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_same_root_seed_finds_the_same() {
        let search = |root_seed| {
            let found = Mutex::new(Vec::new());
            let fuzz = Fuzz { root_seed, time: Duration::from_secs(600), runs: 40 };
            let odd = |_: &_, seed: u64| {
                seed.is_multiple_of(3)
                    .then(|| Finding { sort: "odd".into(), detail: String::new() })
            };
            let summary = fuzz.search(odd, |failure| found.lock().unwrap().push(failure.seed));
            assert_eq!(summary.runs, 40);
            let mut found = found.into_inner().unwrap();
            assert_eq!(found.len() as u64, summary.failures);
            found.sort_unstable();
            found
        };
        assert!(!search(1).is_empty());
        assert_eq!(search(1), search(1));
        assert_ne!(search(1), search(2));
    }
}
