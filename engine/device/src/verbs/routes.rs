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
//!
//! A route is *claimed* while somebody above uses it. Others are of endpoints that have only introduced
//! themselves, or are to be forgotten. They may come to be needed at once, so a limited number is kept,
//! and then the one goes that was unclaimed first.

use std::collections::{HashMap, VecDeque};

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
    routes: Vec<Option<Route>>,
    /// Numbers of routes that were forgotten.
    free: Vec<RouteId>,
    /// Routes that nobody has claimed, the one of which that has been true for longest first.
    unclaimed: VecDeque<RouteId>,
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
    is_claimed: bool,
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
            free: Vec::new(),
            unclaimed: VecDeque::new(),
            known: HashMap::new(),
            sources: HashMap::new(),
            ports,
        }
    }

    /// The route to an endpoint, and whether it is a new one. Nobody has claimed that yet.
    pub(super) fn intern(&mut self, address: EndpointAddress) -> (RouteId, bool) {
        if let Some(&route) = self.known.get(&address) {
            return (route, false);
        }
        let rails = 0..self.queue_pairs.len();
        let ports = rails.map(|rail| self.port_of(rail, &address)).collect();
        let route = Some(Route { address: address.clone(), is_claimed: false, ports });
        let id = self.free.pop().unwrap_or(RouteId(self.routes.len() as u32));
        match self.routes.get_mut(id.0 as usize) {
            Some(place) => *place = route,
            None => self.routes.push(route),
        }
        for rail in &address.rails {
            self.sources.insert(Source { qkey: address.qkey, gid: rail.gid }, id);
        }
        self.known.insert(address, id);
        self.unclaimed.push_back(id);
        (id, true)
    }

    /// Somebody above uses a route from now on. Whether it is one.
    pub(super) fn claim(&mut self, id: RouteId) -> bool {
        let Some(route) = self.routes.get_mut(id.0 as usize).and_then(Option::as_mut) else {
            return false;
        };
        if !std::mem::replace(&mut route.is_claimed, true) {
            self.unclaimed.retain(|&unclaimed| unclaimed != id);
        }
        true
    }

    /// Nobody above uses a route any more.
    pub(super) fn disclaim(&mut self, id: RouteId) {
        let route = self.routes.get_mut(id.0 as usize).and_then(Option::as_mut);
        if route.is_some_and(|route| std::mem::take(&mut route.is_claimed)) {
            self.unclaimed.push_back(id);
        }
    }

    /// Forgets routes beyond those that are kept without being claimed. Not while somebody may still ask
    /// for the route to where a datagram is from.
    pub(super) fn forget_unclaimed(&mut self) {
        while self.unclaimed.len() > MOST_UNCLAIMED
            && let Some(id) = self.unclaimed.pop_front()
            && let Some(route) = self.routes[id.0 as usize].take()
        {
            self.known.remove(&route.address);
            for rail in &route.address.rails {
                let source = Source { qkey: route.address.qkey, gid: rail.gid };
                // Another endpoint may claim to be there as well.
                if self.sources.get(&source) == Some(&id) {
                    self.sources.remove(&source);
                }
            }
            route.ports.iter().for_each(|&port| self.ports.leave(port));
            self.free.push(id);
        }
    }

    /// The endpoint behind a route.
    pub(super) fn address(&self, route: RouteId) -> Option<&EndpointAddress> {
        self.get(route).map(|route| &route.address)
    }

    /// Routes there are room for.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    fn get(&self, route: RouteId) -> Option<&Route> {
        self.routes.get(route.0 as usize)?.as_ref()
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
        let Route { address, ports, .. } = self.get(route)?;
        let remote = &address.rails[hop.rail % address.rails.len()];
        Some(Target {
            place: Ports::<AddressHandle>::place(ports[hop.rail], hop.turn, ecn),
            queue_pair: remote.queue_pairs[hop.turn % remote.queue_pairs.len()],
            qkey: address.qkey,
            bundles: address.bundles,
        })
    }

    /// Whom to address to reach a queue pair of a port of which nothing else is known; none if there
    /// are too many such.
    pub(super) fn direct(&mut self, rail: usize, to: &Source, queue_pair: u32) -> Option<Target> {
        let port = self.ports.visit(rail, to.gid, 0)?;
        let place = Ports::<AddressHandle>::place(port, 0, false);
        Some(Target { place, queue_pair, qkey: to.qkey, bundles: false })
    }

    fn port_of(&mut self, rail: usize, address: &EndpointAddress) -> usize {
        let remote = &address.rails[rail % address.rails.len()];
        self.ports.claim(rail, remote.gid, remote.lid)
    }
}

/// More than introduce themselves at a time.
const MOST_UNCLAIMED: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::address::RailAddress;
    use super::super::ports::LocalPort;
    use super::*;
    use crate::{DeviceError, Waker};

    fn routes() -> Routes {
        let local = vec![LocalPort { port: 1, gid_index: 0 }];
        let make = |_: usize, _: &_| {
            let source = std::io::Error::other("there is no device here");
            Err(DeviceError::Io { operation: "asking", source })
        };
        let ports = Ports::new(local, 0, 1, make, Waker::new().unwrap()).unwrap();
        Routes::new(vec![2], 4, ports)
    }

    fn endpoint(number: u32) -> EndpointAddress {
        let gid = Gid::from_ipv4((0x0a00_0000 + number).to_be_bytes());
        let rail = RailAddress { gid, lid: 0, queue_pairs: vec![17, 18] };
        EndpointAddress { qkey: number + 1, bundles: true, rails: vec![rail] }
    }

    fn source(number: u32) -> Source {
        Source { qkey: number + 1, gid: endpoint(number).rails[0].gid }
    }

    #[test]
    fn thousands_come_and_go_and_the_table_does_not_grow() {
        let mut routes = routes();
        let (kept, _) = routes.intern(endpoint(0));
        assert!(routes.claim(kept));
        for number in 1..5000 {
            let (id, is_new) = routes.intern(endpoint(number));
            assert!(is_new);
            // Some have only introduced themselves.
            if number % 2 == 0 {
                assert!(routes.claim(id));
                routes.disclaim(id);
            }
            routes.forget_unclaimed();
        }
        let most = MOST_UNCLAIMED + 2;
        assert!(routes.routes.len() <= most, "{}", routes.routes.len());
        assert_eq!(routes.known.len(), MOST_UNCLAIMED + 1);
        assert_eq!(routes.sources.len(), routes.known.len());
        // The one that is in use is still itself, and so is one of those that were last.
        assert_eq!(routes.address(kept), Some(&endpoint(0)));
        assert_eq!(routes.intern(endpoint(0)), (kept, false));
        assert!(!routes.intern(endpoint(4999)).1);
        // One that was forgotten leads nowhere, wherever from one looks.
        assert_eq!(routes.source(&source(1)), None);
        assert!(routes.intern(endpoint(1)).1);
        let unknown = RouteId(12_345);
        assert!(!routes.claim(unknown));
        assert!(routes.target(unknown, routes.hop(0), false).is_none());
        routes.disclaim(unknown);
    }

    #[test]
    fn who_takes_a_place_over_keeps_it() {
        let mut routes = routes();
        let (first, _) = routes.intern(endpoint(0));
        let mut other = endpoint(0);
        other.rails[0].queue_pairs = vec![33];
        let (second, _) = routes.intern(other);
        assert_eq!(routes.source(&source(0)), Some(second));
        routes.claim(second);
        for number in 1..=MOST_UNCLAIMED as u32 {
            routes.intern(endpoint(number));
        }
        routes.forget_unclaimed();
        assert_eq!(routes.address(first), None);
        assert_eq!(routes.source(&source(0)), Some(second));
    }
}
