//! The shapes of networks, as cables between nodes.

use super::{Node, SwitchId};
use crate::time::Time;
use crate::units::Rate;

/// Nodes and cables, before they are laid.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// How many hosts.
    pub hosts: u32,
    /// Layer and number in it, of each switch.
    pub switches: Vec<(&'static str, u32)>,
    /// What connects them.
    pub cables: Vec<Cable>,
}

/// Two nodes connected, in both directions alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cable {
    /// One end.
    pub a: Node,
    /// The other end.
    pub b: Node,
    /// How fast it is.
    pub rate: Rate,
    /// How long a bit takes.
    pub latency: Time,
}

/// A network that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// See the message.
    #[error("host {host} has a second cable; every host has one (give it a host per interface)")]
    SecondCable {
        /// Which.
        host: u32,
    },
    /// See the message.
    #[error("host {host} has no cable")]
    NoCable {
        /// Which.
        host: u32,
    },
    /// See the message.
    #[error(
        "host {host} is connected to another host; only a network of two does without switches"
    )]
    NoSwitch {
        /// Which.
        host: u32,
    },
    /// See the message.
    #[error("some hosts cannot reach each other")]
    Split,
    /// See the message.
    #[error("{what} is {value}; {needed}")]
    Numbers {
        /// The key.
        what: &'static str,
        /// What it is.
        value: u32,
        /// What it has to be.
        needed: String,
    },
}

/// The rates and latency of cables.
#[derive(Clone, Copy, Debug)]
pub struct Wiring {
    /// Between a host and its switch.
    pub edge: Rate,
    /// Between switches.
    pub trunk: Rate,
    /// Of every cable.
    pub latency: Time,
}

impl Shape {
    fn new(hosts: u32) -> Self {
        Self { hosts, ..Self::default() }
    }

    fn layer(&mut self, name: &'static str, count: u32) -> SwitchId {
        let first = self.switches.len() as SwitchId;
        self.switches.extend((0..count).map(|number| (name, number)));
        first
    }

    fn attach(&mut self, host: u32, switch: SwitchId, wiring: &Wiring) {
        let (a, b) = (Node::Host(host), Node::Switch(switch));
        self.cables.push(Cable { a, b, rate: wiring.edge, latency: wiring.latency });
    }

    fn trunk(&mut self, a: SwitchId, b: SwitchId, wiring: &Wiring) {
        let (a, b) = (Node::Switch(a), Node::Switch(b));
        self.cables.push(Cable { a, b, rate: wiring.trunk, latency: wiring.latency });
    }

    /// Hosts spread over leaves: block by block, or rail by rail. With R rails, R hosts in a row are
    /// the interfaces of one server, and R leaves in a row a group; interface r of every server of
    /// the group is at the group's leaf r.
    fn attach_all(&mut self, leaves: u32, first: SwitchId, rails: u32, wiring: &Wiring) {
        let per_leaf = self.hosts / leaves;
        for host in 0..self.hosts {
            let group = host / (per_leaf * rails);
            let leaf = match rails {
                1 => host / per_leaf,
                _ => group * rails + host % rails,
            };
            self.attach(host, first + leaf, wiring);
        }
    }

    /// Two hosts and a cable.
    pub fn pair(wiring: &Wiring) -> Self {
        let mut shape = Self::new(2);
        let (a, b) = (Node::Host(0), Node::Host(1));
        shape.cables.push(Cable { a, b, rate: wiring.edge, latency: wiring.latency });
        shape
    }

    /// All hosts at one switch.
    pub fn star(hosts: u32, wiring: &Wiring) -> Self {
        let mut shape = Self::new(hosts);
        let switch = shape.layer("switch", 1);
        shape.attach_all(1, switch, 1, wiring);
        shape
    }

    /// Half of the hosts at each of two switches, with `trunks` cables between these.
    pub fn dumbbell(hosts: u32, trunks: u32, wiring: &Wiring) -> Result<Self, ShapeError> {
        divides("topology.hosts", hosts, 2)?;
        let mut shape = Self::new(hosts);
        let first = shape.layer("switch", 2);
        shape.attach_all(2, first, 1, wiring);
        for _ in 0..trunks {
            shape.trunk(first, first + 1, wiring);
        }
        Ok(shape)
    }

    /// Hosts at leaves, every leaf with a cable to every spine.
    pub fn leaf_spine(
        hosts: u32,
        (leaves, spines): (u32, u32),
        rails: u32,
        wiring: &Wiring,
    ) -> Result<Self, ShapeError> {
        divides("topology.hosts", hosts, leaves)?;
        divides("topology.leaves", leaves, rails)?;
        let mut shape = Self::new(hosts);
        let leaf = shape.layer("leaf", leaves);
        let spine = shape.layer("spine", spines);
        shape.attach_all(leaves, leaf, rails, wiring);
        for l in 0..leaves {
            for s in 0..spines {
                shape.trunk(leaf + l, spine + s, wiring);
            }
        }
        Ok(shape)
    }

    /// Three layers of switches with k ports each, k pods; leaves have `oversubscription` times as
    /// many hosts as they have ports up.
    pub fn fat_tree_3(
        hosts: u32,
        oversubscription: u32,
        rails: u32,
        wiring: &Wiring,
    ) -> Result<Self, ShapeError> {
        let ports = ports_of(hosts, oversubscription, |half| 2 * half * half * half)?;
        let half = ports / 2;
        divides("topology.rails", half, rails)?;
        let mut shape = Self::new(hosts);
        let leaf = shape.layer("leaf", ports * half);
        let aggregation = shape.layer("aggregation", ports * half);
        let core = shape.layer("core", half * half);
        shape.attach_all(ports * half, leaf, rails, wiring);
        for pod in 0..ports {
            for up in 0..half {
                let agg = aggregation + pod * half + up;
                for down in 0..half {
                    shape.trunk(leaf + pod * half + down, agg, wiring);
                }
                for nth in 0..half {
                    shape.trunk(agg, core + up * half + nth, wiring);
                }
            }
        }
        Ok(shape)
    }

    /// Two layers of switches with k ports each: k leaves, k/2 spines.
    pub fn fat_tree_2(
        hosts: u32,
        oversubscription: u32,
        rails: u32,
        wiring: &Wiring,
    ) -> Result<Self, ShapeError> {
        let ports = ports_of(hosts, oversubscription, |half| 2 * half * half)?;
        Self::leaf_spine(hosts, (ports, ports / 2), rails, wiring)
    }

    /// Whatever is connected with whatever.
    pub fn custom(hosts: u32, switches: u32, cables: Vec<Cable>) -> Self {
        let mut shape = Self::new(hosts);
        shape.layer("switch", switches);
        shape.cables = cables;
        shape
    }
}

/// The number of ports for which a fat tree has so many hosts.
fn ports_of(
    hosts: u32,
    oversubscription: u32,
    hosts_for: impl Fn(u32) -> u32,
) -> Result<u32, ShapeError> {
    let sizes = (1..=MAX_HALF_PORTS).map(|half| (half, hosts_for(half) * oversubscription));
    let (half, size) =
        sizes.min_by_key(|&(_, size)| size.abs_diff(hosts)).ok_or(ShapeError::Split)?;
    match size == hosts {
        true => Ok(2 * half),
        false => Err(ShapeError::Numbers {
            what: "topology.hosts",
            value: hosts,
            needed: format!("a fat tree of this kind has {size}, or another size"),
        }),
    }
}

fn divides(what: &'static str, value: u32, by: u32) -> Result<(), ShapeError> {
    match by > 0 && value > 0 && value.is_multiple_of(by) {
        true => Ok(()),
        false => Err(ShapeError::Numbers {
            what,
            value,
            needed: format!("it must be a multiple of {by}"),
        }),
    }
}

/// 64-port switches make the largest fat tree here: 65,536 hosts.
const MAX_HALF_PORTS: u32 = 32;
