//! The results of a run, as data: what the table shows, and the JSON format.

use hdrhistogram::Histogram;
use serde::Serialize;
use usrd::{PathState, PathStats};

use super::client::Bulk;
use crate::args::{Only, OpArg, PerfArgs};

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Of the format: raised when a field changes its meaning or goes away.
    version: u32,
    pub(crate) settings: Settings,
    pub(crate) rows: Vec<Row>,
    pub(crate) paths_not_good: Vec<PathReport>,
    pub(crate) verified: bool,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) what: String,
    pub(crate) service: String,
    pub(crate) paths: u16,
    pub(crate) cc: Option<String>,
    pub(crate) mode: String,
    pub(crate) busy_poll: bool,
    pub(crate) loss: f64,
    pub(crate) reorder: f64,
    pub(crate) duplicate: f64,
    pub(crate) corrupt: f64,
    pub(crate) blackhole: Vec<u8>,
    pub(crate) verify_every: u32,
    pub(crate) seed: u64,
}

/// One size.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) size_bytes: usize,
    pub(crate) latency: Option<Latency>,
    pub(crate) bandwidth: Option<Bandwidth>,
    /// Data packets that both ends sent.
    pub(crate) packets: u64,
    pub(crate) retransmissions: u64,
    pub(crate) spurious_retransmissions: u64,
    pub(crate) ce_marks: u64,
    pub(crate) paths_used: usize,
    /// Messages that arrived; number and length of each were checked.
    pub(crate) messages_checked: u64,
    /// Messages whose contents were compared.
    pub(crate) contents_checked: u64,
    pub(crate) verified: bool,
    /// To the goodput without black holes.
    pub(crate) goodput_ratio: Option<f64>,
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
}

/// Full round trips.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) round_trips: u64,
    /// Unreliable ones without an answer.
    pub(crate) lost: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

/// One direction.
#[derive(Debug, Serialize)]
pub(crate) struct Bandwidth {
    /// That arrived.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// From the first send to the last completion.
    pub(crate) seconds: f64,
    pub(crate) gbps: f64,
    pub(crate) messages_per_s: f64,
    pub(crate) in_flight: u32,
}

/// A path that was not good, when it was worst.
#[derive(Debug, Serialize)]
pub(crate) struct PathReport {
    pub(crate) path: u8,
    pub(crate) state: &'static str,
    pub(crate) packets_sent: u64,
    pub(crate) packets_lost: u64,
    #[serde(skip)]
    rank: u8,
}

impl PathReport {
    pub(crate) const fn new(path: &PathStats) -> Self {
        Self {
            path: path.path.0,
            state: path.state.name(),
            packets_sent: path.packets_sent,
            packets_lost: path.packets_lost,
            rank: match path.state {
                PathState::Good => 0,
                PathState::Suspect => 1,
                PathState::Probing => 2,
                PathState::Bad => 3,
            },
        }
    }

    /// More is worse.
    pub(crate) const fn badness(&self) -> u8 {
        self.rank
    }
}

impl Report {
    pub(crate) const fn new(settings: Settings) -> Self {
        Self { version: 1, settings, rows: Vec::new(), paths_not_good: Vec::new(), verified: false }
    }
}

impl Settings {
    pub(crate) fn new(args: &PerfArgs, what: String) -> Self {
        Self {
            what,
            service: match args.op[..] {
                [OpArg::Tagged] => "srd with tags".to_owned(),
                _ => format!("{:?}", args.service).to_lowercase(),
            },
            paths: args.paths(),
            cc: args.cc.map(|cc| format!("{cc:?}").to_lowercase()),
            mode: format!("{:?}", args.mode).to_lowercase(),
            busy_poll: args.busy_poll,
            loss: args.faults.loss,
            reorder: args.faults.reorder,
            duplicate: args.faults.duplicate,
            corrupt: args.faults.corrupt,
            blackhole: args.faults.blackhole.clone(),
            verify_every: args.verify_every,
            seed: args.seed,
        }
    }
}

impl Latency {
    pub(crate) fn new(times_ns: &Histogram<u64>, lost: u64) -> Self {
        let quantile_us = |quantile| times_ns.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            round_trips: times_ns.len(),
            lost,
            p50_us: quantile_us(0.5),
            p99_us: quantile_us(0.99),
            p999_us: quantile_us(0.999),
            max_us: times_ns.max() as f64 / 1e3,
        }
    }
}

impl Bandwidth {
    /// Of several measurements together.
    pub(crate) fn new(parts: &[Bulk], in_flight: u32) -> Self {
        let messages = parts.iter().map(|bulk| bulk.tally.messages).sum();
        let bytes = parts.iter().map(|bulk| bulk.tally.bytes).sum();
        let seconds: f64 = parts.iter().map(|bulk| bulk.elapsed.as_secs_f64()).sum();
        Self {
            messages,
            bytes,
            seconds,
            gbps: bytes as f64 * 8.0 / seconds / 1e9,
            messages_per_s: messages as f64 / seconds,
            in_flight,
        }
    }
}

impl PerfArgs {
    /// Whether bandwidth is compared with that without black holes.
    pub(crate) fn reports_ratio(&self) -> bool {
        !self.faults.blackhole.is_empty() && self.only != Some(Only::Latency)
    }
}
