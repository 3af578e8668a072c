//! First-in-first-out lists threaded through a slab: entering and leaving, at the ends or in the
//! middle, takes a few writes and no memory of its own.

use slab::Slab;

/// Where an entry stands in one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Links {
    pub(super) const ALONE: Self = Self { before: NONE, after: NONE };
}

/// Both ends of a list, by key. An empty one is [`Ends::EMPTY`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    first: u32,
    last: u32,
}

/// What can stand in lists; `list` is which of its own.
pub(super) trait Listed {
    fn links(&self, list: usize) -> Links;
    fn links_mut(&mut self, list: usize) -> &mut Links;
}

const NONE: u32 = u32::MAX;

impl Ends {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(super) fn is_empty(self) -> bool {
        self.first == NONE
    }

    pub(super) fn first(self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// The keys in it, from the first.
    pub(super) fn iter<T: Listed>(
        self,
        entries: &Slab<T>,
        list: usize,
    ) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(self.first(), move |&key| {
            let after = entries[key as usize].links(list).after;
            (after != NONE).then_some(after)
        })
    }

    pub(super) fn push<T: Listed>(&mut self, entries: &mut Slab<T>, list: usize, key: u32) {
        *entries[key as usize].links_mut(list) = Links { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = key,
            last => entries[last as usize].links_mut(list).after = key,
        }
        self.last = key;
    }

    pub(super) fn remove<T: Listed>(&mut self, entries: &mut Slab<T>, list: usize, key: u32) {
        let Links { before, after } = entries[key as usize].links(list);
        match before {
            NONE => self.first = after,
            before => entries[before as usize].links_mut(list).after = after,
        }
        match after {
            NONE => self.last = before,
            after => entries[after as usize].links_mut(list).before = before,
        }
    }
}
