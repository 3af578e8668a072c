//! `flows.csv`: a line per flow, times in microseconds. What never happened is left empty.

use std::io::{self, Write};

use crate::report::{FlowReport, Report};

/// Writes the flows of a run.
pub fn write_flows(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for (number, flow) in report.flows.iter().enumerate() {
        writeln!(out, "{}", line(number, flow))?;
    }
    Ok(())
}

fn line(number: usize, flow: &FlowReport) -> String {
    let some = |value: Option<String>| value.unwrap_or_default();
    let micros = |ns: Option<u64>| some(ns.map(|ns| format!("{:.3}", ns as f64 / 1e3)));
    [
        number.to_string(),
        flow.src.to_string(),
        flow.dst.to_string(),
        flow.service.name().to_owned(),
        flow.messages.to_string(),
        flow.bytes.to_string(),
        some(flow.job.map(|job| job.to_string())),
        micros(flow.began_ns),
        micros(flow.sender_fct_ns),
        micros(flow.receiver_fct_ns),
        micros(Some(flow.ideal_ns)),
        some(flow.slowdown.map(|slowdown| format!("{slowdown:.4}"))),
        flow.packets.to_string(),
        flow.retransmissions.to_string(),
        flow.spurious.to_string(),
        flow.failed.to_string(),
    ]
    .join(",")
}

/// One line, as far as comparisons need it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRow {
    /// Who sent how much to whom: what makes it the same flow in another run.
    pub identity: String,
    /// Payload, in bytes.
    pub bytes: f64,
    /// The sender's time, in microseconds, if it was done.
    pub sender_fct_us: Option<f64>,
    /// The receiver's.
    pub receiver_fct_us: Option<f64>,
    /// The sender's time against an empty network.
    pub slowdown: Option<f64>,
}

/// Reads the lines of `flows.csv`; an error comes with its line.
pub fn read_flows(text: &str) -> Result<Vec<FlowRow>, (usize, String)> {
    let mut lines = (1..).zip(text.lines());
    if lines.next().map(|(_, header)| header) != Some(&COLUMNS.join(",")) {
        return Err((1, format!("is not {}", COLUMNS.join(","))));
    }
    lines.map(|(number, line)| read_flow(line).map_err(|message| (number, message))).collect()
}

fn read_flow(line: &str) -> Result<FlowRow, String> {
    let values: Vec<&str> = line.split(',').collect();
    if values.len() != COLUMNS.len() {
        return Err(format!("has {} values for {} columns", values.len(), COLUMNS.len()));
    }
    let text = |name: &str| values[COLUMNS.iter().position(|column| *column == name).unwrap_or(0)];
    let number = |name: &str| match text(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("{name}: \"{text}\" is not a number")),
    };
    Ok(FlowRow {
        identity: values[..6].join(","),
        bytes: number("bytes")?.unwrap_or(0.0),
        sender_fct_us: number("sender_fct_us")?,
        receiver_fct_us: number("receiver_fct_us")?,
        slowdown: number("slowdown")?,
    })
}

const COLUMNS: [&str; 16] = [
    "flow",
    "src",
    "dst",
    "service",
    "messages",
    "bytes",
    "job",
    "began_us",
    "sender_fct_us",
    "receiver_fct_us",
    "ideal_us",
    "slowdown",
    "packets",
    "retransmissions",
    "spurious",
    "failed",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scenario, Simulation};

    #[test]
    fn what_is_written_can_be_read() {
        let text = include_str!("../../plans/hello.toml");
        let report = Simulation::new(&Scenario::parse(text, "hello").unwrap(), 1).unwrap().run();
        let mut csv = Vec::new();
        write_flows(&report, &mut csv).unwrap();
        let rows = read_flows(std::str::from_utf8(&csv).unwrap()).unwrap();
        assert_eq!(rows.len(), report.flows.len());
        for (row, flow) in rows.iter().zip(&report.flows) {
            assert_eq!(row.bytes, flow.bytes as f64);
            let fct_us = flow.sender_fct_ns.map(|ns| ns as f64 / 1e3);
            assert_eq!(row.sender_fct_us, fct_us);
            assert!((row.slowdown.unwrap() - flow.slowdown.unwrap()).abs() < 1e-4);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_with_the_line() {
        assert_eq!(read_flows("a,b\n").unwrap_err().0, 1);
        let short = format!("{}\n0,1,2\n", COLUMNS.join(","));
        assert_eq!(read_flows(&short).unwrap_err().0, 2);
    }
}
