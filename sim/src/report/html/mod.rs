//! A run as one page: everything in one file, nothing from elsewhere, so that it can be mailed,
//! archived and opened in ten years.

mod charts;
mod comparison;
mod figures;
mod heat;
mod timeline;

use askama::Template;

pub use self::comparison::comparison_page;
use super::Report;
use crate::output::{Origin, Recording};

/// The page of a run.
pub fn run_page(report: &Report, recording: &Recording, origin: &Origin) -> String {
    let page = RunPage {
        report,
        command: origin.command(),
        scenario: origin.scenario_text(),
        tiles: figures::tiles(report),
        charts: charts_of(report, recording),
        slowest: figures::slowest(report),
    };
    page.render().expect("writing to a string does not fail")
}

fn charts_of(report: &Report, recording: &Recording) -> Vec<Chart> {
    let all = [
        charts::completion_times(report),
        charts::slowdown_by_size(report),
        charts::throughput(recording),
        charts::queues(recording),
        charts::windows(recording),
        charts::round_trips(recording),
        heat::paths(recording),
        heat::links(recording),
        timeline::faults(recording),
    ];
    all.into_iter().flatten().collect()
}

/// One chart with its caption.
#[derive(Debug)]
struct Chart {
    title: &'static str,
    /// What it shows, and how to read it.
    caption: String,
    svg: String,
    /// Whether it needs the whole width.
    wide: bool,
}

/// A figure at the head of the page.
#[derive(Debug)]
struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage<'a> {
    report: &'a Report,
    command: &'a str,
    scenario: String,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    slowest: Vec<figures::FlowLine>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Sampler;
    use crate::time::Time;
    use crate::{Document, Simulation};

    #[test]
    fn a_page_stands_alone_and_has_every_chart() {
        let text = include_str!("../../../plans/hello.toml");
        let document = Document::new(text, "hello.toml").unwrap();
        let (sampler, recording) = Sampler::new(Time::from_ns(1_000), true);
        let simulation = Simulation::new(&document.scenario().unwrap(), 1).unwrap();
        let report = simulation.recorded_by(Box::new(sampler)).run();
        let origin = Origin::new(&document, 1, std::path::Path::new("out"));
        let page = run_page(&report, &recording.borrow(), &origin);
        for title in ["Completion times", "Throughput", "Queues", "Windows", "Paths", "went wrong"]
        {
            assert!(page.contains(title), "{title}");
        }
        assert!(page.contains("usrd-sim replay out"));
        assert!(page.contains(&report.digest));
        for foreign in ["<script src", "<link", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        let outside =
            page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(outside, 0, "nothing is fetched");
    }
}
