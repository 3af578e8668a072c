//! Order: what one host sends to another over RD is delivered in the order of submission, across
//! all flows between the two; what a connection carries, in that of its flow. Operations on memory
//! have no order.

use std::collections::HashMap;

use crate::scenario::ServiceKey;
use crate::traffic::{MessageId, Traffic};
use crate::workload::FlowSpec;

/// Submitted and delivered so far, per order that is promised.
#[derive(Debug)]
pub(super) struct Order {
    /// The place of each message in its order.
    places: Vec<u32>,
    /// The order of each flow.
    orders: Vec<u32>,
    progress: Vec<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    submitted: u32,
    delivered: u32,
}

impl Order {
    pub(super) fn new(traffic: &Traffic) -> Self {
        let mut numbers = HashMap::new();
        let mut orders = Vec::with_capacity(traffic.flows().len());
        for (number, flow) in (0..).zip(traffic.flows()) {
            let spec = &flow.spec;
            // Over RD the flows between two hosts are one; all others are for themselves.
            let alone = (!is_promised_to_all(spec)).then_some(number);
            let next = numbers.len() as u32;
            orders.push(*numbers.entry((spec.src, spec.dst, alone)).or_insert(next));
        }
        Self {
            places: vec![0; traffic.message_count()],
            orders,
            progress: vec![Progress::default(); numbers.len()],
        }
    }

    /// The receiver of a flow has crashed: its next incarnation has delivered nothing.
    pub(super) fn begin_anew(&mut self, flow: u32) {
        self.progress[self.orders[flow as usize] as usize].delivered = 0;
    }

    /// A message was handed to the sender's endpoint.
    pub(super) fn submitted(&mut self, flow: u32, message: MessageId) {
        let progress = &mut self.progress[self.orders[flow as usize] as usize];
        self.places[message as usize] = progress.submitted;
        progress.submitted += 1;
    }

    /// A message was delivered. There may be `gaps`: messages that failed with a host.
    pub(super) fn delivered(
        &mut self,
        spec: &FlowSpec,
        flow: u32,
        message: MessageId,
        gaps: bool,
    ) -> Result<(), String> {
        if !is_promised(spec.service) || !spec.operation.kind.is_message() {
            return Ok(());
        }
        let progress = &mut self.progress[self.orders[flow as usize] as usize];
        let (expected, place) = (progress.delivered, self.places[message as usize]);
        progress.delivered = if gaps { place.max(expected) } else { expected } + 1;
        if place == expected || gaps && place > expected {
            return Ok(());
        }
        let (src, dst) = (spec.src, spec.dst);
        Err(format!(
            "{src} -> {dst}: message {message}, submission {place}, was delivered as number {expected}"
        ))
    }
}

/// Whether it is one order with other flows between the same hosts.
const fn is_promised_to_all(spec: &FlowSpec) -> bool {
    matches!(spec.service, ServiceKey::Rd) && spec.operation.kind.is_message()
}

const fn is_promised(service: ServiceKey) -> bool {
    match service {
        ServiceKey::Srd | ServiceKey::Ud => false,
        ServiceKey::Rd | ServiceKey::Rc | ServiceKey::RcSr | ServiceKey::Tcp => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use crate::workload::{Operation, Plan};

    fn spec(service: ServiceKey) -> FlowSpec {
        let operation = Operation::SEND;
        FlowSpec { src: 0, dst: 1, messages: 2, size: 1, service, operation, start: Time::ZERO }
    }

    #[test]
    fn a_crash_leaves_gaps_and_no_way_back() {
        let spec = spec(ServiceKey::Rd);
        let mut order = Order::new(&Traffic::new(&Plan::of(&[spec, spec])));
        for (flow, message) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
            order.submitted(flow, message);
        }
        order.delivered(&spec, 0, 1, true).unwrap();
        order.delivered(&spec, 1, 3, true).unwrap();
        assert!(order.delivered(&spec, 1, 2, true).is_err());
    }

    #[test]
    fn connections_have_an_order_each() {
        let spec = spec(ServiceKey::Tcp);
        let mut order = Order::new(&Traffic::new(&Plan::of(&[spec, spec])));
        for (flow, message) in [(0, 0), (1, 2), (0, 1), (1, 3)] {
            order.submitted(flow, message);
        }
        order.delivered(&spec, 1, 2, false).unwrap();
        assert!(order.delivered(&spec, 0, 1, false).is_err());
    }

    #[test]
    fn flows_between_the_same_hosts_share_an_order() {
        let spec = spec(ServiceKey::Rd);
        let mut order = Order::new(&Traffic::new(&Plan::of(&[spec, spec])));
        for (flow, message) in [(0, 0), (1, 2), (0, 1), (1, 3)] {
            order.submitted(flow, message);
        }
        order.delivered(&spec, 0, 0, false).unwrap();
        order.delivered(&spec, 1, 2, false).unwrap();
        assert!(order.delivered(&spec, 1, 3, false).is_err());
    }
}
