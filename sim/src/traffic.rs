//! The flows of a run: what has been sent, acknowledged and received of each, and how long it
//! would have taken in a network of its own.

use usrd_proto::wire::DATA_HEADER_BYTES;

use crate::scenario::{FlowSpec, Scenario, ServiceKey};
use crate::time::Time;

/// Names a message in the whole run. It is also the send's token and buffer, so that every payload
/// range says whose it is.
pub type MessageId = u32;

/// One flow under way.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What it is.
    pub spec: FlowSpec,
    /// The first of its messages; the others follow.
    pub first_message: MessageId,
    /// Messages handed to the sender's endpoint.
    pub submitted: u32,
    /// Messages that the sender's endpoint has completed, well or not.
    pub completed: u32,
    /// Of those, how many with an error.
    pub failed: u32,
    /// Messages that the receiver's endpoint has delivered.
    pub received: u32,
    /// When the sender's last completion came.
    pub sent_at: Time,
    /// When the receiver's last completion came.
    pub received_at: Time,
    /// Data packets sent.
    pub packets: u64,
    /// Of those, repetitions.
    pub retransmissions: u64,
    /// Packets that arrived although the receiver had their data from another transmission.
    pub spurious: u64,
}

impl Flow {
    /// Whether nothing more is to be expected of it. UD promises nothing to the receiver.
    pub fn is_done(&self) -> bool {
        let all = self.spec.messages;
        self.completed >= all && (self.received >= all || self.spec.service == ServiceKey::Ud)
    }
}

/// All flows, and which message belongs to which.
#[derive(Debug)]
pub struct Traffic {
    flows: Vec<Flow>,
    /// The flow of each message.
    owners: Vec<u32>,
    open: usize,
}

impl Traffic {
    /// Flows that have not begun.
    pub fn new(specs: &[FlowSpec]) -> Self {
        let mut owners = Vec::new();
        let mut flows = Vec::with_capacity(specs.len());
        for (number, &spec) in specs.iter().enumerate() {
            flows.push(Flow {
                spec,
                first_message: owners.len() as MessageId,
                submitted: 0,
                completed: 0,
                failed: 0,
                received: 0,
                sent_at: Time::ZERO,
                received_at: Time::ZERO,
                packets: 0,
                retransmissions: 0,
                spurious: 0,
            });
            owners.resize(owners.len() + spec.messages as usize, number as u32);
        }
        Self { open: flows.len(), flows, owners }
    }

    /// All flows, by number.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// How many messages the flows have.
    pub fn message_count(&self) -> usize {
        self.owners.len()
    }

    /// Whether every flow is done.
    pub fn is_done(&self) -> bool {
        self.open == 0
    }

    /// The flow of a message.
    pub fn flow_of(&self, message: MessageId) -> u32 {
        self.owners[message as usize]
    }

    /// A message's flow, its size above all.
    pub fn spec_of(&self, message: MessageId) -> &FlowSpec {
        &self.flows[self.flow_of(message) as usize].spec
    }

    /// The flow of a message, to count something.
    pub fn of_message(&mut self, message: MessageId) -> &mut Flow {
        let flow = self.flow_of(message);
        &mut self.flows[flow as usize]
    }

    /// The next message of a flow, if one may start: no more than `outstanding` are under way.
    pub fn submit(&mut self, flow: u32, outstanding: u32) -> Option<MessageId> {
        let flow = &mut self.flows[flow as usize];
        let under_way = flow.submitted - flow.completed.min(flow.submitted);
        if flow.submitted == flow.spec.messages || under_way >= outstanding {
            return None;
        }
        flow.submitted += 1;
        Some(flow.first_message + flow.submitted - 1)
    }

    /// The sender's endpoint is done with a message.
    pub fn completed(&mut self, now: Time, message: MessageId, well: bool) {
        self.advance(message, |flow| {
            flow.completed += 1;
            flow.failed += u32::from(!well);
            flow.sent_at = now;
        });
    }

    /// The receiver's endpoint has delivered a message.
    pub fn received(&mut self, now: Time, message: MessageId) {
        self.advance(message, |flow| {
            flow.received += 1;
            flow.received_at = now;
        });
    }

    fn advance(&mut self, message: MessageId, step: impl FnOnce(&mut Flow)) {
        let flow = self.of_message(message);
        let before = flow.is_done();
        step(flow);
        let after = flow.is_done();
        self.open -= usize::from(after && !before);
    }
}

/// What the messages of a flow take on the wire, headers included.
pub fn wire_bytes(scenario: &Scenario, spec: &FlowSpec) -> u64 {
    let per_packet = DATA_HEADER_BYTES as u64 + scenario.links.overhead.0;
    let packets = spec.size.div_ceil(scenario.core.mtu.0).max(1);
    u64::from(spec.messages) * (spec.size + packets * per_packet)
}

/// How long a flow takes, alone in the network, until its receiver has everything.
pub fn ideal_receiver_fct(scenario: &Scenario, spec: &FlowSpec) -> Time {
    let total = wire_bytes(scenario, spec);
    let last_packet = total.min(scenario.packet_bytes());
    let rate = scenario.links.rate;
    // All of it crosses the first link; the last packet then crosses the second.
    rate.time_for(total - last_packet) + scenario.one_way(last_packet, scenario.path_delay(0))
}

/// The same until the sender knows.
pub fn ideal_sender_fct(scenario: &Scenario, spec: &FlowSpec) -> Time {
    let forth = scenario.one_way(scenario.packet_bytes(), scenario.path_delay(0));
    ideal_receiver_fct(scenario, spec) + (scenario.least_rtt() - forth)
}

/// The least time in which the network can carry all flows: its busiest host link never idles.
pub fn ideal_span(scenario: &Scenario, specs: &[FlowSpec]) -> Time {
    let hosts = scenario.topology.hosts as usize;
    let (mut sent, mut received) = (vec![0u64; hosts], vec![0u64; hosts]);
    let mut longest = Time::ZERO;
    for spec in specs {
        let bytes = wire_bytes(scenario, spec);
        sent[spec.src as usize] += bytes;
        received[spec.dst as usize] += bytes;
        longest = longest.max(spec.start + ideal_sender_fct(scenario, spec));
    }
    let busiest = sent.into_iter().chain(received).max().unwrap_or(0);
    longest.max(scenario.links.rate.time_for(busiest) + scenario.least_rtt())
}
