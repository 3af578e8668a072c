//! `check-determinism`: the same run twice.

use std::process::ExitCode;

use super::args::ScenarioArgs;
use super::failure::{Failure, VIOLATION};
use super::runner::Prepared;

pub(crate) fn run(args: &ScenarioArgs) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(args)?;
    let digests = [prepared.run()?.digest, prepared.run()?.digest];
    let same = digests[0] == digests[1];
    println!("{} {} {}", digests[0], digests[1], if same { "same" } else { "DIFFERENT" });
    Ok(ExitCode::from(if same { 0 } else { VIOLATION }))
}
