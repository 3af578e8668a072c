//! The list that every workload comes down to: flows, what each waits for, and which belong
//! together.

use super::Operation;
use crate::scenario::ServiceKey;
use crate::time::Time;

/// One flow, with everything about it settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSpec {
    /// Who sends.
    pub src: u32,
    /// Who receives.
    pub dst: u32,
    /// How many messages.
    pub messages: u32,
    /// How long each is.
    pub size: u64,
    /// How they are carried.
    pub service: ServiceKey,
    /// What they are.
    pub operation: Operation,
    /// When the flow begins; how long after the last of its causes, if it has any.
    pub start: Time,
}

/// What must have happened before a flow may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The flow that waits.
    pub flow: u32,
    /// The flow waited for: always an earlier one, so there are no circles.
    pub after: u32,
}

/// Which end of a flow has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The receiver has all of it.
    Received,
    /// The sender knows that it is done.
    Sent,
}

/// All flows of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The flows, by number.
    pub flows: Vec<FlowSpec>,
    /// Who waits for whom.
    pub causes: Vec<Cause>,
    /// The job of each flow: a request, a collective. Flows of one job are judged together.
    pub jobs: Vec<Option<u32>>,
}

impl Plan {
    /// Flows that do not wait for each other.
    pub fn of(flows: &[FlowSpec]) -> Self {
        Self { flows: flows.to_vec(), causes: Vec::new(), jobs: vec![None; flows.len()] }
    }

    /// Adds a flow that waits for others, as part of a job; gives its number.
    pub fn push(&mut self, spec: FlowSpec, after: &[u32], job: Option<u32>) -> u32 {
        let flow = self.flows.len() as u32;
        self.flows.push(spec);
        self.jobs.push(job);
        self.causes.extend(after.iter().map(|&after| Cause { flow, after }));
        flow
    }

    /// Which end of `cause.after` counts. A host only knows of what it received and of what it
    /// sent; `None` if it can know of neither.
    pub fn moment(&self, cause: Cause) -> Option<Moment> {
        let (flow, after) = (self.flows[cause.flow as usize], self.flows[cause.after as usize]);
        if after.dst == flow.src && after.tells_destination() {
            Some(Moment::Received)
        } else if after.src == flow.src {
            Some(Moment::Sent)
        } else {
            None
        }
    }

    /// How many messages there are in all.
    pub fn message_count(&self) -> u64 {
        self.flows.iter().map(|flow| u64::from(flow.messages)).sum()
    }

    /// When each flow begins at the earliest, if flow `f` takes `sent(f)` until its sender is done
    /// and `received(f)` until its receiver is.
    pub fn earliest_starts(
        &self,
        sent: impl Fn(&FlowSpec) -> Time,
        received: impl Fn(&FlowSpec) -> Time,
    ) -> Vec<Time> {
        let mut starts = Vec::with_capacity(self.flows.len());
        let mut causes = self.causes.iter().copied().peekable();
        for (number, flow) in (0..).zip(&self.flows) {
            let mut ready = Time::ZERO;
            while let Some(cause) = causes.next_if(|cause| cause.flow == number) {
                let after = &self.flows[cause.after as usize];
                let begun: Time = starts[cause.after as usize];
                let taken = match self.moment(cause) {
                    Some(Moment::Received) => received(after),
                    _ => sent(after),
                };
                ready = ready.max(begun + taken);
            }
            starts.push(ready + flow.start);
        }
        starts
    }

    /// What is left if only the flows that `keep` names stay. What waited for a flow that is gone
    /// waits for what that one waited for.
    pub fn only(&self, keep: impl Fn(u32) -> bool) -> Self {
        let mut plan = Self::default();
        // For each flow, who stands in for it: itself if it stays, else its own causes' stand-ins.
        let mut stand_ins: Vec<Vec<u32>> = Vec::with_capacity(self.flows.len());
        let mut causes = self.causes.iter().copied().peekable();
        for number in 0..self.flows.len() as u32 {
            let mut after = Vec::new();
            while let Some(cause) = causes.next_if(|cause| cause.flow == number) {
                after.extend_from_slice(&stand_ins[cause.after as usize]);
            }
            after.sort_unstable();
            after.dedup();
            if !keep(number) {
                stand_ins.push(after);
                continue;
            }
            let spec = self.flows[number as usize];
            // A stand-in may be at hosts that this flow's sender knows nothing of.
            after.retain(|&other| {
                let other = plan.flows[other as usize];
                (other.dst == spec.src && other.tells_destination()) || other.src == spec.src
            });
            stand_ins.push(vec![plan.push(spec, &after, self.jobs[number as usize])]);
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(src: u32, dst: u32) -> FlowSpec {
        let start = Time::from_ns(1);
        let (service, operation) = (ServiceKey::Srd, Operation::SEND);
        FlowSpec { src, dst, messages: 1, size: 1, service, operation, start }
    }

    fn chain() -> Plan {
        let mut plan = Plan::default();
        let first = plan.push(flow(0, 1), &[], None);
        let second = plan.push(flow(1, 2), &[first], Some(0));
        plan.push(flow(1, 0), &[first, second], Some(0));
        plan
    }

    #[test]
    fn a_cause_counts_at_the_end_that_the_host_can_see() {
        let plan = chain();
        let moments: Vec<_> = plan.causes.iter().map(|&cause| plan.moment(cause)).collect();
        assert_eq!(moments, [Some(Moment::Received), Some(Moment::Received), Some(Moment::Sent)]);
        assert_eq!(plan.moment(Cause { flow: 0, after: 1 }), None);
    }

    #[test]
    fn starts_add_up_along_the_chain() {
        let starts = chain().earliest_starts(|_| Time::from_ns(20), |_| Time::from_ns(10));
        assert_eq!(starts, [1, 12, 33].map(Time::from_ns));
    }

    #[test]
    fn what_waited_for_a_flow_that_is_gone_waits_for_its_causes() {
        let plan = chain().only(|flow| flow != 1);
        assert_eq!(plan.flows, [flow(0, 1), flow(1, 0)]);
        assert_eq!(plan.causes, [Cause { flow: 1, after: 0 }]);
        assert_eq!(plan.jobs, [None, Some(0)]);
    }
}
