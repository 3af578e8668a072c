//! `report`: the page of a run, from what was kept of it. The run is run again: that is how a run
//! of a sweep, of which only the figures are kept, gets all of its pictures.

use std::process::ExitCode;

use usrd_sim::output::Origin;

use super::args::ReportArgs;
use super::failure::{Failure, VIOLATION};
use super::out::say_line;
use super::recorded::page;
use super::replay::prepare;

pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let (prepared, digest) = prepare(&args.replay)?;
    let mut command = format!("usrd-sim replay {}", args.replay.result.display());
    if let Some(run) = args.replay.run {
        command += &format!(" --run {run}");
    }
    let origin = Origin::of_command(&prepared.document, prepared.seed, command);
    let (report, page) = page(&prepared, &origin)?;
    std::fs::write(&args.out, page).map_err(Failure::writing(&args.out))?;
    say_line!("{}", args.out.display());
    if report.digest != digest {
        say_line!("DIFFERENT: the digest was {digest}, it is {}", report.digest);
        return Ok(ExitCode::from(VIOLATION));
    }
    Ok(ExitCode::SUCCESS)
}
