//! `usrd perf --op`: how fast memory of a peer is written and read, and whether it then holds what it
//! should.
//!
//! ```text
//!   client                                        server
//!     | ---- Begin ------------------------------> |  registers memory
//!     | <--- Memory: its handle ------------------ |
//!     |  each round, each operation in turn:       |
//!     |   WRITE   fill here, ===== timed =======>  |
//!     |           ---- Look ---------------------> |  compares
//!     |   READ    ---- Fill ---------------------> |  new contents
//!     |           <==== timed ====, compare here   |
//!     |   atomics <==== timed ====>                |
//!     | ---- End --------------------------------> |  deregisters
//! ```
//! Operations take turns, so that what else the host does concerns all of them, and are compared
//! round by round.

mod client;
mod layout;
mod report;
mod server;

pub(crate) use server::serve;

use usrd::BytesMut;

use super::client::Extent;
use super::control::{Kind, Level, Trial, VERSION};
use super::measure::Clients;
use super::pattern::mix;
use crate::args::{OpArg, PerfArgs};
use crate::failure::Failure;
use crate::units::show_size;

use report::{Report, Row};

/// Measures every size, and prints the results.
pub(crate) fn run(args: &PerfArgs, what: String, clients: Clients) -> Result<(), Failure> {
    check(args)?;
    let sizes = if args.size.is_empty() { vec![DEFAULT_SIZE] } else { args.size.clone() };
    let extent = (args.count).map_or_else(|| Extent::For(args.length()), Extent::Count);
    let Clients { mut main, reference } = clients;
    let mut report = Report::new(args, what);
    report.begin();
    for (number, &size) in (1..).zip(&sizes) {
        for row in main.rounds(&trial(args, size, number), &args.op, extent)? {
            report.row(row);
        }
    }
    main.close()?;
    if let Some(reference) = reference {
        reference.close()?;
    }
    report.end()
}

/// What was measured in all rounds, an operation at a time.
fn verdict(rows: &[Row]) -> Result<(), Failure> {
    match rows.iter().find(|row| row.wrong > 0) {
        None => Ok(()),
        Some(row) => Err(Failure::Contents(format!(
            "{} of {} rounds of {} {}",
            row.wrong,
            row.rounds,
            row.op,
            show_size(row.size_bytes)
        ))),
    }
}

fn check(args: &PerfArgs) -> Result<(), Failure> {
    if args.op.contains(&OpArg::Send) || args.op.contains(&OpArg::Tagged) {
        let text = "--op send and --op tagged are each measured by itself: leave the others out";
        return Err(Failure::Usage(text.into()));
    }
    if !args.faults.blackhole.is_empty() || args.faults.corrupt > 0.0 {
        let text = "--blackhole and --corrupt are for --op send and tagged";
        return Err(Failure::Usage(text.to_owned()));
    }
    let vectored = args.op.iter().any(|op| op.is_vectored());
    match args.size.iter().find(|&&size| size == 0 || (vectored && size % args.block != 0)) {
        None => Ok(()),
        Some(&size) => Err(Failure::Usage(format!(
            "--size {size}: what is moved at once must be a multiple of --block {}, and not zero",
            args.block
        ))),
    }
}

fn trial(args: &PerfArgs, size: usize, number: u64) -> Trial {
    Trial {
        version: VERSION,
        kind: Kind::Memory { block: args.block },
        size,
        service: Level::Srd,
        in_flight: 1,
        verify_every: args.verify_every,
        key: mix(args.seed).wrapping_add(number),
    }
}

/// Memory that begins with a page, as that of caches does: blocks of a page then lie in one.
fn page_aligned(len: usize) -> BytesMut {
    let mut memory = BytesMut::zeroed(len + PAGE_BYTES);
    let mut aligned = memory.split_off(memory.as_ptr().align_offset(PAGE_BYTES));
    aligned.truncate(len);
    aligned
}

impl OpArg {
    fn is_vectored(self) -> bool {
        matches!(self, Self::Vwrite | Self::Vread)
    }
}

/// A good part of a cache of keys and values.
const DEFAULT_SIZE: usize = 64 << 20;
const PAGE_BYTES: usize = 4096;
