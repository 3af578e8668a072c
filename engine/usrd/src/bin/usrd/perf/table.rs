//! The results of a run, as text.

use super::report::{Report, Row, Settings};
use crate::units::show_size;

/// Prints rows as they come.
#[derive(Debug)]
pub(crate) struct Table {
    /// Whether there is a column for the comparison with a run without black holes.
    ratio: bool,
}

impl Table {
    pub(crate) const fn new(ratio: bool) -> Self {
        Self { ratio }
    }

    /// Prints what is measured, and the headings.
    pub(crate) fn begin(&self, settings: &Settings) {
        println!("usrd perf: {}", settings.what);
        println!("{}", describe(settings));
        println!();
        let ratio = if self.ratio { "    ratio to" } else { "" };
        println!(
            "{:>9} |{:^36}|{:^37}|{:^35}| contents",
            "message", "round trip, us", "bandwidth", "data packets"
        );
        println!(
            "{:>9} |{:>8} {:>8} {:>8} {:>8} |{:>8} {:>11}{ratio:>12}{} |{:>10} {:>7} {:>8} {:>5} | \
             verified",
            "size",
            "p50",
            "p99",
            "p99.9",
            "samples",
            "Gb/s",
            "messages/s",
            if self.ratio { "" } else { "    " },
            "sent",
            "resent",
            "spurious",
            "paths",
        );
    }

    /// Prints one row.
    pub(crate) fn row(&self, row: &Row) {
        println!(
            "{:>9} |{} |{}{} |{:>10} {:>7} {:>8} {:>5} | {}",
            show_size(row.size_bytes),
            latency(row),
            bandwidth(row),
            self.ratio(row),
            row.packets,
            row.retransmissions,
            row.spurious_retransmissions,
            row.paths_used,
            verdict(row),
        );
    }

    fn ratio(&self, row: &Row) -> String {
        match row.goodput_ratio {
            Some(ratio) => format!("{ratio:>12.3}"),
            None => "    ".to_owned(),
        }
    }

    /// Prints what is said of the run as a whole.
    pub(crate) fn end(&self, report: &Report) {
        println!();
        if self.ratio {
            println!("ratio: goodput to that of a healthy pair of ends, measured in turn");
        }
        for path in &report.paths_not_good {
            println!(
                "path {}: {} ({} packets sent, {} lost)",
                path.path, path.state, path.packets_sent, path.packets_lost
            );
        }
        if report.paths_not_good.is_empty() {
            println!("every path that was used stayed GOOD");
        }
        let messages: u64 = report.rows.iter().map(|row| row.messages_checked).sum();
        let checked: u64 = report.rows.iter().map(|row| row.contents_checked).sum();
        let verdict = if report.verified { "verified" } else { "NOT VERIFIED" };
        println!("{messages} messages arrived, contents of {checked} compared: {verdict}");
    }
}

fn describe(settings: &Settings) -> String {
    let mut text = format!("service {}, {} paths", settings.service, settings.paths);
    if let Some(cc) = &settings.cc {
        text += &format!(", congestion control {cc}");
    }
    let faults = [
        ("loss", settings.loss),
        ("reorder", settings.reorder),
        ("duplicate", settings.duplicate),
        ("corrupt", settings.corrupt),
    ];
    for (name, probability) in faults.into_iter().filter(|&(_, probability)| probability > 0.0) {
        text += &format!(", {name} {probability}");
    }
    if !settings.blackhole.is_empty() {
        text += &format!(", black holes {:?}", settings.blackhole);
    }
    text
}

fn latency(row: &Row) -> String {
    match &row.latency {
        Some(latency) => format!(
            "{:>8.1} {:>8.1} {:>8.1} {:>8}",
            latency.p50_us, latency.p99_us, latency.p999_us, latency.round_trips
        ),
        None => format!("{:>8} {:>8} {:>8} {:>8}", "-", "-", "-", "-"),
    }
}

fn bandwidth(row: &Row) -> String {
    match &row.bandwidth {
        Some(bandwidth) => {
            format!("{:>8.2} {:>11.0}", bandwidth.gbps, bandwidth.messages_per_s)
        }
        None => format!("{:>8} {:>11}", "-", "-"),
    }
}

fn verdict(row: &Row) -> String {
    if row.wrong > 0 {
        return format!("NO: {} of {} wrong", row.wrong, row.messages_checked);
    }
    if row.contents_checked == row.messages_checked {
        return format!("all {}", row.messages_checked);
    }
    format!("{} of {}", row.contents_checked, row.messages_checked)
}
