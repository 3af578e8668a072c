//! What is kept of a sweep: a file of JSON lines, first what the sweep is, then one line per run.
//! It holds everything that is needed to repeat any of the runs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{RunSpec, Shard, SweepPlan};
use crate::report::Report;
use crate::scenario::{Document, shown};

/// What a sweep is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The scenario file's name.
    pub source: String,
    /// The scenario file's text.
    pub scenario: String,
    /// The grid's axes.
    pub grid: Vec<String>,
    /// The ranges to draw from.
    pub random: Vec<String>,
    /// Draws per point of the grid.
    pub draws: u32,
    /// Seeds per draw.
    pub seeds: u32,
    /// The root seed.
    pub root_seed: u64,
    /// Runs in all.
    pub runs: u32,
    /// Which of them are here: part `.0` of `.1`.
    pub shard: (u32, u32),
}

/// What is kept of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number.
    pub run: u32,
    /// What it set, in order.
    pub settings: Vec<(String, Value)>,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub status: String,
    /// The first thing that was wrong.
    pub violation: Option<String>,
    /// Its fingerprint.
    pub digest: String,
    /// The figures, by name.
    pub figures: BTreeMap<String, f64>,
}

/// A file of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// What the sweep is.
    pub header: Header,
    /// Its runs, as far as they are here.
    pub records: Vec<Record>,
}

impl Header {
    /// Of part of a sweep.
    pub fn new(plan: &SweepPlan, shard: Shard) -> Self {
        Self {
            source: plan.document.source().to_owned(),
            scenario: plan.document.to_toml(),
            grid: plan.grid.iter().map(ToString::to_string).collect(),
            random: plan.random.iter().map(ToString::to_string).collect(),
            draws: plan.draws,
            seeds: plan.seeds,
            root_seed: plan.root_seed,
            runs: plan.runs().len() as u32,
            shard: (shard.index, shard.count),
        }
    }
}

impl Record {
    /// Of a run that is over.
    pub fn new(run: &RunSpec, report: &Report) -> Self {
        Self {
            run: run.number,
            settings: run.settings.clone(),
            seed: run.seed,
            status: report.status.name().to_owned(),
            violation: report.violations.first().map(ToString::to_string),
            digest: report.digest.clone(),
            figures: report.figures(),
        }
    }

    /// What it set, for people.
    pub fn label(&self) -> String {
        let settings = self.settings.iter().map(|(key, value)| format!("{key}={}", shown(value)));
        settings.collect::<Vec<_>>().join(" ")
    }
}

impl Results {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        Self::parse(&text).map_err(|(line, message)| format!("{name}:{line}: {message}"))
    }

    /// Reads a text; an error comes with its line.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut lines = (1..).zip(text.lines());
        let (_, first) = lines.next().ok_or_else(|| (1, "is empty".to_owned()))?;
        let header = serde_json::from_str(first)
            .map_err(|error| (1, format!("is not the header of a sweep's results: {error}")))?;
        let record = |(line, text)| serde_json::from_str(text).map_err(|e| (line, format!("{e}")));
        Ok(Self { header, records: lines.map(record).collect::<Result<_, _>>()? })
    }

    /// As text, ready to be written.
    pub fn to_text(&self) -> String {
        let records = self.records.iter().map(line_of);
        std::iter::once(line_of(&self.header)).chain(records).collect()
    }

    /// The scenario of one of the runs, as a document.
    pub fn document(&self, record: &Record) -> Result<Document, String> {
        let header = &self.header;
        let document = Document::new(&header.scenario, &header.source);
        let document = document.and_then(|document| document.with(&record.settings));
        document.map_err(|error| error.to_string())
    }
}

/// One line of JSON.
pub(super) fn line_of(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).expect("results have only string keys");
    line.push('\n');
    line
}
