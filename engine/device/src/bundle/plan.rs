//! Who goes with whom.
//!
//! A bundle leaves later than its first datagram would have, so others overtake that, and a protocol
//! that takes a datagram for lost when several of its path have overtaken it would be misled. So a
//! datagram is overtaken only by its next two neighbours behind it, on its path, and no sooner than
//! there is something to share with.
//!
//! ```text
//!   numbers in the batch     0L 1s 2L 3s 4L 5s 6L 7s      L large, s small
//!   how they leave           0L 2L [1 3 5] 4L 6L 7s       4 behind 1 would be one too many, so the
//!                                                         bundle leaves before it, and takes 5 along
//! ```

use super::frame::{BUNDLE_BYTES, MAX_PIECES, PIECE_BYTES};

/// See the module's head. Its memory is used again for every batch.
#[derive(Debug)]
pub struct Planner {
    max_bytes: usize,
    /// All datagrams, in the order in which they leave.
    order: Vec<u16>,
    /// Where in `order` each group ends.
    ends: Vec<u16>,
    /// The bundle that is being filled.
    open: Vec<u16>,
    open_bytes: usize,
}

impl Planner {
    /// For bundles of at most so many bytes.
    pub const fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            order: Vec::new(),
            ends: Vec::new(),
            open: Vec::new(),
            open_bytes: BUNDLE_BYTES,
        }
    }

    /// Plans `count` datagrams to one endpoint along one path. `size` tells the length of each that may
    /// share, and nothing of one that is to be by itself.
    ///
    /// # Panics
    /// If there are more than 65,535.
    pub fn plan(&mut self, count: usize, size: impl Fn(usize) -> Option<usize>) {
        assert!(count <= usize::from(u16::MAX), "batches are small");
        let size = |index| if index < count { size(index) } else { None };
        self.order.clear();
        self.ends.clear();
        let mut next = 0;
        while next < count {
            match size(next) {
                Some(bytes) if !self.open.is_empty() || meets_another(next, size) => {
                    self.join(next, bytes);
                }
                Some(_) => self.alone(next),
                None => {
                    let last = self.make_way(next, size);
                    self.alone(next);
                    next = last;
                }
            }
            next += 1;
        }
        self.close();
    }

    /// The groups in the order in which they are to leave, each with the datagrams that share one.
    pub fn groups(&self) -> impl Iterator<Item = &[u16]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.order[start.into()..end.into()])
    }

    fn alone(&mut self, index: usize) {
        self.order.push(index as u16);
        self.ends.push(self.order.len() as u16);
    }

    fn join(&mut self, index: usize, bytes: usize) {
        if !self.has_room(bytes) {
            self.close();
        }
        self.open.push(index as u16);
        self.open_bytes += PIECE_BYTES + bytes;
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.open.len() < MAX_PIECES && self.open_bytes + PIECE_BYTES + bytes <= self.max_bytes
    }

    /// Before a large one overtakes the bundle that is open, that leaves, if it is time. It takes along
    /// who is right behind the large one, and the last of them is returned.
    fn make_way(&mut self, large: usize, size: impl Fn(usize) -> Option<usize>) -> usize {
        let mut last = large;
        if self.open.first().is_some_and(|&first| large - usize::from(first) >= OVERTAKING_DISTANCE)
        {
            while last + 1 < large + OVERTAKING_DISTANCE
                && let Some(bytes) = size(last + 1)
                && self.has_room(bytes)
            {
                last += 1;
                self.join(last, bytes);
            }
            self.close();
        }
        last
    }

    /// The open bundle leaves.
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.order.append(&mut self.open);
            self.ends.push(self.order.len() as u16);
        }
        self.open_bytes = BUNDLE_BYTES;
    }
}

/// Whether one that begins a bundle would not stay alone in it.
fn meets_another(first: usize, size: impl Fn(usize) -> Option<usize>) -> bool {
    (first + 1..=first + OVERTAKING_DISTANCE + 1).any(|index| size(index).is_some())
}

/// A datagram is never overtaken by one that is this far behind it on its path. The protocol above
/// takes it for lost no sooner (`gap_packets`, rule L1 of docs/PROTOCOL.md).
pub const OVERTAKING_DISTANCE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plan for a batch such as `LsLs`, as text: numbers, those that share in brackets.
    fn plan(batch: &str, max_bytes: usize) -> String {
        let mut planner = Planner::new(max_bytes);
        let batch = batch.as_bytes();
        planner.plan(batch.len(), |index| (batch[index] == b's').then_some(10));
        let groups = planner.groups().map(|group| match group {
            [single] => single.to_string(),
            _ => format!("{group:?}").replace(',', ""),
        });
        groups.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn small_ones_share_and_nobody_falls_far_behind() {
        for (batch, expected) in [
            ("", ""),
            ("s", "0"),
            ("L", "0"),
            ("ssss", "[0 1 2 3]"),
            ("LLs", "0 1 2"),
            ("Ls", "0 1"),
            ("LsL", "0 1 2"),
            ("LsLs", "0 2 [1 3]"),
            ("LsLsLs", "0 2 [1 3 5] 4"),
            ("LsLsLsLs", "0 2 [1 3 5] 4 6 7"),
            ("LsLsLsLsLsLs", "0 2 [1 3 5] 4 6 8 [7 9 11] 10"),
            ("sLLLs", "1 2 [0 4] 3"),
            ("sLLLLs", "0 1 2 3 4 5"),
            ("sLLLss", "1 2 [0 4 5] 3"),
            ("ssLss", "2 [0 1 3 4]"),
        ] {
            assert_eq!(plan(batch, 1000), expected, "{batch}");
        }
    }

    #[test]
    fn bundles_are_no_longer_than_a_datagram() {
        assert_eq!(plan("sssss", 1 + 3 * 12), "[0 1 2] [3 4]");
        assert_eq!(plan("sssss", 3 * 12), "[0 1] [2 3] 4");
    }

    proptest! {
        #[test]
        fn everyone_leaves_once_and_is_overtaken_by_neighbours_only(
            batch in prop::collection::vec(prop::option::of(1_usize..400), 0..200),
            max_bytes in 500_usize..4096,
        ) {
            let mut planner = Planner::new(max_bytes);
            // What was planned before makes no difference.
            planner.plan(3, |_| Some(5));
            planner.plan(batch.len(), |index| batch[index]);
            let order: Vec<_> = planner.groups().flatten().map(|&index| usize::from(index)).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.into_iter().eq(0..batch.len()));
            for (place, &index) in order.iter().enumerate() {
                let ahead = order[..place].iter().max().map_or(0, |&max| max.saturating_sub(index));
                prop_assert!(ahead < OVERTAKING_DISTANCE, "{order:?}");
            }
            for group in planner.groups().filter(|group| group.len() > 1) {
                prop_assert!(group.is_sorted() && group.len() <= MAX_PIECES);
                let bytes = group.iter().map(|&index| batch[usize::from(index)].map(|bytes| bytes + 2));
                prop_assert!(bytes.sum::<Option<usize>>().is_some_and(|sum| sum < max_bytes));
            }
        }
    }
}
