//! The `usrd-sim` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// So that what an endpoint holds can be measured.
#[global_allocator]
static ALLOCATOR: cli::Counting = cli::Counting;

fn main() -> ExitCode {
    cli::run(cli::Arguments::parse()).unwrap_or_else(|failure| {
        eprintln!("usrd-sim: {failure}");
        ExitCode::from(failure.exit_code())
    })
}
