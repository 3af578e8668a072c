//! The sections `[topology]` and `[links]`: hosts, how they are connected, and by what.

use serde::Deserialize;

use super::Scenario;
use super::load::Fault;
use crate::time::Time;
use crate::topology::{Cable, Network, Node, Shape, ShapeError, Wiring};
use crate::units::{Bytes, Rate};

/// Hosts and how they are connected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The shape.
    pub kind: TopologyKind,
    /// How many hosts.
    pub hosts: u32,
    /// `leaf-spine`: switches with hosts.
    pub leaves: Option<u32>,
    /// `leaf-spine`: switches between those.
    pub spines: Option<u32>,
    /// `fat-tree`: layers of switches, 2 or 3.
    pub tiers: Option<u32>,
    /// `fat-tree`: how much more a leaf has in hosts than in links up; by default 1.
    pub oversubscription: Option<u32>,
    /// `leaf-spine`, `fat-tree`: interfaces per server, each at a leaf of its own; by default 1.
    pub rails: Option<u32>,
    /// `dumbbell`: cables between the two switches; by default 1.
    pub trunks: Option<u32>,
    /// `custom`: how many switches.
    pub switches: Option<u32>,
    /// `custom`: all cables.
    pub cables: Option<Vec<CableKey>>,
}

/// The shape of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyKind {
    /// Two hosts and a cable.
    Pair,
    /// All hosts at one switch.
    Star,
    /// Two switches, each with half of the hosts.
    Dumbbell,
    /// Hosts at leaves, each leaf at every spine.
    LeafSpine,
    /// Switches with equally many ports, in two or three layers.
    FatTree,
    /// The cables that are listed.
    Custom,
}

impl TopologyKind {
    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Star => "star",
            Self::Dumbbell => "dumbbell",
            Self::LeafSpine => "leaf-spine",
            Self::FatTree => "fat-tree",
            Self::Custom => "custom",
        }
    }
}

/// A cable of a custom network: `{ a = "host0", b = "switch1" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CableKey {
    /// One end: `host3`, `switch0`.
    pub a: String,
    /// The other.
    pub b: String,
    /// How fast, if not as the links are.
    pub rate: Option<Rate>,
    /// How long a bit takes, if not as on the links.
    pub latency: Option<Time>,
}

/// What the links and their queues are like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// How fast.
    pub rate: Rate,
    /// How fast those between switches are, if not the same.
    pub trunk_rate: Option<Rate>,
    /// How long a bit takes from end to end.
    pub latency: Time,
    /// How much a switch port queues before it drops, or trims.
    pub queue: Bytes,
    /// A switch's memory for all its queues together; then `queue` is only the most that one takes.
    pub shared_buffer: Option<Bytes>,
    /// With a shared buffer: a queue may hold this many times what is free.
    pub alpha: Option<f64>,
    /// A queue this long marks ECN-capable packets when they leave it...
    pub ecn_min: Option<Bytes>,
    /// ...and one this long marks all, with a rising share in between. Absent: all from `ecn_min`.
    pub ecn_max: Option<Bytes>,
    /// Whether a full queue cuts the payload off instead of dropping the packet.
    #[serde(default)]
    pub trimming: bool,
    /// Whether packets without payload, trimmed ones among them, go first; by default if trimming.
    pub priority: Option<bool>,
    /// How a switch chooses among equally short ways.
    #[serde(default)]
    pub routing: Routing,
    /// What each packet takes on the wire beyond what the protocol sends.
    #[serde(default)]
    pub overhead: Bytes,
    /// How the paths differ.
    pub path_delay: Option<PathDelay>,
}

/// How a switch chooses among equally short ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// By a hash of source, destination and path: one path, one way.
    #[default]
    Ecmp,
    /// Each packet another, at random.
    Spray,
}

/// Extra delay of the paths, in even steps from the first path to the last.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathDelay {
    /// Of path 0.
    pub min: Time,
    /// Of the last path.
    pub max: Time,
}

impl Links {
    /// Whether packets without payload go first.
    pub fn has_priority(&self) -> bool {
        self.priority.unwrap_or(self.trimming)
    }
}

impl Scenario {
    /// Lays the network out. The key at fault, if it cannot be.
    pub(super) fn lay_out(&self) -> Result<Network, Fault> {
        self.topology.check_keys()?;
        let shape = self.shape();
        shape.and_then(Network::new).map_err(|error| {
            let key = match error {
                ShapeError::Numbers { what, .. } => what,
                _ if self.topology.kind == TopologyKind::Custom => "topology.cables",
                _ => "topology",
            };
            Fault { key: key.into(), message: error.to_string() }
        })
    }

    fn shape(&self) -> Result<Shape, ShapeError> {
        let topology = &self.topology;
        let links = &self.links;
        let trunk = links.trunk_rate.unwrap_or(links.rate);
        let wiring = &Wiring { edge: links.rate, trunk, latency: links.latency };
        let or_one = |number: Option<u32>| number.unwrap_or(1);
        let (hosts, rails) = (topology.hosts, or_one(topology.rails));
        let oversubscription = or_one(topology.oversubscription);
        Ok(match topology.kind {
            TopologyKind::Pair => Shape::pair(wiring),
            TopologyKind::Star => Shape::star(hosts, wiring),
            TopologyKind::Dumbbell => Shape::dumbbell(hosts, or_one(topology.trunks), wiring)?,
            TopologyKind::LeafSpine => {
                let switches = (or_one(topology.leaves), or_one(topology.spines));
                Shape::leaf_spine(hosts, switches, rails, wiring)?
            }
            TopologyKind::FatTree if topology.tiers == Some(2) => {
                Shape::fat_tree_2(hosts, oversubscription, rails, wiring)?
            }
            TopologyKind::FatTree => Shape::fat_tree_3(hosts, oversubscription, rails, wiring)?,
            TopologyKind::Custom => {
                let cables = topology.cables.iter().flatten();
                let cables = cables.filter_map(|cable| cable.laid(topology, wiring)).collect();
                Shape::custom(hosts, topology.switches.unwrap_or(0), cables)
            }
        })
    }
}

impl CableKey {
    fn laid(&self, topology: &Topology, wiring: &Wiring) -> Option<Cable> {
        let (a, b) = (topology.node(&self.a)?, topology.node(&self.b)?);
        let switches = matches!((a, b), (Node::Switch(_), Node::Switch(_)));
        let usual = if switches { wiring.trunk } else { wiring.edge };
        let latency = self.latency.unwrap_or(wiring.latency);
        Some(Cable { a, b, rate: self.rate.unwrap_or(usual), latency })
    }
}

impl Topology {
    /// The node of a custom network that is called so.
    fn node(&self, name: &str) -> Option<Node> {
        let number = |prefix| name.strip_prefix(prefix)?.parse::<u32>().ok();
        let host = number("host").filter(|&host| host < self.hosts).map(Node::Host);
        let switches = self.switches.unwrap_or(0);
        host.or_else(|| number("switch").filter(|&it| it < switches).map(Node::Switch))
    }

    /// Every key of the kind is there, and none of another kind; every number can be.
    fn check_keys(&self) -> Result<(), Fault> {
        use TopologyKind::{Custom, Dumbbell, FatTree, LeafSpine};
        let kind = self.kind;
        let keys = [
            ("leaves", self.leaves, kind == LeafSpine, true),
            ("spines", self.spines, kind == LeafSpine, true),
            ("tiers", self.tiers, kind == FatTree, true),
            ("oversubscription", self.oversubscription, kind == FatTree, false),
            ("rails", self.rails, matches!(kind, LeafSpine | FatTree), false),
            ("trunks", self.trunks, kind == Dumbbell, false),
            ("switches", self.switches, kind == Custom, true),
        ];
        for (name, value, allowed, needed) in keys {
            let problem = match value {
                Some(_) if !allowed => format!("means nothing to \"{}\"", kind.name()),
                None if allowed && needed => format!("is missing; \"{}\" needs it", kind.name()),
                Some(0) => "must be at least 1".to_owned(),
                Some(tiers) if name == "tiers" && !(2..=3).contains(&tiers) => {
                    "must be 2 or 3".to_owned()
                }
                Some(many) if many > MAX_NODES => format!("must be at most {MAX_NODES}"),
                _ => continue,
            };
            return Err(Fault { key: format!("topology.{name}"), message: problem });
        }
        self.check_cables()
    }

    fn check_cables(&self) -> Result<(), Fault> {
        let fault = |key: String, message: String| Err(Fault { key, message });
        match (&self.cables, self.kind) {
            (None, TopologyKind::Custom) => {
                return fault("topology.kind".into(), "\"custom\" needs topology.cables".into());
            }
            (Some(_), kind) if kind != TopologyKind::Custom => {
                let message = format!("means nothing to \"{}\"", kind.name());
                return fault("topology.cables".into(), message);
            }
            _ => {}
        }
        for (nth, cable) in self.cables.iter().flatten().enumerate() {
            for (end, name) in [("a", &cable.a), ("b", &cable.b)] {
                if self.node(name).is_none() {
                    let message = format!("\"{name}\" is no host or switch of this network");
                    return fault(format!("topology.cables[{nth}].{end}"), message);
                }
            }
        }
        Ok(())
    }
}

/// More would not fit the routing tables' numbers, or any memory.
const MAX_NODES: u32 = 1 << 16;
