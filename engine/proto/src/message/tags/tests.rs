//! The tables against plain lists that are searched from the front.

use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::config::Config;
use crate::ids::BufferId;

/// What it has to be the same as.
#[derive(Default)]
struct Naive {
    posted: Vec<(TagFilter, u64)>,
    waiting: Vec<(u32, PeerId, u64)>,
}

impl Naive {
    fn take_posted(&mut self, peer: PeerId, tag: u64) -> Option<u64> {
        let at = self.posted.iter().position(|(filter, _)| filter.takes(peer, tag))?;
        Some(self.posted.remove(at).1)
    }

    fn find_waiting(&self, filter: &TagFilter) -> Option<usize> {
        self.waiting.iter().position(|&(_, peer, tag)| filter.takes(peer, tag))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Post(TagFilter),
    Message { peer: u32, tag: u64 },
    Peek(TagFilter),
    Cancel { which: usize },
    Forget { which: usize },
}

fn filter() -> impl Strategy<Value = TagFilter> {
    let mask = prop_oneof![4 => Just(u64::MAX), 1 => 0u64..4, 1 => Just(0)];
    let peer = prop_oneof![Just(None), (0u32..3).prop_map(|peer| Some(PeerId(peer)))];
    (0u64..4, mask, peer).prop_map(|(tag, mask, peer)| TagFilter::new(tag, mask, peer))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => filter().prop_map(Step::Post),
        4 => (0u32..3, 0u64..4).prop_map(|(peer, tag)| Step::Message { peer, tag }),
        1 => filter().prop_map(Step::Peek),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        1 => any::<usize>().prop_map(|which| Step::Forget { which }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn matches_like_a_list_that_is_searched_from_the_front(
        steps in prop::collection::vec(step(), 0..200)
    ) {
        let (mut tags, mut naive) = (TagMatcher::new(), Naive::default());
        let mut shared = Shared::new(Config::default());
        for (token, step) in (0u64..).zip(steps) {
            match step {
                Step::Post(filter) => {
                    let expected = naive.find_waiting(&filter).map(|at| naive.waiting.remove(at).0);
                    prop_assert_eq!(tags.take_waiting(&filter), expected);
                    if expected.is_none() {
                        let recv = PostedRecv::new(Token(token), BufferId(0), 1);
                        tags.post(recv, filter);
                        naive.posted.push((filter, token));
                    }
                }
                Step::Message { peer, tag } => {
                    let peer = PeerId(peer);
                    let expected = naive.take_posted(peer, tag);
                    let taken = tags.take_posted(peer, tag, 1, &mut shared);
                    prop_assert_eq!(taken.map(|it| it.token.0), expected);
                    if expected.is_none() {
                        tags.push_waiting(token as u32, peer, tag);
                        naive.waiting.push((token as u32, peer, tag));
                    }
                }
                Step::Peek(filter) => {
                    let expected = naive.find_waiting(&filter).map(|at| naive.waiting[at].0);
                    prop_assert_eq!(tags.peek_waiting(&filter), expected);
                }
                Step::Cancel { which } => {
                    let at = which.checked_rem(naive.posted.len());
                    let expected = at.map(|at| naive.posted.remove(at).1);
                    let token = expected.unwrap_or(u64::MAX);
                    prop_assert_eq!(tags.cancel(Token(token)).is_some(), expected.is_some());
                }
                Step::Forget { which } => {
                    if let Some(at) = which.checked_rem(naive.waiting.len()) {
                        tags.forget_waiting(naive.waiting.remove(at).0);
                    }
                }
            }
            prop_assert_eq!(tags.posted(), naive.posted.len());
            prop_assert_eq!(tags.waiting.len(), naive.waiting.len());
        }
        prop_assert!(tags.posted_by_name.len() <= tags.posted(), "no empty lists are kept");
        prop_assert!(tags.waiting_by_name.len() <= 2 * tags.waiting.len());
    }
}
