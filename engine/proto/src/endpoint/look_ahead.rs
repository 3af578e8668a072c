//! Memory is asked for before it is needed.
//!
//! Where thousands of peers take turns, what an endpoint knows of one has left the cache when its turn
//! comes again, and every line of it would be waited for, one after the other. What a batch will need is
//! known before it is worked through; if all of that is asked for first, the waits become one:
//!
//! ```text
//!   peer by peer    ...wait...|work|...wait...|work|...wait...|work
//!   looked ahead    ...wait...|work|work|work
//! ```
//! To ask is a hint to the processor, which takes unsafe code: the core names addresses, and whoever
//! drives it asks.

use super::Endpoint;
use crate::ids::PeerId;
use crate::wire;

impl Endpoint {
    /// Names what arrivals with these heads will need, a line of the cache at a time, for the driver to
    /// ask for before it hands the first of them in. Changes nothing, and need not be called.
    #[inline]
    pub fn look_ahead<'a>(
        &self,
        heads: impl Iterator<Item = &'a [u8]> + Clone,
        ask: impl FnMut(*const u8),
    ) {
        if self.peers.active() > CACHED_PEERS {
            self.name_for_arrivals(heads, ask);
        }
    }

    /// The same for messages to these peers, before the first of them is submitted.
    #[inline]
    pub fn look_ahead_to(
        &self,
        peers: impl Iterator<Item = PeerId> + Clone,
        ask: impl FnMut(*const u8),
    ) {
        if self.peers.active() > CACHED_PEERS {
            self.name_for_messages(peers, ask);
        }
    }

    #[inline(never)]
    fn name_for_arrivals<'a>(
        &self,
        heads: impl Iterator<Item = &'a [u8]> + Clone,
        mut ask: impl FnMut(*const u8),
    ) {
        let named = heads.filter_map(wire::named);
        for (context, _) in named.clone() {
            self.name_peer(Self::peer_index(context), &mut ask);
        }
        // Where these are is known from those.
        for (context, path) in named {
            if let Some(peer) = self.peers.get(Self::peer_index(context) as usize) {
                peer.receiver.lines_of_path(path, &mut ask);
            }
        }
    }

    #[inline(never)]
    fn name_for_messages(
        &self,
        peers: impl Iterator<Item = PeerId> + Clone,
        mut ask: impl FnMut(*const u8),
    ) {
        for peer in peers.clone() {
            self.name_peer(peer.0, &mut ask);
        }
        for peer in peers {
            if let Some(peer) = self.peers.get(peer.0 as usize) {
                peer.sender.lines_of_next(&mut ask);
            }
        }
    }

    fn name_peer(&self, index: u32, ask: &mut impl FnMut(*const u8)) {
        self.timers.lines(index, ask);
        self.peers.lines(index as usize, ask);
    }
}

/// What is known of so few peers stays in the cache: a few kilobytes each, some hundred together.
const CACHED_PEERS: usize = 64;
