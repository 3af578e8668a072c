//! Which flows wait for which, by the flow that they wait for.

use crate::workload::{Moment, Plan};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Followers {
    /// Where the followers of each flow start in `list`; one more at the end.
    starts: Vec<u32>,
    /// (the flow that waits, for which end).
    list: Vec<(u32, Moment)>,
}

impl Followers {
    pub(super) fn new(plan: &Plan) -> Self {
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

    pub(super) fn of(&self, flow: u32) -> &[(u32, Moment)] {
        let flow = flow as usize;
        &self.list[self.starts[flow] as usize..self.starts[flow + 1] as usize]
    }
}
