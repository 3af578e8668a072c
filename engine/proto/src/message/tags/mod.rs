//! Tags: which receive a message is matched with. Rules G1 and G2.
//!
//! Two tables mirror each other: receives that wait for a message, messages that wait for a receive.
//! Whoever comes second looks for the first that fits in the other table:
//!
//! ```text
//!   receives    (peer, tag) -> list    (any, tag) -> list    masked: one list
//!   messages    (peer, tag) -> list    (any, tag) -> list    all: one list
//! ```
//! A receive stands in one of its lists, a message in all three of its. So what names a whole tag is
//! found by hash whatever else waits; only masks look at one entry after the other. Receives are
//! numbered as they are posted: of the lists that fit, the one whose first was posted first has the
//! match.

mod lists;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use self::lists::{Ends, Links, Listed};
use super::PostedRecv;
use crate::ids::{PeerId, TagFilter, Token};
use crate::shared::Shared;

/// Whose message, and its tag; [`ANY`] for whoever's.
type Name = (u32, u64);

type Lists = HashMap<Name, Ends, FixedState>;

/// Peers are numbered far below.
const ANY: u32 = u32::MAX;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct TagMatcher {
    posted: Slab<Posted>,
    posted_by_name: Lists,
    masked: Ends,
    next_number: u64,
    waiting: Slab<Waiting>,
    waiting_by_name: Lists,
    all_waiting: Ends,
}

#[derive(Debug)]
struct Posted {
    recv: PostedRecv,
    filter: TagFilter,
    /// Its place in the order of posting.
    number: u64,
    links: Links,
}

/// A message that no receive was posted for.
#[derive(Debug)]
struct Waiting {
    message: u32,
    peer: PeerId,
    tag: u64,
    links: [Links; 3],
}

const OF_PEER: usize = 0;
const OF_ANY: usize = 1;
const ALL: usize = 2;

impl Listed for Posted {
    fn links(&self, _list: usize) -> Links {
        self.links
    }

    fn links_mut(&mut self, _list: usize) -> &mut Links {
        &mut self.links
    }
}

impl Listed for Waiting {
    fn links(&self, list: usize) -> Links {
        self.links[list]
    }

    fn links_mut(&mut self, list: usize) -> &mut Links {
        &mut self.links[list]
    }
}

impl TagFilter {
    /// What a filter for one tag is found by.
    fn name(&self) -> Option<Name> {
        let peer = self.peer.map_or(ANY, |peer| peer.0);
        (self.mask == u64::MAX).then_some((peer, self.tag))
    }
}

impl TagMatcher {
    pub(crate) fn new() -> Self {
        Self {
            posted: Slab::new(),
            posted_by_name: Lists::default(),
            masked: Ends::EMPTY,
            next_number: 0,
            waiting: Slab::new(),
            waiting_by_name: Lists::default(),
            all_waiting: Ends::EMPTY,
        }
    }

    /// How many receives wait for a message.
    pub(crate) fn posted(&self) -> usize {
        self.posted.len()
    }

    /// Takes up a receive for which no message waits.
    pub(crate) fn post(&mut self, recv: PostedRecv, filter: TagFilter) {
        let number = self.next_number;
        self.next_number += 1;
        let posted = Posted { recv, filter, number, links: Links::ALONE };
        let key = self.posted.insert(posted) as u32;
        let list = match filter.name() {
            Some(name) => self.posted_by_name.entry(name).or_insert(Ends::EMPTY),
            None => &mut self.masked,
        };
        list.push(&mut self.posted, 0, key);
    }

    /// The receive that a message is matched with: of those that fit, the one posted first.
    /// A part of it, if it is a shared one.
    pub(crate) fn take_posted(
        &mut self,
        peer: PeerId,
        tag: u64,
        message_len: u64,
        shared: &mut Shared,
    ) -> Option<PostedRecv> {
        while let Some(key) = self.find_posted(peer, tag) {
            let recv = self.posted[key as usize].recv;
            let (piece, is_used_up) = shared.take_of(recv, message_len);
            if is_used_up {
                self.remove_posted(key);
            }
            if piece.is_some() {
                return piece;
            }
        }
        None
    }

    fn find_posted(&self, peer: PeerId, tag: u64) -> Option<u32> {
        if self.posted.is_empty() {
            return None;
        }
        let named = [(peer.0, tag), (ANY, tag)].map(|name| self.first_posted(name));
        let named = named.into_iter().flatten().min_by_key(|&key| self.number(key));
        let before = named.map_or(u64::MAX, |key| self.number(key));
        let masked = self
            .masked
            .iter(&self.posted, 0)
            .take_while(|&key| self.number(key) < before)
            .find(|&key| self.posted[key as usize].filter.takes(peer, tag));
        masked.or(named)
    }

    /// Takes a receive back that no message has been given.
    pub(crate) fn cancel(&mut self, token: Token) -> Option<PostedRecv> {
        let (key, _) = self.posted.iter().find(|(_, posted)| posted.recv.token == token)?;
        Some(self.remove_posted(key as u32))
    }

    /// A message waits for a receive.
    pub(crate) fn push_waiting(&mut self, message: u32, peer: PeerId, tag: u64) {
        let entry = Waiting { message, peer, tag, links: [Links::ALONE; 3] };
        let key = self.waiting.insert(entry) as u32;
        for (list, name) in [(OF_PEER, (peer.0, tag)), (OF_ANY, (ANY, tag))] {
            let ends = self.waiting_by_name.entry(name).or_insert(Ends::EMPTY);
            ends.push(&mut self.waiting, list, key);
        }
        self.all_waiting.push(&mut self.waiting, ALL, key);
    }

    /// The message that has waited longest of those that fit.
    pub(crate) fn peek_waiting(&self, filter: &TagFilter) -> Option<u32> {
        self.find_waiting(filter).map(|key| self.waiting[key as usize].message)
    }

    /// The same, taken out.
    pub(crate) fn take_waiting(&mut self, filter: &TagFilter) -> Option<u32> {
        let key = self.find_waiting(filter)?;
        Some(self.remove_waiting(key))
    }

    /// A waiting message is gone.
    pub(crate) fn forget_waiting(&mut self, message: u32) {
        let found = self.waiting.iter().find(|(_, it)| it.message == message);
        if let Some(key) = found.map(|(key, _)| key as u32) {
            self.remove_waiting(key);
        }
    }

    fn find_waiting(&self, filter: &TagFilter) -> Option<u32> {
        match filter.name() {
            Some(name) => self.waiting_by_name.get(&name)?.first(),
            None => self.all_waiting.iter(&self.waiting, ALL).find(|&key| {
                let waiting = &self.waiting[key as usize];
                filter.takes(waiting.peer, waiting.tag)
            }),
        }
    }

    fn first_posted(&self, name: Name) -> Option<u32> {
        self.posted_by_name.get(&name)?.first()
    }

    fn number(&self, key: u32) -> u64 {
        self.posted[key as usize].number
    }

    fn remove_posted(&mut self, key: u32) -> PostedRecv {
        match self.posted[key as usize].filter.name() {
            Some(name) => leave(&mut self.posted_by_name, name, &mut self.posted, 0, key),
            None => self.masked.remove(&mut self.posted, 0, key),
        }
        self.posted.remove(key as usize).recv
    }

    fn remove_waiting(&mut self, key: u32) -> u32 {
        let Waiting { peer, tag, .. } = self.waiting[key as usize];
        for (list, name) in [(OF_PEER, (peer.0, tag)), (OF_ANY, (ANY, tag))] {
            leave(&mut self.waiting_by_name, name, &mut self.waiting, list, key);
        }
        self.all_waiting.remove(&mut self.waiting, ALL, key);
        self.waiting.remove(key as usize).message
    }
}

/// Takes an entry out of the list with this name, and the list away with the last of it.
fn leave<T: Listed>(lists: &mut Lists, name: Name, entries: &mut Slab<T>, list: usize, key: u32) {
    let Some(ends) = lists.get_mut(&name) else { unreachable!("an entry stands in its list") };
    ends.remove(entries, list, key);
    if ends.is_empty() {
        lists.remove(&name);
    }
}

#[cfg(test)]
mod tests;
