//! Reading a scenario file, and finding the line of a key that is wrong.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::Scenario;
use crate::workload::trace;

/// A scenario that cannot be run, and why.
#[derive(Debug)]
pub struct ScenarioError {
    source: String,
    line: Option<usize>,
    message: String,
}

impl ScenarioError {
    /// The line at fault, from 1, where there is one.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl ScenarioError {
    /// A file that cannot be read.
    pub(super) fn of_file(source: &str, message: String) -> Self {
        Self { source: source.to_owned(), line: None, message }
    }

    /// Text that is not TOML, or not a scenario.
    pub(super) fn of_syntax(text: &str, source: &str, error: &toml::de::Error) -> Self {
        Self {
            source: source.to_owned(),
            line: error.span().map(|span| line_of(text, span.start)),
            message: error.message().to_owned(),
        }
    }

    /// The same about a text that nobody has seen: its lines mean nothing.
    pub(super) fn without_line_in(mut self, source: &str) -> Self {
        if self.source == source {
            self.line = None;
        }
        self
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.source, self.message),
            None => write!(f, "{}: {}", self.source, self.message),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A key with a value that cannot be right: `links.queue`, `workload.pairs[3].dst`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Scenario {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let source = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &source),
            Err(error) => Err(ScenarioError { source, line: None, message: error.to_string() }),
        }
    }

    /// Reads and checks a scenario's text; `source` is what errors call it.
    pub fn parse(text: &str, source: &str) -> Result<Self, ScenarioError> {
        Self::parse_at(text, source, Path::new(source))
    }

    /// The same; files that it names lie beside `place`.
    pub(super) fn parse_at(text: &str, source: &str, place: &Path) -> Result<Self, ScenarioError> {
        let mut scenario: Self =
            toml::from_str(text).map_err(|error| ScenarioError::of_syntax(text, source, &error))?;
        scenario.workload.service = scenario.transport.service();
        scenario.load_trace(place)?;
        let traced = scenario.read_trace();
        let checked = traced.and_then(|()| scenario.check_size_of_network()).and_then(|()| {
            scenario.network = Arc::new(scenario.lay_out()?);
            scenario.validate()
        });
        checked.map_err(|fault| ScenarioError {
            source: source.to_owned(),
            line: locate(text, &fault.key),
            message: format!("{}: {}", fault.key, fault.message),
        })?;
        Ok(scenario)
    }

    /// Reads the flows of a trace that the scenario has in itself.
    fn read_trace(&mut self) -> Result<(), Fault> {
        let Some(csv) = &self.workload.csv else { return Ok(()) };
        self.workload.traced = trace::parse(csv).map_err(|error| Fault {
            key: "workload.csv".into(),
            message: format!("line {}: {}", error.line, error.message),
        })?;
        Ok(())
    }

    /// Reads the flows of the trace file, which lies beside the scenario's.
    fn load_trace(&mut self, place: &Path) -> Result<(), ScenarioError> {
        let Some(file) = self.workload.file.as_ref() else { return Ok(()) };
        let path = place.with_file_name(file);
        let name = path.display().to_string();
        let error = |line, message| ScenarioError { source: name.clone(), line, message };
        let text = std::fs::read_to_string(&path).map_err(|e| error(None, e.to_string()))?;
        self.workload.traced = trace::parse(&text).map_err(|e| error(Some(e.line), e.message))?;
        Ok(())
    }
}

/// The line of a key, or of the innermost table around it that the file has.
fn locate(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut start = None;
    for segment in key.split('.') {
        let (name, index) = match segment.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (segment, None),
        };
        let Some((found, mut value)) = table.iter().find(|(key, _)| key.get_ref() == name) else {
            break;
        };
        start = Some(found.span().start);
        if let (DeValue::Array(items), Some(index)) = (value.get_ref(), index)
            && let Some(item) = items.get(index)
        {
            start = Some(item.span().start);
            value = item;
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    start.map(|start| line_of(text, start))
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\n[links]\nrate = 1\n\n[workload]\npairs = [\n  { src = 0 },\n  { src = 1 },\n]\n[[faults.link]]\nhost = 3\n";

    #[test]
    fn finds_lines() {
        assert_eq!(locate(TEXT, "name"), Some(1));
        assert_eq!(locate(TEXT, "links.rate"), Some(3));
        assert_eq!(locate(TEXT, "links.queue"), Some(2));
        assert_eq!(locate(TEXT, "workload.pairs[1].src"), Some(8));
        assert_eq!(locate(TEXT, "faults.link[0].host"), Some(11));
        assert_eq!(locate(TEXT, "elsewhere"), None);
    }
}
