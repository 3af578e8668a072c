//! Lines and points over time and size.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Chart;
use crate::output::{Recording, Window};
use crate::report::Report;

/// A named line.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) fn completion_times(report: &Report) -> Option<Chart> {
    let cdf = |name: &str, time: fn(&crate::report::FlowReport) -> Option<u64>| {
        let times: Vec<f64> =
            report.flows.iter().filter_map(time).map(|ns| ns as f64 / 1e3).collect();
        cdf_line(name, &times)
    };
    let mut lines = vec![
        cdf("sender knows", |flow| flow.sender_fct_ns),
        cdf("receiver has it", |flow| flow.receiver_fct_ns),
    ];
    let ideal = report.totals.ideal_ns as f64 / 1e3;
    lines.push(Line { name: "ideal for all".into(), points: vec![(ideal, 0.0), (ideal, 1.0)] });
    if lines[0].points.is_empty() {
        return None;
    }
    let caption = "Share of the flows that are done within a time. The upright line is what the \
                   busiest link needs for all flows."
        .to_owned();
    let svg = line_chart(&lines, ("microseconds", "share of flows"), None);
    Some(Chart { title: "Completion times", caption, svg, wide: false })
}

/// The cumulative distribution of some values, as a line of steps.
pub(super) fn cdf_line(name: &str, values: &[f64]) -> Line {
    let sorted = crate::stats::sorted(values);
    let count = sorted.len() as f64;
    let steps = sorted.iter().enumerate().flat_map(|(number, &value)| {
        [(value, number as f64 / count), (value, (number + 1) as f64 / count)]
    });
    Line { name: name.to_owned(), points: steps.collect() }
}

pub(super) fn slowdown_by_size(report: &Report) -> Option<Chart> {
    let points: Vec<(f64, f64)> = report
        .flows
        .iter()
        .filter_map(|flow| Some(((flow.bytes as f64).log10(), flow.slowdown?)))
        .collect();
    let sizes = range(points.iter().map(|point| point.0))?;
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let svg = drawn(HALF, |area| {
        // Sizes are usually spread over several powers of ten.
        let x = (sizes.0 - 0.1)..(sizes.1 + 0.1);
        let mut chart = framed(area, LABELS, x, 0.0..most * 1.05)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("bytes")
            .y_desc("slowdown")
            .x_labels(6)
            .x_label_formatter(&|log| bytes(10f64.powf(*log)))
            .draw()?;
        let dots = points.iter().map(|&point| Circle::new(point, 2.5, color(0).mix(0.5).filled()));
        chart.draw_series(dots)?;
        Ok(())
    });
    let caption = "Each flow's time against the same flow alone in the network.".to_owned();
    Some(Chart { title: "Slowdown by size", caption, svg, wide: false })
}

pub(super) fn throughput(recording: &Recording) -> Option<Chart> {
    let steps = recording.steps.iter().filter(|step| step.span.as_ps() > 0);
    let points: Vec<(f64, f64)> = steps
        .map(|step| (step.at.as_us(), step.delivered_bytes as f64 * 8e3 / step.span.as_ps() as f64))
        .collect();
    let lines = [Line { name: "to all hosts".into(), points }];
    let caption =
        "What starts on the links to the hosts, headers and repetitions included.".to_owned();
    has_points(&lines)?;
    let svg = line_chart(&lines, ("microseconds", "Gb/s"), None);
    Some(Chart { title: "Throughput", caption, svg, wide: false })
}

pub(super) fn queues(recording: &Recording) -> Option<Chart> {
    let mut peaks = vec![0u64; recording.links.len()];
    for step in &recording.steps {
        for &(link, bytes) in &step.queued {
            peaks[link as usize] = peaks[link as usize].max(bytes);
        }
    }
    let mut order: Vec<usize> = (0..peaks.len()).filter(|&link| peaks[link] > 0).collect();
    order.sort_by_key(|&link| std::cmp::Reverse(peaks[link]));
    let line = |&link: &usize| Line {
        name: recording.links[link].0.clone(),
        points: recording
            .steps
            .iter()
            .map(|step| {
                let found = step.queued.iter().find(|queued| queued.0 as usize == link);
                (step.at.as_us(), found.map_or(0.0, |queued| queued.1 as f64 / 1e3))
            })
            .collect(),
    };
    let lines: Vec<Line> = order.iter().take(LINES).map(line).collect();
    has_points(&lines)?;
    let caption = format!(
        "The {} of {} queues that were ever longest, of those between and below switches.",
        lines.len(),
        recording.links.len()
    );
    let svg = line_chart(&lines, ("microseconds", "kB queued"), None);
    Some(Chart { title: "Queues", caption, svg, wide: false })
}

pub(super) fn windows(recording: &Recording) -> Option<Chart> {
    let caption = "Congestion windows; the dark line is the mean of all that are watched.";
    let value = |window: &Window| window.cwnd_bytes as f64 / 1e3;
    by_pair(recording, "Windows", caption, "kB", value)
}

pub(super) fn round_trips(recording: &Recording) -> Option<Chart> {
    let caption = "Smoothed round-trip times, as senders see them; the dark line is the mean.";
    let value = |window: &Window| window.srtt_ns as f64 / 1e3;
    by_pair(recording, "Round trips", caption, "microseconds", value)
}

/// A line per pair of hosts, and one for their mean.
fn by_pair(
    recording: &Recording,
    title: &'static str,
    caption: &str,
    unit: &str,
    value: impl Fn(&Window) -> f64,
) -> Option<Chart> {
    let line = |(number, (src, dst)): (usize, &(u32, u32))| {
        let points = recording.steps.iter().filter_map(|step| {
            let window = step.windows.get(number)?.as_ref()?;
            Some((step.at.as_us(), value(window)))
        });
        Line { name: format!("{src} to {dst}"), points: points.collect() }
    };
    let mean = recording.steps.iter().filter_map(|step| {
        let values: Vec<f64> = step.windows.iter().flatten().map(&value).collect();
        (!values.is_empty()).then(|| (step.at.as_us(), crate::stats::mean(&values)))
    });
    let mean = Line { name: "mean".into(), points: mean.collect() };
    let lines: Vec<Line> = recording.pairs.iter().enumerate().take(LINES).map(line).collect();
    has_points(&lines)?;
    let svg = line_chart(&lines, ("microseconds", unit), Some(&mean));
    let caption = format!("{caption} {} of {} pairs.", lines.len(), recording.pairs.len());
    Some(Chart { title, caption, svg, wide: false })
}

/// Some lines in one chart, the last of them in front.
pub(super) fn line_chart(lines: &[Line], axes: (&str, &str), front: Option<&Line>) -> String {
    let all = || lines.iter().chain(front).flat_map(|line| &line.points);
    let x = range(all().map(|point| point.0)).unwrap_or((0.0, 1.0));
    let most = all().map(|point| point.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let start = if x.0 < (x.1 - x.0) * 0.5 { 0.0 } else { x.0 };
    drawn(HALF, |area| {
        let mut chart = framed(area, LABELS, start..x.1 + (x.1 - start) * 0.01, 0.0..most * 1.05)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(axes.0)
            .y_desc(axes.1)
            .x_labels(7)
            .y_labels(6)
            .x_label_formatter(&|value| plain(*value))
            .y_label_formatter(&|value| plain(*value))
            .draw()?;
        for (number, line) in lines.iter().enumerate() {
            let style = color(number).stroke_width(if lines.len() > 3 { 1 } else { 2 });
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(line.name.clone())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], style));
        }
        if let Some(line) = front {
            let style = BLACK.stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(line.name.clone())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .label_font((FONT, 11))
            .draw()?;
        Ok(())
    })
}

pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Framed<'a> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws into a string. Drawing into memory does not fail; if it did, the chart would be empty.
pub(super) fn drawn(size: (u32, u32), draw: impl for<'a> FnOnce(&Area<'a>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let result = draw(&area).and_then(|()| Ok(area.present()?));
        if result.is_err() {
            return String::new();
        }
    }
    // The page sets the size; the numbers of the picture only give its shape.
    let (width, height) = size;
    let fixed = format!("<svg width=\"{width}\" height=\"{height}\"");
    svg.replacen(&fixed, "<svg", 1)
}

pub(super) fn framed<'a>(
    area: &Area<'a>,
    labels: u32,
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
) -> Result<Framed<'a>, Box<dyn std::error::Error>> {
    Ok(ChartBuilder::on(area)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(38)
        .y_label_area_size(labels)
        .build_cartesian_2d(x, y)?)
}

/// The name of the row whose middle is here; nothing between two rows.
pub(super) fn row_name(names: &[impl AsRef<str>], at: f64) -> String {
    let row = at.round();
    let name = names.get(row as usize).filter(|_| (at - row).abs() < 0.01 && row >= 0.0);
    name.map_or_else(String::new, |name| name.as_ref().to_owned())
}

/// The least and the most of some values, a little apart if they are the same.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        (low, high) = (low.min(value), high.max(value));
    }
    (low <= high).then_some(if low < high { (low, high) } else { (low - 0.5, high + 0.5) })
}

fn has_points(lines: &[Line]) -> Option<()> {
    lines.iter().any(|line| line.points.len() > 1).then_some(())
}

/// A number without digits that say nothing.
pub(super) fn plain(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{value:.2e}"),
        size if size >= 100.0 || value == value.round() => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn bytes(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.0} GB", v / 1e9),
        v if v >= 1e6 => format!("{:.0} MB", v / 1e6),
        v if v >= 1e3 => format!("{:.0} kB", v / 1e3),
        v => format!("{v:.0} B"),
    }
}

/// Colours that stay apart for those who see few of them (Okabe and Ito).
pub(super) fn color(number: usize) -> RGBColor {
    const COLORS: [(u8, u8, u8); 7] = [
        (0, 114, 178),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (86, 180, 233),
        (213, 94, 0),
        (140, 140, 140),
    ];
    let (red, green, blue) = COLORS[number % COLORS.len()];
    RGBColor(red, green, blue)
}

pub(super) const FONT: &str = "sans-serif";
pub(super) const HALF: (u32, u32) = (640, 320);
/// Room for the numbers beside an axis, in pixels.
const LABELS: u32 = 58;
/// More lines could not be told apart.
const LINES: usize = 7;
