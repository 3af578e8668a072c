//! A run: takes events off the queue and hands them to the network or to a host, until all is done.

use std::collections::HashSet;
use std::time::Instant as WallClock;

use usrd_proto::{Config, ConfigError, Endpoint};

use crate::check;
use crate::event::Event;
use crate::host::{Expected, Host, Transport};
use crate::report::Report;
use crate::rng::{Component, Stream};
use crate::scenario::{Faults, Scenario};
use crate::time::Time;
use crate::units::Probability;
use crate::workload::Plan;
use crate::world::World;

/// One run of a scenario.
#[derive(Debug)]
pub struct Simulation<T> {
    scenario: Scenario,
    seed: u64,
    world: World,
    hosts: Vec<Host<T>>,
}

impl Simulation<Endpoint> {
    /// A run with the real core in every host.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, ConfigError> {
        Self::with_transports(scenario, seed, |_, config| Endpoint::new(config))
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
        let plan = scenario.plan(seed);
        let expected = expectations(scenario, &plan);
        let ahead = scenario.workload.receives_ahead();
        let host = |id: u32| {
            let transport = make(id, host_config(scenario, seed, id))?;
            Ok(Host::new(id, transport, count, expected[id as usize], ahead))
        };
        let hosts = (0..count).map(host).collect::<Result<_, E>>()?;
        let world = World::new(scenario, seed, &plan);
        Ok(Self { scenario: scenario.clone(), seed, world, hosts })
    }

    /// Runs to the end and reports.
    pub fn run(mut self) -> Report {
        let clock = WallClock::now();
        self.start();
        self.step_until_done();
        let lossless = is_lossless(&self.scenario.faults);
        check::finish(&mut self.world, &self.hosts, lossless);
        Report::new(&self.scenario, self.seed, &self.world, &self.hosts, clock.elapsed())
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
    }

    /// Goes on after the last completion until the network is silent: late packets and the last
    /// ACKs are part of the run.
    fn step_until_done(&mut self) {
        let mut end = self.scenario.end;
        let mut done = false;
        while let Some((time, event)) = self.world.queue.pop() {
            if time > end {
                self.world.now = end;
                return;
            }
            self.world.now = time;
            self.dispatch(event);
            if self.world.traffic.is_done() {
                if !done {
                    (done, end) = (true, time + DRAIN);
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
            Event::Arrive { link, packet } => {
                let host = world.with_fabric(|fabric, cx| fabric.arrive(cx, link, packet));
                if let Some(host) = host {
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
            Event::FlowStart { flow } => {
                let from = world.traffic.flows()[flow as usize].spec.src;
                hosts[from as usize].start_flow(world, flow);
            }
        }
    }

    /// Whether no packet is under way, and nobody waits for an answer.
    fn is_silent(&self) -> bool {
        self.world.fabric.packets.live() == 0
            && self.hosts.iter().all(|host| host.in_flight_bytes() == 0)
    }
}

/// What each host will receive. Flows of a chain come one after the other, so the chains between
/// two hosts count as one flow.
fn expectations(scenario: &Scenario, plan: &Plan) -> Vec<Expected> {
    let mut expected = vec![Expected::default(); scenario.topology.hosts as usize];
    let waiting: HashSet<u32> = plan.causes.iter().map(|cause| cause.flow).collect();
    let mut chains = HashSet::new();
    for (number, flow) in (0..).zip(&plan.flows) {
        let host = &mut expected[flow.dst as usize];
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

fn is_lossless(faults: &Faults) -> bool {
    let never = |odds: [Probability; 3]| odds.iter().all(|odds| odds.share() == 0.0);
    never([faults.loss, faults.duplication, faults.reorder])
        && faults.link.iter().all(|own| never([own.loss, own.duplication, own.reorder]))
}

/// How long after the last completion the network has to fall silent: some retransmission timeouts.
const DRAIN: Time = Time::from_ns(20_000_000);
