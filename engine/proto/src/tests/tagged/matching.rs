//! Which receive a message is given. Rules G1, G2 and G4.

use core::cmp::Reverse;
use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::super::pair::{A, B, Pair, config, pattern};
use super::{LIMIT, LONG, whole};
use crate::boundary::{Event, Peeked};
use crate::config::Config;
use crate::ids::{Service, TagFilter, Token};
use crate::wire::{NackReason, Op, Packet};

#[test]
fn the_tag_decides_and_not_the_order_of_posting() {
    let mut pair = Pair::plain();
    let [two, one] = [2, 1].map(|tag| pair.post_tagged(B, TagFilter::exact(tag), 100));
    pair.send_tagged(A, 1, b"one");
    pair.send_tagged(A, 2, b"two");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.tagged(B), [whole(one, 1, b"one"), whole(two, 2, b"two")]);
    pair.settle_down();
}

#[test]
fn of_receives_that_fit_the_first_posted_has_the_message() {
    let mut pair = Pair::plain();
    let masked = pair.post_tagged(B, TagFilter::new(0x70, 0xf0, None), 100);
    let exact = pair.post_tagged(B, TagFilter::exact(0x71), 100);
    let any = pair.post_tagged(B, TagFilter::new(0, 0, None), 100);
    for (tag, text) in [(0x71, b"first."), (0x71, b"second"), (0x05, b"third.")] {
        pair.send_tagged(A, tag, text);
    }
    pair.run_until_quiet(LIMIT);
    let received = pair.tagged(B);
    let expected = [
        whole(masked, 0x71, b"first."),
        whole(exact, 0x71, b"second"),
        whole(any, 0x05, b"third."),
    ];
    assert_eq!(received, expected);
    pair.settle_down();
}

#[test]
fn messages_with_and_without_tags_do_not_meet() {
    let mut pair = Pair::plain();
    let untagged = pair.post(B, 100);
    let tagged = pair.post_tagged(B, TagFilter::new(0, 0, None), 100);
    pair.send_tagged(A, 9, b"tagged");
    pair.send(A, Service::Srd, b"untagged");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.tagged(B), [whole(tagged, 9, b"tagged")]);
    assert_eq!(pair.b.received()[0].token, untagged);
    pair.settle_down();
}

/// The first message is lost on its way; the second, which is there, must not take its receive.
#[test]
fn messages_of_a_peer_are_matched_in_the_order_of_submission() {
    for len in [10, LONG] {
        let mut pair = Pair::plain();
        pair.acquaint();
        let mut drops = 1;
        pair.link.filter = Some(Box::new(move |_, packet| match packet {
            Packet::Data(data) if data.order == 0 && data.op != Op::Pull && drops > 0 => {
                drops -= 1;
                false
            }
            _ => true,
        }));
        let receives = [0, 1].map(|_| pair.post_tagged(B, TagFilter::exact(5), len));
        let messages = [1, 2].map(|seed| pattern(seed, len));
        messages.iter().for_each(|bytes| {
            pair.send_tagged(A, 5, bytes);
        });
        pair.run_until_quiet(LIMIT);
        let mut received = pair.tagged(B);
        received.sort_by_key(|it| it.token);
        let expected = [0, 1].map(|at| whole(receives[at], 5, &messages[at]));
        assert!(received == expected, "each message is in its receive");
        pair.settle_down();
    }
}

/// What is submitted when the peer is just known does not overtake what has waited for that.
#[test]
fn order_survives_the_opening_of_a_context() {
    let mut pair = Pair::plain();
    pair.send_tagged(A, 1, b"first");
    pair.run_until(LIMIT, |pair| pair.flights.peek().is_some_and(|it| it.0.to == A));
    while let Some(Reverse(flight)) = pair.flights.pop() {
        pair.deliver(flight.to, &flight.bytes, false);
    }
    pair.send_tagged(A, 1, b"second");
    let receives = [0, 1].map(|_| pair.post_tagged(B, TagFilter::exact(1), 10));
    pair.run_until_quiet(LIMIT);
    let expected = [whole(receives[0], 1, b"first"), whole(receives[1], 1, b"second")];
    assert_eq!(pair.tagged(B), expected);
    pair.settle_down();
}

#[test]
fn what_comes_before_its_receive_waits_and_can_be_looked_at() {
    let mut pair = Pair::plain();
    for tag in [1, 2, 1] {
        pair.send_tagged(A, tag, &[tag as u8; 50]);
    }
    pair.send_tagged(A, 3, &pattern(3, LONG));
    pair.run_for(Duration::from_millis(5));
    let peer = pair.b.peer.unwrap();
    let peek = |pair: &Pair, filter| pair.b.endpoint.peek_tagged(&filter);
    let seen = |tag, len| Some(Peeked { peer, tag, immediate: None, len });
    assert_eq!(peek(&pair, TagFilter::exact(2)), seen(2, 50));
    assert_eq!(peek(&pair, TagFilter::exact(3)), seen(3, LONG as u64));
    assert_eq!(peek(&pair, TagFilter::new(0, 0, Some(peer))), seen(1, 50));
    assert_eq!(peek(&pair, TagFilter::exact(4)), None);
    let two = pair.post_tagged(B, TagFilter::exact(2), 50);
    let one = pair.post_tagged(B, TagFilter::new(1, 1, None), 50);
    pair.run_until(LIMIT, |pair| pair.b.endpoint.poll_timeout().is_none_or(|at| at > pair.now));
    assert_eq!(pair.tagged(B), [whole(two, 2, &[2; 50]), whole(one, 1, &[1; 50])]);
    pair.post_tagged(B, TagFilter::exact(1), 50);
    pair.post_tagged(B, TagFilter::exact(3), LONG);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.tagged(B).len(), 2);
    pair.settle_down();
}

#[test]
fn a_receive_can_be_for_one_peer() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let peer = pair.b.peer.unwrap();
    let other = pair.b.endpoint.add_peer(pair.now).unwrap();
    let others = pair.post_tagged(B, TagFilter::new(7, u64::MAX, Some(other)), 100);
    let peers = pair.post_tagged(B, TagFilter::new(7, u64::MAX, Some(peer)), 100);
    pair.send_tagged(A, 7, b"for you");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.tagged(B), [whole(peers, 7, b"for you")]);
    assert!(pair.b.endpoint.cancel_recv(Token(others)));
    pair.settle_down();
}

#[test]
fn a_receive_is_taken_back_once() {
    let mut pair = Pair::plain();
    let token = pair.post_tagged(B, TagFilter::exact(1), 100);
    assert_eq!(pair.b.endpoint.posted_receives(), 1);
    assert!(pair.b.endpoint.cancel_recv(Token(token)));
    assert!(!pair.b.endpoint.cancel_recv(Token(token)));
    assert_eq!(pair.b.endpoint.posted_receives(), 0);
    pair.flush(B);
    assert_eq!(pair.b.events, [Event::RecvCancelled { token: Token(token) }]);
    pair.send_tagged(A, 1, b"too late");
    pair.run_for(Duration::from_millis(5));
    assert!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).is_some(), "it waits for another");
}

/// A bounce pool for a few messages: what does not fit is announced, and nothing is lost.
#[test]
fn what_finds_no_room_is_announced_instead() {
    let small = Config { bounce_bytes: 32 << 10, ..config(2) };
    let mut pair = Pair::new(config(1), small, Default::default());
    pair.acquaint();
    // With such a receive posted, credit is not for the pool alone, and all of them leave at once.
    let never = pair.post(B, 1 << 20);
    pair.send_tagged(A, 99, b"");
    pair.run_until_quiet(LIMIT);
    pair.a.sent();
    pair.post_tagged(B, TagFilter::exact(99), 0);
    pair.tagged(B);
    pair.trace = Some(Vec::new());
    let messages: Vec<Vec<u8>> = (0..20).map(|seed| pattern(seed, 3000)).collect();
    for (tag, bytes) in (0..).zip(&messages) {
        pair.send_tagged(A, tag, bytes);
    }
    pair.run_for(Duration::from_millis(5));
    let trace = pair.trace.take().unwrap();
    let told = trace.iter().any(
        |(_, _, it)| matches!(it, Packet::Nack(nack) if nack.reason == NackReason::AnnounceInstead),
    );
    assert!(told, "some were refused as they were");
    let announced =
        (0..20).filter(|&tag| pair.b.endpoint.peek_tagged(&TagFilter::exact(tag)).is_some());
    assert_eq!(announced.count(), 20, "all are known");
    // Those that came last are asked for first: nothing depends on room for others.
    for tag in (0..20).rev() {
        let token = pair.post_tagged(B, TagFilter::exact(tag), 3000);
        pair.run_for(Duration::from_millis(1));
        assert_eq!(pair.tagged(B), [whole(token, tag, &messages[tag as usize])]);
    }
    assert_eq!(pair.a.sent().len(), 20);
    assert!(pair.b.endpoint.cancel_recv(Token(never)));
    pair.settle_down();
}

/// Records are bounded, too: without room for them the sender waits, and goes on.
#[test]
fn without_room_for_records_the_sender_waits() {
    let tiny = Config { bounce_bytes: 1024, ..config(2) };
    let mut pair = Pair::new(config(1), tiny, Default::default());
    for tag in 0..20 {
        pair.send_tagged(A, tag, &[tag as u8; 100]);
    }
    pair.run_for(Duration::from_millis(2));
    let known =
        (0..20).filter(|&tag| pair.b.endpoint.peek_tagged(&TagFilter::exact(tag)).is_some());
    assert!((1..=4).contains(&known.count()), "as many as there is memory for");
    for tag in 0..20 {
        let token = pair.post_tagged(B, TagFilter::exact(tag), 100);
        pair.run_until(LIMIT, |pair| pair.b.endpoint.posted_receives() == 0);
        pair.run_for(Duration::from_millis(1));
        assert_eq!(pair.tagged(B), [whole(token, tag, &[tag as u8; 100])]);
    }
    pair.settle_down();
}

/// An empty message is a record from the start: it may have the last eighth, and is never told to be
/// announced.
#[test]
fn an_empty_message_needs_no_more_than_a_record() {
    let tiny = Config { bounce_bytes: 2048, ..config(2) };
    let mut pair = Pair::new(config(1), tiny, Default::default());
    pair.acquaint();
    let never = pair.post(B, 1 << 20);
    let first = pattern(1, 1300);
    pair.send_tagged(A, 1, &first);
    pair.run_until_quiet(LIMIT);
    (0..2).for_each(|_| drop_token(pair.send_tagged(A, 2, b"")));
    pair.run_for(Duration::from_millis(1));
    assert!(pair.b.endpoint.peek_tagged(&TagFilter::exact(2)).is_some(), "there was room for one");
    assert_eq!(pair.a.endpoint.pending_sends(), 1);
    let receives = [(1, 1300), (2, 0), (2, 0)]
        .map(|(tag, len)| pair.post_tagged(B, TagFilter::exact(tag), len));
    pair.run_until_quiet(LIMIT);
    let expected =
        [whole(receives[0], 1, &first), whole(receives[1], 2, b""), whole(receives[2], 2, b"")];
    assert_eq!(pair.tagged(B), expected);
    assert_eq!(pair.a.sent().len(), 3);
    assert!(pair.b.endpoint.cancel_recv(Token(never)));
    pair.settle_down();
}

fn drop_token(_: u64) {}
