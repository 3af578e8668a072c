//! The `usrd-sim` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::run(cli::Arguments::parse()).unwrap_or_else(|failure| {
        eprintln!("usrd-sim: {failure}");
        ExitCode::from(failure.exit_code())
    })
}
