//! Two results against each other, as one page.

use askama::Template;

use super::Chart;
use super::charts::{cdf_line, line_chart};
use crate::compare::{Difference, Row, Samples};

/// The page of a comparison.
pub fn comparison_page(difference: &Difference, a: &Samples, b: &Samples) -> String {
    let scale = scale(difference);
    let rows = rows(difference, scale);
    let page = ComparisonPage { difference, scale, rows, charts: charts(a, b) };
    page.render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct ComparisonPage<'a> {
    difference: &'a Difference,
    /// Where the strips end, in percent.
    scale: f64,
    rows: Vec<RowLine>,
    charts: Vec<Chart>,
}

struct RowLine {
    setting: String,
    figure: String,
    a: String,
    b: String,
    change: String,
    interval: String,
    count: String,
    significant: bool,
    /// Start and length of the interval, and its middle, in percent of the strip.
    strip: (f64, f64, f64),
}

/// Far enough for every interval, in steps of ten percent.
fn scale(difference: &Difference) -> f64 {
    let ends = difference.rows.iter().map(|row| row.comparison.change);
    let farthest =
        ends.flat_map(|change| [change.low.abs(), change.high.abs()]).fold(0.0, f64::max);
    (farthest * 10.0).ceil().clamp(1.0, 50.0) * 10.0
}

fn rows(difference: &Difference, scale: f64) -> Vec<RowLine> {
    let percent = |share: f64| format!("{:+.2} %", share * 100.0);
    let place = |share: f64| (50.0 + share * 100.0 / scale * 50.0).clamp(0.0, 100.0);
    let line = |row: &Row| {
        let change = row.comparison.change;
        RowLine {
            setting: row.setting.clone(),
            figure: row.figure.clone(),
            a: format!("{:.3}", row.comparison.a),
            b: format!("{:.3}", row.comparison.b),
            change: percent(change.value),
            interval: format!("{} to {}", percent(change.low), percent(change.high)),
            count: if row.paired {
                format!("{} pairs", row.count.0)
            } else {
                format!("{} and {}", row.count.0, row.count.1)
            },
            significant: row.comparison.is_significant(),
            strip: (
                place(change.low),
                (place(change.high) - place(change.low)).max(0.5),
                place(change.value),
            ),
        }
    };
    difference.rows.iter().map(line).collect()
}

/// The distributions of what both have, one above the other.
fn charts(a: &Samples, b: &Samples) -> Vec<Chart> {
    let mut charts = Vec::new();
    for name in COLUMNS {
        let (left, right) = (a.values(name), b.values(name));
        if left.is_empty() || right.is_empty() {
            continue;
        }
        let lines = [cdf_line("A", &left), cdf_line("B", &right)];
        let svg = line_chart(&lines, (name, "share"), None);
        let caption = format!("Share of the values of {name} that are at most so large.");
        charts.push(Chart { title: "Distribution", caption, svg, wide: false });
    }
    charts
}

/// What is worth a picture: of a run, and of a sweep.
const COLUMNS: [&str; 4] = ["FCT us", "slowdown", "max_fct_us", "mean_fct_us"];
