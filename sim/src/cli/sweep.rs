//! `sweep`: many runs at once.

use std::io::Write;
use std::process::ExitCode;

use rayon::prelude::*;
use usrd_sim::sweep::{Header, Record, Results, RunSpec, Shard, SweepPlan, table};
use usrd_sim::{Document, Scenario, Simulation, Status};

use super::args::SweepArgs;
use super::failure::Failure;
use super::live::live_runs;
use super::out::{say, say_line};

pub(crate) fn run(args: &SweepArgs) -> Result<ExitCode, Failure> {
    let plan = plan(args)?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    // All of them are read before one is run: a mistake in the last should not cost the first.
    let runs = plan
        .runs()
        .into_iter()
        .filter(|run| shard.has(run.number))
        .map(|run| Ok((plan.scenario(&run)?, run)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let bar = live_runs(runs.len() as u64, args.quiet);
    let records = in_threads(args.threads, || {
        let one = |(scenario, run): &(Scenario, RunSpec)| {
            let record = run_one(scenario, run);
            bar.inc(1);
            record
        };
        runs.par_iter().map(one).collect::<Result<Vec<_>, String>>()
    })??;
    bar.finish_and_clear();
    let results = Results { header: Header::new(&plan, shard), records };
    finish(&results, args.out.as_deref())
}

/// Writes the results, shows them, and tells by the exit code whether anything was wrong.
pub(crate) fn finish(
    results: &Results,
    out: Option<&std::path::Path>,
) -> Result<ExitCode, Failure> {
    if let Some(path) = out {
        let write = |text: &str| std::fs::File::create(path)?.write_all(text.as_bytes());
        write(&results.to_text()).map_err(Failure::writing(path))?;
    }
    say!("{}", table(results));
    let bad = results.records.iter().filter(|record| record.status != Status::Ok.name());
    for record in bad.clone().take(BAD_SHOWN) {
        let (run, seed, status) = (record.run, record.seed, &record.status);
        let what = record.violation.as_deref().unwrap_or_default();
        say_line!("run {run} ({}, seed {seed}): {status}: {what}", record.label());
    }
    let worst = bad.map(|record| exit_code(&record.status)).min();
    Ok(ExitCode::from(worst.unwrap_or(0)))
}

/// Runs something on a number of threads.
pub(crate) fn in_threads<R: Send>(
    threads: Option<usize>,
    run: impl FnOnce() -> R + Send,
) -> Result<R, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    Ok(pool.map_err(|error| error.to_string())?.install(run))
}

fn plan(args: &SweepArgs) -> Result<SweepPlan, Failure> {
    let document = Document::load(&args.scenario)?;
    let at_least_one = |name: &str, count: u32| {
        if count == 0 { Err(format!("--{name} must be at least 1")) } else { Ok(count) }
    };
    let default_seed =
        document.table().get("seed").and_then(toml::Value::as_integer).unwrap_or(1) as u64;
    Ok(SweepPlan {
        grid: args.grid.clone(),
        random: args.random.clone(),
        draws: at_least_one("draws", args.draws)?,
        seeds: at_least_one("seeds", args.seeds)?,
        root_seed: args.root_seed.unwrap_or(default_seed),
        document,
    })
}

fn run_one(scenario: &Scenario, run: &RunSpec) -> Result<Record, String> {
    let simulation = Simulation::new(scenario, run.seed).map_err(|error| error.to_string())?;
    Ok(Record::new(run, &simulation.run()))
}

fn exit_code(status: &str) -> u8 {
    let all = [Status::Violated, Status::Unfinished, Status::Liveness];
    let known = all.iter().find(|known| known.name() == status);
    known.unwrap_or(&Status::Violated).exit_code()
}

const BAD_SHOWN: usize = 10;
