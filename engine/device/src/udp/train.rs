//! Which neighbours in a batch can leave as one train.
//!
//! With segmentation offload the system takes many datagrams as one message and cuts it into
//! equal pieces, as late as in the NIC. So a train is a run of datagrams that go the same way
//! and have the same length, except that the last may be shorter.

use crate::{Offload, Outgoing};

/// A run of datagrams of a batch that leaves as one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Train {
    /// Where in the batch it starts.
    pub(super) first: usize,
    /// How many datagrams it has.
    pub(super) count: usize,
    /// The length of each of them but the last.
    pub(super) segment_bytes: usize,
}

impl Train {
    /// The one datagram at `first`.
    pub(super) fn single(batch: &[Outgoing<'_>], first: usize) -> Self {
        Self { first, count: 1, segment_bytes: batch[first].len() }
    }

    /// The longest train that starts at `first`.
    pub(super) fn longest(batch: &[Outgoing<'_>], first: usize, limits: Offload) -> Self {
        let mut train = Self::single(batch, first);
        let head = &batch[first];
        let mut total_bytes = train.segment_bytes;
        for next in &batch[first + 1..] {
            let fits = train.count < limits.max_segments
                && total_bytes + next.len() <= limits.max_bytes
                // An empty piece cannot be cut off the end of anything.
                && (1..=train.segment_bytes).contains(&next.len())
                && same_way(head, next);
            if !fits {
                break;
            }
            train.count += 1;
            total_bytes += next.len();
            if next.len() < train.segment_bytes {
                break;
            }
        }
        train
    }

    /// The end of the train in the batch, exclusive.
    pub(super) fn end(self) -> usize {
        self.first + self.count
    }

    /// Its datagrams.
    pub(super) fn of<'b, 'a>(self, batch: &'b [Outgoing<'a>]) -> &'b [Outgoing<'a>] {
        &batch[self.first..self.end()]
    }
}

fn same_way(a: &Outgoing<'_>, b: &Outgoing<'_>) -> bool {
    a.route == b.route && a.path == b.path && a.ecn_capable == b.ecn_capable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RouteId;

    const LIMITS: Offload = Offload { max_segments: 4, max_bytes: 350 };

    fn outgoing(route: u32, path: u8, len: usize) -> Outgoing<'static> {
        Outgoing {
            route: RouteId(route),
            path,
            ecn_capable: true,
            header: &[0; 10],
            payload: &[0; 200][..len - 10],
            memory: None,
        }
    }

    fn counts(batch: &[Outgoing<'_>]) -> Vec<usize> {
        let mut first = 0;
        let mut counts = Vec::new();
        while first < batch.len() {
            let train = Train::longest(batch, first, LIMITS);
            counts.push(train.count);
            first = train.end();
        }
        counts
    }

    #[test]
    fn equal_lengths_travel_together_and_a_shorter_one_ends_the_train() {
        let batch = [20, 20, 15, 20, 30, 30].map(|len| outgoing(0, 0, len));
        assert_eq!(counts(&batch), [3, 1, 2]);
    }

    #[test]
    fn another_route_or_path_or_marking_starts_a_train() {
        let mut batch = vec![outgoing(0, 0, 20), outgoing(0, 1, 20), outgoing(1, 1, 20)];
        batch.push(Outgoing { ecn_capable: false, ..batch[2] });
        assert_eq!(counts(&batch), [1, 1, 1, 1]);
    }

    #[test]
    fn trains_keep_the_limits() {
        assert_eq!(counts(&[outgoing(0, 0, 20); 9]), [4, 4, 1], "segments");
        assert_eq!(counts(&[outgoing(0, 0, 150); 5]), [2, 2, 1], "bytes");
    }

    #[test]
    fn empty_datagrams_go_alone() {
        let empty = Outgoing { header: &[], payload: &[], ..outgoing(0, 0, 10) };
        assert_eq!(counts(&[empty, empty, outgoing(0, 0, 20), empty]), [1, 1, 1, 1]);
    }
}
