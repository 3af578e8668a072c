//! The flows of a run: what has been sent, acknowledged and received of each, and how long it
//! would have taken in a network of its own.

use usrd_proto::wire::DATA_HEADER_BYTES;

use crate::scenario::{Scenario, ServiceKey};
use crate::time::Time;
use crate::workload::{FlowSpec, Moment, Plan};

/// Names a message in the whole run. It is also the send's token and buffer, so that every payload
/// range says whose it is.
pub type MessageId = u32;

/// One flow under way.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What it is.
    pub spec: FlowSpec,
    /// When it began, or will begin; `NEVER` while it waits for other flows.
    pub began_at: Time,
    /// How many flows it still waits for.
    waits_for: u32,
    /// The job that it is part of.
    pub job: Option<u32>,
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
    /// Messages that nobody has to deliver any more, and nobody has: a crash of a host came between.
    pub lost: u32,
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
        self.completed >= all && (self.has_arrived() || self.spec.service == ServiceKey::Ud)
    }

    /// Whether the receiver has all that it can have.
    fn has_arrived(&self) -> bool {
        self.received + self.lost >= self.spec.messages
    }
}

/// All flows, and which message belongs to which.
#[derive(Debug)]
pub struct Traffic {
    flows: Vec<Flow>,
    /// The flow of each message.
    owners: Vec<u32>,
    /// How far each message is.
    fates: Vec<Fate>,
    open: usize,
    followers: Followers,
    progress_at: Time,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    submitted: bool,
    completed: bool,
    delivered: bool,
    /// A crash came between: it may be delivered, or not.
    excused: bool,
}

/// Which flows wait for which, by the flow that they wait for.
#[derive(Debug)]
struct Followers {
    /// Where the followers of each flow start in `list`; one more at the end.
    starts: Vec<u32>,
    /// (the flow that waits, for which end).
    list: Vec<(u32, Moment)>,
}

impl Followers {
    fn new(plan: &Plan) -> Self {
        let mut starts = vec![0u32; plan.flows.len() + 1];
        for cause in &plan.causes {
            starts[cause.after as usize + 1] += 1;
        }
        for flow in 0..plan.flows.len() {
            starts[flow + 1] += starts[flow];
        }
        let mut next = starts.clone();
        let mut list = vec![(0, Moment::Sent); plan.causes.len()];
        for &cause in &plan.causes {
            let place = &mut next[cause.after as usize];
            list[*place as usize] = (cause.flow, plan.moment(cause).unwrap_or(Moment::Sent));
            *place += 1;
        }
        Self { starts, list }
    }

    fn of(&self, flow: u32) -> &[(u32, Moment)] {
        let flow = flow as usize;
        &self.list[self.starts[flow] as usize..self.starts[flow + 1] as usize]
    }
}

impl Traffic {
    /// Flows that have not begun.
    pub fn new(plan: &Plan) -> Self {
        let mut owners = Vec::new();
        let mut flows = Vec::with_capacity(plan.flows.len());
        for (number, &spec) in plan.flows.iter().enumerate() {
            flows.push(Flow {
                spec,
                began_at: spec.start,
                waits_for: 0,
                job: plan.jobs[number],
                first_message: owners.len() as MessageId,
                submitted: 0,
                completed: 0,
                failed: 0,
                received: 0,
                lost: 0,
                sent_at: Time::ZERO,
                received_at: Time::ZERO,
                packets: 0,
                retransmissions: 0,
                spurious: 0,
            });
            owners.resize(owners.len() + spec.messages as usize, number as u32);
        }
        for cause in &plan.causes {
            let flow = &mut flows[cause.flow as usize];
            (flow.began_at, flow.waits_for) = (Time::NEVER, flow.waits_for + 1);
        }
        Self {
            open: flows.len(),
            flows,
            fates: vec![Fate::default(); owners.len()],
            owners,
            followers: Followers::new(plan),
            progress_at: Time::ZERO,
        }
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

    /// The message of a flow that is the `index`-th, from 0.
    pub fn message(&self, flow: u32, index: u32) -> MessageId {
        self.flows[flow as usize].first_message + index
    }

    /// The how manieth of its flow a message is, from 0.
    pub fn index_of(&self, message: MessageId) -> u32 {
        message - self.flows[self.flow_of(message) as usize].first_message
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

    /// The next message of a flow, if one may start: no more than `outstanding` are under way, and what
    /// an operation works on is nobody else's: whose place it takes is over.
    pub fn submit(&mut self, flow: u32, outstanding: u32) -> Option<MessageId> {
        let flow = &mut self.flows[flow as usize];
        let under_way = flow.submitted - flow.completed.min(flow.submitted);
        if flow.submitted == flow.spec.messages || under_way >= outstanding {
            return None;
        }
        let message = flow.first_message + flow.submitted;
        if flow.spec.operation.kind.is_transfer() && flow.submitted >= outstanding {
            let before = message - outstanding;
            if !self.fates[before as usize].completed {
                return None;
            }
        }
        flow.submitted += 1;
        self.fates[message as usize].submitted = true;
        Some(message)
    }

    /// The messages from or to a host whose ends do not both know how they ended.
    pub fn under_way(&self, host: u32) -> Vec<MessageId> {
        let of_host = self.flows.iter().filter(|it| it.spec.src == host || it.spec.dst == host);
        let messages = of_host.flat_map(|it| (it.first_message..).take(it.submitted as usize));
        let open = |fate: Fate| fate.submitted && !(fate.completed && fate.delivered);
        messages.filter(|&message| open(self.fates[message as usize])).collect()
    }

    /// Whether the sender's endpoint is done with a message.
    pub fn is_completed(&self, message: MessageId) -> bool {
        self.fates[message as usize].completed
    }

    /// Whether the receiver's endpoint has delivered a message.
    pub fn is_delivered(&self, message: MessageId) -> bool {
        self.fates[message as usize].delivered
    }

    /// Whether a crash came between, so that a message may be delivered or not.
    pub fn is_excused(&self, message: MessageId) -> bool {
        self.fates[message as usize].excused
    }

    /// A crash came between: the message need not be delivered. `ready` as below.
    pub fn excuse(&mut self, now: Time, message: MessageId, ready: &mut Vec<u32>) {
        let fate = &mut self.fates[message as usize];
        if std::mem::replace(&mut fate.excused, true) || fate.delivered {
            return;
        }
        self.advance(now, message, |flow| flow.lost += 1);
        self.release_arrived(now, message, ready);
    }

    /// Payload came to its place.
    pub fn note_progress(&mut self, now: Time) {
        self.progress_at = now;
    }

    /// When payload last came to its place, or a message was done.
    pub fn progress_at(&self) -> Time {
        self.progress_at
    }

    /// The sender's endpoint is done with a message. Flows that waited for that are appended to
    /// `ready`.
    pub fn completed(&mut self, now: Time, message: MessageId, well: bool, ready: &mut Vec<u32>) {
        self.fates[message as usize].completed = true;
        self.advance(now, message, |flow| {
            flow.completed += 1;
            flow.failed += u32::from(!well);
            flow.sent_at = now;
        });
        let flow = self.flow_of(message);
        let state = &self.flows[flow as usize];
        if state.completed == state.spec.messages {
            self.release(now, flow, Moment::Sent, ready);
        }
    }

    /// The receiver's endpoint has delivered a message; `ready` as above.
    pub fn received(&mut self, now: Time, message: MessageId, ready: &mut Vec<u32>) {
        let fate = &mut self.fates[message as usize];
        if std::mem::replace(&mut fate.delivered, true) {
            // To the next incarnation of a host, or it is a violation; it is no more of the flow.
            self.progress_at = now;
            return;
        }
        let late = fate.excused;
        self.advance(now, message, |flow| {
            flow.received += 1;
            flow.lost -= u32::from(late);
            flow.received_at = now;
        });
        // Who waits for it was released when it was given up.
        if !late {
            self.release_arrived(now, message, ready);
        }
    }

    /// Releases who waits for a flow's arrival, if this message was the last of it.
    fn release_arrived(&mut self, now: Time, message: MessageId, ready: &mut Vec<u32>) {
        let flow = self.flow_of(message);
        let state = &self.flows[flow as usize];
        if state.received + state.lost == state.spec.messages {
            self.release(now, flow, Moment::Received, ready);
        }
    }

    fn advance(&mut self, now: Time, message: MessageId, step: impl FnOnce(&mut Flow)) {
        self.progress_at = now;
        let flow = self.of_message(message);
        let before = flow.is_done();
        step(flow);
        let after = flow.is_done();
        self.open -= usize::from(after && !before);
    }

    /// One end of a flow is done: those that waited for just that, and for nothing else, are ready.
    fn release(&mut self, now: Time, flow: u32, moment: Moment, ready: &mut Vec<u32>) {
        let Self { flows, followers, .. } = self;
        for &(follower, at) in followers.of(flow) {
            if at != moment {
                continue;
            }
            let state = &mut flows[follower as usize];
            state.waits_for -= 1;
            if state.waits_for == 0 {
                state.began_at = now + state.spec.start;
                ready.push(follower);
            }
        }
    }
}

/// What the messages of a flow take on the wire, headers included.
pub fn wire_bytes(scenario: &Scenario, spec: &FlowSpec) -> u64 {
    let per_packet = DATA_HEADER_BYTES as u64 + scenario.links.overhead.0;
    // The operands of an atomic are in the header.
    let payload = if spec.operation.kind.is_atomic() { 0 } else { spec.size };
    let packets = payload.div_ceil(scenario.core.mtu.0).max(1);
    u64::from(spec.messages) * (payload + packets * per_packet)
}

/// How long a flow takes, alone in the network, until its receiver has everything. Of what is read,
/// that is who reads.
pub fn ideal_receiver_fct(scenario: &Scenario, spec: &FlowSpec) -> Time {
    if spec.pulls() {
        return ideal_sender_fct(scenario, spec);
    }
    ideal_delivery(scenario, spec)
}

fn ideal_delivery(scenario: &Scenario, spec: &FlowSpec) -> Time {
    let total = wire_bytes(scenario, spec);
    let last_packet = total.min(scenario.packet_bytes());
    let network = scenario.network();
    let (src, dst) = (spec.payload_from(), spec.payload_to());
    // All of it crosses the slowest link; the last packet has crossed the others besides.
    network.bottleneck(src, dst).time_for(total - last_packet)
        + network.one_way(src, dst, last_packet)
        + scenario.path_delay(0)
}

/// The same until the sender knows.
pub fn ideal_sender_fct(scenario: &Scenario, spec: &FlowSpec) -> Time {
    let (src, dst) = (spec.payload_from(), spec.payload_to());
    let forth = scenario.network().one_way(src, dst, scenario.packet_bytes());
    // Of what is read the request comes first, and not the answer last.
    let back = scenario.least_rtt(src, dst) - forth - scenario.path_delay(0);
    ideal_delivery(scenario, spec) + back
}

/// The least time in which the network can carry all flows: its busiest host link never idles, and
/// no chain of flows that wait for each other is faster than its links are one by one.
pub fn ideal_span(scenario: &Scenario, plan: &Plan) -> Time {
    let network = scenario.network();
    let mut busy = vec![(0u64, Time::NEVER); 2 * network.hosts() as usize];
    let sender_fct = |spec: &FlowSpec| ideal_sender_fct(scenario, spec);
    let starts = plan.earliest_starts(sender_fct, |spec| ideal_receiver_fct(scenario, spec));
    let mut longest = Time::ZERO;
    for (spec, &start) in plan.flows.iter().zip(&starts) {
        let bytes = wire_bytes(scenario, spec);
        let trip = scenario.least_rtt(spec.src, spec.dst);
        for link in [spec.payload_from(), network.hosts() + spec.payload_to()] {
            let (sum, least) = busy[link as usize];
            busy[link as usize] = (sum + bytes, least.min(start + trip));
        }
        longest = longest.max(start + sender_fct(spec));
    }
    // Of the last packet the trip counts the first link's time already.
    let packet = scenario.packet_bytes();
    let span = |(link, &(bytes, trip)): (usize, &(u64, Time))| {
        let link = network.links().get(link).or_else(|| network.links().first());
        let rate = link.map_or(scenario.links.rate, |link| link.rate);
        trip + rate.time_for(bytes.saturating_sub(packet))
    };
    let used = busy.iter().enumerate().filter(|(_, (bytes, _))| *bytes > 0);
    used.map(span).fold(longest, Time::max)
}
