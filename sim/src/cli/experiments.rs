//! `experiments`: runs everything that docs/EXPERIMENTS.md shows, and writes it.

use std::ops::ControlFlow;
use std::process::ExitCode;

use rayon::prelude::*;
use usrd_sim::experiments::{Index, Outcome, STATE_FIGURE, document, update};
use usrd_sim::host::{Host, Stack};
use usrd_sim::sweep::{Record, RunSpec};
use usrd_sim::{Scenario, Simulation};

use super::allocator::heap_bytes;
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
    let mut text = document(&index, &outcomes, args.seeds, &command);
    let there = args.out.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    if let (true, Some(there)) = (args.only.is_some(), there) {
        text = update(&there, &text);
    }
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
    let simulation = Simulation::new(&job.scenario, job.run.seed).map_err(|e| e.to_string())?;
    let (report, hosts) = simulation.run_to_end(&mut |_| ControlFlow::Continue(()));
    let mut record = Record::new(&job.run, &report);
    record.figures.insert(STATE_FIGURE.into(), state_per_peer(hosts));
    Ok(record)
}

/// What host 0's endpoint holds at the end for each of the other hosts, in bytes.
fn state_per_peer(hosts: Vec<Host<Stack>>) -> f64 {
    let peers = hosts.len() - 1;
    let first = hosts.into_iter().next().map(Host::into_transport);
    heap_bytes(first) as f64 / peers as f64
}

/// The records, row by row.
fn outcomes(index: &Index, records: Vec<Record>, seeds: usize) -> Vec<Vec<Outcome>> {
    let mut records = records.into_iter();
    let mut next = || Outcome { records: records.by_ref().take(seeds).collect() };
    let rows = |experiment: &usrd_sim::experiments::Experiment| experiment.rows.len();
    index.experiment.iter().map(|it| (0..rows(it)).map(|_| next()).collect()).collect()
}

pub(crate) const DEFAULT_SEEDS: u32 = 10;
