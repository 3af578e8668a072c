//! What the command line can say.

use std::path::PathBuf;

use super::experiments::DEFAULT_SEEDS;
use clap::{Args, Parser, Subcommand};
use usrd_sim::sweep::{Axis, Range, Shard};
use usrd_sim::time::Time;

/// Network simulator for the usrd protocol.
///
/// Exit codes: 0 everything completed and every property holds; 1 a property does not hold, or a
/// run is not what it was; 2 bad arguments or scenario; 3 the end came too early; 4 nothing moved
/// any more, or a message was given up; 5 output could not be written.
#[derive(Debug, Parser)]
#[command(name = "usrd-sim", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario and show what happened.
    Run(RunArgs),
    /// Repeat a run from its folder, or from a sweep's results, and compare the digests.
    Replay(ReplayArgs),
    /// Run a scenario twice with the same seed and compare the digests.
    CheckDeterminism(ScenarioArgs),
    /// Run a scenario many times: over values of keys, listed or drawn, and over seeds.
    Sweep(SweepArgs),
    /// Put the shards of a sweep together.
    Merge(MergeArgs),
    /// Write the page of a run, from its folder or from a sweep's results.
    Report(ReportArgs),
    /// Make a scenario out of htsim's files: a connection matrix, a topology, or both.
    Import(ImportArgs),
    /// Run all published experiments and write the document that compares them.
    Experiments(ExperimentsArgs),
    /// Compare two runs flow by flow, or two sweeps seed by seed.
    Diff(DiffArgs),
    /// Run random scenarios with random faults until time is up, and keep those that fail.
    Fuzz(FuzzArgs),
    /// Make a failing scenario as small as it can be and still fail in the same way.
    Shrink(ShrinkArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// The seed; by default the scenario's.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Set a key of the scenario, such as core.spray=reps.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Print the whole report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a folder: scenario, summary.json, flows.csv, series.csv, faults.csv, report.html.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Time between two samples of the series, such as 1us; by default some hundred in all.
    #[arg(long, requires = "out", value_name = "TIME")]
    pub(crate) sample: Option<Time>,
    /// Write every event to events.jsonl in the folder.
    #[arg(long, requires = "out")]
    pub(crate) events: bool,
    /// Write every packet on every link to packets.pcapng in the folder.
    #[arg(long, requires = "out")]
    pub(crate) pcap: bool,
    /// No live line.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A run's folder, or the results of a sweep.
    pub(crate) result: PathBuf,
    /// Which run of the sweep.
    #[arg(long)]
    pub(crate) run: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The scenario file.
    pub(crate) scenario: PathBuf,
    /// Every value of a key, with every value of the others.
    #[arg(long, value_name = "KEY=VALUE,VALUE,...")]
    pub(crate) grid: Vec<Axis>,
    /// A value drawn from a range, evenly or, with :log, evenly by factor. Whole numbers of the
    /// unit, unless one end has a decimal point or the unit is %.
    #[arg(long, value_name = "KEY=LEAST..MOST[:log]")]
    pub(crate) random: Vec<Range>,
    /// How many draws of the random keys.
    #[arg(long, default_value_t = 1)]
    pub(crate) draws: u32,
    /// How many seeds for each setting.
    #[arg(long, default_value_t = 1)]
    pub(crate) seeds: u32,
    /// Where all draws and seeds come from; by default the scenario's seed.
    #[arg(long)]
    pub(crate) root_seed: Option<u64>,
    /// Only part I of N, I from 0: the index of an array job.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Write the results there.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Runs at a time; by default one per core.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// No live line.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The shards' results, in any order.
    #[arg(required = true)]
    pub(crate) parts: Vec<PathBuf>,
    /// Write the whole there.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A run's folder, or the results of a sweep.
    pub(crate) a: PathBuf,
    /// What to compare it with.
    pub(crate) b: PathBuf,
    /// Print as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the comparison as a page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
    /// Write the page there.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ImportArgs {
    /// A connection matrix (.cm): who sends how much to whom, and when.
    #[arg(long, value_name = "FILE")]
    pub(crate) cm: Option<PathBuf>,
    /// A topology (.topo): a fat tree or leaf-spine network.
    #[arg(long, value_name = "FILE")]
    pub(crate) topo: Option<PathBuf>,
    /// Write the scenario there; by default it is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// How long to look, in seconds.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// At most so many runs.
    #[arg(long, default_value_t = u64::MAX)]
    pub(crate) runs: u64,
    /// Where all scenarios come from.
    #[arg(long, default_value_t = 1)]
    pub(crate) root_seed: u64,
    /// Write each failing scenario to this folder.
    #[arg(long, value_name = "FOLDER", default_value = "fuzz-failures")]
    pub(crate) out: PathBuf,
    /// Runs at a time; by default one per core.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// No live line.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Write the small scenario there; by default it is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How long to try, in seconds.
    #[arg(long, default_value_t = 120)]
    pub(crate) seconds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentsArgs {
    /// The list of experiments.
    #[arg(long, value_name = "FILE", default_value = "sim/plans/experiments.toml")]
    pub(crate) list: PathBuf,
    /// Only experiments whose plan has this in its name. With --out, their sections take the place of
    /// the old ones in the document.
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// How many seeds.
    #[arg(long, default_value_t = DEFAULT_SEEDS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seeds: u32,
    /// Where all seeds come from.
    #[arg(long, default_value_t = 1)]
    pub(crate) root_seed: u64,
    /// Write the document there; by default it is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Runs at a time; by default one per core.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// No live line.
    #[arg(long)]
    pub(crate) quiet: bool,
}
