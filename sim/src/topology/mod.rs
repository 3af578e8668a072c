//! What the network looks like: nodes, the directed links between them, and which links lead from
//! where to where. A scenario's `[topology]` is made into a [`Network`] once, when it is read.
//!
//! ```text
//!   links 0..N          from host h to its switch
//!   links N..2N         from that switch to host h
//!   the rest            between switches, each cable as two links
//! ```
//! Two hosts without a switch have one link each.

mod names;
mod routes;
mod shapes;

pub use self::names::LinkNameError;
pub use self::routes::{Routes, mix};
pub use self::shapes::{Cable, Shape, ShapeError, Wiring};

use crate::time::Time;
use crate::units::Rate;

/// A link's number.
pub type LinkId = u32;
/// A switch's number.
pub type SwitchId = u32;

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A host.
    Host(u32),
    /// A switch.
    Switch(SwitchId),
}

/// One direction of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedLink {
    /// Where it begins.
    pub from: Node,
    /// Where it leads.
    pub to: Node,
    /// How fast it is.
    pub rate: Rate,
    /// How long a bit takes from end to end.
    pub latency: Time,
}

/// A network, laid out.
#[derive(Clone, Debug, Default)]
pub struct Network {
    hosts: u32,
    /// How each switch is called: its layer and its number there.
    switches: Vec<(&'static str, u32)>,
    links: Vec<PlannedLink>,
    routes: Routes,
}

impl Network {
    /// Lays out `shape`, with the rates and latencies that it has settled.
    pub fn new(shape: Shape) -> Result<Self, ShapeError> {
        let Shape { hosts, switches, cables } = shape;
        let links = lay(hosts, &cables)?;
        let routes = Routes::new(hosts, switches.len() as u32, &links)?;
        Ok(Self { hosts, switches, links, routes })
    }

    /// How many hosts.
    pub fn hosts(&self) -> u32 {
        self.hosts
    }

    /// How many switches.
    pub fn switches(&self) -> u32 {
        self.switches.len() as u32
    }

    /// All links.
    pub fn links(&self) -> &[PlannedLink] {
        &self.links
    }

    /// Which link comes next.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The links between two hosts, one of the shortest ways.
    pub fn way(&self, from: u32, to: u32) -> impl Iterator<Item = &PlannedLink> {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let link = next.take()?;
            let planned = &self.links[link as usize];
            if let Node::Switch(switch) = planned.to {
                next = Some(self.routes.next(switch, to, 0));
            }
            Some(planned)
        })
    }

    /// How long a packet takes between two hosts of an empty network: stored and forwarded on every
    /// link.
    pub fn one_way(&self, from: u32, to: u32, wire_bytes: u64) -> Time {
        self.way(from, to)
            .fold(Time::ZERO, |sum, link| sum + link.rate.time_for(wire_bytes) + link.latency)
    }

    /// The least rate between two hosts.
    pub fn bottleneck(&self, from: u32, to: u32) -> Rate {
        let rates = self.way(from, to).map(|link| link.rate);
        rates.min().unwrap_or(Rate { bps: 1 })
    }

    /// The pair of hosts with the longest way between them, seen from host 0.
    pub fn farthest(&self) -> (u32, u32) {
        let far =
            (1..self.hosts).max_by_key(|&to| (self.way(0, to).count(), std::cmp::Reverse(to)));
        (0, far.unwrap_or(0))
    }
}

/// Cables become links, numbered as the module's head says.
fn lay(hosts: u32, cables: &[Cable]) -> Result<Vec<PlannedLink>, ShapeError> {
    let mut up: Vec<Option<PlannedLink>> = vec![None; hosts as usize];
    let mut down = up.clone();
    let mut between = Vec::new();
    for cable in cables {
        for (from, to) in [(cable.a, cable.b), (cable.b, cable.a)] {
            let link = PlannedLink { from, to, rate: cable.rate, latency: cable.latency };
            match (from, to) {
                (Node::Host(host), _) => {
                    let taken = up[host as usize].replace(link);
                    if taken.is_some() {
                        return Err(ShapeError::SecondCable { host });
                    }
                    if matches!(to, Node::Host(_)) && hosts != 2 {
                        return Err(ShapeError::NoSwitch { host });
                    }
                }
                (_, Node::Host(host)) => down[host as usize] = Some(link),
                _ => between.push(link),
            }
        }
    }
    let mut links = Vec::with_capacity(2 * up.len() + between.len());
    // Between two hosts one's link up is the other's link down.
    let is_pair = up.iter().flatten().any(|link| matches!(link.to, Node::Host(_)));
    let ends = if is_pair { up } else { up.into_iter().chain(down).collect() };
    for (host, link) in ends.into_iter().enumerate() {
        links.push(link.ok_or(ShapeError::NoCable { host: host as u32 % hosts })?);
    }
    links.extend(between);
    Ok(links)
}

#[cfg(test)]
mod tests;
