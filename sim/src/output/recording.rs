//! What a run looked like over time: queues, windows, paths and links, in a few hundred steps
//! however long the run is. When there are too many steps, every two become one and the interval
//! doubles; so nobody has to know beforehand how long a run will take.

use std::cell::RefCell;
use std::rc::Rc;

use crate::digest::Kind;
use crate::fabric::Packet;
use crate::observe::{Recorder, View};
use crate::time::Time;
use crate::topology::{LinkId, Node};

/// Everything gathered. Shared between the run, which fills it in, and who reads it afterwards.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The names of the links that are watched, and their rates in bits per second.
    pub links: Vec<(String, u64)>,
    /// The pairs of hosts whose windows are watched.
    pub pairs: Vec<(u32, u32)>,
    /// Planned faults: what, from when, until when (in microseconds; the end of the run if never).
    pub faults: Vec<(String, f64, f64)>,
}

/// What happened in one interval, and how it stood at its end.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Its end.
    pub at: Time,
    /// How long it was.
    pub span: Time,
    /// Bytes queued for each watched link, at the end; only those with any: (link, bytes).
    pub queued: Vec<(u32, u64)>,
    /// Bytes that each watched link started to send.
    pub carried: Vec<u64>,
    /// Window, bytes in flight and smoothed round trip in nanoseconds of each watched pair.
    pub windows: Vec<Option<Window>>,
    /// Data packets sent on each path, over all hosts.
    pub paths: Vec<u32>,
    /// Bytes that started on the links to the hosts.
    pub delivered_bytes: u64,
    /// Flows done so far.
    pub flows_done: u32,
    /// Packets marked, trimmed and dropped.
    pub marked: u32,
    #[allow(missing_docs)]
    pub trimmed: u32,
    #[allow(missing_docs)]
    pub dropped: u32,
}

/// A sender's state towards one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The congestion window, in bytes.
    pub cwnd_bytes: u64,
    /// Bytes in flight.
    pub in_flight_bytes: u64,
    /// The smoothed round trip, in nanoseconds.
    pub srtt_ns: u64,
    /// Paths in use.
    pub paths_good: u32,
}

impl Step {
    /// This step and the one after it as one.
    fn join(&mut self, next: Self) {
        let carried = self.carried.iter().zip(&next.carried).map(|(a, b)| a + b).collect();
        let mut paths = vec![0; self.paths.len().max(next.paths.len())];
        for (path, count) in self.paths.iter().enumerate().chain(next.paths.iter().enumerate()) {
            paths[path] += count;
        }
        *self = Self {
            span: self.span + next.span,
            carried,
            paths,
            delivered_bytes: self.delivered_bytes + next.delivered_bytes,
            marked: self.marked + next.marked,
            trimmed: self.trimmed + next.trimmed,
            dropped: self.dropped + next.dropped,
            ..next
        };
    }
}

/// Fills in a [`Recording`].
#[derive(Debug)]
pub struct Sampler {
    recording: Rc<RefCell<Recording>>,
    every: Time,
    /// Whether the interval may double.
    adapts: bool,
    last: Time,
    watched: Vec<LinkId>,
    /// Bytes that each watched link had started to send at the last sample; at the end, those of
    /// the links to the hosts together.
    carried: Vec<u64>,
    delivered: u64,
    current: Step,
}

impl Sampler {
    /// A sampler that looks every so often; of its own choice, beginning with `every`, if `adapts`.
    pub fn new(every: Time, adapts: bool) -> (Self, Rc<RefCell<Recording>>) {
        let recording = Rc::new(RefCell::new(Recording::default()));
        let sampler = Self {
            recording: Rc::clone(&recording),
            every: every.max(Time::from_ns(1)),
            adapts,
            last: Time::ZERO,
            watched: Vec::new(),
            carried: Vec::new(),
            delivered: 0,
            current: Step::default(),
        };
        (sampler, recording)
    }

    /// Chooses what to watch, at the first look.
    fn begin(&mut self, view: &dyn View) {
        let network = view.fabric().network();
        let mut links: Vec<LinkId> = (0..network.links().len() as LinkId).collect();
        // A host's own link has no queue in the network.
        links.retain(|&link| matches!(network.links()[link as usize].from, Node::Switch(_)));
        if links.len() > MOST_LINKS {
            links.retain(|&link| matches!(network.links()[link as usize].to, Node::Switch(_)));
        }
        links.truncate(MOST_LINKS);
        let mut recording = self.recording.borrow_mut();
        let rate = |link: LinkId| network.links()[link as usize].rate.bps;
        recording.links = links.iter().map(|&link| (network.link_name(link), rate(link))).collect();
        self.carried = vec![0; links.len()];
        self.watched = links;
        let flows = view.traffic().flows().iter().map(|flow| (flow.spec.src, flow.spec.dst));
        for pair in flows {
            if !recording.pairs.contains(&pair) {
                recording.pairs.push(pair);
            }
            if recording.pairs.len() == MOST_PAIRS {
                break;
            }
        }
    }

    fn look(&mut self, now: Time, view: &dyn View) {
        if self.watched.is_empty() && self.recording.borrow().pairs.is_empty() {
            self.begin(view);
        }
        let mut step = std::mem::take(&mut self.current);
        (step.at, step.span) = (now, now - self.last);
        self.last = now;
        let links = view.fabric().links();
        for (number, &link) in (0..).zip(&self.watched) {
            let link = &links[link as usize];
            let queued = link.queued_bytes();
            if queued.0 + queued.1 > 0 {
                step.queued.push((number, queued.0 + queued.1));
            }
            let carried = link.stats().started_bytes;
            let before = std::mem::replace(&mut self.carried[number as usize], carried);
            step.carried.push(carried - before);
        }
        let hosts = links.iter().filter(|link| matches!(link.end(), Node::Host(_)));
        let delivered = hosts.map(|link| link.stats().started_bytes).sum();
        step.delivered_bytes = delivered - std::mem::replace(&mut self.delivered, delivered);
        step.flows_done =
            view.traffic().flows().iter().filter(|flow| flow.is_done()).count() as u32;
        let mut recording = self.recording.borrow_mut();
        let pairs = recording.pairs.iter();
        step.windows = pairs.map(|&(src, dst)| window(view, src, dst)).collect();
        recording.steps.push(step);
        if self.adapts && recording.steps.len() >= MOST_STEPS {
            self.every = self.every + self.every;
            halve(&mut recording.steps);
        }
    }
}

fn window(view: &dyn View, src: u32, dst: u32) -> Option<Window> {
    let stats = view.peer(src, dst)?;
    Some(Window {
        cwnd_bytes: stats.cwnd_bytes,
        in_flight_bytes: stats.in_flight_bytes,
        srtt_ns: stats.srtt_ns,
        paths_good: stats.paths_good,
    })
}

/// Every two steps become one.
fn halve(steps: &mut Vec<Step>) {
    let mut halved: Vec<Step> = Vec::with_capacity(MOST_STEPS);
    for (number, step) in steps.drain(..).enumerate() {
        match halved.last_mut() {
            Some(last) if number % 2 == 1 => last.join(step),
            _ => halved.push(step),
        }
    }
    *steps = halved;
}

impl Recorder for Sampler {
    fn packet(&mut self, _: Time, kind: Kind, _: u32, packet: &Packet) {
        match kind {
            Kind::Transmit if packet.payload().is_some() => {
                let path = usize::from(packet.path);
                if self.current.paths.len() <= path {
                    self.current.paths.resize(path + 1, 0);
                }
                self.current.paths[path] += 1;
            }
            Kind::Mark => self.current.marked += 1,
            Kind::Trim => self.current.trimmed += 1,
            Kind::TailDrop | Kind::Loss | Kind::Down | Kind::Corrupt => self.current.dropped += 1,
            _ => {}
        }
    }

    fn sample_every(&self) -> Option<Time> {
        Some(self.every)
    }

    fn sample(&mut self, now: Time, view: &dyn View) {
        self.look(now, view);
    }

    fn finish(&mut self, now: Time, view: &dyn View) {
        self.look(now, view);
    }
}

/// More steps are no help to the eye.
const MOST_STEPS: usize = 512;
/// All links between the switches of a fat tree with 1024 hosts.
const MOST_LINKS: usize = 4_096;
/// Enough to see how alike they are.
const MOST_PAIRS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scenario, Simulation};

    fn record(every: Time, adapts: bool) -> (Recording, crate::Report) {
        let text = include_str!("../../plans/incast.toml");
        let scenario = Scenario::parse(text, "incast").unwrap();
        let (sampler, recording) = Sampler::new(every, adapts);
        let simulation = Simulation::new(&scenario, 1).unwrap().recorded_by(Box::new(sampler));
        let report = simulation.run();
        (recording.take(), report)
    }

    #[test]
    fn watching_changes_nothing() {
        let text = include_str!("../../plans/incast.toml");
        let scenario = Scenario::parse(text, "incast").unwrap();
        let alone = Simulation::new(&scenario, 1).unwrap().run();
        let (_, watched) = record(Time::from_ns(500), true);
        assert_eq!((alone.digest, alone.simulated_ns), (watched.digest, watched.simulated_ns));
    }

    #[test]
    fn steps_add_up_to_the_run_whatever_their_length() {
        let (fine, report) = record(Time::from_ns(10_000), false);
        let (coarse, _) = record(Time::from_ns(10), true);
        assert!(coarse.steps.len() <= MOST_STEPS && coarse.steps.len() >= MOST_STEPS / 2);
        for recording in [fine, coarse] {
            let steps = &recording.steps;
            let span: Time = steps.iter().fold(Time::ZERO, |sum, step| sum + step.span);
            assert_eq!(span.as_ns(), report.simulated_ns);
            let sent: u32 = steps.iter().flat_map(|step| &step.paths).sum();
            assert_eq!(u64::from(sent), report.totals.packets);
            let marked: u32 = steps.iter().map(|step| step.marked).sum();
            assert_eq!(u64::from(marked), report.totals.marked);
            assert!(steps.iter().any(|step| !step.queued.is_empty()));
            assert_eq!(recording.pairs.len(), 8);
            assert_eq!(steps.last().unwrap().flows_done, 8);
        }
    }
}
