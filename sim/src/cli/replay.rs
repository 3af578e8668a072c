//! `replay`: a run again, from what was kept of it. Its digest has to be what it was.

use std::process::ExitCode;

use usrd_sim::output::Kept;
use usrd_sim::sweep::Results;

use super::args::ReplayArgs;
use super::failure::{Failure, VIOLATION};
use super::out::{say, say_line};
use super::runner::Prepared;

pub(crate) fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let (prepared, digest) = prepare(args)?;
    let report = prepared.run()?;
    say!("{report}");
    if report.digest != digest {
        say_line!("replay        DIFFERENT: the digest was {digest}");
        return Ok(ExitCode::from(VIOLATION));
    }
    say_line!("replay        the same as before");
    Ok(ExitCode::from(report.status.exit_code()))
}

/// The run that is kept, and the digest that it had.
pub(crate) fn prepare(args: &ReplayArgs) -> Result<(Prepared, String), Failure> {
    if args.result.is_dir() { of_folder(args) } else { of_sweep(args) }
}

fn of_folder(args: &ReplayArgs) -> Result<(Prepared, String), Failure> {
    let kept = Kept::load(&args.result)?;
    Ok((Prepared::of(kept.document, Some(kept.seed))?, kept.digest))
}

fn of_sweep(args: &ReplayArgs) -> Result<(Prepared, String), Failure> {
    let results = Results::load(&args.result)?;
    let number =
        args.run.ok_or_else(|| "a sweep has many runs: say which with --run".to_owned())?;
    let record = results.records.iter().find(|record| record.run == number);
    let record = record.ok_or_else(|| format!("there is no run {number} in it"))?;
    let document = results.document(record)?;
    Ok((Prepared::of(document, Some(record.seed))?, record.digest.clone()))
}
