//! Flows from a file: one a line, as comma-separated values with a header line.
//!
//! ```text
//! start,src,dst,size,messages,service,after,job
//! 0us,0,1,64KiB,16,srd,,
//! 2us,1,0,64B,1,rd,0,
//! ```
//! `start`, `src`, `dst` and `size` have to be there; there can also be `operation`, `vector` and
//! `immediate`. `after` lists flows by their place in the
//! file, from 0, separated by spaces.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::{OperationKey, Pair};

/// What is wrong with a trace file: the line, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TraceError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Reads the flows of a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Pair>, TraceError> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (line, header) =
        lines.next().ok_or_else(|| TraceError { line: 1, message: "is empty".into() })?;
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    check_header(&columns).map_err(|message| TraceError { line, message })?;
    lines
        .map(|(line, text)| {
            parse_flow(&columns, text).map_err(|message| TraceError { line, message })
        })
        .collect()
}

fn check_header(columns: &[&str]) -> Result<(), String> {
    if let Some(unknown) = columns.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(format!("unknown column \"{unknown}\"; there are {}", COLUMNS.join(", ")));
    }
    match NEEDED.iter().find(|name| !columns.contains(name)) {
        Some(missing) => Err(format!("the column \"{missing}\" is missing")),
        None => Ok(()),
    }
}

fn parse_flow(columns: &[&str], text: &str) -> Result<Pair, String> {
    let values: Vec<&str> = text.split(',').map(str::trim).collect();
    if values.len() != columns.len() {
        return Err(format!("has {} values for {} columns", values.len(), columns.len()));
    }
    let value = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        Some(values[at]).filter(|value| !value.is_empty())
    };
    let needed = |name: &str| value(name).ok_or_else(|| format!("{name} is missing"));
    let after = value("after").unwrap_or_default().split_whitespace();
    Ok(Pair {
        src: number("src", needed("src")?)?,
        dst: number("dst", needed("dst")?)?,
        messages: value("messages").map_or(Ok(1), |text| number("messages", text))?,
        size: quantity("size", needed("size")?)?,
        service: value("service").map(|text| quantity("service", text)).transpose()?,
        operation: value("operation")
            .map_or(Ok(OperationKey::Send), |it| quantity("operation", it))?,
        vector: value("vector").map_or(Ok(1), |text| number("vector", text))?,
        immediate: value("immediate").map_or(Ok(false), truth)?,
        start: quantity("start", needed("start")?)?,
        after: after.map(|text| number("after", text)).collect::<Result<_, _>>()?,
        job: value("job").map(|text| number("job", text)).transpose()?,
    })
}

fn number(name: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{name}: \"{text}\" is not a number"))
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("immediate: \"{text}\" is neither true nor false"))
}

/// Reads what a scenario file would have as a string.
fn quantity<'a, T: Deserialize<'a>>(name: &str, text: &'a str) -> Result<T, String> {
    let input: StrDeserializer<'a, Error> = text.into_deserializer();
    T::deserialize(input).map_err(|error| format!("{name}: {error}"))
}

const COLUMNS: [&str; 11] = [
    "start",
    "src",
    "dst",
    "size",
    "messages",
    "service",
    "after",
    "job",
    "operation",
    "vector",
    "immediate",
];
const NEEDED: [&str; 4] = ["start", "src", "dst", "size"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;

    #[test]
    fn reads_flows() {
        let text = "start,src,dst,size,service,after\n0us,0,1,64KiB,,\n\n2us, 1, 0, 64B, rd, 0 1\n";
        let pairs = parse(text).unwrap();
        assert_eq!((pairs[0].size.0, pairs[0].messages, pairs[0].service), (65_536, 1, None));
        assert_eq!(pairs[1].start, Time::from_ns(2_000));
        assert_eq!((pairs[1].service, &pairs[1].after[..]), (Some(ServiceKey::Rd), &[0, 1][..]));
    }

    #[test]
    fn reads_operations() {
        let text = "start,src,dst,size,operation,vector,immediate\n0us,0,1,64B,read,4,true\n0us,0,1,1B,,,\n";
        let pairs = parse(text).unwrap();
        let (first, second) = (pairs[0].operation(), pairs[1].operation());
        assert_eq!((first.kind, first.vector, first.immediate), (OperationKey::Read, 4, true));
        assert_eq!((second.kind, second.vector, second.immediate), (OperationKey::Send, 1, false));
    }

    #[test]
    fn names_the_line_and_the_reason() {
        let bad = [
            ("", 1, "empty"),
            ("start,src,dst,bytes", 1, "unknown column \"bytes\""),
            ("start,src,dst", 1, "\"size\" is missing"),
            ("start,src,dst,size\n1us,0,1", 2, "3 values for 4"),
            ("start,src,dst,size\n1us,0,x,1B", 2, "dst: \"x\""),
            ("start,src,dst,size\n\n1us,0,1,1", 3, "size: \"1\" is not a whole number of bytes"),
        ];
        for (text, line, reason) in bad {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.message.contains(reason), "{text}: {}", error.message);
        }
    }
}
