//! The published comparison: plans with settings, run over the same seeds and put beside the
//! figures of others in one document, which one command writes.

mod document;
mod index;
mod transports;
mod update;

pub use self::document::document;
pub use self::index::{Experiment, Index, Row, TableKey, Theirs};
pub use self::transports::STATE_FIGURE;
pub use self::update::update;
use crate::stats::Distribution;
use crate::sweep::Record;

/// What came out for a row.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The row's runs, one per seed.
    pub records: Vec<Record>,
}

impl Outcome {
    /// How a figure is distributed over the seeds.
    pub fn figure(&self, name: &str) -> Distribution {
        let values = self.records.iter().filter_map(|record| record.figures.get(name).copied());
        Distribution::of(&values.collect::<Vec<_>>())
    }

    /// The least of a figure over the seeds.
    pub fn least(&self, name: &str) -> f64 {
        let values = self.records.iter().filter_map(|record| record.figures.get(name).copied());
        values.fold(f64::INFINITY, f64::min)
    }

    /// Runs in which something was wrong.
    pub fn bad(&self) -> usize {
        self.records.iter().filter(|record| record.status != "ok").count()
    }
}
