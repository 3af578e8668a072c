//! Flows that arrive at random, as the load of a data centre is usually modelled.

use super::{Plan, SizeCdf, Workload};
use crate::rng::{Component, Stream};
use crate::time::Time;
use crate::units::{Probability, Rate};

impl Workload {
    /// Arrivals over the whole network at the rate that gives the hosts' links their mean load;
    /// between two hosts drawn at random, one message of a size from the distribution.
    pub(super) fn poisson(&self, plan: &mut Plan, hosts: u32, rate: Rate, seed: u64) {
        let largest = self.largest.map(|bytes| bytes.0);
        let Some(Ok(sizes)) = self.sizes.as_ref().map(|sizes| SizeCdf::new(sizes, largest)) else {
            return;
        };
        let load = self.load.map_or(0.0, Probability::share);
        let bytes_per_second = load * rate.bps as f64 / 8.0 * f64::from(hosts);
        let gap = Time::from_ps((sizes.mean() / bytes_per_second * PS_PER_SECOND) as u64);
        let mut rng = Stream::new(seed, Component::Workload, POISSON);
        let mut arrival = Time::ZERO;
        for _ in 0..self.flows.unwrap_or(0) {
            arrival += rng.exponential(gap);
            let src = rng.below(hosts.into()) as u32;
            let other = rng.below(u64::from(hosts) - 1) as u32;
            let mut spec = self.uniform(src, other + u32::from(other >= src));
            (spec.size, spec.start) = (sizes.draw(&mut rng), arrival);
            plan.push(spec, &[], None);
        }
    }
}

const PS_PER_SECOND: f64 = 1e12;
/// Stream of the workload component.
const POISSON: u32 = 2;

#[cfg(test)]
mod tests {
    use super::super::tests::plan;

    #[test]
    fn the_load_is_as_asked() {
        let poisson = plan(
            8,
            1,
            "kind = \"poisson\"\nsizes = \"web-search\"\nload = \"50%\"\nflows = 20000\nlargest = \"3MB\"",
        );
        let bytes: u64 = poisson.flows.iter().map(|flow| flow.size).sum();
        let last = poisson.flows.last().unwrap().start;
        let capacity = 8.0 * 100e9 / 8.0 * last.as_us() / 1e6;
        assert!((0.47..0.53).contains(&(bytes as f64 / capacity)), "{bytes} of {capacity}");
        assert!(poisson.flows.iter().all(|flow| flow.src != flow.dst && flow.dst < 8));
        assert!(poisson.flows.windows(2).all(|pair| pair[0].start <= pair[1].start));
    }
}
