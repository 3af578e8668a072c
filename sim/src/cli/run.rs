//! `run`: one run, shown and, if asked for, written to a folder.

use std::process::ExitCode;

use usrd_sim::output::{Folder, Origin};

use super::args::RunArgs;
use super::failure::Failure;
use super::live::LiveRun;
use super::runner::Prepared;

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(&args.scenario)?;
    let mut live = LiveRun::new(args.quiet);
    let report = prepared.simulation()?.run_watched(&mut |simulation| live.watch(simulation));
    live.finish();
    if args.json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    if let Some(path) = &args.out {
        let origin = Origin::new(&prepared.document, prepared.seed, path);
        let folder = Folder::create(path, &origin).map_err(Failure::writing(path))?;
        folder.write_report(&report).map_err(Failure::writing(path))?;
    }
    Ok(ExitCode::from(report.status.exit_code()))
}
