//! Which host is which peer of the endpoint, and the other way round. An endpoint with connections
//! has one peer for each flow under way: a flow takes a connection that is idle, or opens one.

use std::collections::BTreeMap;

use usrd_proto::PeerId;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// The first peer that each host became.
    by_host: BTreeMap<u32, PeerId>,
    /// The host of each peer.
    hosts: Vec<u32>,
    /// The connections of flows under way, by flow.
    busy: BTreeMap<u32, PeerId>,
    /// Those of flows that are done, by the host that they lead to.
    idle: BTreeMap<u32, Vec<PeerId>>,
}

impl Peers {
    pub(super) fn of(&self, host: u32) -> Option<PeerId> {
        self.by_host.get(&host).copied()
    }

    /// The peer that a flow to this host goes to.
    pub(super) fn of_flow(&self, flow: u32, host: u32) -> Option<PeerId> {
        self.busy.get(&flow).copied().or_else(|| self.of(host))
    }

    pub(super) fn host_of(&self, peer: PeerId) -> u32 {
        self.hosts[peer.0 as usize]
    }

    pub(super) fn bind(&mut self, host: u32, peer: PeerId) {
        let index = peer.0 as usize;
        if self.hosts.len() <= index {
            self.hosts.resize(index + 1, host);
        }
        self.hosts[index] = host;
        self.by_host.entry(host).or_insert(peer);
    }

    /// The host is no peer any more. Late news of the one that it was are still its.
    pub(super) fn unbind(&mut self, host: u32) {
        self.by_host.remove(&host);
    }

    /// How many hosts are peers.
    pub(super) fn known(&self) -> usize {
        self.by_host.len()
    }

    /// Gives a flow an idle connection; says whether there is one.
    pub(super) fn reuse(&mut self, flow: u32, host: u32) -> bool {
        let peer = self.idle.get_mut(&host).and_then(Vec::pop);
        peer.map(|peer| self.busy.insert(flow, peer)).is_some()
    }

    /// Gives a flow this connection.
    pub(super) fn occupy(&mut self, flow: u32, peer: PeerId) {
        self.busy.insert(flow, peer);
    }

    /// A flow is done; its connection, if it had one, is idle.
    pub(super) fn release(&mut self, flow: u32) {
        if let Some(peer) = self.busy.remove(&flow) {
            self.idle.entry(self.host_of(peer)).or_default().push(peer);
        }
    }

    /// Every peer.
    pub(super) fn all(&self) -> impl Iterator<Item = PeerId> {
        (0..self.hosts.len() as u32).map(PeerId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_takes_an_idle_connection_to_its_host() {
        let mut peers = Peers::default();
        for (number, host) in [(0, 7), (1, 7), (2, 8)] {
            peers.bind(host, PeerId(number));
            peers.occupy(number, PeerId(number));
        }
        assert_eq!((peers.of(7), peers.of_flow(1, 7)), (Some(PeerId(0)), Some(PeerId(1))));
        assert!(!peers.reuse(9, 7));
        peers.release(1);
        assert!(!peers.reuse(9, 8) && peers.reuse(9, 7) && !peers.reuse(10, 7));
        assert_eq!(peers.of_flow(9, 7), Some(PeerId(1)));
        assert_eq!(peers.all().count(), 3);
    }
}
