//! The `usrd-sim` command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use usrd_sim::{Report, Scenario, Simulation};

/// Network simulator for the usrd protocol.
///
/// Exit codes: 0 everything completed and every property holds; 1 a property does not hold;
/// 2 bad arguments or scenario; 3 something did not complete before the end.
#[derive(Debug, Parser)]
#[command(name = "usrd-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario and show what happened.
    Run {
        /// The scenario file.
        scenario: PathBuf,
        /// The seed; by default the scenario's.
        #[arg(long)]
        seed: Option<u64>,
        /// Print the whole report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a scenario twice with the same seed and compare the digests.
    CheckDeterminism {
        /// The scenario file.
        scenario: PathBuf,
        /// The seed; by default the scenario's.
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { scenario, seed, json } => run(&scenario, seed, json),
        Command::CheckDeterminism { scenario, seed } => check_determinism(&scenario, seed),
    };
    result.unwrap_or_else(|message| {
        eprintln!("usrd-sim: {message}");
        ExitCode::from(BAD_INPUT)
    })
}

fn run(path: &Path, seed: Option<u64>, json: bool) -> Result<ExitCode, String> {
    let report = report(path, seed)?;
    if json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(ExitCode::from(report.status.exit_code()))
}

fn check_determinism(path: &Path, seed: Option<u64>) -> Result<ExitCode, String> {
    let digests = [report(path, seed)?.digest, report(path, seed)?.digest];
    let same = digests[0] == digests[1];
    println!("{} {} {}", digests[0], digests[1], if same { "same" } else { "DIFFERENT" });
    Ok(ExitCode::from(if same { 0 } else { DIFFERENT }))
}

fn report(path: &Path, seed: Option<u64>) -> Result<Report, String> {
    let scenario = Scenario::load(path).map_err(|error| error.to_string())?;
    let seed = seed.unwrap_or(scenario.seed);
    let simulation = Simulation::new(&scenario, seed).map_err(|error| error.to_string())?;
    Ok(simulation.run())
}

const BAD_INPUT: u8 = 2;
/// A run that is not determined by its seed is a violation like any other.
const DIFFERENT: u8 = 1;
