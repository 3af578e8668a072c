//! What went wrong, and when: planned faults as bars, and how many packets were marked, trimmed and
//! dropped in each moment.

use plotters::prelude::*;

use super::Chart;
use super::charts::{FONT, color, drawn, framed, plain, row_name};
use crate::output::{Recording, Step};

type Count = fn(&Step) -> u32;

pub(super) fn faults(recording: &Recording) -> Option<Chart> {
    let last = recording.steps.last()?.at.as_us().max(f64::MIN_POSITIVE);
    let kinds: [(&str, Count); 3] = [
        ("marked", |step| step.marked),
        ("trimmed", |step| step.trimmed),
        ("dropped or lost", |step| step.dropped),
    ];
    let happened: Vec<_> = kinds
        .iter()
        .filter(|(_, count)| recording.steps.iter().any(|step| count(step) > 0))
        .collect();
    if happened.is_empty() && recording.faults.is_empty() {
        return None;
    }
    let rows = happened.len() + recording.faults.len();
    let names: Vec<&str> = (happened.iter().map(|(name, _)| *name))
        .chain(recording.faults.iter().map(|fault| fault.0.as_str()))
        .collect::<Vec<_>>();
    let svg = drawn((1_300, rows as u32 * 26 + 70), |area| {
        let mut chart = framed(area, LABELS, 0.0..last, -0.5..rows as f64 - 0.5)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("microseconds")
            .x_labels(12)
            .y_labels(rows)
            .label_style((FONT, 12))
            .x_label_formatter(&|value| plain(*value))
            .y_label_formatter(&|row| row_name(&names, *row))
            .draw()?;
        for (row, (_, count)) in happened.iter().enumerate() {
            let most = recording.steps.iter().map(count).max().unwrap_or(1);
            let bars = recording.steps.iter().filter(|step| count(step) > 0).map(|step| {
                let share = f64::from(count(step)) / f64::from(most.max(1));
                let (start, base) = ((step.at - step.span).as_us(), row as f64 - 0.4);
                let corners = [(start, base), (step.at.as_us(), base + 0.8 * share)];
                Rectangle::new(corners, color(row).filled())
            });
            chart.draw_series(bars)?;
        }
        for (number, (_, from, until)) in recording.faults.iter().enumerate() {
            let base = (happened.len() + number) as f64;
            let corners = [(*from, base - 0.3), (until.min(last), base + 0.3)];
            chart.draw_series([Rectangle::new(corners, color(5).mix(0.6).filled())])?;
        }
        Ok(())
    });
    let caption = "Planned faults as bars. Heights show how many packets were hit in each moment, \
                   against the worst moment of their row."
        .to_owned();
    Some(Chart { title: "What went wrong, and when", caption, svg, wide: true })
}

/// Room for the names of faults, in pixels.
const LABELS: u32 = 190;
