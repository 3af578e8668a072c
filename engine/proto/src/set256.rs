//! A set of numbers from 0 to 255: paths, or blocks of a window by their number modulo 256.

/// See the module's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set256([u64; 4]);

impl Set256 {
    #[inline]
    pub(crate) fn insert(&mut self, number: u8) {
        self.0[usize::from(number / 64)] |= 1 << (number % 64);
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: u8) {
        self.0[usize::from(number / 64)] &= !(1 << (number % 64));
    }

    pub(crate) fn contains(&self, number: u8) -> bool {
        self.0[usize::from(number / 64)] >> (number % 64) & 1 == 1
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Takes the lowest member out.
    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<u8> {
        let word = self.0.iter().position(|&word| word != 0)?;
        let number = word as u32 * 64 + self.0[word].trailing_zeros();
        self.0[word] &= self.0[word] - 1;
        Some(number as u8)
    }

    /// The distance from `edge` to the first member at or after it, around the ring of 256.
    pub(crate) fn first_from(&self, edge: u8) -> Option<u8> {
        let shift = u32::from(edge % 64);
        let start = usize::from(edge / 64);
        let upper = self.0[start] >> shift;
        if upper != 0 {
            return Some(upper.trailing_zeros() as u8);
        }
        for step in 1..=4 {
            let word = self.0[(start + step) % 4];
            if word != 0 {
                return Some((step as u32 * 64 + word.trailing_zeros() - shift) as u8);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((any::<bool>(), any::<u8>()), 0..200), edge: u8) {
            let mut set = Set256::default();
            let mut model = BTreeSet::new();
            for (insert, number) in steps {
                if insert {
                    set.insert(number);
                    model.insert(number);
                } else {
                    set.remove(number);
                    model.remove(&number);
                }
                prop_assert_eq!(set.contains(number), model.contains(&number));
            }
            let nearest = model.iter().map(|number| number.wrapping_sub(edge)).min();
            prop_assert_eq!(set.first_from(edge), nearest);
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert_eq!(set.pop_first(), model.pop_first());
        }
    }
}
