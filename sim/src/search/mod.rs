//! Looking for runs that go wrong, and making what was found small.
//!
//! `generate` makes a scenario out of a seed: a random network, random traffic and a random mix of
//! faults, each of which is absent as often as not, because a fault that is always there hides
//! what only shows without it (swarm testing). `fuzz` runs one after the other until time is up.
//! `shrink` takes everything away from a failing scenario that it fails without.

mod fuzz;
mod generate;
mod minimise;
mod shrink;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::fuzz::{Failure, Fuzz, Summary};
pub use self::generate::generate;
pub use self::minimise::minimise;
pub use self::shrink::{Shrink, Shrunk};
use crate::output::Schedule;
use crate::report::{Report, Status};
use crate::scenario::{PacketFault, Scenario};
use crate::simulation::Simulation;

/// What was wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The sort of it: the checker's name, `liveness`, `unfinished` or `panic`. A smaller scenario
    /// shows the same only if it shows the same sort.
    pub sort: String,
    /// The first of it, in words.
    pub detail: String,
}

impl Finding {
    /// What a report tells.
    pub fn of(report: &Report) -> Option<Self> {
        let first = report.violations.first()?;
        let sort = match report.status {
            Status::Ok => return None,
            Status::Violated => first.checker.to_string(),
            Status::Liveness | Status::Unfinished => report.status.name().to_owned(),
        };
        Some(Self { sort, detail: first.to_string() })
    }
}

/// Runs a scenario and says what was wrong with it.
pub trait Judge: Fn(&Scenario, u64) -> Option<Finding> + Sync {}

impl<F: Fn(&Scenario, u64) -> Option<Finding> + Sync> Judge for F {}

/// Judges runs of the real core. What panics is found, too.
pub fn judge(scenario: &Scenario, seed: u64) -> Option<Finding> {
    caught(|| match Simulation::new(scenario, seed) {
        Ok(simulation) => Finding::of(&simulation.run()),
        Err(error) => Some(Finding { sort: "config".into(), detail: error.to_string() }),
    })
}

/// What chance does to packets in a run of the real core, as far as it gets.
pub fn schedule(scenario: &Scenario, seed: u64) -> Vec<PacketFault> {
    let (recorder, packets) = Schedule::new(scenario.network());
    caught(|| {
        if let Ok(simulation) = Simulation::new(scenario, seed) {
            simulation.recorded_by(Box::new(recorder)).run();
        }
        None
    });
    packets.take()
}

/// Runs something; a panic becomes a finding.
pub fn caught(run: impl FnOnce() -> Option<Finding>) -> Option<Finding> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let detail = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Some(Finding { sort: "panic".into(), detail })
    })
}
