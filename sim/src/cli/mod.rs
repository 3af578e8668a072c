//! The verbs of the command, a file for each, and what they share.

mod allocator;
mod args;
mod determinism;
mod diff;
mod experiments;
mod failure;
mod fuzz;
mod import;
mod live;
mod merge;
mod out;
mod recorded;
mod replay;
mod report;
mod run;
mod runner;
mod shrink;
mod sweep;

use std::process::ExitCode;

pub(crate) use self::allocator::Counting;
pub(crate) use self::args::Arguments;
use self::args::Command;
use self::failure::Failure;

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::CheckDeterminism(args) => determinism::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Experiments(args) => experiments::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Shrink(args) => shrink::run(&args),
    }
}
