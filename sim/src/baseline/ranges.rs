//! A set of packet numbers as stretches without a gap: what has arrived beyond the first hole.

use std::collections::BTreeMap;

/// Stretches by where they start: none touch.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub(super) fn contains(&self, psn: u64) -> bool {
        self.around(psn).is_some()
    }

    /// The stretch that a number is in: from, up to.
    pub(super) fn around(&self, psn: u64) -> Option<(u64, u64)> {
        let (&from, &to) = self.0.range(..=psn).next_back()?;
        (psn < to).then_some((from, to))
    }

    pub(super) fn insert(&mut self, psn: u64) {
        let (mut from, mut to) = (psn, psn + 1);
        if let Some((&before, &end)) = self.0.range(..=psn).next_back() {
            if psn < end {
                return;
            }
            if end == psn {
                from = before;
            }
        }
        if let Some(end) = self.0.remove(&to) {
            to = end;
        }
        self.0.insert(from, to);
    }

    /// Takes out the stretch that starts here; gives where it ends.
    pub(super) fn take_from(&mut self, psn: u64) -> Option<u64> {
        self.0.remove(&psn)
    }

    /// Stretches, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(&from, &to)| (from, to))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rng::{Component, Stream};

    #[test]
    fn it_is_a_set_whatever_the_order() {
        let mut rng = Stream::new(1, Component::Workload, 0);
        for _ in 0..100 {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..40 {
                let psn = rng.below(50);
                ranges.insert(psn);
                set.insert(psn);
            }
            assert!((0..50).all(|psn| ranges.contains(psn) == set.contains(&psn)));
            let members: Vec<u64> = ranges.iter().flat_map(|(from, to)| from..to).collect();
            assert_eq!(members, Vec::from_iter(set));
            assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.1 < b.0));
        }
    }
}
