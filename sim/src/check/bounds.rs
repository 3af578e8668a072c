//! Window: what a host has under way never exceeds what its controllers could ever allow, a window
//! per peer. Counted in the network, by nobody's word but that of the packets themselves.
//!
//! A packet that the sender has given up, and one that it has sent again, may still be on its way;
//! so many more may be there.

use std::collections::HashSet;

use usrd_proto::EndpointStats;
use usrd_proto::cc::Controller;
use usrd_proto::wire::DATA_HEADER_BYTES;

use crate::scenario::{Scenario, ServiceKey};
use crate::traffic::Traffic;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Per host, the most bytes that it may have under way; `u64::MAX` where nothing bounds them.
    most_bytes: Vec<u64>,
    packet_bytes: u64,
}

impl Bounds {
    pub(super) fn new(scenario: &Scenario, traffic: &Traffic) -> Self {
        let packet_bytes = scenario.core.mtu.0 + DATA_HEADER_BYTES as u64;
        let controller = Controller::new(&scenario.core_config().cc);
        // A packet that is larger than the window goes alone.
        let window = controller.max_cwnd_bytes().max(packet_bytes);
        let mut most_bytes = vec![0u64; scenario.topology.hosts as usize];
        let mut peers = HashSet::new();
        for flow in traffic.flows() {
            let (src, dst) = (flow.spec.src, flow.spec.dst);
            // What is asked for in a list of blocks goes the other way.
            let both = [(src, dst), (dst, src)];
            let sends = if flow.spec.pulls() { &both[..] } else { &both[..1] };
            for &(from, to) in sends {
                let most = &mut most_bytes[from as usize];
                *most = match flow.spec.service {
                    ServiceKey::Srd | ServiceKey::Rd if peers.insert((from, to)) => {
                        most.saturating_add(window)
                    }
                    ServiceKey::Srd | ServiceKey::Rd => *most,
                    // UD asks no controller, and a baseline has its own.
                    _ => u64::MAX,
                };
            }
        }
        Self { most_bytes, packet_bytes }
    }

    /// Whether a host has more under way than its windows.
    #[inline]
    pub(super) fn exceeded(&self, host: u32, under_way_bytes: u64) -> bool {
        under_way_bytes > self.most_bytes[host as usize]
    }

    /// Judges a host that has; `stats` say what it has given up.
    pub(super) fn check(
        &self,
        host: u32,
        under_way_bytes: u64,
        stats: &EndpointStats,
    ) -> Result<(), String> {
        let given_up = stats.retransmissions
            + stats.losses_by_path_gap
            + stats.losses_by_timeout
            + stats.nacks_received;
        let most = self.most_bytes[host as usize];
        if under_way_bytes <= most.saturating_add(given_up * self.packet_bytes) {
            return Ok(());
        }
        Err(format!(
            "host {host} has {under_way_bytes} bytes under way; its windows allow {most}, and it \
             has given up {given_up} packets"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_window_and_ud_has_none() {
        let text = r#"
            name = "bounds"
            end = "10ms"
            topology = { kind = "star", hosts = 3 }
            links = { rate = "100Gbps", latency = "1us", queue = "1MB" }
            core = { mtu = "4096B", controller = "fixed", window = "10kB" }
            [workload]
            kind = "pairs"
            pairs = [
              { src = 0, dst = 1, size = "1kB" },
              { src = 0, dst = 1, size = "1kB", service = "rd" },
              { src = 0, dst = 2, size = "1kB" },
              { src = 1, dst = 2, size = "1kB", service = "ud" },
            ]
        "#;
        let scenario = Scenario::parse(text, "bounds").unwrap();
        let bounds = Bounds::new(&scenario, &Traffic::new(&scenario.traffic_plan(1)));
        assert!(!bounds.exceeded(0, 20_000) && bounds.exceeded(0, 20_001));
        assert!(!bounds.exceeded(1, u64::MAX) && bounds.exceeded(2, 1));
        let stats = EndpointStats { losses_by_timeout: 2, ..EndpointStats::default() };
        bounds.check(0, 20_000 + 2 * 4_160, &stats).unwrap();
        assert!(bounds.check(0, 20_001 + 2 * 4_160, &stats).unwrap_err().contains("allow 20000"));
    }
}
