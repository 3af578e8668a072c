//! The way to each remote endpoint, along each path.
//!
//! ```text
//!   path p   rail   = p mod rails            both ends' rails pair up by position
//!            turn   = p div rails
//!            local  = queue pair  turn mod their number
//!            remote = queue pair  turn mod their number, at the other end
//!            label  = flow label of its own, in an address handle
//! ```
//! Whatever a network or a NIC hashes (UDP source port, which NICs derive from the flow label or from the
//! queue pair; the label itself; the queue pairs' numbers) differs from path to path. Address
//! handles are made on first use, and shared by all endpoints at one port of one host, see `ports`.

use std::collections::HashMap;

use super::address::EndpointAddress;
use super::gid::Gid;
use super::ports::{Place, Ports};
use super::sys::{AddressHandle, Label};
use crate::RouteId;

/// All routes of one device.
#[derive(Debug)]
pub(super) struct Routes {
    /// Of each of our rails, how many queue pairs it has.
    queue_pairs: Vec<usize>,
    paths: u16,
    routes: Vec<Route>,
    known: HashMap<EndpointAddress, RouteId>,
    sources: HashMap<Source, RouteId>,
    pub(super) ports: Ports<AddressHandle>,
}

/// Where a datagram says it is from: the endpoint's Q_Key, and the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) qkey: u32,
    pub(super) gid: Gid,
}

/// A remote endpoint.
#[derive(Debug)]
struct Route {
    address: EndpointAddress,
    /// The port that each of our rails talks to.
    ports: Vec<usize>,
}

/// Where to hand a datagram to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) rail: usize,
    pub(super) sender: usize,
    turn: usize,
}

/// Whom to address it to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) place: Place,
    pub(super) queue_pair: u32,
    pub(super) qkey: u32,
    /// Whether it understands bundles.
    pub(super) bundles: bool,
}

impl Target {
    /// With the way there, and with what goes beside a datagram.
    pub(super) const fn label(self, to: &AddressHandle, immediate: u32) -> Label<'_> {
        Label { to, queue_pair: self.queue_pair, qkey: self.qkey, immediate }
    }
}

impl Routes {
    pub(super) fn new(queue_pairs: Vec<usize>, paths: u16, ports: Ports<AddressHandle>) -> Self {
        Self {
            queue_pairs,
            paths,
            routes: Vec::new(),
            known: HashMap::new(),
            sources: HashMap::new(),
            ports,
        }
    }

    /// The route to an endpoint, and whether it is a new one.
    pub(super) fn intern(&mut self, address: EndpointAddress) -> (RouteId, bool) {
        if let Some(&route) = self.known.get(&address) {
            return (route, false);
        }
        let id = RouteId(self.routes.len() as u32);
        let rails = 0..self.queue_pairs.len();
        let ports = rails.map(|rail| self.port_of(rail, &address)).collect();
        for rail in &address.rails {
            self.sources.insert(Source { qkey: address.qkey, gid: rail.gid }, id);
        }
        self.routes.push(Route { address: address.clone(), ports });
        self.known.insert(address, id);
        (id, true)
    }

    /// The endpoint behind a route.
    pub(super) fn address(&self, route: RouteId) -> Option<&EndpointAddress> {
        self.routes.get(route.0 as usize).map(|route| &route.address)
    }

    /// The route to where a datagram is from, if its endpoint is known.
    pub(super) fn source(&self, source: &Source) -> Option<RouteId> {
        self.sources.get(source).copied()
    }

    /// What a path begins with.
    pub(super) fn hop(&self, path: u8) -> Hop {
        let path = usize::from(u16::from(path) % self.paths);
        let rails = self.queue_pairs.len();
        let (rail, turn) = (path % rails, path / rails);
        Hop { rail, sender: turn % self.queue_pairs[rail], turn }
    }

    /// Whom to address along a path; none if the route is not one.
    pub(super) fn target(&self, route: RouteId, hop: Hop, ecn: bool) -> Option<Target> {
        let Route { address, ports } = self.routes.get(route.0 as usize)?;
        let remote = &address.rails[hop.rail % address.rails.len()];
        Some(Target {
            place: Ports::<AddressHandle>::place(ports[hop.rail], hop.turn, ecn),
            queue_pair: remote.queue_pairs[hop.turn % remote.queue_pairs.len()],
            qkey: address.qkey,
            bundles: address.bundles,
        })
    }

    /// Whom to address to reach a queue pair of a port of which nothing else is known.
    pub(super) fn direct(&mut self, rail: usize, to: &Source, queue_pair: u32) -> Target {
        let port = self.ports.at(rail, to.gid, 0);
        let place = Ports::<AddressHandle>::place(port, 0, false);
        Target { place, queue_pair, qkey: to.qkey, bundles: false }
    }

    fn port_of(&mut self, rail: usize, address: &EndpointAddress) -> usize {
        let remote = &address.rails[rail % address.rails.len()];
        self.ports.at(rail, remote.gid, remote.lid)
    }
}
