//! `series.csv`: a recording as a table, one value a line, times in microseconds.

use std::io::{self, Write};

use super::recording::{Recording, Step};

/// Writes a recording.
pub fn write_series(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "time_us,what,where,value")?;
    recording.steps.iter().try_for_each(|step| write_step(recording, step, out))
}

fn write_step(recording: &Recording, step: &Step, out: &mut impl Write) -> io::Result<()> {
    let time = step.at.as_us();
    let mut line =
        |what: &str, place: &str, value: u64| writeln!(out, "{time:.3},{what},{place},{value}");
    let totals = [
        ("delivered_bytes", step.delivered_bytes),
        ("flows_done", step.flows_done.into()),
        ("marked", step.marked.into()),
        ("trimmed", step.trimmed.into()),
        ("dropped", step.dropped.into()),
    ];
    for (what, value) in totals {
        line(what, "network", value)?;
    }
    for &(link, bytes) in &step.queued {
        line("queue_bytes", &recording.links[link as usize].0, bytes)?;
    }
    for ((name, _), &bytes) in recording.links.iter().zip(&step.carried) {
        if bytes > 0 {
            line("carried_bytes", name, bytes)?;
        }
    }
    for ((src, dst), window) in recording.pairs.iter().zip(&step.windows) {
        let Some(window) = window else { continue };
        let pair = format!("host{src}>host{dst}");
        line("cwnd_bytes", &pair, window.cwnd_bytes)?;
        line("in_flight_bytes", &pair, window.in_flight_bytes)?;
        line("srtt_ns", &pair, window.srtt_ns)?;
        line("paths_good", &pair, window.paths_good.into())?;
    }
    for (path, &packets) in step.paths.iter().enumerate().filter(|&(_, &packets)| packets > 0) {
        line("path_packets", &path.to_string(), packets.into())?;
    }
    Ok(())
}
