//! The `usrd-sim` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Whoever reads the output may stop reading: that ends the command, quietly.
    sigpipe::reset();
    cli::run(cli::Arguments::parse()).unwrap_or_else(|failure| {
        eprintln!("usrd-sim: {failure}");
        ExitCode::from(failure.exit_code())
    })
}
