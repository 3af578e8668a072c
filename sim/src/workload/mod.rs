//! Who sends what to whom, and when.
//!
//! A flow is a number of equal messages from one host to another. A workload is a list of flows,
//! some of which wait for others: step k of a ring waits for step k-1 of its neighbour, a response
//! for its request. All patterns come down to that list, so the rest of the simulator knows
//! nothing of collectives or requests, and any workload can be written out flow by flow.
//!
//! ```text
//!  keys        what a scenario file says
//!  operation   what a flow does to its destination
//!  check       whether that makes sense
//!  patterns    permutation, incast, all-to-all, bisection
//!  collective  ring and tree all-reduce
//!  serving     KV transfer, RPC
//!  poisson     arrivals at random, sizes from a distribution (cdf)
//!  trace       flows from a file
//!  plan        the list
//! ```

mod cdf;
mod check;
mod collective;
mod keys;
mod operation;
mod patterns;
mod plan;
mod poisson;
mod serving;
pub(crate) mod trace;

pub use self::cdf::{SizeCdf, SizesKey};
pub use self::keys::{CompletionKey, Pair, Workload, WorkloadKind};
pub use self::operation::{Operation, OperationKey, WORD_BYTES};
pub use self::plan::{Cause, FlowSpec, Moment, Plan};

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::scenario::Scenario;

    /// The plan of a workload among some hosts at 100 Gb/s.
    pub(super) fn plan(hosts: u32, seed: u64, workload: &str) -> Plan {
        let text = format!(
            "name = \"x\"\nend = \"100s\"\ntopology = {{ kind = \"star\", hosts = {hosts} }}\n\
             links = {{ rate = \"100Gbps\", latency = \"1us\", queue = \"1MiB\" }}\n\
             [workload]\n{workload}"
        );
        Scenario::parse(&text, "x").unwrap().traffic_plan(seed)
    }
}
