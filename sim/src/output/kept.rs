//! A run's folder, read again.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::folder::{FLOWS, SCENARIO, SUMMARY};
use super::{FlowRow, read_flows};
use crate::scenario::Document;

/// What is kept of a run.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What was run.
    pub document: Document,
    /// With which seed.
    pub seed: u64,
    /// The digest it had.
    pub digest: String,
    /// The scenario's name.
    pub name: String,
    /// Its flows.
    pub flows: Vec<FlowRow>,
}

#[derive(Deserialize)]
struct Summary {
    scenario: String,
    seed: u64,
    digest: String,
}

impl Kept {
    /// Reads a folder.
    pub fn load(folder: &Path) -> Result<Self, String> {
        let document = Document::load(&folder.join(SCENARIO)).map_err(|error| error.to_string())?;
        let (path, text) = read(folder, SUMMARY)?;
        let summary: Summary =
            serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        let (path, text) = read(folder, FLOWS)?;
        let flows =
            read_flows(&text).map_err(|(line, message)| format!("{path}:{line}: {message}"))?;
        let Summary { scenario: name, seed, digest } = summary;
        Ok(Self { document, seed, digest, name, flows })
    }
}

/// The name and the text of a file in the folder.
fn read(folder: &Path, name: &str) -> Result<(String, String), String> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path);
    let name = path.display().to_string();
    text.map_err(|error| format!("{name}: {error}")).map(|text| (name, text))
}
