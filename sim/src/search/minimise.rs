//! Delta debugging: the smallest part of a list that still does what the whole does.

/// Takes items away in ever smaller pieces, as long as `holds` is true of what is left. The result
/// is minimal: it holds, and without any one of its items it does not. Assumes that `holds` is
/// true of `items`.
pub fn minimise<T: Clone>(items: &[T], mut holds: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut items = items.to_vec();
    if !items.is_empty() && holds(&[]) {
        return Vec::new();
    }
    let mut piece = items.len() / 2;
    while piece > 0 {
        let mut start = 0;
        let mut shorter = false;
        while start < items.len() {
            let end = (start + piece).min(items.len());
            let rest = [&items[..start], &items[end..]].concat();
            if rest.len() < items.len() && !rest.is_empty() && holds(&rest) {
                items = rest;
                shorter = true;
            } else {
                start = end;
            }
        }
        if !shorter || piece > items.len() {
            piece = (piece / 2).min(items.len());
            continue;
        }
        // What could not go before may go now.
        piece = piece.min(items.len() / 2).max(usize::from(piece == 1 && items.len() > 1));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_few_that_matter() {
        let all: Vec<u32> = (0..100).collect();
        let mut tries = 0;
        let left = minimise(&all, |items| {
            tries += 1;
            [3, 50, 97].iter().all(|needed| items.contains(needed))
        });
        assert_eq!(left, [3, 50, 97]);
        assert!(tries < 150, "{tries}");
    }

    #[test]
    fn what_needs_nothing_is_left_with_nothing() {
        assert!(minimise(&[1, 2, 3], |_| true).is_empty());
        assert_eq!(minimise(&[1], |items| !items.is_empty()), [1]);
        assert!(minimise::<u32>(&[], |_| true).is_empty());
    }

    #[test]
    fn the_result_is_minimal_even_if_items_depend_on_each_other() {
        // 7 may only go once 2 is gone.
        let holds =
            |items: &[u32]| items.contains(&5) && (items.contains(&7) || !items.contains(&2));
        assert_eq!(minimise(&[1, 2, 5, 7, 9], holds), [5]);
    }
}
