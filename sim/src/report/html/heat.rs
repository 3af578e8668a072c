//! Heat maps: how much each path and each link carried, over time.

use plotters::prelude::*;

use super::Chart;
use super::charts::{FONT, drawn, framed, plain, row_name};
use crate::output::Recording;

pub(super) fn paths(recording: &Recording) -> Option<Chart> {
    let paths = recording.steps.iter().map(|step| step.paths.len()).max()?;
    let total: u64 =
        recording.steps.iter().flat_map(|step| &step.paths).map(|&n| u64::from(n)).sum();
    if total == 0 {
        return None;
    }
    let columns = columns(recording);
    let value = |column: &std::ops::Range<usize>, path: usize| -> f64 {
        let steps = &recording.steps[column.clone()];
        let sent = steps.iter().map(|step| step.paths.get(path).copied().unwrap_or(0));
        f64::from(sent.sum::<u32>())
    };
    let rows: Vec<String> = (0..paths).map(|path| path.to_string()).collect();
    let cells = cells(&columns, paths, value);
    let caption = format!(
        "Data packets on each of the {paths} paths, over all senders; dark is many, white none."
    );
    let svg = map(recording, &columns, &rows, &cells, "path");
    Some(Chart { title: "Paths", caption, svg, wide: true })
}

pub(super) fn links(recording: &Recording) -> Option<Chart> {
    let all: Vec<usize> = (0..recording.links.len()).collect();
    let total = |link: usize| -> u64 {
        recording.steps.iter().map(|step| step.carried.get(link).copied().unwrap_or(0)).sum()
    };
    let mut shown: Vec<usize> = all.iter().copied().filter(|&link| total(link) > 0).collect();
    if shown.is_empty() {
        return None;
    }
    if shown.len() > ROWS {
        // The least used are as telling as the most used.
        shown.sort_by_key(|&link| total(link));
        let most = shown.split_off(shown.len() - ROWS / 2);
        shown.truncate(ROWS / 2);
        shown.extend(most);
    }
    let columns = columns(recording);
    let value = |column: &std::ops::Range<usize>, row: usize| -> f64 {
        let steps = &recording.steps[column.clone()];
        let bytes: u64 = steps.iter().filter_map(|step| step.carried.get(shown[row])).sum();
        let span: u64 = steps.iter().map(|step| step.span.as_ps()).sum();
        let capacity = recording.links[shown[row]].1 as f64 / 8e12 * span as f64;
        (bytes as f64 / capacity.max(f64::MIN_POSITIVE)).min(1.0)
    };
    let rows: Vec<String> = shown.iter().map(|&link| recording.links[link].0.clone()).collect();
    let cells = cells(&columns, rows.len(), value);
    let which = if rows.len() < all.len() {
        format!("{} of {} links: the least and the most used", rows.len(), all.len())
    } else {
        format!("All {} links from switches", rows.len())
    };
    let caption = format!("{which}; black is a link that is always busy, white one that is idle.");
    let svg = map(recording, &columns, &rows, &cells, "");
    Some(Chart { title: "Links", caption, svg, wide: true })
}

/// Steps put together to columns: as many as can be seen.
fn columns(recording: &Recording) -> Vec<std::ops::Range<usize>> {
    let steps = recording.steps.len();
    let per_column = steps.div_ceil(COLUMNS).max(1);
    (0..steps).step_by(per_column).map(|start| start..(start + per_column).min(steps)).collect()
}

/// (column, row, share of the largest), empty cells left out.
fn cells(
    columns: &[std::ops::Range<usize>],
    rows: usize,
    value: impl Fn(&std::ops::Range<usize>, usize) -> f64,
) -> Vec<(usize, usize, f64)> {
    let mut cells = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        for row in 0..rows {
            let value = value(column, row);
            if value > 0.0 {
                cells.push((number, row, value));
            }
        }
    }
    let most = cells.iter().map(|cell| cell.2).fold(f64::MIN_POSITIVE, f64::max);
    cells.iter().map(|&(column, row, value)| (column, row, value / most)).collect()
}

fn map(
    recording: &Recording,
    columns: &[std::ops::Range<usize>],
    rows: &[String],
    cells: &[(usize, usize, f64)],
    what: &str,
) -> String {
    let end = |column: &std::ops::Range<usize>| recording.steps[column.end - 1].at.as_us();
    let start = |column: usize| if column == 0 { 0.0 } else { end(&columns[column - 1]) };
    let last = columns.last().map_or(1.0, end).max(f64::MIN_POSITIVE);
    let height = (rows.len() as u32 * 9).clamp(90, 620) + 60;
    drawn((1_300, height), |area| {
        let count = rows.len() as f64;
        let mut chart = framed(area, LABELS, 0.0..last, -0.5..count - 0.5)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("microseconds")
            .y_desc(what)
            .x_labels(12)
            .y_labels(rows.len().min(16))
            .label_style((FONT, 10))
            .x_label_formatter(&|value| plain(*value))
            .y_label_formatter(&|row| row_name(rows, *row))
            .draw()?;
        let boxes = cells.iter().map(|&(column, row, share)| {
            let corners = [(start(column), row as f64), (end(&columns[column]), row as f64 + 1.0)];
            Rectangle::new(corners, shade(share).filled())
        });
        chart.draw_series(boxes)?;
        Ok(())
    })
}

/// From white over blue to nearly black. The root makes little visible.
fn shade(share: f64) -> RGBColor {
    let share = share.clamp(0.0, 1.0).sqrt();
    let mix = |from: f64, to: f64| (from + (to - from) * share) as u8;
    RGBColor(mix(245.0, 5.0), mix(248.0, 30.0), mix(255.0, 90.0))
}

/// Room for the names of links, in pixels.
const LABELS: u32 = 110;
const COLUMNS: usize = 160;
const ROWS: usize = 64;
