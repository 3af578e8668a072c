//! A report as a person reads it.

use std::fmt;

use super::{FlowReport, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (seed {})", self.scenario, self.seed)?;
        self.write_flows(f)?;
        self.write_totals(f)?;
        self.write_verdict(f)
    }
}

impl Report {
    fn write_flows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>12} {:>12} {:>12} {:>12} {:>9} {:>9} {:>7} {:>8}",
            "flow", "bytes", "sender us", "receiver us", "slowdown", "packets", "again", "spurious"
        )?;
        for flow in self.flows.iter().take(FLOWS_SHOWN) {
            write_flow(f, flow)?;
        }
        if self.flows.len() > FLOWS_SHOWN {
            writeln!(f, "{:>12} (the rest with --json)", "...")?;
        }
        Ok(())
    }

    fn write_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        let flows = self.flows.len();
        writeln!(f, "flows done    {} of {flows}", totals.flows_done)?;
        writeln!(
            f,
            "FCT           max {} us, mean {} us; ideal {} us; fairness {:.4}",
            micros(totals.max_fct_ns),
            micros(totals.mean_fct_ns),
            micros(totals.ideal_ns),
            totals.fairness
        )?;
        if let Some(jobs) = &totals.job_us {
            writeln!(
                f,
                "jobs          {} done: median {:.1} us, 99 % {:.1} us, max {:.1} us",
                jobs.count, jobs.p50, jobs.p99, jobs.max
            )?;
        }
        writeln!(
            f,
            "packets       {} data, {} again ({} by gap, {} by time), {} spurious, {} ACKs, {} RTOs",
            totals.packets,
            totals.retransmissions,
            totals.lost_by_gap,
            totals.lost_by_time,
            totals.spurious,
            totals.acks,
            totals.rtos
        )?;
        writeln!(
            f,
            "network       {} hops, {} marked, {} trimmed, {} held up, {} copied, longest queue {} B",
            totals.packet_hops,
            totals.marked,
            totals.trimmed,
            totals.reordered,
            totals.duplicated,
            totals.most_queued_bytes
        )?;
        let drops: Vec<_> =
            self.drops.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let drops = if drops.is_empty() { "none".to_owned() } else { drops.join(", ") };
        writeln!(f, "drops         {drops}")
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "simulated     {} us in {:.3} s: {:.2} million packet-hops/s, {} events",
            micros(self.simulated_ns),
            self.cost.wall_seconds,
            self.cost.hops_per_second / 1e6,
            self.totals.events
        )?;
        writeln!(f, "digest        {}", self.digest)?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION     {violation}")?;
        }
        let verdict = self.status.name();
        match self.violation_count {
            0 => writeln!(f, "verdict       {verdict}"),
            count => writeln!(f, "verdict       {verdict}, {count} violations"),
        }
    }
}

fn write_flow(f: &mut fmt::Formatter<'_>, flow: &FlowReport) -> fmt::Result {
    let time = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), micros);
    writeln!(
        f,
        "{:>12} {:>12} {:>12} {:>12} {:>9} {:>9} {:>7} {:>8}",
        format!("{} -> {}", flow.src, flow.dst),
        flow.bytes,
        time(flow.sender_fct_ns),
        time(flow.receiver_fct_ns),
        flow.slowdown.map_or_else(|| "-".to_owned(), |slowdown| format!("{slowdown:.2}")),
        flow.packets,
        flow.retransmissions,
        flow.spurious
    )
}

fn micros(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e3)
}

/// More would push the totals off the screen.
const FLOWS_SHOWN: usize = 32;
