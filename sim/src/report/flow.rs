//! What became of one flow.

use serde::Serialize;

use crate::scenario::{Scenario, ServiceKey};
use crate::time::Time;
use crate::traffic::{Flow, ideal_sender_fct};

/// One flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// Who sent.
    pub src: u32,
    /// Who received.
    pub dst: u32,
    /// How.
    pub service: ServiceKey,
    /// How many messages it had.
    pub messages: u32,
    /// Payload, in bytes.
    pub bytes: u64,
    /// The request, call or round that it was part of.
    pub job: Option<u32>,
    /// When it began, in nanoseconds; absent if what it waited for never came.
    pub began_ns: Option<u64>,
    /// From the flow's start to the sender's last completion, in nanoseconds; absent if unfinished.
    pub sender_fct_ns: Option<u64>,
    /// The same to the receiver's last completion.
    pub receiver_fct_ns: Option<u64>,
    /// The sender's time in a network with nothing else in it, in nanoseconds.
    pub ideal_ns: u64,
    /// The sender's time against that.
    pub slowdown: Option<f64>,
    /// Messages that failed.
    pub failed: u32,
    /// Data packets sent.
    pub packets: u64,
    /// Of those, repetitions.
    pub retransmissions: u64,
    /// Arrivals whose payload was there from another transmission.
    pub spurious: u64,
}

impl FlowReport {
    pub(super) fn new(scenario: &Scenario, flow: &Flow) -> Self {
        let spec = &flow.spec;
        let all = |count: u32, at: Time| (count >= spec.messages).then_some(at - flow.began_at);
        let sender = all(flow.completed, flow.sent_at);
        let ideal = ideal_sender_fct(scenario, spec);
        Self {
            src: spec.src,
            dst: spec.dst,
            service: spec.service,
            messages: spec.messages,
            bytes: u64::from(spec.messages) * spec.size,
            job: flow.job,
            began_ns: (flow.began_at < Time::NEVER).then(|| flow.began_at.as_ns()),
            sender_fct_ns: sender.map(Time::as_ns),
            receiver_fct_ns: all(flow.received, flow.received_at).map(Time::as_ns),
            ideal_ns: ideal.as_ns(),
            slowdown: sender.map(|fct| fct.as_ps() as f64 / ideal.as_ps() as f64),
            failed: flow.failed,
            packets: flow.packets,
            retransmissions: flow.retransmissions,
            spurious: flow.spurious,
        }
    }
}
