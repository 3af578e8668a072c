//! Messages with a tag: sent at once, announced, pulled.

use core::time::Duration;
use std::vec::Vec;

use super::super::pair::{A, B, Link, Pair, config, pattern};
use super::super::tagged::Tagged;
use super::{LIMIT, assert_well};
use crate::boundary::{RecvFailure, SendFailure};
use crate::cancelled::Cancelled;
use crate::config::Config;
use crate::ids::{CompletionLevel, TagFilter, Token};

/// Longer than what goes without having been asked for: announced.
const LONG: usize = 100_000;

const fn cancelled(how: Cancelled) -> Result<(), SendFailure> {
    Err(SendFailure::Cancelled(how))
}

/// It was announced, and waits at its receiver: there it waits no more.
#[test]
fn an_announcement_is_taken_back() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let token = pair.send_tagged(A, 1, &pattern(1, LONG));
    pair.send_tagged(A, 1, b"next");
    pair.run_for(Duration::from_millis(1));
    pair.endings(A);
    assert!(pair.cancel_send(A, token));
    pair.flush(A);
    assert_eq!(pair.endings(A), [(token, cancelled(Cancelled::NotSent))]);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).unwrap().len, 4);
    let receive = pair.post_tagged(B, TagFilter::exact(1), LONG);
    pair.run_for(Duration::from_millis(1));
    let received = pair.tagged(B);
    assert_eq!((received[0].token, &received[0].bytes[..]), (receive, &b"next"[..]));
    assert_well(&mut pair);
}

/// It is being pulled: its receive hears of it.
#[test]
fn a_message_that_is_being_pulled_is_taken_back() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let receive = pair.post_tagged(B, TagFilter::exact(1), 8 << 20);
    let token = pair.send_tagged(A, 1, &pattern(1, 8 << 20));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
    assert!(pair.cancel_send(A, token));
    assert!(!pair.cancel_send(A, token));
    let mut endings = Vec::new();
    pair.run_out_strictly(A, &mut endings);
    assert_eq!(endings, [(token, cancelled(Cancelled::Partly))]);
    let received = pair.tagged(B);
    let withdrawn = Err(RecvFailure::Withdrawn);
    assert_eq!((received[0].token, received[0].result), (receive, withdrawn));
    assert!(pair.a.endpoint.stats().payload_bytes_sent < 1 << 20);
    assert_well(&mut pair);
}

/// It is being pulled and is taken back when the peer is lost: both it and the answer end, in whatever order.
#[test]
fn the_peer_of_a_message_that_is_taken_back_is_lost() {
    for answer_is_first in [false, true] {
        let mut pair = Pair::plain();
        pair.acquaint();
        if answer_is_first {
            // Leaves a place before that of the announcement free, which the answer takes.
            pair.send_tagged(A, 2, b"in its place");
        }
        let token = pair.send_tagged(A, 1, &pattern(1, 8 << 20));
        pair.run_for(Duration::from_millis(1));
        pair.post_tagged(B, TagFilter::exact(1), 8 << 20);
        pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 20);
        pair.endings(A);
        pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
        assert!(pair.cancel_send(A, token));
        let mut endings = Vec::new();
        pair.run_out_strictly(A, &mut endings);
        assert!(matches!(endings[..], [(it, Err(_))] if it == token), "{endings:?}");
        pair.a.endpoint.assert_at_rest();
    }
}

/// A short one is lost, and not sent again: those behind it are matched without it.
#[test]
fn its_place_is_passed_over() {
    let mut pair = Pair::plain();
    pair.acquaint();
    pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
    let token = pair.send_tagged(A, 1, b"lost");
    pair.flush(A);
    pair.link.filter = None;
    pair.cancel_send(A, token);
    let next = pair.send_tagged(A, 1, b"next");
    let receive = pair.post_tagged(B, TagFilter::exact(1), 100);
    let mut endings = Vec::new();
    pair.run_out_strictly(A, &mut endings);
    endings.sort_by_key(|it| it.0);
    assert_eq!(endings, [(token, cancelled(Cancelled::Unknown)), (next, Ok(()))]);
    let received: Vec<Tagged> = pair.tagged(B);
    assert_eq!((received[0].token, &received[0].bytes[..]), (receive, &b"next"[..]));
    assert_well(&mut pair);
}

/// Whenever it comes, over whatever link and with however much memory: what is said is true, and the
/// others are matched in their order.
#[test]
fn what_is_said_is_true_whenever_it_comes() {
    for step in 0..300_u64 {
        let link = if step % 3 == 0 { Link::default() } else { Link::hostile() };
        let bounce_bytes = if step % 2 == 0 { 16 << 20 } else { 4 << 10 };
        let limits = |seed| Config { bounce_bytes, ..config(seed) };
        let mut pair = Pair::new(limits(step), limits(step + 999), link);
        pair.b.placing_takes = Duration::from_micros(step % 7);
        let posted_first = step % 5 < 3;
        let posts = |pair: &mut Pair| {
            for _ in 0..6 {
                pair.post_tagged(B, TagFilter::exact(1), LONG);
            }
        };
        if posted_first {
            posts(&mut pair);
        }
        let lens = [3_000, LONG, 100, 20_000, 60_000, 10];
        let level = match step % 4 {
            0 => CompletionLevel::Delivered,
            _ => CompletionLevel::Acknowledged,
        };
        let messages: Vec<_> = (0..6).map(|n| pattern(n, lens[n as usize])).collect();
        let tokens: Vec<u64> =
            messages.iter().map(|bytes| pair.send_tagged_with(A, 1, None, level, bytes)).collect();
        pair.run_for(Duration::from_micros(step % 60));
        let mut endings = pair.endings(A);
        let victims = [tokens[(step % 6) as usize], tokens[(step / 2 % 6) as usize]];
        for victim in victims {
            pair.cancel_send(A, victim);
        }
        if !posted_first {
            pair.run_for(Duration::from_micros(step));
            posts(&mut pair);
        }
        pair.run_out_strictly(A, &mut endings);
        let received = pair.tagged(B);
        let whole: Vec<_> = received.iter().filter(|it| it.result.is_ok()).collect();
        for (bytes, token) in messages.iter().zip(&tokens) {
            let times = whole.iter().filter(|it| it.bytes == *bytes).count();
            let result = endings.iter().find(|it| it.0 == *token).expect("it ends").1;
            assert!(super::may_arrive(result, times), "at {step}: {result:?}, {times} times");
            assert!(victims.contains(token) || result == Ok(()));
        }
        // Of the messages that arrive, earlier ones are in receives that were posted earlier.
        let place = |it: &&Tagged| messages.iter().position(|bytes| *bytes == it.bytes).unwrap();
        let mut by_receive = whole.clone();
        by_receive.sort_by_key(|it| it.token);
        assert!(by_receive.iter().map(place).is_sorted(), "at {step}");
        for token in 0..100 {
            pair.b.endpoint.cancel_recv(Token(token));
        }
        assert_well(&mut pair);
    }
}
