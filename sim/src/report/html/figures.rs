//! The figures at the head of a page, and its table of flows.

use super::Tile;
use crate::report::{FlowReport, Report};

pub(super) fn tiles(report: &Report) -> Vec<Tile> {
    let totals = &report.totals;
    let micros = |ns: u64| ns as f64 / 1e3;
    let (max, ideal) = (micros(totals.max_fct_ns), micros(totals.ideal_ns));
    let share = |part: u64, of: u64| format!("{:.2} %", part as f64 * 100.0 / of.max(1) as f64);
    let dropped: u64 = report.drops.values().sum();
    let mut tiles = vec![
        Tile {
            name: "slowest flow",
            value: time(max),
            note: format!("{:.3} x the ideal, {}", max / ideal.max(f64::MIN_POSITIVE), time(ideal)),
        },
        Tile {
            name: "median flow",
            value: time(totals.fct_us.p50),
            note: format!("99 % within {}", time(totals.fct_us.p99)),
        },
        Tile {
            name: "flows done",
            value: format!("{} of {}", totals.flows_done, report.flows.len()),
            note: format!("in {} simulated", time(micros(report.simulated_ns))),
        },
        Tile {
            name: "fairness",
            value: format!("{:.4}", totals.fairness),
            note: "Jain's index of the flows' rates".into(),
        },
        Tile {
            name: "sent again",
            value: totals.retransmissions.to_string(),
            note: format!(
                "{} of the data packets; {} needlessly",
                share(totals.retransmissions, totals.packets),
                totals.spurious
            ),
        },
        Tile {
            name: "dropped",
            value: dropped.to_string(),
            note: format!("{} marked, {} trimmed", totals.marked, totals.trimmed),
        },
    ];
    if let Some(jobs) = &totals.job_us {
        tiles.insert(
            2,
            Tile {
                name: "median job",
                value: time(jobs.p50),
                note: format!("{} jobs, 99 % within {}", jobs.count, time(jobs.p99)),
            },
        );
    }
    tiles
}

/// Microseconds, in the unit that reads best.
pub(super) fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{:.3} s", us / 1e6),
        us if us >= 1e4 => format!("{:.2} ms", us / 1e3),
        us => format!("{us:.1} us"),
    }
}

/// A flow, as the table shows it.
#[derive(Debug)]
pub(super) struct FlowLine {
    pub(super) number: usize,
    pub(super) ends: String,
    pub(super) bytes: u64,
    pub(super) sender: String,
    pub(super) receiver: String,
    pub(super) slowdown: String,
    pub(super) again: u64,
}

/// The flows that took longest against their ideal; unfinished ones first.
pub(super) fn slowest(report: &Report) -> Vec<FlowLine> {
    let mut flows: Vec<(usize, &FlowReport)> = report.flows.iter().enumerate().collect();
    let slowdown = |flow: &FlowReport| flow.slowdown.unwrap_or(f64::INFINITY);
    flows.sort_by(|a, b| slowdown(b.1).total_cmp(&slowdown(a.1)));
    let fct = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), |ns| time(ns as f64 / 1e3));
    let line = |&(number, flow): &(usize, &FlowReport)| FlowLine {
        number,
        ends: format!("{} to {}", flow.src, flow.dst),
        bytes: flow.bytes,
        sender: fct(flow.sender_fct_ns),
        receiver: fct(flow.receiver_fct_ns),
        slowdown: flow.slowdown.map_or_else(|| "unfinished".to_owned(), |it| format!("{it:.3}")),
        again: flow.retransmissions,
    };
    flows.iter().take(FLOWS_SHOWN).map(line).collect()
}

const FLOWS_SHOWN: usize = 12;
