//! Long messages: announced, matched, pulled. Rules G3, G5 and G6.

use core::time::Duration;
use std::vec::Vec;

use super::super::pair::{A, B, Link, Pair, config, pattern};
use super::{LIMIT, LONG, Tagged, whole};
use crate::boundary::{Disposition, Event, RecvFailure, SendFailure};
use crate::config::Config;
use crate::ids::{CompletionLevel, TagFilter, Token};
use crate::wire::{Op, Packet};

#[test]
fn a_long_message_is_announced_and_pulled_into_its_receive() {
    let mut pair = Pair::plain();
    pair.acquaint();
    pair.trace = Some(Vec::new());
    let bytes = pattern(1, LONG);
    let token = pair.post_tagged(B, TagFilter::exact(8), LONG);
    let sent = pair.send_tagged(A, 8, &bytes);
    pair.run_until_quiet(LIMIT);
    let all = [(A, Op::Response); LONG.div_ceil(4096)];
    assert_eq!(pair.operations(), [&[(A, Op::Announce), (B, Op::Pull)][..], &all].concat());
    assert!(pair.tagged(B) == [whole(token, 8, &bytes)]);
    assert_eq!(pair.a.sent(), [(sent, true)]);
    pair.settle_down();
}

#[test]
fn a_short_message_goes_as_it_is_and_says_its_immediate() {
    let mut pair = Pair::plain();
    pair.acquaint();
    for len in [0, 1, 4096, 4097, 64 << 10] {
        pair.trace = Some(Vec::new());
        let bytes = pattern(1, len);
        let token = pair.post_tagged(B, TagFilter::exact(8), len);
        let (immediate, level) = (Some(u64::MAX), CompletionLevel::Acknowledged);
        pair.send_tagged_with(A, 8, immediate, level, &bytes);
        pair.run_until_quiet(LIMIT);
        let packets = len.div_ceil(4096).max(1);
        assert_eq!(pair.operations(), std::vec![(A, Op::Tagged); packets]);
        assert!(pair.tagged(B) == [Tagged { immediate, ..whole(token, 8, &bytes) }]);
    }
    pair.settle_down();
}

#[test]
fn the_limit_is_configured() {
    let mut pair = Pair::new(Config { eager_bytes: 10, ..config(1) }, config(2), Link::default());
    pair.acquaint();
    pair.trace = Some(Vec::new());
    for len in [10, 11] {
        pair.post_tagged(B, TagFilter::exact(8), len);
        pair.send_tagged(A, 8, &pattern(1, len));
        pair.run_until_quiet(LIMIT);
    }
    let expected = [(A, Op::Tagged), (A, Op::Announce), (B, Op::Pull), (A, Op::Response)];
    assert_eq!(pair.operations(), expected);
    pair.settle_down();
}

/// Until its receive is posted, nothing of a long message leaves, however long that takes.
#[test]
fn nothing_long_waits_in_bounce_memory() {
    let mut pair = Pair::plain();
    let bytes = pattern(1, LONG);
    let sent = pair.send_tagged(A, 8, &bytes);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.b.endpoint.stats().payload_bytes_received, 0);
    assert_eq!(pair.a.endpoint.pending_sends(), 1);
    let token = pair.post_tagged(B, TagFilter::exact(8), LONG);
    pair.run_until_quiet(LIMIT);
    assert!(pair.tagged(B) == [whole(token, 8, &bytes)]);
    assert_eq!(pair.a.sent(), [(sent, true)]);
    pair.settle_down();
}

#[test]
fn delivered_waits_until_a_message_is_placed() {
    for len in [100, LONG] {
        let mut pair = Pair::plain();
        pair.b.placing_takes = Duration::from_millis(3);
        let sent = pair.send_tagged_with(A, 1, None, CompletionLevel::Delivered, &pattern(1, len));
        pair.run_for(Duration::from_millis(5));
        assert_eq!(pair.a.sent(), [], "it is in no receive");
        pair.post_tagged(B, TagFilter::exact(1), len);
        pair.run_for(Duration::from_micros(2900));
        // What was in bounce memory is copied at once, what was announced is still being placed.
        assert_eq!(pair.tagged(B).len(), usize::from(len == 100));
        assert_eq!(pair.a.endpoint.pending_sends(), usize::from(len == LONG));
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.a.sent(), [(sent, true)]);
        pair.tagged(B);
        pair.settle_down();
    }
}

#[test]
fn a_receive_that_is_too_short_is_an_error_on_both_sides() {
    for (len, level, placed) in [
        (LONG, CompletionLevel::Acknowledged, 0),
        (LONG, CompletionLevel::Delivered, 0),
        (100, CompletionLevel::Delivered, 60),
    ] {
        for receive_first in [true, false] {
            let mut pair = Pair::plain();
            pair.acquaint();
            let bytes = pattern(1, len);
            let post = |pair: &mut Pair| pair.post_tagged(B, TagFilter::exact(1), 60);
            let early = receive_first.then(|| post(&mut pair));
            let sent = pair.send_tagged_with(A, 1, None, level, &bytes);
            pair.run_for(Duration::from_millis(1));
            let token = early.unwrap_or_else(|| post(&mut pair));
            pair.run_until_quiet(LIMIT);
            let result = Err(RecvFailure::Truncated { message_len: len as u64 });
            let expected = Tagged { result, ..whole(token, 1, &bytes[..placed]) };
            assert_eq!(pair.tagged(B), [expected]);
            let failed = pair.a.events.iter().any(|event| {
                matches!(*event, Event::SendCompleted { token, result: Err(SendFailure::Truncated), .. }
                    if token.0 == sent)
            });
            assert!(failed, "{:?}", pair.a.events);
            pair.settle_down();
        }
    }
}

/// What is sent again after it has been taken, or asked for twice, is taken once.
#[test]
fn copies_change_nothing() {
    let mut pair = Pair::plain();
    pair.acquaint();
    pair.link.duplication = 1.0;
    let token = pair.post_tagged(B, TagFilter::exact(1), LONG);
    pair.post_tagged(B, TagFilter::exact(1), LONG);
    let bytes = pattern(1, LONG);
    pair.send_tagged(A, 1, &bytes);
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_millis(5));
    assert!(pair.tagged(B) == [whole(token, 1, &bytes)]);
    assert_eq!(
        (pair.b.endpoint.posted_receives(), pair.a.endpoint.stats().messages_pulled),
        (1, 1)
    );
    assert_eq!(pair.a.sent().len(), 1);
    pair.settle_down();
}

/// A PULL for what there is not: answered, and the receive is over.
#[test]
fn a_message_that_is_not_there_cannot_be_pulled() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let token = pair.post_tagged(B, TagFilter::exact(1), LONG);
    pair.send_tagged(A, 1, &pattern(1, LONG));
    pair.trace = Some(Vec::new());
    pair.run_until(LIMIT, |pair| {
        let trace = pair.trace.as_ref().unwrap();
        trace.iter().any(|it| matches!(it.2, Packet::Data(data) if data.op == Op::Pull))
    });
    // The same question about another message.
    let mut asked = pair.flights.pop().unwrap().0;
    assert_eq!(asked.to, A);
    asked.bytes[51..56].fill(0xff);
    let disposition = pair.deliver(A, &asked.bytes, false);
    assert_eq!(disposition, Disposition::Consumed);
    pair.run_for(Duration::from_millis(5));
    let received = pair.tagged(B);
    assert_eq!((received[0].token, received[0].result), (token, Err(RecvFailure::Withdrawn)));
    assert!(!pair.b.endpoint.cancel_recv(Token(token)));
}
