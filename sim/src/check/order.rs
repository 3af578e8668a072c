//! Order: what one host sends to another over RD is delivered in the order of submission, across
//! all flows between the two.

use std::collections::HashMap;

use crate::scenario::ServiceKey;
use crate::traffic::{MessageId, Traffic};
use crate::workload::FlowSpec;

/// Submitted and delivered so far, per pair of hosts.
#[derive(Debug)]
pub(super) struct Order {
    /// The place of each RD message in its pair's submissions.
    places: Vec<u32>,
    /// The pair of each flow.
    pairs: Vec<u32>,
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
        let mut pairs = Vec::with_capacity(traffic.flows().len());
        for flow in traffic.flows() {
            let spec = &flow.spec;
            // Other services have an order of their own, which is none.
            let ends = (spec.src, spec.dst, spec.service == ServiceKey::Rd);
            let next = numbers.len() as u32;
            pairs.push(*numbers.entry(ends).or_insert(next));
        }
        Self {
            places: vec![0; traffic.message_count()],
            pairs,
            progress: vec![Progress::default(); numbers.len()],
        }
    }

    /// A message was handed to the sender's endpoint.
    pub(super) fn submitted(&mut self, flow: u32, message: MessageId) {
        let progress = &mut self.progress[self.pairs[flow as usize] as usize];
        self.places[message as usize] = progress.submitted;
        progress.submitted += 1;
    }

    /// A message was delivered.
    pub(super) fn delivered(
        &mut self,
        spec: &FlowSpec,
        flow: u32,
        message: MessageId,
    ) -> Result<(), String> {
        if spec.service != ServiceKey::Rd {
            return Ok(());
        }
        let progress = &mut self.progress[self.pairs[flow as usize] as usize];
        let (expected, place) = (progress.delivered, self.places[message as usize]);
        progress.delivered += 1;
        if place == expected {
            return Ok(());
        }
        let (src, dst) = (spec.src, spec.dst);
        Err(format!(
            "{src} -> {dst}: message {message}, submission {place}, was delivered as number {expected}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use crate::workload::Plan;

    #[test]
    fn flows_between_the_same_hosts_share_an_order() {
        let spec = FlowSpec {
            src: 0,
            dst: 1,
            messages: 2,
            size: 1,
            service: ServiceKey::Rd,
            start: Time::ZERO,
        };
        let mut order = Order::new(&Traffic::new(&Plan::of(&[spec, spec])));
        for (flow, message) in [(0, 0), (1, 2), (0, 1), (1, 3)] {
            order.submitted(flow, message);
        }
        order.delivered(&spec, 0, 0).unwrap();
        order.delivered(&spec, 1, 2).unwrap();
        assert!(order.delivered(&spec, 1, 3).is_err());
    }
}
