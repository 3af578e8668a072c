//! Collectives: every step of a rank waits for what it needs from its neighbours.

use super::{Plan, Workload};
use crate::time::Time;

impl Workload {
    /// Reduce-scatter and all-gather around the ring: 2 (n - 1) steps, in each of which every rank
    /// sends an n-th of the vector to the next. A rank's step needs the piece that the previous
    /// rank sent in the step before.
    pub(super) fn ring_all_reduce(&self, plan: &mut Plan, hosts: u32) {
        let ranks = self.ranks(hosts);
        let mut piece = self.uniform(0, 0);
        piece.size = per_message(piece.size.div_ceil(ranks.into()), piece.messages);
        let think = self.think.unwrap_or_default();
        let mut before: Vec<u32> = Vec::new();
        for round in 0..self.rounds.unwrap_or(1) {
            for _step in 0..2 * (ranks - 1) {
                let step = (0..ranks).map(|rank| {
                    let previous = (rank + ranks - 1) % ranks;
                    let after: &[u32] =
                        before.get(previous as usize).map_or(&[], std::slice::from_ref);
                    piece.start = if after.is_empty() { Time::ZERO } else { think };
                    (piece.src, piece.dst) = (rank, (rank + 1) % ranks);
                    plan.push(piece, after, Some(round))
                });
                before = step.collect();
            }
        }
    }

    /// Up a binary tree, where every rank adds what its children send to its own, and down again.
    /// The vector goes in `messages` pieces, one behind the other, so that levels work at once.
    pub(super) fn tree_all_reduce(&self, plan: &mut Plan, hosts: u32) {
        let ranks = self.ranks(hosts);
        let pieces = self.messages.unwrap_or(1);
        let mut piece = self.uniform(0, 0);
        (piece.messages, piece.size) = (1, per_message(piece.size, pieces));
        piece.start = self.think.unwrap_or_default();
        let mut last_round: Vec<Vec<u32>> = vec![Vec::new(); ranks as usize];
        for round in 0..self.rounds.unwrap_or(1) {
            let mut finished = vec![Vec::new(); ranks as usize];
            for _ in 0..pieces {
                // What a rank has received: from its children, later from its parent.
                let mut received = last_round.clone();
                for rank in (1..ranks).rev() {
                    (piece.src, piece.dst) = (rank, parent(rank));
                    let up = plan.push(piece, &sorted(&received[rank as usize]), Some(round));
                    received[parent(rank) as usize].push(up);
                }
                for rank in 1..ranks {
                    (piece.src, piece.dst) = (parent(rank), rank);
                    let after = sorted(&received[parent(rank) as usize]);
                    let down = plan.push(piece, &after, Some(round));
                    received[rank as usize] = vec![down];
                    finished[rank as usize].push(down);
                }
                finished[0].extend_from_slice(&received[0]);
            }
            last_round = finished;
        }
    }
}

fn parent(rank: u32) -> u32 {
    (rank - 1) / 2
}

fn per_message(bytes: u64, messages: u32) -> u64 {
    bytes.div_ceil(u64::from(messages.max(1)))
}

fn sorted(flows: &[u32]) -> Vec<u32> {
    let mut flows = flows.to_vec();
    flows.sort_unstable();
    flows.dedup();
    flows
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, Moment, Plan, tests::plan};
    use crate::time::Time;

    /// How many flows one behind the other it takes.
    fn depth(plan: &Plan) -> u64 {
        let one = |_: &_| Time::from_ns(1);
        let starts = plan.earliest_starts(one, one);
        starts.iter().max().unwrap().as_ns() + 1
    }

    #[test]
    fn a_ring_takes_two_times_n_minus_one_steps_of_an_nth() {
        let ring = plan(4, 1, "kind = \"ring-all-reduce\"\nsize = \"4000B\"\nrounds = 2");
        assert_eq!(ring.flows.len(), 2 * 6 * 4);
        assert!(ring.flows.iter().all(|flow| flow.size == 1_000));
        assert_eq!(depth(&ring), 12);
        // Rank 1's second step needs what rank 0 sent in the first.
        assert_eq!(ring.causes[1], Cause { flow: 5, after: 0 });
        assert!(ring.causes.iter().all(|&cause| ring.moment(cause) == Some(Moment::Received)));
    }

    #[test]
    fn a_tree_goes_up_and_down_and_overlaps_its_pieces() {
        let tree = |messages| {
            plan(
                7,
                1,
                &format!("kind = \"tree-all-reduce\"\nsize = \"600B\"\nmessages = {messages}"),
            )
        };
        let (one, three) = (tree(1), tree(3));
        assert_eq!((one.flows.len(), three.flows.len()), (12, 36));
        assert_eq!((one.flows[0].size, three.flows[0].size), (600, 200));
        assert_eq!((depth(&one), depth(&three)), (4, 4));
        assert!(one.causes.iter().all(|&cause| one.moment(cause) == Some(Moment::Received)));
    }
}
