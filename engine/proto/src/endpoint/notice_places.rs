//! Places for notifications that the user has not taken: those that all peers share, and those that a
//! peer has to itself, so that it holds up nobody but itself. Rule T6.

use alloc::collections::BTreeMap;

/// See the module's head.
#[derive(Debug)]
pub(super) struct NoticePlaces {
    shared: Places,
    /// By index of the peer. Few have some.
    own: BTreeMap<u32, Places>,
}

/// Whose place a notification has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Shared,
    Own,
    /// It was its peer's own, which is gone.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Places {
    free: u32,
    limit: u32,
}

impl NoticePlaces {
    pub(super) fn new(limit: u32) -> Self {
        Self { shared: Places::new(limit), own: BTreeMap::new() }
    }

    /// Gives a peer places of its own. `false` if it has some.
    pub(super) fn reserve(&mut self, peer: u32, limit: u32) -> bool {
        let is_new = !self.own.contains_key(&peer);
        if is_new {
            self.own.insert(peer, Places::new(limit));
        }
        is_new
    }

    /// Takes a place for something that this peer tells. The last one is only for what is sure to
    /// arrive whole.
    pub(super) fn take(&mut self, peer: u32, is_sure: bool) -> Option<Place> {
        let (places, place) = match self.own.get_mut(&peer) {
            Some(own) => (own, Place::Own),
            None => (&mut self.shared, Place::Shared),
        };
        let kept = u32::from(!is_sure);
        places.free = places.free.checked_sub(1).filter(|&left| left >= kept)?;
        Some(place)
    }

    /// So many are free again.
    pub(super) fn give_back(&mut self, peer: u32, place: Place, count: u32) {
        match place {
            Place::Shared => self.shared.give_back(count),
            Place::Own => {
                if let Some(own) = self.own.get_mut(&peer) {
                    own.give_back(count);
                }
            }
            Place::Gone => {}
        }
    }

    pub(super) fn give_back_shared(&mut self, count: u32) {
        self.shared.give_back(count);
    }

    pub(super) fn forget(&mut self, peer: u32) {
        self.own.remove(&peer);
    }

    #[cfg(test)]
    pub(super) fn shared_free(&self) -> u32 {
        self.shared.free
    }
}

impl Places {
    const fn new(limit: u32) -> Self {
        Self { free: limit, limit }
    }

    fn give_back(&mut self, count: u32) {
        self.free = self.free.saturating_add(count).min(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_places_of_its_own_takes_no_others() {
        let mut places = NoticePlaces::new(2);
        assert!(places.reserve(7, 1) && !places.reserve(7, 5));
        assert_eq!((places.take(7, true), places.take(7, true)), (Some(Place::Own), None));
        assert_eq!(
            [(); 3].map(|()| places.take(1, true)),
            [Some(Place::Shared), Some(Place::Shared), None]
        );
        places.give_back(7, Place::Own, 9);
        assert_eq!(
            (places.take(7, true), places.take(7, true)),
            (Some(Place::Own), None),
            "as many as given"
        );
        places.give_back(1, Place::Shared, 1);
        assert_eq!((places.take(7, true), places.take(1, true)), (None, Some(Place::Shared)));
        places.forget(7);
        places.give_back(7, Place::Own, 1);
        assert_eq!(places.take(7, true), None, "it shares again, and all are taken");
        places.give_back_shared(1);
        assert_eq!(places.take(7, true), Some(Place::Shared));
    }

    #[test]
    fn the_last_place_is_for_what_is_sure_to_arrive() {
        let mut places = NoticePlaces::new(2);
        assert_eq!((places.take(1, false), places.take(1, false)), (Some(Place::Shared), None));
        assert_eq!((places.take(1, true), places.take(1, true)), (Some(Place::Shared), None));
        assert!(places.reserve(7, 1));
        assert_eq!((places.take(7, false), places.take(7, true)), (None, Some(Place::Own)));
    }
}
