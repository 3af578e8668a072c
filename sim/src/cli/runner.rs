//! Reading a scenario as the command line changes it, and running it.

use usrd_sim::host::Stack;
use usrd_sim::{Document, Report, Scenario, Simulation, value_of};

use super::args::ScenarioArgs;
use super::failure::Failure;

/// A scenario that is ready to run.
pub(crate) struct Prepared {
    pub(crate) document: Document,
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
}

impl Prepared {
    pub(crate) fn new(args: &ScenarioArgs) -> Result<Self, Failure> {
        let mut document = Document::load(&args.scenario)?;
        for setting in &args.set {
            let (key, value) =
                setting.split_once('=').ok_or_else(|| format!("--set {setting}: not KEY=VALUE"))?;
            document.set(key.trim(), value_of(value.trim()))?;
        }
        Self::of(document, args.seed)
    }

    pub(crate) fn of(document: Document, seed: Option<u64>) -> Result<Self, Failure> {
        let scenario = document.scenario()?;
        let seed = seed.unwrap_or(scenario.seed);
        Ok(Self { document, scenario, seed })
    }

    pub(crate) fn simulation(&self) -> Result<Simulation<Stack>, Failure> {
        Simulation::new(&self.scenario, self.seed).map_err(|error| error.to_string().into())
    }

    pub(crate) fn run(&self) -> Result<Report, Failure> {
        Ok(self.simulation()?.run())
    }
}
