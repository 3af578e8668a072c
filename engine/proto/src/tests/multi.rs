//! Receives for several messages: rule M9.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::pair::{A, B, Link, Pair, Side, config, pattern};
use crate::boundary::{Event, RecvFailure};
use crate::endpoint::MultiRecvRequest;
use crate::ids::{BufferId, Service, TagFilter, Token};

const LIMIT: Duration = Duration::from_secs(20);
/// Announced if it has a tag.
const LONG: usize = 100_000;

/// A message in a shared buffer: where it lies, and what it is.
type Piece = (u64, Vec<u8>);

impl Pair {
    fn post_multi(
        &mut self,
        side: Side,
        len: usize,
        (min_left, max_messages): (u64, u32),
        filter: Option<TagFilter>,
    ) -> u64 {
        let now = self.now;
        let node = self.node(side);
        let buffer = node.buffer(vec![0; len]);
        let (token, len) = (Token(buffer.0.into()), len as u64);
        let max_messages = NonZeroU32::new(max_messages).unwrap();
        let request = MultiRecvRequest { token, buffer, len, min_left, max_messages, filter };
        node.endpoint.post_multi(now, request).unwrap();
        token.0
    }

    /// Takes out of a side's events what has come into a shared buffer: the messages, and whether it
    /// was given back, and then how.
    fn pieces(&mut self, side: Side, of: u64) -> (Vec<Piece>, Option<bool>) {
        self.flush(side);
        let node = self.node(side);
        let (mut pieces, mut over) = (Vec::new(), None);
        for event in core::mem::take(&mut node.events) {
            match event {
                Event::RecvCompleted { token, offset, len, result: Ok(()), .. }
                | Event::TaggedCompleted { token, offset, len, result: Ok(()), .. }
                    if token.0 == of =>
                {
                    assert_eq!(over, None, "nothing comes after the last");
                    let bytes = &node.buffers[&BufferId(of as u32)];
                    pieces.push((offset, bytes[offset as usize..][..len as usize].to_vec()));
                }
                Event::MultiRecvOver { token, cancelled } if token.0 == of => {
                    over = Some(cancelled);
                }
                event => node.events.push(event),
            }
        }
        (pieces, over)
    }
}

/// Any tag.
fn any() -> Option<TagFilter> {
    Some(TagFilter::new(0, 0, None))
}

const MANY: (u64, u32) = (0, 1000);

#[test]
fn messages_follow_each_other_in_one_buffer() {
    let mut pair = Pair::plain();
    let multi = pair.post_multi(B, 40_000, (5_000, 1000), None);
    for (n, len) in [(1, 100), (2, 10_000), (3, 0), (4, 20_000)] {
        pair.send(A, Service::Rd, &pattern(n, len));
    }
    pair.run_until_quiet(LIMIT);
    let (pieces, over) = pair.pieces(B, multi);
    let expected = [(1, 0, 100), (2, 128, 10_000), (3, 10_176, 0), (4, 10_176, 20_000)];
    assert_eq!(pieces, expected.map(|(n, offset, len)| (offset, pattern(n, len))));
    assert_eq!((over, pair.b.endpoint.posted_receives()), (None, 1), "9,824 are left");
    pair.send(A, Service::Rd, &pattern(5, 9_000));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.pieces(B, multi), (vec![(30_208, pattern(5, 9_000))], Some(false)));
    assert_eq!(pair.b.endpoint.posted_receives(), 0);
}

/// What does not fit ends the receive, and goes to the next one; what fits nowhere is cut off.
#[test]
fn what_does_not_fit_goes_to_the_next() {
    let mut pair = Pair::plain();
    let [first, second] = [10_000; 2].map(|len| pair.post_multi(B, len, MANY, None));
    let plain = pair.post(B, 30_000);
    for (n, len) in [(1, 6_000), (2, 6_000), (3, 30_000)] {
        pair.send(A, Service::Rd, &pattern(n, len));
    }
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.pieces(B, first), (vec![(0, pattern(1, 6_000))], Some(false)));
    assert_eq!(pair.pieces(B, second), (vec![(0, pattern(2, 6_000))], Some(false)));
    let received = pair.b.received();
    assert_eq!((received[0].token, &received[0].bytes), (plain, &pattern(3, 30_000)));

    let third = pair.post_multi(B, 10_000, MANY, None);
    pair.send(A, Service::Rd, &pattern(4, 20_000));
    pair.run_until_quiet(LIMIT);
    let cut = Err(RecvFailure::Truncated { message_len: 20_000 });
    let is_cut = |event: &Event| {
        let Event::RecvCompleted { token, offset: 0, len: 10_000, result, .. } = event else {
            return false;
        };
        token.0 == third && *result == cut
    };
    assert!(pair.b.events.iter().any(is_cut), "{:?}", pair.b.events);
    assert_eq!(pair.pieces(B, third), (vec![], Some(false)));
}

/// Messages that are there before it are placed as those that come after it.
#[test]
fn waiting_messages_come_first() {
    let mut pair = Pair::plain();
    pair.acquaint();
    for (n, len) in [(1, 1_000), (2, LONG), (3, 2_000)] {
        pair.send_tagged(A, n, &pattern(n, len));
    }
    pair.send(A, Service::Rd, &pattern(4, 3_000));
    pair.send(A, Service::Rd, &pattern(5, 3_000));
    pair.run_for(Duration::from_millis(1));
    let tagged = pair.post_multi(B, 200_000, MANY, any());
    let plain = pair.post_multi(B, 10_000, (0, 2), None);
    pair.send_tagged(A, 6, &pattern(6, 4_000));
    pair.run_until_quiet(LIMIT);
    let (mut pieces, over) = pair.pieces(B, tagged);
    pieces.sort();
    let expected = [(1, 0, 1_000), (2, 1_024, LONG), (3, 101_056, 2_000), (6, 103_104, 4_000)];
    assert_eq!(pieces, expected.map(|(n, offset, len)| (offset, pattern(n, len))));
    assert_eq!(over, None);
    let expected = [(4, 0), (5, 3_008)].map(|(n, offset)| (offset, pattern(n, 3_000)));
    assert_eq!(pair.pieces(B, plain), (expected.to_vec(), Some(false)), "two, and no more");
}

/// One that is taken back takes nothing more, and is given back when what is in it is complete.
#[test]
fn taken_back_it_ends_with_what_is_in_it() {
    for tag in [None, any()] {
        let mut pair = Pair::plain();
        pair.acquaint();
        let idle = pair.post_multi(B, 1_000, MANY, tag);
        assert!(pair.b.endpoint.cancel_recv(Token(idle)));
        assert_eq!(pair.pieces(B, idle), (vec![], Some(true)), "at once: nothing is in it");

        let multi = pair.post_multi(B, 1 << 20, MANY, tag);
        let send = |pair: &mut Pair, n, len| match tag {
            None => pair.send(A, Service::Srd, &pattern(n, len)),
            Some(_) => pair.send_tagged(A, n, &pattern(n, len)),
        };
        send(&mut pair, 1, 500_000);
        let before = pair.b.endpoint.stats().data_packets_received;
        pair.run_until(LIMIT, |it| it.b.endpoint.stats().data_packets_received > before + 8);
        assert!(pair.b.endpoint.cancel_recv(Token(multi)));
        assert!(!pair.b.endpoint.cancel_recv(Token(multi)), "once");
        assert_eq!(pair.pieces(B, multi), (vec![], None), "something is coming");
        send(&mut pair, 2, 100);
        pair.run_for(Duration::from_millis(2));
        assert_eq!(pair.pieces(B, multi), (vec![(0, pattern(1, 500_000))], Some(true)));
        let next = pair.post_multi(B, 1_000, MANY, tag);
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.pieces(B, next), (vec![(0, pattern(2, 100))], None));
    }
}

/// The sender takes a message back that has begun to arrive: the next one lies in its place.
#[test]
fn room_of_a_withdrawn_message_is_free() {
    let mut pair = Pair::plain();
    let multi = pair.post_multi(B, 1 << 20, MANY, None);
    pair.send(A, Service::Srd, &pattern(1, 1000));
    let token = pair.send(A, Service::Srd, &pattern(2, 900_000));
    pair.run_until(LIMIT, |it| it.b.endpoint.stats().data_packets_received > 8);
    let now = pair.now;
    assert!(pair.a.endpoint.cancel_send(now, Token(token)));
    pair.run_for(Duration::from_millis(2));
    pair.send(A, Service::Srd, &pattern(3, 900_000));
    pair.run_until_quiet(LIMIT);
    let expected = [(0, pattern(1, 1000)), (1024, pattern(3, 900_000))];
    assert!(pair.pieces(B, multi) == (expected.to_vec(), None));
}

/// A sender that is lost takes its messages with it, and not the receive.
#[test]
fn a_lost_sender_does_not_end_it() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let multi = pair.post_multi(B, 8 << 20, MANY, None);
    pair.send(A, Service::Srd, &pattern(1, 4_000_000));
    pair.run_until(LIMIT, |it| it.b.endpoint.stats().data_packets_received > 8);
    pair.leave(A);
    pair.run_for(Duration::from_millis(5));
    let aborted = |event: &Event| {
        let failed = matches!(event, Event::RecvCompleted { result: Err(_), .. });
        failed && matches!(event, Event::RecvCompleted { token, .. } if token.0 == multi)
    };
    assert_eq!(pair.b.events.iter().filter(|&event| aborted(event)).count(), 1);
    pair.send(A, Service::Srd, &pattern(2, 1000));
    pair.run_until_quiet(LIMIT);
    let (pieces, over) = pair.pieces(B, multi);
    assert_eq!(pieces, [(4_000_000, pattern(2, 1000))], "not where the lost one may be placed");
    assert_eq!(over, None);
}

/// What is posted, sent and taken back.
#[derive(Clone, Copy, Debug)]
enum Step {
    Post { len: usize, min_left: u64, max_messages: u32, tagged: bool },
    Send { len: usize, tagged: bool, rd: bool },
    CancelRecv { which: usize },
    Run { us: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![0usize..200, 1000usize..20_000, 50_000usize..150_000];
    prop_oneof![
        2 => (0usize..300_000, 0u64..30_000, 1u32..12, any_bool()).prop_map(
            |(len, min_left, max_messages, tagged)| {
                Step::Post { len, min_left, max_messages, tagged }
            }
        ),
        6 => (len, any_bool(), any_bool())
            .prop_map(|(len, tagged, rd)| Step::Send { len, tagged, rd }),
        1 => (0usize..20).prop_map(|which| Step::CancelRecv { which }),
        3 => (1u64..300).prop_map(|us| Step::Run { us }),
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the network does, each message lies in one place, alone, whole, until its buffer is
    /// given back; and every buffer is given back once.
    #[test]
    fn each_message_has_its_own_place(
        steps in prop::collection::vec(step(), 1..40),
        seed in proptest::num::u64::ANY,
        placing_us in 0u64..100,
    ) {
        let mut pair = Pair::new(config(seed), config(!seed), Link::hostile());
        pair.acquaint();
        pair.b.placing_takes = Duration::from_micros(placing_us);
        let mut multis = Vec::new();
        let mut sent: HashSet<u64> = HashSet::new();
        let mut seen = Seen::default();
        for (number, step) in (1u64..).zip(steps) {
            match step {
                Step::Post { len, min_left, max_messages, tagged } => {
                    let filter = if tagged { any() } else { None };
                    multis.push(pair.post_multi(B, len, (min_left, max_messages), filter));
                }
                Step::Send { len, tagged, rd } => {
                    sent.insert(number);
                    let bytes = numbered(number, len);
                    match (tagged, rd) {
                        (true, _) => pair.send_tagged(A, number, &bytes),
                        (false, true) => pair.send(A, Service::Rd, &bytes),
                        (false, false) => pair.send(A, Service::Srd, &bytes),
                    };
                }
                Step::CancelRecv { which } => {
                    if let Some(&token) = multis.get(which) {
                        pair.b.endpoint.cancel_recv(Token(token));
                    }
                }
                Step::Run { us } => pair.run_for(Duration::from_micros(us)),
            }
            seen.take(&mut pair);
        }
        // Room for the rest of them, whatever they are.
        for filter in [None, any()] {
            for _ in 0..3 {
                multis.push(pair.post_multi(B, 8 << 20, MANY, filter));
            }
        }
        pair.run_until_quiet(LIMIT);
        pair.run_for(Duration::from_millis(1));
        seen.take(&mut pair);
        for &token in &multis {
            pair.b.endpoint.cancel_recv(Token(token));
        }
        seen.take(&mut pair);
        prop_assert_eq!(seen.over.len(), multis.len(), "all are given back");
        let cut: HashSet<u64> = seen.cut.iter().copied().collect();
        prop_assert!(seen.numbers.is_disjoint(&cut));
        prop_assert_eq!(seen.numbers.len() + seen.cut.len(), sent.len(), "each once");
        prop_assert_eq!(pair.b.endpoint.posted_receives(), 0);
    }
}

/// A message that says which it is, if it is long enough.
fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = pattern(number, len + 8);
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// What has come so far.
#[derive(Default)]
struct Seen {
    pieces: HashMap<u64, Vec<Piece>>,
    numbers: HashSet<u64>,
    /// Messages that were cut off, by what tells them apart.
    cut: Vec<u64>,
    over: HashSet<u64>,
}

impl Seen {
    fn take(&mut self, pair: &mut Pair) {
        pair.flush(B);
        let node = &mut pair.b;
        for event in core::mem::take(&mut node.events) {
            match event {
                Event::RecvCompleted { token, offset, len, result, .. }
                | Event::TaggedCompleted { token, offset, len, result, .. } => {
                    assert!(!self.over.contains(&token.0), "its buffer was given back");
                    let buffer = &node.buffers[&BufferId(token.0 as u32)];
                    let bytes = buffer[offset as usize..][..len as usize].to_vec();
                    match result {
                        Ok(()) => {
                            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                            assert_eq!(bytes, numbered(number, bytes.len() - 8));
                            assert!(self.numbers.insert(number), "once");
                        }
                        Err(RecvFailure::Truncated { .. }) => self.cut.push(u64::MAX - token.0),
                        Err(failure) => panic!("{failure}"),
                    }
                    self.pieces.entry(token.0).or_default().push((offset, bytes));
                }
                Event::MultiRecvOver { token, .. } => {
                    assert!(self.over.insert(token.0), "once");
                    // Nothing was written over anything, and from here on whoever writes panics.
                    let buffer = node.buffers.remove(&BufferId(token.0 as u32)).unwrap();
                    for (offset, bytes) in self.pieces.remove(&token.0).unwrap_or_default() {
                        assert!(buffer[offset as usize..][..bytes.len()] == bytes);
                    }
                }
                _ => {}
            }
        }
    }
}
