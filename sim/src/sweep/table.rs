//! The results of a sweep as a person reads them: one line per setting, over all its seeds.

use std::fmt::Write;

use super::{Record, Results};
use crate::stats::{Distribution, mean_interval};

/// Settings in the order of their first run, with their runs.
fn by_setting(results: &Results) -> Vec<(String, Vec<&Record>)> {
    let mut groups: Vec<(String, Vec<&Record>)> = Vec::new();
    for record in &results.records {
        let label = record.label();
        match groups.last_mut() {
            Some((last, records)) if *last == label => records.push(record),
            _ => groups.push((label, vec![record])),
        }
    }
    groups
}

/// One line per setting.
pub fn table(results: &Results) -> String {
    let groups = by_setting(results);
    let width = groups.iter().map(|(label, _)| label.len()).max().unwrap_or(0).max(7);
    let mut text = format!(
        "{:width$} {:>5} {:>5} {:>11} {:>23} {:>11} {:>11} {:>9} {:>8}\n",
        "setting",
        "runs",
        "bad",
        "ideal us",
        "max FCT us (95 %)",
        "worst us",
        "mean us",
        "fairness",
        "again"
    );
    for (label, records) in groups {
        let values = |name: &str| -> Vec<f64> {
            records.iter().filter_map(|record| record.figures.get(name).copied()).collect()
        };
        let max = mean_interval(&values("max_fct_us"));
        let of = |name: &str| Distribution::of(&values(name));
        let bad = records.iter().filter(|record| record.status != "ok").count();
        let _ = writeln!(
            text,
            "{label:width$} {:>5} {bad:>5} {:>11.1} {:>9.1} ({:.1}-{:.1}) {:>11.1} {:>11.1} {:>9.4} {:>8.1}",
            records.len(),
            of("ideal_us").mean,
            max.value,
            max.low,
            max.high,
            of("max_fct_us").max,
            of("mean_fct_us").mean,
            of("fairness").mean,
            of("retransmissions").mean
        );
    }
    text
}
