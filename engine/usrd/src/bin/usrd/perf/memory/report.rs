//! The results, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::client::Timing;
use super::layout::Layout;
use super::verdict;
use crate::args::{OpArg, PerfArgs};
use crate::failure::Failure;
use crate::units::show_size;

/// All rounds of one operation.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    took: Vec<Duration>,
    submitted: Vec<Duration>,
    wrong: u64,
}

/// What they come to.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) op: &'static str,
    /// What is moved in one round, in bytes; of an atomic, eight.
    pub(super) size_bytes: usize,
    blocks: u64,
    /// The most payload that a packet carried: no packet crosses the end of a block.
    packet_bytes: usize,
    pub(super) rounds: usize,
    p50_us: f64,
    p99_us: f64,
    /// At the median.
    gbps: f64,
    /// At the median.
    submit_us: f64,
    submit_ns_per_block: f64,
    /// Goodput to that of the first operation: the median of the rounds' ratios.
    ratio: f64,
    pub(super) wrong: u64,
}

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of the format: raised when a field changes its meaning or goes away.
    version: u32,
    what: String,
    rows: Vec<Row>,
    verified: bool,
    #[serde(skip)]
    json: bool,
}

impl Rounds {
    pub(super) fn note(&mut self, timing: Timing, fine: bool) {
        self.took.push(timing.took);
        self.submitted.push(timing.submitted);
        self.wrong += u64::from(!fine);
    }

    pub(super) fn row(
        &self,
        op: OpArg,
        layout: Layout,
        max_packet_bytes: usize,
        first: &Self,
    ) -> Row {
        let (size_bytes, blocks) = match op {
            OpArg::Fadd => (size_of::<u64>(), 1),
            _ => ((layout.count * layout.bytes) as usize, layout.count),
        };
        let ratios = first.took.iter().zip(&self.took);
        let ratios = ratios.map(|(first, this)| first.as_secs_f64() / this.as_secs_f64());
        let p50 = quantile(self.took.iter().map(Duration::as_secs_f64), 0.5);
        let submit = quantile(self.submitted.iter().map(Duration::as_secs_f64), 0.5);
        Row {
            op: op.name(),
            size_bytes,
            blocks,
            packet_bytes: max_packet_bytes.min(size_bytes / blocks as usize),
            rounds: self.took.len(),
            p50_us: p50 * 1e6,
            p99_us: quantile(self.took.iter().map(Duration::as_secs_f64), 0.99) * 1e6,
            gbps: size_bytes as f64 * 8.0 / p50 / 1e9,
            submit_us: submit * 1e6,
            submit_ns_per_block: submit * 1e9 / blocks as f64,
            ratio: quantile(ratios, 0.5),
            wrong: self.wrong,
        }
    }
}

/// The value below which this part of all lies.
fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * part) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

impl Report {
    pub(super) fn new(args: &PerfArgs, what: String) -> Self {
        Self { version: 1, what, rows: Vec::new(), verified: false, json: args.json }
    }

    pub(super) fn begin(&self) {
        if self.json {
            return;
        }
        println!("usrd perf: {}", self.what);
        println!();
        println!(
            "{:>7} {:>9} {:>7} {:>7} {:>7} | {:>10} {:>10} | {:>7} {:>9} | {:>9} {:>9} | verified",
            "op",
            "size",
            "blocks",
            "packet",
            "rounds",
            "p50 us",
            "p99 us",
            "Gb/s",
            "to first",
            "submit us",
            "ns/block"
        );
    }

    pub(super) fn row(&mut self, row: Row) {
        if !self.json {
            println!(
                "{:>7} {:>9} {:>7} {:>7} {:>7} | {:>10.1} {:>10.1} | {:>7.2} {:>9.3} | {:>9.1} {:>9.1} | {}",
                row.op,
                show_size(row.size_bytes),
                row.blocks,
                row.packet_bytes,
                row.rounds,
                row.p50_us,
                row.p99_us,
                row.gbps,
                row.ratio,
                row.submit_us,
                row.submit_ns_per_block,
                if row.wrong == 0 { "yes".to_owned() } else { format!("NO: {} rounds", row.wrong) },
            );
        }
        self.rows.push(row);
    }

    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.verified = self.rows.iter().all(|row| row.wrong == 0);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&self).map_err(Failure::run)?);
        } else {
            println!();
            println!(
                "packet: the most payload of one packet, which is of one block; set it with --mtu"
            );
            println!("to first: goodput to that of the first operation, median over the rounds");
        }
        verdict(&self.rows)
    }
}

impl OpArg {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Tagged => "tagged",
            Self::Write => "write",
            Self::Read => "read",
            Self::Vwrite => "vwrite",
            Self::Vread => "vread",
            Self::Fadd => "fadd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_compare_round_by_round() {
        let rounds = |micros: &[u64]| {
            let mut rounds = Rounds::default();
            for &took in micros {
                let took = Duration::from_micros(took);
                rounds.note(Timing { took, submitted: took / 100 }, true);
            }
            rounds
        };
        let (first, other) = (rounds(&[100, 200, 900]), rounds(&[200, 400, 300]));
        let row = other.row(OpArg::Vread, Layout::new(1000, Some(10)), 50, &first);
        assert_eq!((row.blocks, row.packet_bytes, row.rounds, row.wrong), (100, 10, 3, 0));
        assert_eq!(first.row(OpArg::Read, Layout::new(1000, None), 50, &first).packet_bytes, 50);
        assert!((row.ratio - 0.5).abs() < 1e-9, "of 0.5, 0.5 and 3");
        assert!((row.p50_us - 300.0).abs() < 1e-6 && (row.submit_us - 3.0).abs() < 1e-6);
    }
}
