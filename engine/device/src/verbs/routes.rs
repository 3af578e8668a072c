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
//! handles are made on first use, and shared by all endpoints at one port of one host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::EndpointAddress;
use super::gid::{ECT_0, Gid};
use super::sys::{AddressHandle, Domain, Label, Way};
use crate::RouteId;

/// All routes of one device.
#[derive(Debug)]
pub(super) struct Routes {
    rails: Vec<LocalRail>,
    paths: u16,
    traffic_class: u8,
    /// Differs from endpoint to endpoint, and so do the flow labels.
    salt: u32,
    routes: Vec<Route>,
    known: HashMap<EndpointAddress, RouteId>,
    sources: HashMap<Source, RouteId>,
    ports: Vec<RemotePort>,
    known_ports: HashMap<(usize, Gid), usize>,
}

/// What address handles of one of our rails need.
#[derive(Debug)]
pub(super) struct LocalRail {
    pub(super) domain: Arc<Domain>,
    pub(super) port: u8,
    pub(super) gid_index: u8,
    pub(super) queue_pairs: usize,
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

/// A remote port, seen from one rail.
#[derive(Debug)]
struct RemotePort {
    rail: usize,
    gid: Gid,
    lid: u16,
    /// By turn and by whether the network may mark; those that were asked for.
    handles: Vec<Option<AddressHandle>>,
    /// There was no way there; until when not to ask again.
    unreachable: Option<Instant>,
}

/// Where to hand a datagram to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) rail: usize,
    pub(super) sender: usize,
    turn: usize,
}

/// Whom to address it to.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) handle: &'a AddressHandle,
    pub(super) queue_pair: u32,
    pub(super) qkey: u32,
}

impl<'a> Target<'a> {
    /// With what goes beside a datagram.
    pub(super) const fn label(&self, immediate: u32) -> Label<'a> {
        Label { to: self.handle, queue_pair: self.queue_pair, qkey: self.qkey, immediate }
    }
}

impl Routes {
    pub(super) fn new(rails: Vec<LocalRail>, paths: u16, traffic_class: u8, salt: u32) -> Self {
        Self {
            rails,
            paths,
            traffic_class,
            salt,
            routes: Vec::new(),
            known: HashMap::new(),
            sources: HashMap::new(),
            ports: Vec::new(),
            known_ports: HashMap::new(),
        }
    }

    /// The route to an endpoint, and whether it is a new one.
    pub(super) fn intern(&mut self, address: EndpointAddress) -> (RouteId, bool) {
        if let Some(&route) = self.known.get(&address) {
            return (route, false);
        }
        let id = RouteId(self.routes.len() as u32);
        let rails = 0..self.rails.len();
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
        let (rail, turn) = (path % self.rails.len(), path / self.rails.len());
        Hop { rail, sender: turn % self.rails[rail].queue_pairs, turn }
    }

    /// Whom to address along a path; none if there is no way at present.
    pub(super) fn target(&mut self, route: RouteId, hop: Hop, ecn: bool) -> Option<Target<'_>> {
        let route = self.routes.get(route.0 as usize)?;
        let remote = &route.address.rails[hop.rail % route.address.rails.len()];
        let queue_pair = remote.queue_pairs[hop.turn % remote.queue_pairs.len()];
        let qkey = route.address.qkey;
        let port = route.ports[hop.rail];
        let handle = self.handle(port, hop.turn, ecn)?;
        Some(Target { handle, queue_pair, qkey })
    }

    /// Whom to address to reach a port of which nothing else is known.
    pub(super) fn direct(&mut self, rail: usize, gid: Gid) -> Option<&AddressHandle> {
        let port = self.port_at(rail, gid, 0);
        self.handle(port, 0, false)
    }

    fn port_of(&mut self, rail: usize, address: &EndpointAddress) -> usize {
        let remote = &address.rails[rail % address.rails.len()];
        self.port_at(rail, remote.gid, remote.lid)
    }

    fn port_at(&mut self, rail: usize, gid: Gid, lid: u16) -> usize {
        *self.known_ports.entry((rail, gid)).or_insert_with(|| {
            self.ports.push(RemotePort { rail, gid, lid, handles: Vec::new(), unreachable: None });
            self.ports.len() - 1
        })
    }

    fn handle(&mut self, port: usize, turn: usize, ecn: bool) -> Option<&AddressHandle> {
        let remote = &mut self.ports[port];
        let index = 2 * turn + usize::from(ecn);
        if remote.handles.len() <= index {
            remote.handles.resize_with(index + 1, || None);
        }
        if remote.handles[index].is_none() && remote.is_worth_asking() {
            let rail = &self.rails[remote.rail];
            let way = Way {
                port: rail.port,
                source_gid_index: rail.gid_index,
                to: remote.gid,
                lid: remote.lid,
                flow_label: flow_label(self.salt, turn as u32),
                traffic_class: self.traffic_class | if ecn { ECT_0 } else { 0 },
            };
            remote.handles[index] = remote.ask(&rail.domain, &way);
        }
        remote.handles[index].as_ref()
    }
}

impl RemotePort {
    fn is_worth_asking(&self) -> bool {
        self.unreachable.is_none_or(|until| Instant::now() >= until)
    }

    /// Makes an address handle. That can block for a second where a host does not answer, and nothing
    /// else is done meanwhile, so it is not tried again for ten times as long as it took.
    fn ask(&mut self, domain: &Arc<Domain>, way: &Way) -> Option<AddressHandle> {
        let began = Instant::now();
        match AddressHandle::new(domain, way) {
            Ok(handle) => {
                self.unreachable = None;
                Some(handle)
            }
            Err(error) => {
                tracing::debug!(to = %way.to, %error, "no way there");
                let now = Instant::now();
                self.unreachable = Some(now + LEAST_PAUSE.max(10 * now.duration_since(began)));
                None
            }
        }
    }
}

/// 20 bits, not zero: NICs take zero for "none of its own".
fn flow_label(salt: u32, turn: u32) -> u32 {
    // Fibonacci hashing; the labels of one endpoint are all different, as the factor is odd.
    let mixed = (salt.wrapping_add(turn)).wrapping_mul(0x9e37_79b1) >> 12;
    if mixed == 0 { 1 } else { mixed }
}

/// A host, or its interface, that comes back is not kept waiting for longer than this.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn flow_labels_differ() {
        let labels: HashSet<_> = (0..256).map(|turn| flow_label(77, turn)).collect();
        assert!(labels.len() >= 255 && labels.iter().all(|&label| 0 < label && label < 1 << 20));
    }
}
