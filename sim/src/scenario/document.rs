//! A scenario file as a document: keys can be set and taken away by name before it is read, so that
//! a sweep, a search or the command line reaches every key without knowing any of them.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Scenario, ScenarioError};

/// The text of a scenario, and what was changed in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    source: String,
    /// As it was read: errors name its lines as long as nothing is changed.
    text: Option<String>,
    table: Table,
    changes: Vec<String>,
}

impl Document {
    /// Reads a file. What it says is not judged yet, only that it is TOML.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let source = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::of_file(&source, error.to_string()))?;
        Self::new(&text, &source)
    }

    /// From text; `source` is what errors call it, and what relative paths start from.
    pub fn new(text: &str, source: &str) -> Result<Self, ScenarioError> {
        let table = text.parse().map_err(|error| ScenarioError::of_syntax(text, source, &error))?;
        Ok(Self { source: source.into(), text: Some(text.into()), table, changes: Vec::new() })
    }

    /// What errors call it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The trace file that it names.
    pub fn trace(&self) -> Option<PathBuf> {
        let file = self.table.get("workload")?.get("file")?.as_str()?;
        Some(Path::new(&self.source).with_file_name(file))
    }

    /// All keys.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// All keys, to be changed freely.
    pub fn table_mut(&mut self) -> &mut Table {
        self.text = None;
        &mut self.table
    }

    /// Sets a key such as `links.rate` or `faults.link[0].loss`. Tables on the way are made.
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        self.changes.push(format!("{key}={}", shown(&value)));
        let place = walk(self.table_mut(), key)?;
        *place = value;
        Ok(())
    }

    /// The same with some keys set.
    pub fn with(&self, settings: &[(String, Value)]) -> Result<Self, ScenarioError> {
        let mut document = self.clone();
        for (key, value) in settings {
            document
                .set(key, value.clone())
                .map_err(|message| ScenarioError::of_file(&self.source, message))?;
        }
        Ok(document)
    }

    /// The scenario that it describes.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        let Some(text) = &self.text else {
            let source = match &self.changes[..] {
                [] => self.source.clone(),
                changes => format!("{} with {}", self.source, changes.join(" ")),
            };
            return Scenario::parse_at(&self.to_toml(), &source, Path::new(&self.source))
                .map_err(|error| error.without_line_in(&source));
        };
        Scenario::parse(text, &self.source)
    }

    /// As text: the original as long as nothing is changed.
    pub fn to_toml(&self) -> String {
        let written = || toml::to_string(&self.table).unwrap_or_default();
        self.text.clone().unwrap_or_else(written)
    }
}

/// A value of the command line: as TOML writes it, or else a bare word that stands for a string.
pub fn value_of(text: &str) -> Value {
    let table = format!("value = {text}").parse::<Table>();
    let parsed = table.ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// As a person would write it on the command line.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn walk<'a>(table: &'a mut Table, key: &str) -> Result<&'a mut Value, String> {
    let (segment, rest) = key.split_once('.').map_or((key, None), |(a, b)| (a, Some(b)));
    let (name, index) = match segment.split_once('[') {
        Some((name, index)) => {
            let index = index.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
            (name, Some(index.ok_or_else(|| format!("{key}: what is in [] is not a number"))?))
        }
        None => (segment, None),
    };
    if name.is_empty() {
        return Err(format!("\"{key}\" is not the name of a key"));
    }
    let empty = Value::Table(Table::new());
    let mut value = table.entry(name).or_insert(empty);
    if let Some(index) = index {
        let item = value.as_array_mut().and_then(|items| items.get_mut(index));
        value = item.ok_or_else(|| format!("{name} is not a list, or has no entry {index}"))?;
    }
    let Some(rest) = rest else { return Ok(value) };
    match value {
        Value::Table(inner) => walk(inner, rest),
        _ => Err(format!("{name} is not a table, so it has no {rest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\n[links]\nrate = \"1Gbps\"\n[[faults.link]]\nhost = 1\n";

    #[test]
    fn sets_any_key() {
        let mut document = Document::new(TEXT, "x.toml").unwrap();
        assert_eq!(document.to_toml(), TEXT);
        document.set("links.rate", value_of("2Gbps")).unwrap();
        document.set("faults.link[0].loss", value_of("0.5")).unwrap();
        document.set("core.paths", value_of("7")).unwrap();
        let table: Table = document.to_toml().parse().unwrap();
        assert_eq!(table["links"]["rate"].as_str(), Some("2Gbps"));
        assert_eq!(table["faults"]["link"][0]["loss"].as_float(), Some(0.5));
        assert_eq!(table["core"]["paths"].as_integer(), Some(7));
        let error = document.scenario().unwrap_err().to_string();
        assert!(error.starts_with("x.toml with links.rate=2Gbps"), "{error}");
    }

    #[test]
    fn refuses_keys_that_lead_nowhere() {
        let mut document = Document::new(TEXT, "x.toml").unwrap();
        for key in ["name.a", "faults.link[9].loss", "faults.link[x].loss", "", "links[0].rate"] {
            assert!(document.set(key, value_of("1")).is_err(), "{key}");
        }
        assert!(
            Document::new("a = \nb = 1", "x.toml").unwrap_err().to_string().contains("x.toml:1")
        );
    }

    #[test]
    fn bare_words_are_strings() {
        assert_eq!(value_of("100Gbps").as_str(), Some("100Gbps"));
        assert_eq!(value_of("\"7\"").as_str(), Some("7"));
        assert_eq!(value_of("true").as_bool(), Some(true));
        assert_eq!(value_of("[1, 2]").as_array().map(Vec::len), Some(2));
    }
}
