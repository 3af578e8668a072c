//! Hosts with a deliberate defect: every one is caught, by the checker whose property it breaks.

use std::sync::Mutex;
use std::time::Duration;

use usrd_proto::{
    AddPeerError, BounceCopy, Config, Disposition, Endpoint, EndpointStats, Event, Handled,
    HeaderBuffer, Inbound, InboundId, Instant, PathStats, PeerId, PeerStats, RecvError,
    RecvRequest, SendError, SendRequest, Transmit,
};
use usrd_sim::check::Checker;
use usrd_sim::host::Transport;
use usrd_sim::scenario::TopologyKind;
use usrd_sim::search::{Finding, Fuzz, Shrink, caught as caught_panic};
use usrd_sim::units::Probability;
use usrd_sim::workload::FlowSpec;
use usrd_sim::{Report, Scenario, Simulation, Status};

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    /// Tells its endpoint about every 100th placement, and does not do it.
    ForgetsPlacements,
    /// Places every 100th packet a byte too far.
    MisplacesPayload,
    /// Reports every 10th delivery twice.
    DeliversTwice,
    /// Reports the fifth delivery after the sixth.
    SwapsDeliveries,
    /// Never reports the third completed send.
    LosesCompletion,
    /// Sends every 50th data packet again at once.
    RepeatsItself,
    /// Never gives bounce memory back.
    LeaksBounces,
    /// Lets five packets overtake every 20th.
    SwapsPackets,
}

/// An endpoint, and what is done wrong around it.
struct Broken {
    endpoint: Endpoint,
    defect: Defect,
    count: u64,
    held: Option<Event>,
    repeat: Option<(HeaderBuffer, Transmit)>,
    /// A packet that is being overtaken, and by how many it has been.
    late: Option<(HeaderBuffer, Transmit, u32)>,
}

impl Broken {
    fn new(endpoint: Endpoint, defect: Defect) -> Self {
        Self { endpoint, defect, count: 0, held: None, repeat: None, late: None }
    }

    /// Counts; true at every `nth`.
    fn nth(&mut self, nth: u64) -> bool {
        self.count += 1;
        self.count.is_multiple_of(nth)
    }

    /// The next packet of a host that swaps some.
    fn swapped(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        if let Some((held, transmit, _)) = self.late.take_if(|late| late.2 >= 5) {
            *header = held;
            return Some(transmit);
        }
        let transmit = self.endpoint.poll_transmit(now, header)?;
        if transmit.payload.is_none() {
            return Some(transmit);
        }
        if let Some(late) = &mut self.late {
            late.2 += 1;
        } else if self.nth(20) {
            self.late = Some((*header, transmit, 0));
            return self.endpoint.poll_transmit(now, header);
        }
        Some(transmit)
    }

    fn spoil_event(&mut self, event: Event) -> Option<Event> {
        match (self.defect, event) {
            (Defect::DeliversTwice, Event::RecvCompleted { .. }) if self.nth(10) => {
                self.held = Some(event);
            }
            (Defect::SwapsDeliveries, Event::RecvCompleted { .. }) => {
                self.count += 1;
                if self.count == 5 {
                    self.held = Some(event);
                    return None;
                }
            }
            (Defect::LosesCompletion, Event::SendCompleted { .. }) => {
                self.count += 1;
                if self.count == 3 {
                    return None;
                }
            }
            (Defect::LeaksBounces, Event::BounceFreed { .. }) => return None,
            _ => {}
        }
        Some(event)
    }

    /// A held event comes after the next, or, as a repetition, at once.
    fn take_held(&mut self) -> Option<Event> {
        let due = self.defect == Defect::DeliversTwice || self.count >= 6;
        if due { self.held.take() } else { None }
    }
}

impl Transport for Broken {
    fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled {
        let mut handled = self.endpoint.handle_datagram(now, inbound);
        let Disposition::Place(mut placement) = handled.disposition else {
            return handled;
        };
        let spoils = matches!(self.defect, Defect::ForgetsPlacements | Defect::MisplacesPayload);
        let spoilt = spoils && self.nth(100);
        match self.defect {
            Defect::ForgetsPlacements if spoilt => {
                self.endpoint.handle_placed(now, placement.message);
                handled.disposition = Disposition::Consumed;
            }
            Defect::MisplacesPayload if spoilt => {
                placement.offset += 1;
                handled.disposition = Disposition::Place(placement);
            }
            _ => {}
        }
        handled
    }

    fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        if self.defect == Defect::SwapsPackets {
            return self.swapped(now, header);
        }
        if let Some((again, transmit)) = self.repeat.take() {
            *header = again;
            header[1] |= usrd_proto::wire::DataFlags::RETRANSMISSION.0;
            return Some(transmit);
        }
        let transmit = self.endpoint.poll_transmit(now, header)?;
        let data = transmit.payload.is_some();
        if data && self.defect == Defect::RepeatsItself && self.nth(50) {
            self.repeat = Some((*header, transmit));
        }
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take_held() {
                return Some(event);
            }
            let event = self.endpoint.poll_event()?;
            if let Some(event) = self.spoil_event(event) {
                return Some(event);
            }
        }
    }

    fn add_peer(&mut self, now: Instant) -> Result<PeerId, AddPeerError> {
        self.endpoint.add_peer(now)
    }

    fn send(&mut self, now: Instant, to: PeerId, request: SendRequest) -> Result<(), SendError> {
        self.endpoint.send(now, to, request)
    }

    fn post_recv(&mut self, now: Instant, request: RecvRequest) -> Result<(), RecvError> {
        self.endpoint.post_recv(now, request)
    }

    fn handle_placed(&mut self, now: Instant, message: InboundId) {
        self.endpoint.handle_placed(now, message);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_copy(&mut self) -> Option<BounceCopy> {
        self.endpoint.poll_copy()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn stats(&self) -> EndpointStats {
        self.endpoint.stats()
    }

    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        self.endpoint.peer_stats(peer)
    }

    fn path_stats(&self, peer: PeerId) -> Vec<PathStats> {
        self.endpoint.path_stats(peer).unwrap_or_default()
    }

    fn pending_sends(&self) -> usize {
        self.endpoint.pending_sends()
    }

    fn posted_receives(&self) -> usize {
        self.endpoint.posted_receives()
    }
}

/// Few receives and slow placements, so that some messages come unexpected.
fn scenario(service: &str, integrity: bool) -> Scenario {
    let text = format!(
        r#"
        name = "broken"
        transport = "{service}"
        end = "20ms"
        integrity = {integrity}
        topology = {{ kind = "star", hosts = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "3us" }}
        [workload]
        kind = "pairs"
        outstanding = 16
        posted_receives = 2
        pairs = [{{ src = 0, dst = 1, messages = 100, size = "20kB" }}]
        "#
    );
    Scenario::parse(&text, "broken").unwrap()
}

fn run(service: &str, defect: Defect) -> Report {
    run_in(&scenario(service, false), defect)
}

fn run_in(scenario: &Scenario, defect: Defect) -> Report {
    let make = |_, config| Endpoint::new(config).map(|endpoint| Broken::new(endpoint, defect));
    Simulation::with_transports(scenario, 1, make).unwrap().run()
}

/// A run in which every host was given another configuration than the scenario says.
fn misconfigured(keys: &str, wrong: impl Fn(&mut Config)) -> Report {
    let text = format!(
        r#"
        name = "misconfigured"
        end = "20ms"
        topology = {{ kind = "star", hosts = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "20us" }}
        {keys}
        [workload]
        kind = "pairs"
        outstanding = 16
        posted_receives = 2
        pairs = [{{ src = 0, dst = 1, messages = 100, size = "20kB" }}]
        "#
    );
    let scenario = Scenario::parse(&text, "misconfigured").unwrap();
    let make = |_, mut config| {
        wrong(&mut config);
        Endpoint::new(config)
    };
    Simulation::with_transports(&scenario, 1, make).unwrap().run()
}

fn is_caught(report: &Report, by: Checker) -> bool {
    report.violations.iter().any(|violation| violation.checker == by)
}

fn caught(service: &str, defect: Defect, by: Checker) -> Report {
    let report = run(service, defect);
    let found = report.violations.iter().any(|violation| violation.checker == by);
    assert!(found, "{defect:?} was not caught by {by}:\n{report}");
    assert_ne!(report.status, Status::Ok);
    report
}

#[test]
fn without_a_defect_nothing_is_found() {
    for service in ["srd", "rd"] {
        let report = run(service, Defect::None);
        assert_eq!(report.status, Status::Ok, "{report}");
    }
}

#[test]
fn unexpected_messages_keep_their_bytes() {
    for service in ["srd", "rd"] {
        let report = Simulation::new(&scenario(service, true), 1).unwrap().run();
        assert_eq!(report.status, Status::Ok, "{report}");
    }
}

#[test]
fn forgotten_placements_are_caught() {
    let report = caught("srd", Defect::ForgetsPlacements, Checker::ExactlyOnce);
    assert_eq!(report.status.exit_code(), 1);
}

#[test]
fn misplaced_payload_is_caught() {
    caught("srd", Defect::MisplacesPayload, Checker::Integrity);
}

#[test]
fn double_delivery_is_caught() {
    caught("srd", Defect::DeliversTwice, Checker::ExactlyOnce);
}

#[test]
fn delivery_out_of_order_is_caught_where_order_is_promised() {
    caught("rd", Defect::SwapsDeliveries, Checker::Order);
    assert_eq!(run("srd", Defect::SwapsDeliveries).status, Status::Ok);
}

#[test]
fn a_lost_completion_is_caught() {
    let report = caught("srd", Defect::LosesCompletion, Checker::Liveness);
    assert_eq!(report.status.exit_code(), 4);
}

#[test]
fn needless_repetition_is_caught() {
    caught("srd", Defect::RepeatsItself, Checker::Spurious);
}

#[test]
fn a_window_that_is_too_large_is_caught() {
    let keys = "core = { controller = \"fixed\", window = \"20kB\" }";
    assert_eq!(misconfigured(keys, |_| {}).status, Status::Ok);
    let report = misconfigured(keys, |config| config.cc.fixed_cwnd_bytes *= 2);
    assert!(is_caught(&report, Checker::Window), "{report}");
}

#[test]
fn bounce_memory_beyond_the_budget_is_caught() {
    let keys = "core = { bounce = \"64KiB\" }";
    assert_eq!(misconfigured(keys, |_| {}).status, Status::Ok);
    let report = misconfigured(keys, |config| config.bounce_bytes *= 10);
    assert!(is_caught(&report, Checker::Memory), "{report}");
}

/// One path, so that whatever overtakes does so on its own path; and some loss, as an excuse.
#[test]
fn more_gaps_than_losses_are_caught() {
    let lossy = |defect| {
        let mut scenario = scenario("srd", false);
        scenario.core.paths = 1;
        scenario.faults.loss = Probability::new(0.002).unwrap();
        run_in(&scenario, defect)
    };
    let report = lossy(Defect::None);
    assert!(report.totals.lost_by_gap > 0, "{report}");
    assert_eq!(report.status, Status::Ok, "{report}");
    let report = lossy(Defect::SwapsPackets);
    assert!(is_caught(&report, Checker::Spurious), "{report}");
}

#[test]
fn leaked_bounce_memory_is_caught() {
    caught("srd", Defect::LeaksBounces, Checker::Leftovers);
}

/// Judges a run whose hosts forget placements.
fn forgetful(scenario: &Scenario, seed: u64) -> Option<Finding> {
    let make = |_, config| {
        Endpoint::new(config).map(|endpoint| Broken::new(endpoint, Defect::ForgetsPlacements))
    };
    caught_panic(|| Finding::of(&Simulation::with_transports(scenario, seed, make).unwrap().run()))
}

#[test]
fn fuzzing_finds_the_defect_and_shrinking_leaves_what_it_takes() {
    let found = Mutex::new(Vec::new());
    let fuzz = Fuzz { root_seed: 1, time: Duration::from_secs(600), runs: 12 };
    fuzz.search(forgetful, |failure| found.lock().unwrap().push(failure));
    let mut found = found.into_inner().unwrap();
    found.retain(|failure| failure.finding.sort == "exactly-once");
    found.sort_by_key(|failure| failure.seed);
    let failure = found.first().expect("one of twelve scenarios sends a hundred packets to a host");

    let shrink =
        Shrink::new(failure.document.clone(), failure.seed, Duration::from_secs(600), forgetful);
    let shrunk = shrink.unwrap().run(|_, _| Vec::new());
    let text = shrunk.document.to_toml();
    let small = shrunk.document.scenario().unwrap();
    assert_eq!(shrunk.finding.sort, "exactly-once", "{text}");
    assert_eq!(forgetful(&small, failure.seed), Some(shrunk.finding.clone()));
    // The hundredth placement of a host is forgotten: about so many packets, and all to one host.
    let flows = small.traffic_plan(failure.seed).flows;
    let packets = |flow: &FlowSpec| u64::from(flow.messages) * flow.size.div_ceil(small.core.mtu.0);
    let total: u64 = flows.iter().map(packets).sum();
    assert!((100..=110).contains(&total), "{total}: {text}");
    assert!(flows.iter().all(|flow| flow.dst == flows[0].dst), "{text}");
    assert_eq!(small.topology.kind, TopologyKind::Star, "{text}");
    assert!(small.topology.hosts as usize <= flows.len() + 1, "{text}");
    assert!(!text.contains("[faults"), "no fault is needed for it:\n{text}");
}
