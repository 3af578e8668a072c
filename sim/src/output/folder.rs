//! The folder of a run.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::write_flows;
use crate::report::Report;
use crate::scenario::Document;

/// Where a run comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    document: Document,
    seed: u64,
    command: String,
}

impl Origin {
    /// A run that is kept in `folder`.
    pub fn new(document: &Document, seed: u64, folder: &Path) -> Self {
        let command = format!("usrd-sim replay {}", folder.display());
        Self { document: document.clone(), seed, command }
    }

    /// A run that some command repeats.
    pub fn of_command(document: &Document, seed: u64, command: String) -> Self {
        Self { document: document.clone(), seed, command }
    }

    /// The command that repeats it.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The scenario, as it is kept.
    pub fn scenario_text(&self) -> String {
        self.document.to_toml()
    }
}

/// The folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    seed: u64,
}

impl Folder {
    /// Makes the folder, and writes down what is going to be run: should the run not end, it can
    /// be repeated all the same.
    pub fn create(path: &Path, origin: &Origin) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        fs::write(path.join(SCENARIO), origin.document.to_toml())?;
        if let Some(trace) = origin.document.trace() {
            let kept = path.join(trace.file_name().unwrap_or_default());
            // A folder that is written again holds it already.
            if !kept.exists() || fs::canonicalize(&trace)? != fs::canonicalize(&kept)? {
                fs::copy(&trace, &kept)?;
            }
        }
        Ok(Self { path: path.to_owned(), seed: origin.seed })
    }

    /// Its place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `summary.json` and `flows.csv`.
    pub fn write_report(&self, report: &Report) -> io::Result<()> {
        let mut summary = serde_json::to_value(report)?;
        if let Value::Object(fields) = &mut summary {
            // The flows have a file of their own; what it cost is no property of the run.
            fields.remove("flows");
            fields.remove("cost");
            fields.insert("seed".into(), json!(self.seed));
        }
        let text = serde_json::to_string_pretty(&summary)?;
        fs::write(self.path.join(SUMMARY), text + "\n")?;
        let mut flows = self.file(FLOWS)?;
        write_flows(report, &mut flows)?;
        flows.flush()
    }

    /// Opens a file in it.
    pub fn file(&self, name: &str) -> io::Result<BufWriter<File>> {
        Ok(BufWriter::new(File::create(self.path.join(name))?))
    }
}

pub(super) const SCENARIO: &str = "scenario.toml";
pub(super) const SUMMARY: &str = "summary.json";
pub(super) const FLOWS: &str = "flows.csv";
