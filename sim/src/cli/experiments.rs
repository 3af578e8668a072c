//! `experiments`: runs everything that docs/EXPERIMENTS.md shows, and writes it.

use std::process::ExitCode;

use rayon::prelude::*;
use usrd_sim::experiments::{Index, Outcome, document};
use usrd_sim::sweep::{Record, RunSpec};
use usrd_sim::{Scenario, Simulation};

use super::args::ExperimentsArgs;
use super::failure::{Failure, VIOLATION};
use super::live::live_runs;
use super::out::say;
use super::sweep::in_threads;

pub(crate) fn run(args: &ExperimentsArgs) -> Result<ExitCode, Failure> {
    let mut index = Index::load(&args.list)?;
    if let Some(only) = &args.only {
        index.experiment.retain(|experiment| experiment.plan.contains(only.as_str()));
    }
    let jobs = jobs(&index, args)?;
    let bar = live_runs(jobs.len() as u64, args.quiet);
    let records = in_threads(args.threads, || {
        let one = |job: &Job| {
            let record = run_one(job);
            bar.inc(1);
            record
        };
        jobs.par_iter().map(one).collect::<Result<Vec<_>, String>>()
    })??;
    bar.finish_and_clear();
    let outcomes = outcomes(&index, records, args.seeds as usize);
    let bad: usize = outcomes.iter().flatten().map(Outcome::bad).sum();
    let mut command = "cargo run --release -p usrd-sim -- experiments".to_owned();
    if args.seeds != DEFAULT_SEEDS {
        command += &format!(" --seeds {}", args.seeds);
    }
    let text = document(&index, &outcomes, args.seeds, &command);
    match &args.out {
        Some(path) => std::fs::write(path, text).map_err(Failure::writing(path))?,
        None => say!("{text}"),
    }
    Ok(ExitCode::from(if bad == 0 { 0 } else { VIOLATION }))
}

struct Job {
    scenario: Scenario,
    run: RunSpec,
}

/// All runs, in the order of the document.
fn jobs(index: &Index, args: &ExperimentsArgs) -> Result<Vec<Job>, Failure> {
    let mut jobs = Vec::new();
    for experiment in &index.experiment {
        for row in &experiment.rows {
            let (plan, runs) = index.sweep(experiment, row, args.seeds, args.root_seed)?;
            for run in runs {
                jobs.push(Job { scenario: plan.scenario(&run)?, run });
            }
        }
    }
    Ok(jobs)
}

fn run_one(job: &Job) -> Result<Record, String> {
    let simulation = Simulation::new(&job.scenario, job.run.seed);
    Ok(Record::new(&job.run, &simulation.map_err(|error| error.to_string())?.run()))
}

/// The records, row by row.
fn outcomes(index: &Index, records: Vec<Record>, seeds: usize) -> Vec<Vec<Outcome>> {
    let mut records = records.into_iter();
    let mut next = || Outcome { records: records.by_ref().take(seeds).collect() };
    let rows = |experiment: &usrd_sim::experiments::Experiment| experiment.rows.len();
    index.experiment.iter().map(|it| (0..rows(it)).map(|_| next()).collect()).collect()
}

pub(crate) const DEFAULT_SEEDS: u32 = 10;
