//! A run: takes events off the queue and hands them to the network or to a host, until all is done.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Instant as WallClock;

use usrd_proto::{Config, ConfigError, EndpointStats, PathStats, PeerStats};

use crate::check;
use crate::event::Event;
use crate::fabric::Fabric;
use crate::host::{After, Expected, Host, Stack, Transport};
use crate::observe::{Observer, Recorder, View};
use crate::report::Report;
use crate::rng::{Component, Stream};
use crate::scenario::{FaultAction, Scenario};
use crate::time::Time;
use crate::traffic::Traffic;
use crate::workload::{OperationKey, Plan};
use crate::world::World;

/// One run of a scenario.
#[derive(Debug)]
pub struct Simulation<T> {
    scenario: Scenario,
    seed: u64,
    world: World,
    hosts: Vec<Host<T>>,
    /// The endpoints that hosts have after a crash, by the step of the plan of faults.
    successors: BTreeMap<u32, T>,
}

impl Simulation<Stack> {
    /// A run with the scenario's transport in every host: the real core, or a baseline.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, ConfigError> {
        Self::with_transports(scenario, seed, |host, config| Stack::new(scenario, host, config))
    }
}

impl<T: Transport> Simulation<T> {
    /// A run with what `make` makes of each host's number and configuration.
    pub fn with_transports<E>(
        scenario: &Scenario,
        seed: u64,
        mut make: impl FnMut(u32, Config) -> Result<T, E>,
    ) -> Result<Self, E> {
        let count = scenario.topology.hosts;
        let plan = scenario.traffic_plan(seed);
        let expected = expectations(scenario, &plan);
        let ahead = scenario.workload.receives_ahead();
        let host = |id: u32| {
            let transport = make(id, host_config(scenario, seed, id))?;
            Ok(Host::new(id, transport, expected[id as usize], ahead))
        };
        let hosts = (0..count).map(host).collect::<Result<_, E>>()?;
        let mut successors = BTreeMap::new();
        for (step, planned) in (0..).zip(scenario.fault_steps()) {
            if let FaultAction::Crash(host, _) = planned.action {
                let seed = Stream::new(seed, Component::Incarnation, step).bits();
                successors.insert(step, make(host, Config { seed, ..scenario.core_config() })?);
            }
        }
        let world = World::new(scenario, seed, &plan);
        Ok(Self { scenario: scenario.clone(), seed, world, hosts, successors })
    }

    /// Lets somebody watch.
    pub fn recorded_by(mut self, recorder: Box<dyn Recorder>) -> Self {
        self.world.observer = Observer::recorded_by(recorder);
        self
    }

    /// Runs to the end and reports.
    pub fn run(self) -> Report {
        self.run_watched(&mut |_: &Self| ControlFlow::Continue(()))
    }

    /// The same; `watch` sees it every few thousand events, and ends it if it breaks.
    pub fn run_watched(self, watch: &mut impl FnMut(&Self) -> ControlFlow<()>) -> Report {
        self.run_to_end(watch).0
    }

    /// The same; the hosts are left, as they are then.
    pub fn run_to_end(
        mut self,
        watch: &mut impl FnMut(&Self) -> ControlFlow<()>,
    ) -> (Report, Vec<Host<T>>) {
        let clock = WallClock::now();
        self.start();
        self.step_until_done(watch);
        check::finish(&self.scenario, &mut self.world, &self.hosts);
        self.show(|recorder, now, view| recorder.finish(now, view));
        let took = clock.elapsed();
        let report = Report::new(&self.scenario, self.seed, &self.world, &self.hosts, took);
        (report, self.hosts)
    }

    /// Everything but the hosts.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Host<T>] {
        &self.hosts
    }

    fn start(&mut self) {
        for host in &mut self.hosts {
            host.start(&mut self.world);
        }
        for (flow, state) in (0..).zip(self.world.traffic.flows()) {
            if state.began_at < Time::NEVER {
                self.world.queue.schedule(state.began_at, Event::FlowStart { flow });
            }
        }
        for (step, planned) in (0..).zip(self.world.fabric.fault_plan()) {
            self.world.queue.schedule(planned.at, Event::Fault { step });
        }
        self.plan_sample();
    }

    /// Goes on after the last completion until the network is silent: late packets and the last
    /// ACKs are part of the run.
    fn step_until_done(&mut self, watch: &mut impl FnMut(&Self) -> ControlFlow<()>) {
        let mut end = self.scenario.end;
        let drain = self.scenario.drain();
        let mut done = false;
        let mut taken = 0u32;
        while let Some((time, event)) = self.world.queue.pop() {
            if time > end {
                self.world.now = end;
                return;
            }
            taken = taken.wrapping_add(1);
            if taken.is_multiple_of(BREATH_EVENTS) && watch(self).is_break() {
                return;
            }
            self.world.now = time;
            self.dispatch(event);
            if self.world.traffic.is_done() {
                if !done {
                    (done, end) = (true, time + drain);
                }
                if self.is_silent() {
                    return;
                }
            }
        }
    }

    #[inline]
    fn dispatch(&mut self, event: Event) {
        let Self { world, hosts, .. } = self;
        match event {
            Event::Arrive { link } => {
                if let Some((host, packet)) =
                    world.with_fabric(|fabric, cx| fabric.arrive(cx, link))
                {
                    hosts[host as usize].arrived(world, packet);
                }
            }
            Event::Straggle { link, packet } => {
                if let Some((host, packet)) =
                    world.with_fabric(|fabric, cx| fabric.arrived(cx, link, packet))
                {
                    hosts[host as usize].arrived(world, packet);
                }
            }
            Event::LinkFree { link } => {
                world.with_fabric(|fabric, cx| fabric.link_free(cx, link));
                if let Some(host) = hosts.get_mut(link as usize) {
                    host.nic_free(world);
                }
            }
            Event::Timer { host, generation } => hosts[host as usize].timer(world, generation),
            Event::Placed { host, placement } => hosts[host as usize].placed(world, placement),
            Event::Expect { host, message } => hosts[host as usize].expect(world, message),
            Event::Cancel { host, message } => hosts[host as usize].cancel(world, message),
            Event::NoticeTaken { host, incarnation } => {
                hosts[host as usize].take_late_notice(world, incarnation);
            }
            Event::CloseDue { host } => hosts[host as usize].close_due(world),
            Event::FlowStart { flow } => {
                let from = world.traffic.flows()[flow as usize].spec.src;
                hosts[from as usize].start_flow(world, flow);
            }
            Event::Fault { step } => self.apply_fault(step),
            Event::Sample => {
                self.show(|recorder, now, view| recorder.sample(now, view));
                self.plan_sample();
            }
        }
    }

    fn apply_fault(&mut self, step: u32) {
        let Self { world, hosts, .. } = self;
        world.with_fabric(|fabric, cx| fabric.apply_fault(cx, step));
        match world.fabric.fault_plan()[step as usize].action {
            FaultAction::Pause(host, paused) => hosts[host as usize].set_paused(world, paused),
            FaultAction::Drift(host, ppm) => hosts[host as usize].set_drift(world, ppm),
            FaultAction::Crash(host, comes_back) => {
                if let Some(successor) = self.successors.remove(&step) {
                    hosts[host as usize].crash(world, successor, comes_back);
                }
            }
            FaultAction::Revoke(host) => hosts[host as usize].revoke(world),
            FaultAction::Expose(host) => hosts[host as usize].expose(world),
            FaultAction::Close(host, peer, patience) => {
                hosts[host as usize].close_peer(world, peer, patience, After::GoOn);
            }
            FaultAction::Suspend(host, peer, patience) => {
                hosts[host as usize].close_peer(world, peer, patience, After::Wait);
            }
            FaultAction::Reopen(host, peer) => hosts[host as usize].reopen_peer(world, peer),
            FaultAction::Restart(host) => hosts[host as usize].restart(world),
            FaultAction::Down(..)
            | FaultAction::Rate(..)
            | FaultAction::Loss(..)
            | FaultAction::BlackHole(..) => {}
        }
    }

    fn plan_sample(&mut self) {
        let every = self.world.observer.recorder().and_then(|recorder| recorder.sample_every());
        if let Some(every) = every {
            let at = self.world.now + every.max(Time::from_ps(1));
            self.world.queue.schedule_timer(at, Event::Sample);
        }
    }

    /// Shows everything to who watches, if somebody does.
    fn show(&mut self, what: impl FnOnce(&mut dyn Recorder, Time, &dyn View)) {
        let mut observer = std::mem::take(&mut self.world.observer);
        if let Some(recorder) = observer.recorder() {
            what(recorder, self.world.now, &*self);
        }
        self.world.observer = observer;
    }

    /// Whether no packet is under way, and nobody waits for an answer, or for the rest of a message or
    /// an earlier one: who was to send that may have crashed.
    fn is_silent(&self) -> bool {
        self.world.fabric.packets.live() == 0 && self.hosts.iter().all(Host::is_at_rest)
    }
}

impl<T: Transport> View for Simulation<T> {
    fn fabric(&self) -> &Fabric {
        &self.world.fabric
    }

    fn traffic(&self) -> &Traffic {
        &self.world.traffic
    }

    fn endpoint(&self, host: u32) -> EndpointStats {
        self.hosts[host as usize].transport().stats()
    }

    fn peer(&self, host: u32, other: u32) -> Option<PeerStats> {
        let host = &self.hosts[host as usize];
        host.transport().peer_stats(host.peer(other)?)
    }

    fn paths(&self, host: u32, other: u32) -> Vec<PathStats> {
        let host = &self.hosts[host as usize];
        host.peer(other).map_or(Vec::new(), |peer| host.transport().path_stats(peer))
    }
}

/// What each host will receive. Flows of a chain come one after the other, so the chains between
/// two hosts count as one flow.
fn expectations(scenario: &Scenario, plan: &Plan) -> Vec<Expected> {
    let mut expected = vec![Expected::default(); scenario.topology.hosts as usize];
    let waiting: HashSet<u32> = plan.causes.iter().map(|cause| cause.flow).collect();
    let mut chains = HashSet::new();
    for (number, flow) in (0..).zip(&plan.flows) {
        let kind = flow.operation.kind;
        let host = &mut expected[flow.dst as usize];
        if kind == OperationKey::Tagged {
            host.largest = host.largest.max(flow.size);
        }
        // Receives of tagged messages are posted one by one.
        if !kind.is_message() {
            continue;
        }
        host.messages += u64::from(flow.messages);
        host.largest = host.largest.max(flow.size);
        let counts = !waiting.contains(&number) || chains.insert((flow.src, flow.dst));
        host.flows += u64::from(counts);
    }
    expected
}

fn host_config(scenario: &Scenario, seed: u64, host: u32) -> Config {
    Config { seed: Stream::new(seed, Component::Endpoint, host).bits(), ..scenario.core_config() }
}

impl Scenario {
    /// How long after the last completion the network may take to fall silent: until whoever still
    /// waits for an answer gives its peer up, at the latest. Answers may be lost time and again, and
    /// of a crash a host may only learn by silence.
    fn drain(&self) -> Time {
        let silence = self.core_config().loss.peer_dead_after.as_nanos() as u64;
        DRAIN + Time::from_ns(silence)
    }
}

/// What follows when a peer is given up.
const DRAIN: Time = Time::from_ns(20_000_000);
/// Often enough for a person who watches, and rarely enough to cost nothing.
const BREATH_EVENTS: u32 = 4_096;
