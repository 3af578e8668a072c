//! One remote port: what leads there, and what waits for that to be known.

use std::time::Instant;

use super::super::gid::Gid;
use super::Parcel;

/// A remote port, seen from one rail.
#[derive(Debug)]
pub(super) struct RemotePort<H> {
    pub(super) rail: usize,
    pub(super) gid: Gid,
    pub(super) lid: u16,
    handles: Vec<Handle<H>>,
    /// Routes that lead there.
    pub(super) users: usize,
    /// Whether an errand is under way for it.
    pub(super) is_asked: bool,
    /// Ways to ask for with the next one.
    pub(super) queued: Vec<usize>,
    /// There was no way there; until when not to ask again.
    pub(super) unreachable: Option<Instant>,
    /// How many datagrams wait for ways.
    waiting: usize,
}

/// A way there.
#[derive(Debug)]
enum Handle<H> {
    Unasked,
    /// With what waits for it.
    Asked(Vec<Parcel>),
    There(H),
}

impl<H> RemotePort<H> {
    pub(super) const fn new(rail: usize, gid: Gid, lid: u16) -> Self {
        Self {
            rail,
            gid,
            lid,
            handles: Vec::new(),
            users: 0,
            is_asked: false,
            queued: Vec::new(),
            unreachable: None,
            waiting: 0,
        }
    }

    /// What leads there along a way; if it is not known, the way is [queued](Self::queued).
    pub(super) fn handle(&mut self, index: usize) -> Option<&H> {
        if self.handles.len() <= index {
            self.handles.resize_with(index + 1, || Handle::Unasked);
        }
        let is_worth_asking = || self.unreachable.is_none_or(|until| Instant::now() >= until);
        if matches!(self.handles[index], Handle::Unasked) && is_worth_asking() {
            self.handles[index] = Handle::Asked(Vec::new());
            self.queued.push(index);
        }
        match &self.handles[index] {
            Handle::There(handle) => Some(handle),
            _ => None,
        }
    }

    /// Keeps a datagram until the way is known, if that was asked for and not too many wait.
    pub(super) fn hold(&mut self, index: usize, parcel: impl FnOnce() -> Parcel) -> bool {
        match self.handles.get_mut(index) {
            Some(Handle::Asked(parcels)) if self.waiting < MOST_WAITING => parcels.push(parcel()),
            _ => return false,
        }
        self.waiting += 1;
        true
    }

    /// A way is known now, or else may be asked for again. Returns what has waited for it.
    pub(super) fn answer(&mut self, index: usize, found: Option<H>) -> Vec<Parcel> {
        let handle = found.map_or(Handle::Unasked, Handle::There);
        let Some(place) = self.handles.get_mut(index) else { return Vec::new() };
        let Handle::Asked(parcels) = std::mem::replace(place, handle) else { return Vec::new() };
        self.waiting -= parcels.len();
        parcels
    }

    /// The ways that are known.
    pub(super) fn into_handles(self) -> Vec<H> {
        let known = |handle| match handle {
            Handle::There(handle) => Some(handle),
            _ => None,
        };
        self.handles.into_iter().filter_map(known).collect()
    }
}

/// For each port: two of the driver's batches, so that what is sent first is not lost.
pub(super) const MOST_WAITING: usize = 512;
