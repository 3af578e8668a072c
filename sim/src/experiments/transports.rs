//! The tables that put SRD beside RC and TCP.

use super::document::bad;
use super::{Outcome, Row};

pub(super) const INTRODUCTION: &str = "\
## SRD beside RC and TCP

The tables from here on compare transports. RC is go-back-N, RC-SR selective repeat, both with DCQCN and \
its published constants; TCP is CUBIC with SACK and a least retransmission timeout of 1 ms where no other is \
named (Linux has 200 ms). Each of their flows has a connection along one path, chosen by ECMP. \
Switches drop what does not fit unless a row says that they trim: only SRD answers a packet whose payload was \
cut off. SRD has its default options (hybrid spraying, NSCC), and receiver credits where a row says so. *median*, *mean*, \
*p99* and *max* are of the flows of a run, in microseconds at the sender; each is the median over the seeds, and \
for *max* the least and the greatest stand in brackets. *of ideal* is the max against what the busiest link \
needs for everything. *timeouts* are those of a whole connection or peer, per run.

";

pub(super) const HEAD: &str = "\
| | median us | mean us | p99 us | max us | of ideal | fair | again | timeouts |
|---|---|---|---|---|---|---|---|---|
";

pub(super) const STATE_HEAD: &str = "\
| | bytes per peer |
|---|---|
";

/// What an endpoint holds for each of its peers: a figure that the command adds to the report's.
pub const STATE_FIGURE: &str = "state_bytes_per_peer";

pub(super) fn line(row: &Row, outcome: &Outcome) -> String {
    let figure = |name: &str| outcome.figure(name);
    let (max, ideal) = (figure("max_fct_us"), figure("ideal_us").p50);
    let again = figure("retransmissions").mean / figure("packets").mean.max(1.0) * 100.0;
    format!(
        "| {}{} | {:.1} | {:.1} | {:.1} | {:.1} ({:.1}-{:.1}) | {:.2} | {:.3} | {again:.2} % | {:.1} |\n",
        row.name,
        bad(outcome),
        figure("p50_fct_us").p50,
        figure("mean_fct_us").p50,
        figure("p99_fct_us").p50,
        max.p50,
        outcome.least("max_fct_us"),
        max.max,
        max.p50 / ideal,
        figure("fairness").p50,
        figure("rtos").mean,
    )
}

pub(super) fn state_line(row: &Row, outcome: &Outcome) -> String {
    let bytes = outcome.figure(STATE_FIGURE).p50;
    format!("| {}{} | {bytes:.0} |\n", row.name, bad(outcome))
}
