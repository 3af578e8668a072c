//! Messages of several packets that nobody has asked for. Rules G3, G4 and M8.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::super::pair::{A, B, Link, Pair, Side, config, pattern};
use super::{LIMIT, LONG, whole};
use crate::boundary::{Event, PeerFailure, RecvFailure};
use crate::config::Config;
use crate::ids::{CompletionLevel, Service, TagFilter, Token};
use crate::wire::{Data, NackReason, Op, Packet};

/// Five packets.
const EAGER: usize = 20_000;

fn is_tagged(packet: &Packet) -> bool {
    matches!(packet, Packet::Data(data) if data.op == Op::Tagged)
}

/// Lets `count` packets of tagged messages pass, and none after.
fn only(count: usize) -> impl FnMut(Side, &Packet) -> bool {
    let mut left = count;
    move |_, packet| {
        let passes = !is_tagged(packet) || left > 0;
        left -= usize::from(is_tagged(packet) && left > 0);
        passes
    }
}

/// A pair in which some of a message has come, with its receive posted or not.
fn partly_arrived(posted: bool) -> (Pair, u64, Option<u64>) {
    let mut pair = Pair::plain();
    pair.acquaint();
    let receive = posted.then(|| pair.post_tagged(B, TagFilter::exact(1), EAGER));
    pair.link.filter = Some(Box::new(only(2)));
    pair.trace = Some(Vec::new());
    let token = pair.send_tagged(A, 1, &pattern(1, EAGER));
    pair.run_for(Duration::from_micros(20));
    assert_eq!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).is_some(), !posted);
    (pair, token, receive)
}

/// With its receive posted, it takes no longer than one without a tag; a longer one has to be asked for.
#[test]
fn it_arrives_in_one_crossing() {
    let time = |send: &dyn Fn(&mut Pair)| {
        let mut pair = Pair::plain();
        pair.acquaint();
        let begin = pair.now;
        pair.post(B, LONG);
        pair.post_tagged(B, TagFilter::exact(1), LONG);
        send(&mut pair);
        let is_it =
            |it: &Event| matches!(it, Event::RecvCompleted { .. } | Event::TaggedCompleted { .. });
        while !pair.b.events.iter().any(is_it) {
            assert!(pair.step());
            pair.flush(B);
        }
        pair.now.since(begin)
    };
    let crossing = Link::default().delay;
    let tagged = |len| time(&move |pair| drop_token(pair.send_tagged(A, 1, &pattern(1, len))));
    let untagged = time(&|pair| drop_token(pair.send(A, Service::Srd, &pattern(1, 64 << 10))));
    assert!(untagged < crossing * 2);
    assert_eq!(tagged(64 << 10), untagged);
    assert!(tagged((64 << 10) + 1) >= crossing * 3);
}

fn drop_token(_: u64) {}

/// Unexpected, it is kept; a receive can have it before all of it is there.
#[test]
fn it_is_claimed_while_it_arrives() {
    let (mut pair, token, _) = partly_arrived(false);
    let receive = pair.post_tagged(B, TagFilter::exact(1), EAGER);
    pair.link.filter = None;
    pair.run_until_quiet(LIMIT);
    assert!(pair.tagged(B) == [whole(receive, 1, &pattern(1, EAGER))]);
    assert_eq!(pair.a.sent(), [(token, true)]);
    pair.settle_down();
}

/// Without room none of its packets is taken: the first becomes the announcement, the others nothing,
/// whatever copies of them come later.
#[test]
fn without_room_it_becomes_an_announcement() {
    for duplication in [0.0, 1.0] {
        let small = Config { bounce_bytes: 16 << 10, ..config(2) };
        let mut pair = Pair::new(config(1), small, Link { duplication, ..Link::default() });
        pair.acquaint();
        // Credit is not for the pool alone.
        let never = pair.post(B, 1 << 20);
        pair.send_tagged(A, 9, b"");
        pair.run_until_quiet(LIMIT);
        pair.a.sent();
        pair.trace = Some(Vec::new());
        let bytes = pattern(1, EAGER);
        let level = CompletionLevel::Delivered;
        let sent = pair.send_tagged_with(A, 1, Some(6), level, &bytes);
        let next = pair.send_tagged(A, 1, b"next");
        pair.run_for(Duration::from_millis(5));
        let trace = pair.trace.take().unwrap();
        let has = |reason| {
            trace.iter().any(|it| matches!(&it.2, Packet::Nack(nack) if nack.reason == reason))
        };
        assert!(has(NackReason::AnnounceInstead) && !has(NackReason::ReceiverNotReady));
        let data: Vec<Data> = trace
            .iter()
            .filter_map(|it| match it.2 {
                Packet::Data(data) if it.1 == A => Some(data),
                _ => None,
            })
            .collect();
        let announced = data.iter().filter(|it| it.op == Op::Announce);
        assert!(announced.clone().all(|it| it.psn == data[0].psn) && announced.count() > 0);
        assert!(data.iter().any(|it| it.op == Op::Abandon && it.args == [0; 2]));
        assert_eq!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).unwrap().len, EAGER as u64);
        assert_eq!(pair.a.endpoint.pending_sends(), 1, "the short one is here");
        let receives = [0; 2].map(|_| pair.post_tagged(B, TagFilter::exact(1), EAGER));
        pair.run_until_quiet(LIMIT);
        let received = pair.tagged(B);
        let mut got: Vec<_> =
            received.iter().map(|it| (it.token, it.bytes.clone(), it.immediate)).collect();
        got.sort();
        assert!(got == [(receives[0], bytes, Some(6)), (receives[1], b"next".to_vec(), None)]);
        let mut outcomes = pair.a.sent();
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(sent, true), (next, true)]);
        pair.post_tagged(B, TagFilter::exact(9), 0);
        pair.tagged(B);
        assert!(pair.b.endpoint.cancel_recv(Token(never)));
        pair.settle_down();
    }
}

/// Of what has been taken in part, all is taken: that it should be announced contradicts that.
#[test]
fn what_is_taken_is_not_announced() {
    let (mut pair, ..) = partly_arrived(true);
    let trace = pair.trace.take().unwrap();
    let lost = trace.iter().rev().map(|it| &it.2).find(|it| is_tagged(it));
    let ack = trace.iter().map(|it| &it.2).find(|it| matches!(it, Packet::Ack(_)));
    let (Some(&Packet::Data(data)), Some(Packet::Ack(ack))) = (lost, ack) else {
        panic!("five were sent, and two acknowledged")
    };
    let nack = crate::wire::Nack {
        address: ack.address,
        psn: data.psn,
        transmission: data.transmission,
        delay_ns: 0,
        reason: NackReason::AnnounceInstead,
        credit: data.psn + 100,
        source: data.address.tag,
    };
    let mut bytes = [0; 64];
    let len = nack.encode(&mut bytes);
    let disposition = pair.deliver(A, &bytes[..len], false);
    let unsolicited = crate::drop_reason::DropReason::Unsolicited;
    assert_eq!(disposition, crate::boundary::Disposition::Dropped(unsolicited));
    pair.link.filter = None;
    pair.run_until_quiet(LIMIT);
    assert!(pair.tagged(B)[0].bytes == pattern(1, EAGER));
    pair.settle_down();
}

/// It is taken back: what has come of it is forgotten, a receive that it was matched with fails.
#[test]
fn what_has_come_of_it_is_forgotten() {
    for posted in [true, false] {
        for placing_us in [0, 300] {
            let (mut pair, token, receive) = partly_arrived(posted);
            pair.b.placing_takes = Duration::from_micros(placing_us);
            let now = pair.now;
            assert!(pair.a.endpoint.cancel_send(now, Token(token)));
            pair.link.filter = None;
            pair.send_tagged(A, 1, b"next");
            pair.run_for(Duration::from_millis(20));
            let next = pair.post_tagged(B, TagFilter::exact(1), EAGER);
            pair.run_until_quiet(LIMIT);
            pair.run_for(Duration::from_millis(5));
            let received = pair.tagged(B);
            let (last, before) = received.split_last().unwrap();
            assert_eq!((last.token, &last.bytes[..]), (next, &b"next"[..]));
            let failed: Vec<_> = before.iter().map(|it| (it.token, it.result)).collect();
            let withdrawn = receive.map(|receive| (receive, Err(RecvFailure::Withdrawn)));
            assert_eq!(failed, Vec::from_iter(withdrawn));
            pair.settle_down();
        }
    }
}

/// Ahead of its turn it is taken back as well, and its turn is nobody's.
#[test]
fn an_early_one_is_taken_back() {
    let mut pair = Pair::plain();
    pair.acquaint();
    let mut seen = 0;
    pair.link.filter = Some(Box::new(move |_, packet| {
        seen += usize::from(is_tagged(packet));
        // The whole first message, and most of the second, are lost.
        !is_tagged(packet) || !matches!(seen, 1 | 3 | 5)
    }));
    let first = pair.send_tagged(A, 1, b"first");
    let second = pair.send_tagged(A, 1, &pattern(2, EAGER));
    pair.run_for(Duration::from_micros(20));
    let now = pair.now;
    assert!(pair.a.endpoint.cancel_send(now, Token(second)));
    pair.link.filter = None;
    let third = pair.send_tagged(A, 1, b"third");
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_millis(5));
    let receives = [0; 2].map(|_| pair.post_tagged(B, TagFilter::exact(1), 10));
    let expected = [whole(receives[0], 1, b"first"), whole(receives[1], 1, b"third")];
    assert_eq!(pair.tagged(B), expected);
    let mut outcomes = pair.a.sent();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(first, true), (second, false), (third, true)]);
    pair.settle_down();
}

/// Its sender dies: who was matched with it hears of that, and nobody is matched with it any more.
#[test]
fn it_ends_with_its_sender() {
    for posted in [true, false] {
        let (mut pair, _, receive) = partly_arrived(posted);
        let now = pair.now;
        let peer = pair.b.peer.take().unwrap();
        pair.b.endpoint.remove_peer(now, peer);
        let failed: Vec<_> = pair.tagged(B).into_iter().map(|it| (it.token, it.result)).collect();
        let aborted = Err(RecvFailure::Aborted(PeerFailure::Closed));
        assert_eq!(failed, Vec::from_iter(receive.map(|receive| (receive, aborted))));
        assert!(pair.b.endpoint.peek_tagged(&TagFilter::exact(1)).is_none());
        pair.b.endpoint.assert_at_rest();
    }
}
