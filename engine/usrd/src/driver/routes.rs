//! Which peer is where: the device numbers routes, the core numbers peers, and the user holds
//! handles.
//!
//! ```text
//!   device  RouteId <---- one to one ----> PeerId  core
//!                                             |
//!                                     generation (how often the id was given back)
//!                                             |
//!                                            Peer  user
//! ```

use usrd_device::RouteId;
use usrd_proto::PeerId;

use crate::Peer;

/// The table of all peers.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// By route.
    peers: Vec<Option<PeerId>>,
    /// By peer.
    entries: Vec<Entry>,
    live: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    route: Option<RouteId>,
    generation: u32,
    /// The user has asked for it, by address.
    named: bool,
}

impl Routes {
    /// The peer at the end of a route.
    pub(super) fn peer_at(&self, route: RouteId) -> Option<PeerId> {
        self.peers.get(route.0 as usize).copied().flatten()
    }

    /// The route to a peer.
    pub(super) fn route_to(&self, peer: PeerId) -> Option<RouteId> {
        self.entries.get(peer.0 as usize)?.route
    }

    /// The user's handle of a peer.
    pub(super) fn handle(&self, id: PeerId) -> Peer {
        let generation = self.entries.get(id.0 as usize).map_or(0, |entry| entry.generation);
        Peer { id, generation }
    }

    /// The peer behind a handle, unless it was disconnected.
    pub(super) fn lookup(&self, peer: Peer) -> Option<PeerId> {
        let entry = self.entries.get(peer.id.0 as usize)?;
        (entry.route.is_some() && entry.generation == peer.generation).then_some(peer.id)
    }

    /// Enters a new peer.
    pub(super) fn bind(&mut self, route: RouteId, id: PeerId) -> Peer {
        let (at_route, at_peer) = (route.0 as usize, id.0 as usize);
        if self.peers.len() <= at_route {
            self.peers.resize(at_route + 1, None);
        }
        if self.entries.len() <= at_peer {
            self.entries.resize(at_peer + 1, Entry::default());
        }
        self.peers[at_route] = Some(id);
        if self.entries[at_peer].route.replace(route).is_none() {
            self.live += 1;
        }
        self.handle(id)
    }

    /// Strikes a peer out. Its handle is never valid again. Returns the route that led to it.
    pub(super) fn unbind(&mut self, id: PeerId) -> Option<RouteId> {
        let entry = self.entries.get_mut(id.0 as usize)?;
        let route = entry.route.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.named = false;
        self.peers[route.0 as usize] = None;
        self.live -= 1;
        Some(route)
    }

    /// The user knows a peer by its address, and can count on its handle.
    pub(super) fn name(&mut self, id: PeerId) {
        self.entries[id.0 as usize].named = true;
    }

    /// Whether it has come by itself, and the user has not asked for it.
    pub(super) fn is_unnamed(&self, id: PeerId) -> bool {
        self.entries.get(id.0 as usize).is_some_and(|entry| entry.route.is_some() && !entry.named)
    }

    /// A peer is at the end of another route now. Returns the old one.
    pub(super) fn rebind(&mut self, route: RouteId, id: PeerId) -> Option<RouteId> {
        let old = self.entries.get(id.0 as usize)?.route?;
        self.peers[old.0 as usize] = None;
        self.bind(route, id);
        Some(old)
    }

    /// How many peers there are.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// All peers.
    pub(super) fn iter(&self) -> impl Iterator<Item = Peer> + '_ {
        let entries = self.entries.iter().zip(0..);
        let live = entries.filter(|(entry, _)| entry.route.is_some());
        live.map(|(entry, id)| Peer { id: PeerId(id), generation: entry.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_id_is_another_peer() {
        let mut routes = Routes::default();
        let first = routes.bind(RouteId(5), PeerId(2));
        assert_eq!(routes.peer_at(RouteId(5)), Some(PeerId(2)));
        assert_eq!(routes.lookup(first), Some(PeerId(2)));
        assert_eq!(routes.rebind(RouteId(7), PeerId(2)), Some(RouteId(5)));
        assert_eq!((routes.lookup(first), routes.len()), (Some(PeerId(2)), 1));
        assert_eq!(routes.peer_at(RouteId(5)), None);
        routes.rebind(RouteId(5), PeerId(2));
        assert!(routes.is_unnamed(PeerId(2)));
        routes.name(PeerId(2));
        assert!(!routes.is_unnamed(PeerId(2)));
        assert_eq!(routes.unbind(PeerId(2)), Some(RouteId(5)));
        assert_eq!((routes.lookup(first), routes.peer_at(RouteId(5))), (None, None));
        let second = routes.bind(RouteId(1), PeerId(2));
        assert_ne!(first, second);
        assert_eq!((routes.lookup(first), routes.lookup(second)), (None, Some(PeerId(2))));
        assert_eq!((routes.len(), routes.iter().next()), (1, Some(second)));
    }
}
