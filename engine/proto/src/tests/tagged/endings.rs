//! One side ends, or is cut off, while a message is under way.

use core::time::Duration;

use super::super::pair::{A, B, Pair, config, pattern};
use super::{LIMIT, LONG, whole};
use crate::boundary::{Event, PeerFailure, RecvFailure, SendFailure};
use crate::ids::TagFilter;
use crate::wire::{Op, Packet};

fn send_results(pair: &Pair) -> std::vec::Vec<Result<(), SendFailure>> {
    let events = pair.a.events.iter();
    events
        .filter_map(|event| match *event {
            Event::SendCompleted { result, .. } => Some(result),
            _ => None,
        })
        .collect()
}

/// The sender dies after the announcement: nothing waits for it any more.
#[test]
fn a_dead_senders_announcements_are_forgotten() {
    let mut pair = Pair::plain();
    pair.send_tagged(A, 1, &pattern(1, LONG));
    pair.run_for(Duration::from_millis(5));
    assert!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).is_some());
    pair.restart(A, config(3));
    // The receiver asks for it, and hears that the sender has restarted.
    let token = pair.post_tagged(B, TagFilter::exact(1), LONG);
    pair.run_for(Duration::from_secs(10));
    let received = pair.tagged(B);
    assert_eq!(received[0].token, token);
    assert!(matches!(received[0].result, Err(RecvFailure::Aborted(_))));
    pair.b.endpoint.assert_at_rest();
}

/// The same where nobody asks for it: it goes when the sender comes back as somebody else.
#[test]
fn a_restarted_senders_announcements_are_forgotten() {
    let mut pair = Pair::plain();
    pair.send_tagged(A, 1, &pattern(1, LONG));
    pair.send_tagged(A, 2, b"whole");
    pair.run_for(Duration::from_millis(5));
    let b_peer = pair.b.peer;
    pair.restart(A, config(3));
    pair.a.peer = Some(pair.a.endpoint.add_peer(pair.now).unwrap());
    pair.send_tagged(A, 3, b"new");
    let token = pair.post_tagged(B, TagFilter::exact(3), 100);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.tagged(B), [whole(token, 3, b"new")]);
    assert_eq!(pair.b.peer, b_peer);
    assert!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).is_none(), "it was not here");
    let token = pair.post_tagged(B, TagFilter::exact(2), 100);
    assert_eq!(pair.tagged(B), [whole(token, 2, b"whole")], "it was acknowledged");
    pair.settle_down();
}

/// The receiver dies before it has asked: nothing has left.
#[test]
fn what_was_not_asked_for_has_not_left() {
    let mut pair = Pair::plain();
    pair.send_tagged(A, 1, &pattern(1, LONG));
    pair.run_for(Duration::from_millis(5));
    pair.restart(B, config(3));
    pair.run_until(LIMIT, |pair| pair.a.endpoint.pending_sends() == 0);
    pair.flush(A);
    assert!(matches!(send_results(&pair)[..], [Err(SendFailure::NotSent(_))]));
    pair.a.endpoint.assert_at_rest();
}

/// The link breaks in the middle of the answer to a PULL.
#[test]
fn both_sides_hear_of_a_link_that_breaks_during_a_pull() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let token = pair.post_tagged(B, TagFilter::exact(1), LONG);
    pair.send_tagged(A, 1, &pattern(1, LONG));
    let mut left = 5;
    pair.link.filter = Some(std::boxed::Box::new(move |_, packet| {
        left -=
            usize::from(matches!(packet, Packet::Data(it) if it.op == Op::Response) && left > 0);
        left > 0
    }));
    pair.run_until(Duration::from_secs(20), |pair| pair.a.endpoint.pending_sends() == 0);
    pair.run_for(Duration::from_secs(5));
    let gone = PeerFailure::Unreachable;
    assert_eq!(send_results(&pair), [Err(SendFailure::Unknown(gone))]);
    let received = pair.tagged(B);
    assert_eq!((received[0].token, received[0].result), (token, Err(RecvFailure::Aborted(gone))));
    pair.a.endpoint.assert_at_rest();
    pair.b.endpoint.assert_at_rest();
}

/// A peer is removed in every state that a message can be in.
#[test]
fn nothing_is_left_of_a_peer_that_is_removed() {
    for step_us in 0..60 {
        for side in [A, B] {
            let mut pair = Pair::plain();
            pair.b.placing_takes = Duration::from_micros(7);
            for tag in 0..4 {
                let len = [LONG, 20_000, 30_000, 100][tag as usize];
                pair.send_tagged(A, tag, &pattern(tag, len));
                if tag < 2 {
                    pair.post_tagged(B, TagFilter::exact(tag), LONG);
                }
            }
            pair.run_for(Duration::from_micros(step_us));
            let now = pair.now;
            let node = pair.node(side);
            if let Some(peer) = node.peer.take() {
                node.endpoint.remove_peer(now, peer);
                pair.flush(side);
            }
            pair.run_for(Duration::from_secs(30));
            for tag in 0..4 {
                // What had arrived whole is still to be had.
                if pair.b.endpoint.peek_tagged(&TagFilter::exact(tag)).is_some() {
                    pair.post_tagged(B, TagFilter::exact(tag), LONG);
                }
            }
            pair.run_for(Duration::from_millis(1));
            pair.flush(B);
            assert_eq!(send_results(&pair).len(), 4, "each send completes once");
            pair.a.endpoint.assert_at_rest();
            pair.b.endpoint.assert_at_rest();
        }
    }
}
