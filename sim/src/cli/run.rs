//! `run`: one run, shown and, if asked for, written to a folder.

use std::process::ExitCode;

use super::args::RunArgs;
use super::failure::Failure;
use super::live::LiveRun;
use super::out::{say, say_line};
use super::recorded::run_into;
use super::runner::Prepared;

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(&args.scenario)?;
    let mut live = LiveRun::new(args.quiet, &prepared.scenario, prepared.seed);
    let report = match &args.out {
        Some(path) => run_into(args, path, &prepared, &mut live)?,
        None => prepared.simulation()?.run_watched(&mut |simulation| live.watch(simulation)),
    };
    live.finish();
    if args.json {
        say_line!("{}", report.to_json());
    } else {
        say!("{report}");
    }
    Ok(ExitCode::from(report.status.exit_code()))
}
