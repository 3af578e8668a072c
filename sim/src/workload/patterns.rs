//! The simple patterns, in which no flow waits for another.

use super::{Pair, Plan, Workload, WorkloadKind};
use crate::rng::{Component, Stream};
use crate::scenario::Scenario;

impl Scenario {
    /// All flows, in the order of their numbers: the pattern's, then those listed besides. The
    /// seed decides what the pattern leaves to chance.
    pub fn traffic_plan(&self, seed: u64) -> Plan {
        let (workload, hosts) = (&self.workload, self.topology.hosts);
        let mut plan = Plan::default();
        match workload.kind {
            WorkloadKind::Pairs => {}
            WorkloadKind::Permutation => workload.permutation(&mut plan, hosts, seed),
            WorkloadKind::Incast => workload.incast(&mut plan, hosts),
            WorkloadKind::AllToAll => workload.all_to_all(&mut plan, hosts),
            WorkloadKind::Bisection => workload.bisection(&mut plan, hosts),
            WorkloadKind::RingAllReduce => workload.ring_all_reduce(&mut plan, hosts),
            WorkloadKind::TreeAllReduce => workload.tree_all_reduce(&mut plan, hosts),
            WorkloadKind::KvTransfer => workload.kv_transfer(&mut plan, hosts, seed),
            WorkloadKind::Rpc => workload.rpc(&mut plan, hosts, seed),
            WorkloadKind::Poisson => workload.poisson(&mut plan, hosts, self.links.rate, seed),
            WorkloadKind::Trace => workload.listed(&mut plan, &workload.traced),
        }
        workload.listed(&mut plan, workload.pairs.as_deref().unwrap_or_default());
        plan
    }
}

impl Workload {
    fn listed(&self, plan: &mut Plan, pairs: &[Pair]) {
        let first = plan.flows.len() as u32;
        for pair in pairs {
            let mut spec = self.uniform(pair.src, pair.dst);
            (spec.messages, spec.size, spec.start) = (pair.messages, pair.size.0, pair.start);
            spec.service = pair.service.unwrap_or(self.service);
            spec.operation = pair.operation();
            let mut after: Vec<u32> = pair.after.iter().map(|after| first + after).collect();
            after.sort_unstable();
            after.dedup();
            plan.push(spec, &after, pair.job);
        }
    }

    /// Sattolo's shuffle: one cycle through all hosts, so nobody sends to itself.
    fn permutation(&self, plan: &mut Plan, hosts: u32, seed: u64) {
        let mut rng = Stream::new(seed, Component::Workload, 0);
        let mut destinations: Vec<u32> = (0..hosts).collect();
        for last in (1..destinations.len()).rev() {
            destinations.swap(last, rng.below(last as u64) as usize);
        }
        for (src, dst) in (0..).zip(destinations) {
            plan.push(self.uniform(src, dst), &[], None);
        }
    }

    fn incast(&self, plan: &mut Plan, hosts: u32) {
        let receiver = self.receiver.unwrap_or(0);
        for nth in 1..=self.senders.unwrap_or(0) {
            plan.push(self.uniform((receiver + nth) % hosts, receiver), &[], None);
        }
    }

    /// In turns, so that no receiver is everybody's first.
    fn all_to_all(&self, plan: &mut Plan, hosts: u32) {
        for turn in 1..hosts {
            for src in 0..hosts {
                plan.push(self.uniform(src, (src + turn) % hosts), &[], None);
            }
        }
    }

    /// Host i's flow of rank r goes to host i + r of the other half.
    fn bisection(&self, plan: &mut Plan, hosts: u32) {
        let half = hosts / 2;
        for rank in 0..self.ranks.unwrap_or(1) {
            for src in 0..half {
                plan.push(self.uniform(src, half + (src + rank) % half), &[], None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, tests::plan};

    fn flows(hosts: u32, seed: u64, workload: &str) -> Vec<(u32, u32)> {
        let plan = plan(hosts, seed, workload);
        plan.flows.iter().map(|flow| (flow.src, flow.dst)).collect()
    }

    #[test]
    fn a_permutation_is_one_and_depends_on_the_seed() {
        let workload = "kind = \"permutation\"\nsize = \"1kB\"";
        let first = flows(16, 1, workload);
        assert!(first.iter().all(|(src, dst)| src != dst));
        let mut receivers: Vec<_> = first.iter().map(|&(_, dst)| dst).collect();
        receivers.sort_unstable();
        assert_eq!(receivers, (0..16).collect::<Vec<_>>());
        assert_eq!(first, flows(16, 1, workload));
        assert_ne!(first, flows(16, 2, workload));
    }

    #[test]
    fn patterns_have_the_flows_they_should() {
        let incast = flows(3, 1, "kind = \"incast\"\nsenders = 2\nsize = \"1kB\"");
        assert_eq!(incast, [(1, 0), (2, 0)]);
        let all = flows(3, 1, "kind = \"all-to-all\"\nsize = \"1kB\"");
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|(src, dst)| src != dst));
        let halves = flows(4, 1, "kind = \"bisection\"\nranks = 2\nsize = \"1kB\"");
        assert_eq!(halves, [(0, 2), (1, 3), (0, 3), (1, 2)]);
    }

    #[test]
    fn listed_flows_come_besides_the_pattern_and_wait_for_each_other() {
        let workload = "kind = \"incast\"\nsenders = 2\nsize = \"1kB\"\npairs = [\n\
                        { src = 0, dst = 1, size = \"1B\" },\n\
                        { src = 1, dst = 0, size = \"2B\", after = [0], start = \"1us\" }]";
        let plan = plan(3, 1, workload);
        assert_eq!(plan.flows.len(), 4);
        assert_eq!(plan.causes, [Cause { flow: 3, after: 2 }]);
    }
}
