//! Topologies: fat trees of two or three tiers, tier by tier from the hosts up.
//!
//! ```text
//! Nodes 32
//! Tiers 2
//! Podsize 32
//! Tier 0
//! Downlink_speed_Gbps 100
//! Radix_Down 8
//! Radix_Up 2
//! Downlink_Latency_ns 1000
//! Tier 1
//! ...
//! ```
//! They become lists of cables, so that every radix, speed and bundle is kept.

use std::fmt::Write;

/// A topology.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// How many hosts.
    pub nodes: u32,
    /// Hosts of a pod.
    pub podsize: u32,
    /// The tiers, from the hosts up.
    pub tiers: Vec<Tier>,
}

/// One tier of switches.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Speed of the links down, in Gb/s.
    pub speed_gbps: f64,
    /// Ports down and up.
    pub radix_down: u32,
    #[allow(missing_docs)]
    pub radix_up: u32,
    /// Latency of the links down, in nanoseconds, the switch's own included.
    pub latency_ns: f64,
    /// Queue of a port down, in bytes, if the file says so.
    pub queue: Option<u64>,
    /// Links to each switch below.
    pub bundle: u32,
}

impl Default for Tier {
    fn default() -> Self {
        let (speed_gbps, latency_ns) = (0.0, 0.0);
        Self { speed_gbps, radix_down: 0, radix_up: 0, latency_ns, queue: None, bundle: 1 }
    }
}

type LineError = (usize, String);

impl Tree {
    /// Reads a file; an error comes with its line.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let mut tree = Self::default();
        let mut tiers = 0;
        for (line, text) in (1..).zip(text.lines()) {
            let words: Vec<&str> =
                text.split('#').next().unwrap_or("").split_whitespace().collect();
            let [key, value] = words[..] else {
                if words.is_empty() {
                    continue;
                }
                return Err((line, format!("\"{}\" is not a key and a value", text.trim())));
            };
            let number: f64 =
                value.parse().map_err(|_| (line, format!("{key}: \"{value}\" is not a number")))?;
            match key.to_ascii_lowercase().as_str() {
                "nodes" => tree.nodes = number as u32,
                "tiers" => tiers = number as usize,
                "podsize" => tree.podsize = number as u32,
                "tier" if number as usize == tree.tiers.len() => tree.tiers.push(Tier::default()),
                "tier" => return Err((line, format!("tier {value} is out of order"))),
                key => {
                    let tier = tree.tiers.last_mut();
                    let tier =
                        tier.ok_or_else(|| (line, format!("{key} stands before any tier")))?;
                    tier.set(key, number).map_err(|message| (line, message))?;
                }
            }
        }
        let last = text.lines().count().max(1);
        if tiers != tree.tiers.len() || !(2..=3).contains(&tiers) {
            let there = tree.tiers.len();
            return Err((
                last,
                format!("{tiers} tiers are announced, {there} are there; 2 or 3 can be"),
            ));
        }
        tree.check().map_err(|message| (last, message))?;
        Ok(tree)
    }

    /// The sections `[topology]` and `[links]`.
    pub fn to_toml(&self) -> Result<String, String> {
        let cables = self.cables();
        let first = &self.tiers[0];
        let queue = self.tiers.iter().filter_map(|tier| tier.queue).max().unwrap_or(QUEUE_BYTES);
        let mut text = format!(
            "[topology]\nkind = \"custom\"\nhosts = {}\nswitches = {}\ncables = [\n",
            self.nodes,
            self.switches().iter().sum::<u32>()
        );
        for (a, b, tier) in cables {
            let tier = &self.tiers[tier];
            let _ = write!(text, "  {{ a = \"{a}\", b = \"{b}\"");
            if tier.speed_gbps != first.speed_gbps {
                let _ = write!(text, ", rate = \"{}Gbps\"", tier.speed_gbps);
            }
            if tier.latency_ns != first.latency_ns {
                let _ = write!(text, ", latency = \"{}ns\"", tier.latency_ns);
            }
            text += " },\n";
        }
        let (min, max) = (queue / 5, queue * 4 / 5);
        let _ = write!(
            text,
            "]\n\n[links]\nrate = \"{}Gbps\"\nlatency = \"{}ns\"\nqueue = \"{queue}B\"\n\
             ecn_min = \"{min}B\"\necn_max = \"{max}B\"\ntrimming = true\n",
            first.speed_gbps, first.latency_ns
        );
        Ok(text)
    }

    /// How many switches each tier has.
    fn switches(&self) -> Vec<u32> {
        let leaves = self.nodes / self.tiers[0].radix_down;
        if self.tiers.len() == 2 {
            return vec![leaves, self.tiers[0].radix_up / self.tiers[1].bundle];
        }
        let pods = self.nodes / self.podsize;
        let aggregates = pods * self.aggregates_per_pod();
        let cores = aggregates * self.tiers[1].radix_up / (pods * self.tiers[2].bundle);
        vec![leaves, aggregates, cores]
    }

    fn aggregates_per_pod(&self) -> u32 {
        self.tiers[0].radix_up / self.tiers[1].bundle
    }

    /// (one end, other end, whose links down they are).
    fn cables(&self) -> Vec<(String, String, usize)> {
        let switches = self.switches();
        let mut cables = Vec::new();
        for host in 0..self.nodes {
            let leaf = host / self.tiers[0].radix_down;
            cables.push((format!("host{host}"), format!("switch{leaf}"), 0));
        }
        let mut connect = |below: u32, above: u32, tier: usize| {
            for _ in 0..self.tiers[tier].bundle {
                cables.push((format!("switch{below}"), format!("switch{above}"), tier));
            }
        };
        let leaves = switches[0];
        if self.tiers.len() == 2 {
            for leaf in 0..leaves {
                (0..switches[1]).for_each(|spine| connect(leaf, leaves + spine, 1));
            }
            return cables;
        }
        let (per_pod, leaves_per_pod) =
            (self.aggregates_per_pod(), self.podsize / self.tiers[0].radix_down);
        for leaf in 0..leaves {
            let first = leaves + leaf / leaves_per_pod * per_pod;
            (0..per_pod).for_each(|nth| connect(leaf, first + nth, 1));
        }
        let up = self.tiers[1].radix_up / self.tiers[2].bundle;
        for aggregate in 0..switches[1] {
            let first = leaves + switches[1] + aggregate % per_pod * up;
            (0..up).for_each(|nth| connect(leaves + aggregate, first + nth, 2));
        }
        cables
    }

    /// Numbers that go into each other.
    fn check(&self) -> Result<(), String> {
        for (number, tier) in self.tiers.iter().enumerate() {
            if tier.speed_gbps <= 0.0 || tier.radix_down == 0 || tier.bundle == 0 {
                return Err(format!(
                    "tier {number} needs Downlink_speed_Gbps, Radix_Down and Bundle above 0"
                ));
            }
            let top = number + 1 == self.tiers.len();
            if !top && (tier.radix_up == 0 || tier.radix_up % self.tiers[number + 1].bundle != 0) {
                return Err(format!(
                    "tier {number}: Radix_Up must be a multiple of the next tier's Bundle"
                ));
            }
        }
        let leaf = self.tiers[0].radix_down;
        if self.nodes == 0 || !self.nodes.is_multiple_of(leaf) {
            return Err(format!("Nodes must be a multiple of tier 0's Radix_Down, {leaf}"));
        }
        let pods = self.podsize;
        let divides = pods > 0 && self.nodes.is_multiple_of(pods) && pods.is_multiple_of(leaf);
        if self.tiers.len() == 3 && !divides {
            return Err("Podsize must divide Nodes, and hold whole leaf switches".into());
        }
        Ok(())
    }
}

impl Tier {
    fn set(&mut self, key: &str, number: f64) -> Result<(), String> {
        match key {
            "downlink_speed_gbps" => self.speed_gbps = number,
            "radix_down" => self.radix_down = number as u32,
            "radix_up" => self.radix_up = number as u32,
            "downlink_latency_ns" | "switch_latency_ns" => self.latency_ns += number,
            "queue_down" => self.queue = Some(number as u64),
            "bundle" => self.bundle = number as u32,
            // Both follow from the other numbers.
            "oversubscribed" | "queue_up" => {}
            _ => return Err(format!("\"{key}\" is not known")),
        }
        Ok(())
    }
}

/// About a bandwidth-delay product of such networks, if the file leaves it open.
const QUEUE_BYTES: u64 = 178_450;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::scenario_of;
    use crate::scenario::Scenario;

    const TWO: &str = "Nodes 32\nTiers 2\nPodsize 32\nTier 0\nDownlink_speed_Gbps 100\n\
        Radix_Down 8\nRadix_Up 2\nDownlink_Latency_ns 1000\nSwitch_Latency_ns 50\nOversubscribed 4\n\
        Tier 1\nDownlink_speed_Gbps 400\nRadix_Down 4\nDownlink_Latency_ns 500\n";
    const THREE: &str = "# a comment\nNodes 16\nTiers 3\nPodsize 4\nTier 0\nDownlink_speed_Gbps 100\n\
        Radix_Down 2\nRadix_Up 2\nDownlink_Latency_ns 1000\nTier 1\nDownlink_speed_Gbps 100\n\
        Radix_Down 2\nRadix_Up 2\nDownlink_Latency_ns 1000\nBundle 1\nTier 2\n\
        Downlink_speed_Gbps 100\nRadix_Down 4\nDownlink_Latency_ns 1000\nBundle 1\n";

    fn scenario(text: &str) -> Scenario {
        let text = scenario_of("x", None, Some(&Tree::parse(text).unwrap())).unwrap();
        Scenario::parse(&text, "x").unwrap()
    }

    #[test]
    fn two_tiers_become_leaves_and_spines() {
        let scenario = scenario(TWO);
        let network = scenario.network();
        assert_eq!((network.hosts(), network.switches()), (32, 4 + 2));
        assert_eq!(network.links().len(), 2 * (32 + 4 * 2));
        let trunk = network.links().last().unwrap();
        assert_eq!((trunk.rate.bps, trunk.latency.as_ns()), (400_000_000_000, 500));
        assert_eq!(network.links()[0].latency.as_ns(), 1_050);
    }

    #[test]
    fn three_tiers_become_a_fat_tree() {
        let scenario = scenario(THREE);
        let network = scenario.network();
        assert_eq!((network.hosts(), network.switches()), (16, 8 + 8 + 4));
        assert_eq!(network.links().len(), 2 * (16 + 16 + 16));
        // Four switches up and four down between pods: six links.
        assert_eq!(network.way(0, 15).count(), 6);
        assert_eq!(network.way(0, 1).count(), 2);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let change = |from: &str, to: &str| Tree::parse(&TWO.replacen(from, to, 1)).unwrap_err();
        assert_eq!(change("Radix_Down 8", "Radix_Down x").0, 6);
        assert_eq!(change("Radix_Down 8", "Radius 8").0, 6);
        assert!(change("Tiers 2", "Tiers 3").1.contains("3 tiers are announced, 2 are there"));
        assert!(change("Nodes 32", "Nodes 30").1.contains("multiple of tier 0's Radix_Down"));
        assert!(change("Tier 1", "Tier 2").1.contains("out of order"));
    }
}
