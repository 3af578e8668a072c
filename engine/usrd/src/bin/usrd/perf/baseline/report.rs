//! Medians and ratios.

use serde::Serialize;

use super::contest::VERIFY_EVERY;
use super::{Flow, MESSAGE_BYTES, PING_BYTES, ROUNDS};
use crate::failure::Failure;
use crate::units::show_size;

/// Everything, once.
#[derive(Debug)]
pub(super) struct Round {
    /// Raw UDP, free-running.
    pub(super) free: Flow,
    /// Raw UDP, flow-controlled.
    pub(super) controlled: Flow,
    pub(super) usrd: Flow,
    pub(super) tcp: Flow,
    pub(super) raw_rtt_ns: u64,
    pub(super) usrd_rtt_ns: u64,
}

/// All rounds.
#[derive(Debug)]
pub(super) struct Comparison {
    datagram_bytes: usize,
    raw: Flows,
    usrd: Flows,
    tcp: Flows,
    raw_rtt_us: Vec<f64>,
    usrd_rtt_us: Vec<f64>,
}

/// One contender in all rounds.
#[derive(Debug, Default)]
struct Flows {
    gbps: Vec<f64>,
    cpu_ns_per_byte: Vec<f64>,
}

/// The JSON format; also what is printed.
#[derive(Debug, Serialize)]
struct Summary {
    version: u32,
    rounds: u32,
    message_bytes: usize,
    datagram_bytes: usize,
    ping_bytes: usize,
    contents_verified_every: u32,
    bulk: [Line; 3],
    raw_rtt_p50_us: f64,
    usrd_rtt_p50_us: f64,
    goodput_ratio_to_raw: f64,
    cpu_per_byte_ratio_to_raw: f64,
    cpu_per_byte_ratio_to_tcp: f64,
    rtt_ratio_to_raw: f64,
}

/// One contender.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    gbps: f64,
    gbps_rounds: Vec<f64>,
    cpu_ns_per_byte: f64,
    cpu_ns_per_byte_rounds: Vec<f64>,
}

impl Comparison {
    pub(super) fn new(datagram_bytes: usize) -> Self {
        Self {
            datagram_bytes,
            raw: Flows::default(),
            usrd: Flows::default(),
            tcp: Flows::default(),
            raw_rtt_us: Vec::new(),
            usrd_rtt_us: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, round: &Round) {
        // The raw limit is the better of both, in each respect.
        self.raw.add(Flow {
            gbps: round.free.gbps.max(round.controlled.gbps),
            cpu_ns_per_byte: round.free.cpu_ns_per_byte.min(round.controlled.cpu_ns_per_byte),
        });
        self.usrd.add(round.usrd);
        self.tcp.add(round.tcp);
        self.raw_rtt_us.push(round.raw_rtt_ns as f64 / 1e3);
        self.usrd_rtt_us.push(round.usrd_rtt_ns as f64 / 1e3);
    }

    pub(super) fn print(self, json: bool) -> Result<(), Failure> {
        let summary = self.summary();
        if json {
            println!("{}", serde_json::to_string_pretty(&summary).map_err(Failure::run)?);
        } else {
            summary.print();
        }
        Ok(())
    }

    fn summary(self) -> Summary {
        let ratio = |of: &[f64], to: &[f64]| {
            median(&of.iter().zip(to).map(|(of, to)| of / to).collect::<Vec<_>>())
        };
        let Self { raw, usrd, tcp, raw_rtt_us, usrd_rtt_us, datagram_bytes } = self;
        Summary {
            version: 1,
            rounds: ROUNDS,
            message_bytes: MESSAGE_BYTES,
            datagram_bytes,
            ping_bytes: PING_BYTES,
            contents_verified_every: VERIFY_EVERY,
            raw_rtt_p50_us: median(&raw_rtt_us),
            usrd_rtt_p50_us: median(&usrd_rtt_us),
            goodput_ratio_to_raw: ratio(&usrd.gbps, &raw.gbps),
            cpu_per_byte_ratio_to_raw: ratio(&usrd.cpu_ns_per_byte, &raw.cpu_ns_per_byte),
            cpu_per_byte_ratio_to_tcp: ratio(&usrd.cpu_ns_per_byte, &tcp.cpu_ns_per_byte),
            rtt_ratio_to_raw: ratio(&usrd_rtt_us, &raw_rtt_us),
            bulk: [raw.line("raw UDP"), usrd.line("usrd"), tcp.line("TCP")],
        }
    }
}

impl Flows {
    fn add(&mut self, flow: Flow) {
        self.gbps.push(flow.gbps);
        self.cpu_ns_per_byte.push(flow.cpu_ns_per_byte);
    }

    fn line(self, name: &'static str) -> Line {
        Line {
            name,
            gbps: median(&self.gbps),
            gbps_rounds: self.gbps,
            cpu_ns_per_byte: median(&self.cpu_ns_per_byte),
            cpu_ns_per_byte_rounds: self.cpu_ns_per_byte,
        }
    }
}

impl Summary {
    fn print(&self) {
        println!(
            "usrd perf --baseline: {} interleaved rounds in one process, two pinned threads, \
             loopback interface; medians\n",
            self.rounds
        );
        println!(
            "{} messages, datagrams of {} B:",
            show_size(self.message_bytes),
            self.datagram_bytes
        );
        println!("{:>10} {:>9} {:>22}   Gb/s of each round", "", "Gb/s", "CPU of both ends, ns/B");
        for line in &self.bulk {
            let rounds: Vec<_> = line.gbps_rounds.iter().map(|gbps| format!("{gbps:.1}")).collect();
            println!(
                "{:>10} {:>9.2} {:>22.3}   {}",
                line.name,
                line.gbps,
                line.cpu_ns_per_byte,
                rounds.join(" ")
            );
        }
        println!("\nround trip of {} B, both ends polling, p50:", self.ping_bytes);
        println!("{:>10} {:>9.2} us", "raw UDP", self.raw_rtt_p50_us);
        println!("{:>10} {:>9.2} us", "usrd", self.usrd_rtt_p50_us);
        println!("\nmedian of the rounds' ratios:");
        println!("{:>7.2}  goodput, usrd to raw UDP", self.goodput_ratio_to_raw);
        println!("{:>7.2}  CPU per byte, usrd to raw UDP", self.cpu_per_byte_ratio_to_raw);
        println!("{:>7.2}  CPU per byte, usrd to TCP", self.cpu_per_byte_ratio_to_tcp);
        println!("{:>7.2}  round trip, usrd to raw UDP", self.rtt_ratio_to_raw);
        println!(
            "\nraw UDP: one connected socket pair, trains by segmentation offload, the better of \
             free-running and\nflow-controlled, nothing done with what arrives. usrd: number and \
             length of every message are\nchecked, the contents of one in {}; `usrd perf` checks \
             them all. TCP: one stream, {} writes.",
            self.contents_verified_every,
            show_size(self.message_bytes)
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert!(median(&[]).is_nan());
    }
}
