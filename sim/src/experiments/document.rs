//! The document.

use std::fmt::Write;

use super::{Experiment, Index, Outcome, Row, TableKey, transports};

/// All tables, in Markdown; `outcomes` has one entry per row, experiment by experiment.
pub fn document(index: &Index, outcomes: &[Vec<Outcome>], seeds: u32, command: &str) -> String {
    let mut text = head(seeds, command);
    let mut summary = Vec::new();
    let mut introduced = false;
    for (experiment, outcomes) in index.experiment.iter().zip(outcomes) {
        if experiment.table != TableKey::Beside && !std::mem::replace(&mut introduced, true) {
            text += transports::INTRODUCTION;
        }
        table(&mut text, experiment, outcomes);
        if let Some(line) = verdict(experiment, outcomes) {
            summary.push(line);
        }
    }
    text += "## Against the goals\n\nThe hybrid, or the last row where there is none: its median over the seeds.\n\n\
             | experiment | ours us | goal us | |\n|---|---|---|---|\n";
    text += &summary.concat();
    text
}

fn head(seeds: u32, command: &str) -> String {
    format!(
        "# Experiments\n\nWritten by `{command}`; do not edit. The plans lie in \
         `sim/plans/experiments/`, the list with its settings is `sim/plans/experiments.toml`.\n\n\
         Every row runs the shipped protocol core over the same {seeds} seeds, which choose the \
         permutation, the ECMP hashes and every endpoint's randomness. *max* is the completion time \
         of the slowest flow at its sender, in microseconds: the median over the seeds, and in \
         brackets the least and the greatest. *mean* is the mean flow. *ideal* is what the busiest \
         link needs. *fair* is Jain's index of the flows' rates, *again* the share of data packets \
         sent again. *htsim* is `htsim_uec` (commit 40ccb05 of uet-htsim) in the same experiment: \
         its slowest flow of one seed, and its mean flow where it is known; seeds move its maximum \
         by up to a quarter where flows keep to one path. *ratio* is our median against it, below 1 \
         is faster.\n\n\
         Packets are 4,150 bytes with header; links take 1 us and store and forward; queues hold \
         178,450 bytes at 100 Gb/s (in proportion to the bandwidth-delay product at 400 Gb/s), mark \
         between 21 % and 81 % of that, and trim.\n\n"
    )
}

fn table(text: &mut String, experiment: &Experiment, outcomes: &[Outcome]) {
    let _ = writeln!(text, "## {}\n", experiment.title);
    if let Some(note) = &experiment.note {
        let _ = writeln!(text, "{note}\n");
    }
    *text += match experiment.table {
        TableKey::Beside => {
            "| | max us | mean us | ideal us | fair | again | htsim max (mean) | ratio |\n\
             |---|---|---|---|---|---|---|---|\n"
        }
        TableKey::Transports => transports::HEAD,
        TableKey::State => transports::STATE_HEAD,
    };
    for (row, outcome) in experiment.rows.iter().zip(outcomes) {
        *text += &match experiment.table {
            TableKey::Beside => line(experiment, row, outcome),
            TableKey::Transports => transports::line(row, outcome),
            TableKey::State => transports::state_line(row, outcome),
        };
    }
    *text += "\n";
}

fn line(experiment: &Experiment, row: &Row, outcome: &Outcome) -> String {
    let figure = |name: &str| outcome.figure(name);
    let max = figure(&experiment.figure);
    let least = outcome.least(&experiment.figure);
    let again = figure("retransmissions").mean / figure("packets").mean.max(1.0) * 100.0;
    let (theirs, ratio) = match &row.theirs {
        Some(theirs) => {
            let mean = theirs.mean.map_or_else(String::new, |mean| format!(" ({mean:.1})"));
            let ratio = format!("{:.3}", max.p50 / theirs.max);
            (format!("{} {:.1}{mean}", theirs.name, theirs.max), ratio)
        }
        None => (String::new(), String::new()),
    };
    let bad = bad(outcome);
    format!(
        "| {}{bad} | {:.1} ({least:.1}-{:.1}) | {:.1} | {:.1} | {:.4} | {again:.2} % | {theirs} | {ratio} |\n",
        row.name,
        max.p50,
        max.max,
        figure("mean_fct_us").p50,
        figure("ideal_us").p50,
        figure("fairness").p50,
    )
}

/// What to say of runs in which something was wrong.
pub(super) fn bad(outcome: &Outcome) -> String {
    match outcome.bad() {
        0 => String::new(),
        count => format!(", {count} of {} runs failed a checker", outcome.records.len()),
    }
}

fn verdict(experiment: &Experiment, outcomes: &[Outcome]) -> Option<String> {
    let goal = experiment.goal?;
    let named = experiment.rows.iter().position(|row| row.name == "hybrid");
    let row = named.unwrap_or(experiment.rows.len() - 1);
    let ours = outcomes.get(row)?.figure(&experiment.figure).p50;
    let verdict = if ours <= goal {
        "reached".to_owned()
    } else {
        format!("{:.1} % above", (ours / goal - 1.0) * 100.0)
    };
    Some(format!("| {} | {ours:.1} | {goal:.1} | {verdict} |\n", experiment.title))
}
