//! All peers of an endpoint, by index: a record for each idle one, all that is needed for an active one.
//!
//! Whoever asks for a peer in order to change it gets an active one: it wakes up. What that leads to
//! is seen to with the rest of the batch, as if something had happened to it; if nothing has, its first
//! look lets it rest again.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use slab::Slab;

use super::{Context, Fresh, IdlePeer, Peer};
use crate::config::Config;
use crate::ids::PeerId;
use crate::lines::lines_of;
use crate::stats::PeerStats;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct PeerTable {
    slots: Slab<Slot>,
    /// Who woke up and has not been seen to.
    woken: Vec<u32>,
    fresh: Fresh,
    active: usize,
}

/// Boxed, so that a table that grows moves pointers and not peers.
#[derive(Debug)]
enum Slot {
    Idle(Box<IdlePeer>),
    Active(Box<Peer>),
}

impl PeerTable {
    pub(crate) fn new(config: &Config) -> Self {
        Self { slots: Slab::new(), woken: Vec::new(), fresh: Fresh::new(config), active: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        self.slots.contains(index)
    }

    /// How many are active.
    #[inline]
    pub(crate) fn active(&self) -> usize {
        self.active
    }

    /// Names the memory of a peer's record, if it is active.
    #[inline]
    pub(crate) fn lines(&self, index: usize, ask: &mut impl FnMut(*const u8)) {
        if let Some(peer) = self.get(index) {
            lines_of(peer, ask);
        }
    }

    /// Where the next peer will be.
    pub(crate) fn vacant_key(&self) -> usize {
        self.slots.vacant_key()
    }

    /// Adds a peer, idle.
    pub(crate) fn insert(&mut self, peer: IdlePeer) {
        self.slots.insert(Slot::Idle(Box::new(peer)));
    }

    pub(crate) fn remove(&mut self, index: usize) {
        let slot = self.slots.remove(index);
        self.active -= usize::from(matches!(slot, Slot::Active(_)));
        self.woken.retain(|&it| it as usize != index);
    }

    /// Every peer, idle ones as well.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.slots.iter().map(|(index, _)| PeerId(index as u32))
    }

    /// Who a peer is, idle or not.
    pub(crate) fn context(&self, index: usize) -> Option<&Context> {
        self.slots.get(index).map(Slot::context)
    }

    pub(crate) fn stats(&self, index: usize) -> Option<PeerStats> {
        match self.slots.get(index)? {
            Slot::Idle(peer) => Some(peer.stats()),
            Slot::Active(peer) => Some(peer.stats()),
        }
    }

    /// A peer, if it is active.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Peer> {
        match self.slots.get(index)? {
            Slot::Idle(_) => None,
            Slot::Active(peer) => Some(peer),
        }
    }

    /// A peer, which is active from now on.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Peer> {
        self.get_mut_if(index, |_| true)
    }

    /// The same, if its context is the right one: whoever writes to another does not wake it up.
    #[inline]
    pub(crate) fn get_mut_if(
        &mut self,
        index: usize,
        is_right: impl Fn(&Context) -> bool,
    ) -> Option<&mut Peer> {
        let slot = self.slots.get_mut(index)?;
        if let Slot::Idle(peer) = slot {
            if !is_right(&peer.context) {
                return None;
            }
            *slot = Slot::Active(Peer::wake(peer, &self.fresh));
            self.woken.push(index as u32);
            self.active += 1;
        }
        match slot {
            Slot::Active(peer) if is_right(&peer.context) => Some(peer),
            _ => None,
        }
    }

    /// A peer starts over under a new context. What was pending must have been failed before.
    pub(crate) fn renew(&mut self, index: usize, (id, incarnation): (u32, u64), first_path: u8) {
        self.get_mut(index);
        if let Some(Slot::Active(peer)) = self.slots.get_mut(index) {
            peer.renew((id, incarnation), first_path, &self.fresh);
        }
    }

    /// Nothing is under way with a peer, and nothing is owed: see [`Look::Idle`](super::Look::Idle).
    pub(crate) fn rest(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index)
            && let Slot::Active(peer) = slot
        {
            *slot = Slot::Idle(Box::new(peer.rest()));
            self.active -= 1;
        }
    }

    /// Whether somebody woke up and has not been seen to.
    #[inline]
    pub(crate) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Who woke up, each once.
    pub(crate) fn pop_woken(&mut self) -> Option<u32> {
        self.woken.pop()
    }
}

impl Slot {
    #[inline]
    fn context(&self) -> &Context {
        match self {
            Self::Idle(peer) => &peer.context,
            Self::Active(peer) => &peer.context,
        }
    }
}

/// A peer of which it is known that it is active.
impl Index<usize> for PeerTable {
    type Output = Peer;

    #[inline]
    fn index(&self, index: usize) -> &Peer {
        match &self.slots[index] {
            Slot::Active(peer) => peer,
            Slot::Idle(_) => unreachable!("something is under way with it"),
        }
    }
}

/// A peer that is there; it wakes up, as by [`PeerTable::get_mut`].
impl IndexMut<usize> for PeerTable {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut Peer {
        match self.get_mut(index) {
            Some(peer) => peer,
            None => unreachable!("there is such a peer"),
        }
    }
}
