//! The list of experiments, as a file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::scenario::Document;
use crate::sweep::{RunSpec, SweepPlan};

/// All experiments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// In the order of the document.
    pub experiment: Vec<Experiment>,
    /// Where plans lie.
    #[serde(skip)]
    folder: PathBuf,
}

/// One experiment: a plan, and rows that differ in some keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// What it is.
    pub title: String,
    /// The scenario file, in the folder `experiments` beside the list.
    pub plan: String,
    /// Keys that all rows set.
    #[serde(default)]
    pub set: Table,
    /// What counts; by default the slowest flow.
    #[serde(default = "default_figure")]
    pub figure: String,
    /// What its table shows.
    #[serde(default)]
    pub table: TableKey,
    /// What the last row should reach.
    pub goal: Option<f64>,
    /// What a reader has to know.
    pub note: Option<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What a table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableKey {
    /// Flows, beside another simulator's.
    #[default]
    Beside,
    /// Flows of one transport beside those of others.
    Transports,
    /// Memory.
    State,
}

/// One row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// Keys that it sets.
    #[serde(default)]
    pub set: Table,
    /// The same of another simulator.
    pub theirs: Option<Theirs>,
}

/// A figure of another simulator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theirs {
    /// What it is called there.
    pub name: String,
    /// The slowest flow, in microseconds.
    pub max: f64,
    /// The mean flow, in microseconds.
    pub mean: Option<f64>,
}

impl Index {
    /// Reads the list.
    pub fn load(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let mut index: Self = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        index.folder = path.with_file_name("experiments");
        Ok(index)
    }

    /// The runs of a row.
    pub fn sweep(
        &self,
        experiment: &Experiment,
        row: &Row,
        seeds: u32,
        root_seed: u64,
    ) -> Result<(SweepPlan, Vec<RunSpec>), String> {
        let document = Document::load(&self.folder.join(&experiment.plan));
        let settings = experiment.set.iter().chain(&row.set);
        let settings: Vec<(String, Value)> =
            settings.map(|(key, value)| (key.clone(), value.clone())).collect();
        let document = document
            .and_then(|document| document.with(&settings))
            .map_err(|error| error.to_string())?;
        let plan = SweepPlan { document, grid: vec![], random: vec![], draws: 1, seeds, root_seed };
        let runs = plan.runs();
        Ok((plan, runs))
    }
}

fn default_figure() -> String {
    "max_fct_us".into()
}
