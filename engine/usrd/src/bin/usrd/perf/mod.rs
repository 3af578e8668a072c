//! `usrd perf`: how fast messages move, and whether they arrive as they were sent.
//!
//! ```text
//!   alone     both ends in this process   \
//!   client    measures to a server         >-- measure: sizes, one after the other --> report
//!   server    answers                     /      client <-- control, session --> server
//!   memory    instead of messages: operations on the server's memory
//!   baseline  rounds of raw UDP, usrd and TCP, interleaved
//! ```

mod alone;
mod baseline;
mod client;
mod control;
mod cpu;
mod damage;
mod end;
mod measure;
mod memory;
mod park;
mod pattern;
mod progress;
mod receives;
mod remote;
mod rendezvous;
mod report;
mod server;
mod session;
mod setup;
mod table;
mod tally;

use crate::args::PerfArgs;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: &PerfArgs) -> Result<(), Failure> {
    if let Some(path) = args.faults.blackhole.iter().find(|&&path| u16::from(path) >= args.paths())
    {
        return Err(Failure::Usage(format!(
            "--blackhole {path}: paths are 0 to {}; see --paths",
            args.paths() - 1
        )));
    }
    match (&args.listen, &args.address) {
        _ if args.baseline => baseline::run(args),
        (Some(listen), _) => remote::serve(args, listen),
        (None, Some(address)) => remote::measure(args, address),
        (None, None) => alone::run(args),
    }
}
