//! The flows of a run: what has been sent, acknowledged and received of each (`flow`), which wait for
//! which (`followers`), and how long each would have taken in a network of its own (`ideal`).

mod flow;
mod followers;
mod ideal;

pub use self::flow::Flow;
use self::followers::Followers;
pub use self::ideal::{ideal_receiver_fct, ideal_sender_fct, ideal_span, wire_bytes};
use crate::time::Time;
use crate::workload::{FlowSpec, Moment, Plan};

/// Names a message in the whole run. It is also the send's token and buffer, so that every payload
/// range says whose it is.
pub type MessageId = u32;

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

impl Traffic {
    /// Flows that have not begun.
    pub fn new(plan: &Plan) -> Self {
        let mut owners = Vec::new();
        let mut flows = Vec::with_capacity(plan.flows.len());
        for (number, &spec) in plan.flows.iter().enumerate() {
            let job = plan.jobs[number];
            flows.push(Flow::new(spec, job, owners.len() as MessageId));
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

    /// How many messages and operations from one host to another have been handed over and are not
    /// completed.
    pub fn open_between(&self, src: u32, dst: u32) -> u32 {
        let between = self.flows.iter().filter(|it| (it.spec.src, it.spec.dst) == (src, dst));
        between.map(|it| it.submitted - it.completed.min(it.submitted)).sum()
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
