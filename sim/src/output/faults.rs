//! `faults.csv`: everything that went wrong in a run, as it came to pass: planned faults by name,
//! and each packet that chance or a fault took, with its link.

use std::io::Write;

use super::sink::Sink;
use crate::digest::Kind;
use crate::fabric::Packet;
use crate::observe::{Recorder, View};
use crate::scenario::{FaultEvent, FaultStep};
use crate::time::Time;
use crate::topology::Network;

/// Writes faults as they happen.
#[derive(Debug)]
pub struct FaultLog<W> {
    out: Sink<W>,
    links: Vec<String>,
    /// What each step of the plan does.
    steps: Vec<(String, Time)>,
}

impl<W: Write> FaultLog<W> {
    /// A log of what goes wrong in a network, some of it as planned.
    pub fn new(
        mut out: Sink<W>,
        network: &Network,
        events: &[FaultEvent],
        plan: &[FaultStep],
    ) -> Self {
        out.write(b"time_us,what,where,from,to,path,bytes\n");
        let links = 0..network.links().len() as u32;
        let step = |step: &FaultStep| {
            let event = &events[step.event as usize];
            let kind = serde_json::to_value(event.kind).unwrap_or_default();
            let end = if event.until == Some(step.at) { " over" } else { "" };
            let what = format!("{}{end},{}", kind.as_str().unwrap_or_default(), event.target);
            (what, step.at)
        };
        Self {
            out,
            links: links.map(|link| network.link_name(link)).collect(),
            steps: plan.iter().map(step).collect(),
        }
    }
}

impl<W: Write> Recorder for FaultLog<W> {
    fn packet(&mut self, now: Time, kind: Kind, place: u32, packet: &Packet) {
        let what = match kind {
            Kind::Loss => "loss",
            Kind::Down => "down",
            Kind::Corrupt => "corruption",
            Kind::Copy => "duplication",
            _ => return,
        };
        let link = self.links.get(place as usize).map_or("", |name| name);
        let (from, to, path, bytes) =
            (packet.source(), packet.destination, packet.path, packet.len);
        let line = format!("{:.6},{what},{link},{from},{to},{path},{bytes}\n", now.as_us());
        self.out.write(line.as_bytes());
    }

    fn fault(&mut self, _: Time, step: u32) {
        // A planned fault may take several links: one line is enough.
        let (what, at) = &self.steps[step as usize];
        if step > 0 && self.steps[step as usize - 1] == self.steps[step as usize] {
            return;
        }
        let line = format!("{:.6},{what},,,,\n", at.as_us());
        self.out.write(line.as_bytes());
    }

    fn finish(&mut self, _: Time, _: &dyn View) {
        self.out.finish();
    }
}
