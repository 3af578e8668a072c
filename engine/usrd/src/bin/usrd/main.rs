//! The `usrd` command: measures the transport (`perf`) and shows what it can run on (`info`).
//!
//! | module | what it is |
//! |---|---|
//! | [`args`] | the command line |
//! | [`failure`] | how a command fails, and the exit code of each way |
//! | [`perf`] | measuring: alone, as a server, as a client, against raw sockets |
//! | [`info`] | devices and what they can do |
//! | [`units`] | sizes and durations, as typed and as shown |

mod args;
mod failure;
mod info;
mod perf;
mod units;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

use args::{Cli, Command};

fn main() -> ExitCode {
    // Whoever reads the output may stop reading: that ends the command, quietly.
    sigpipe::reset();
    let cli = Cli::parse();
    log(cli.verbose);
    let result = match cli.command {
        Command::Perf(args) => perf::run(&args),
        Command::Info(args) => info::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

/// What the engine reports, on standard error: standard output is for results.
fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).init();
}
