//! Messages without a tag.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::super::pair::{A, B, Link, Pair, config, pattern};
use super::{LIMIT, LONG, assert_well, may_arrive};
use crate::boundary::SendFailure;
use crate::cancelled::Cancelled;
use crate::config::Config;
use crate::ids::{CompletionLevel, Service, Token};
use crate::wire::Op;

const NOT_SENT: Result<(), SendFailure> = Err(SendFailure::Cancelled(Cancelled::NotSent));
const PARTLY: Result<(), SendFailure> = Err(SendFailure::Cancelled(Cancelled::Partly));
const UNKNOWN: Result<(), SendFailure> = Err(SendFailure::Cancelled(Cancelled::Unknown));

/// What has not left is not sent, and is over at once; RD messages behind it move up.
#[test]
fn what_has_not_left_is_not_sent() {
    for service in [Service::Srd, Service::Rd, Service::Ud] {
        let mut pair = Pair::plain();
        let mut tokens = Vec::new();
        for message in 0..4 {
            pair.post(B, 100);
            tokens.push(pair.send(A, service, &pattern(message, 100)));
        }
        assert!(pair.cancel_send(A, tokens[1]));
        assert!(!pair.cancel_send(A, tokens[1]), "once");
        assert_eq!(pair.a.endpoint.pending_sends(), 3);
        assert_eq!(pair.a.endpoint.stats().cancellations, 1);
        pair.flush(A);
        assert!(pair.endings(A).contains(&(tokens[1], NOT_SENT)));
        pair.run_until_quiet(LIMIT);
        let bytes: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
        assert_eq!(bytes, [0, 2, 3].map(|message| pattern(message, 100)));
        pair.run_for(Duration::from_millis(5));
        assert_well(&mut pair);
    }
}

#[test]
fn there_is_nothing_to_cancel_but_what_is_pending() {
    let mut pair = Pair::plain();
    assert!(!pair.cancel_send(A, 5));
    pair.post(B, 100);
    let token = pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.endings(A), [(token, Ok(()))]);
    assert!(!pair.cancel_send(A, token));
}

/// Half of it is there: it is forgotten, and its receive goes to the next message.
#[test]
fn a_receive_is_not_lost_with_its_message() {
    for service in [Service::Srd, Service::Rd] {
        let mut pair = Pair::plain();
        pair.trace = Some(Vec::new());
        let posted = pair.post(B, 1 << 20);
        let token = pair.send(A, service, &pattern(1, 1 << 20));
        pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 8);
        assert!(pair.cancel_send(A, token));
        assert!(!pair.cancel_send(A, token));
        let sent = pair.a.endpoint.stats().data_packets_sent;
        pair.send(A, service, &pattern(2, 1000));
        let mut endings = Vec::new();
        pair.run_out_strictly(A, &mut endings);
        assert!(endings.contains(&(token, PARTLY)));
        let data = pair.a.endpoint.stats().data_packets_sent - sent;
        assert_eq!(data, 2, "the next message, and the word that this one is void");
        assert!(pair.trace_operations(A).contains(&Op::Abandon));
        let received = pair.b.received();
        assert_eq!(received.len(), 1);
        assert_eq!((received[0].token, &received[0].bytes), (posted, &pattern(2, 1000)));
        assert_well(&mut pair);
    }
}

/// The same where it waits in bounce memory, claimed or not, and is being placed.
#[test]
fn bounce_memory_comes_back() {
    for claimed in [false, true] {
        let mut pair = Pair::plain();
        pair.b.placing_takes = Duration::from_micros(40);
        let token = pair.send(A, Service::Srd, &pattern(1, 1 << 20));
        pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 8);
        if claimed {
            pair.post(B, 1 << 20);
        }
        pair.cancel_send(A, token);
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.endings(A), [(token, PARTLY)]);
        pair.run_for(Duration::from_millis(5));
        assert_well(&mut pair);
        assert_eq!(pair.b.endpoint.posted_receives(), usize::from(claimed));
    }
}

/// All has arrived, and nothing is posted: the memory is the user's again, though the message stays.
#[test]
fn a_report_is_not_waited_for() {
    let mut pair = Pair::plain();
    let bytes = pattern(1, 100);
    let token = pair.send_with(A, Service::Srd, CompletionLevel::Delivered, &bytes);
    pair.run_for(Duration::from_millis(1));
    assert!(pair.cancel_send(A, token));
    pair.flush(A);
    assert_eq!(pair.endings(A), [(token, UNKNOWN)]);
    pair.run_for(Duration::from_millis(1));
    pair.post(B, 100);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.received()[0].bytes, bytes);
    assert_well(&mut pair);
}

/// All of it has left, and nothing is lost: it was too late.
#[test]
fn it_can_be_too_late() {
    let mut pair = Pair::plain();
    pair.post(B, 100);
    let token = pair.send(A, Service::Srd, &pattern(1, 100));
    pair.flush(A);
    assert!(pair.cancel_send(A, token), "that is not known yet");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.endings(A), [(token, Ok(()))]);
    assert_eq!(pair.b.received().len(), 1);
}

/// Its only packet is lost: it never arrives, and nobody waits for it.
#[test]
fn a_lost_packet_is_not_sent_again() {
    for service in [Service::Srd, Service::Rd] {
        let mut pair = Pair::plain();
        pair.post(B, 100);
        pair.link.filter = Some(std::boxed::Box::new(|_, _| false));
        let token = pair.send(A, service, &pattern(1, 100));
        pair.flush(A);
        pair.link.filter = None;
        pair.cancel_send(A, token);
        let next = pair.send(A, service, &pattern(2, 100));
        let mut endings = Vec::new();
        pair.run_out_strictly(A, &mut endings);
        endings.sort_by_key(|it| it.0);
        assert_eq!(endings, [(token, UNKNOWN), (next, Ok(()))]);
        let received: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
        assert_eq!(received, [pattern(2, 100)]);
        assert_well(&mut pair);
    }
}

/// The receiver has no room: it is not asked for any after that, and others have theirs.
#[test]
fn a_refused_message_gives_its_place_up() {
    let limits = |seed| Config { bounce_bytes: 5_000, ..config(seed) };
    let mut pair = Pair::new(limits(1), limits(2), Link::default());
    let first = pair.send(A, Service::Rd, &pattern(1, 4_000));
    let token = pair.send(A, Service::Rd, &pattern(2, 4_000));
    let last = pair.send(A, Service::Rd, &pattern(3, 200));
    pair.run_for(Duration::from_millis(1));
    assert!(pair.a.endpoint.stats().nacks_received > 0);
    assert!(pair.cancel_send(A, token));
    pair.run_for(Duration::from_millis(2));
    let mut endings = pair.endings(A);
    endings.sort_by_key(|it| it.0);
    assert_eq!(endings, [(first, Ok(())), (token, UNKNOWN), (last, Ok(()))]);
    for _ in 0..2 {
        pair.post(B, 5_000);
    }
    pair.run_for(Duration::from_millis(1));
    let received: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
    assert_eq!(received, [pattern(1, 4_000), pattern(3, 200)]);
    assert_well(&mut pair);
}

/// Whenever it comes, over whatever link: what is said is true, those behind it arrive in order, and
/// nothing is left.
#[test]
fn what_is_said_is_true_whenever_it_comes() {
    for (service, level, hostile, posted) in cases() {
        for step in 0..40_u64 {
            let link = if hostile { Link::hostile() } else { Link::default() };
            let mut pair = Pair::new(config(step), config(step + 100), link);
            pair.b.placing_takes = Duration::from_micros(step % 9);
            if posted {
                for _ in 0..4 {
                    pair.post(B, LONG);
                }
            }
            let messages: Vec<_> =
                (0..4).map(|n| pattern(n, [100, LONG, 9_000, 50][n as usize])).collect();
            let tokens: Vec<u64> =
                messages.iter().map(|bytes| pair.send_with(A, service, level, bytes)).collect();
            pair.run_for(Duration::from_micros(step * 3 / 2));
            let mut endings = pair.endings(A);
            let victims = [tokens[1], tokens[(step % 2) as usize * 2]];
            for victim in victims {
                pair.cancel_send(A, victim);
            }
            if !posted {
                pair.run_for(Duration::from_micros(30));
                for _ in 0..4 {
                    pair.post(B, LONG);
                }
            }
            pair.run_out_strictly(A, &mut endings);
            pair.flush(B);
            let received: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
            for (bytes, token) in messages.iter().zip(&tokens) {
                let times = received.iter().filter(|it| *it == bytes).count();
                let result = endings.iter().find(|it| it.0 == *token).expect("it ends").1;
                assert!(may_arrive(result, times), "{service} at {step}: {result:?}, {times}");
                assert!(victims.contains(token) || result == Ok(()));
            }
            if service == Service::Rd {
                let order: Vec<_> = messages.iter().filter(|it| received.contains(it)).collect();
                assert_eq!(received.iter().collect::<Vec<_>>(), order);
            }
            for token in 0..100 {
                pair.b.endpoint.cancel_recv(Token(token));
            }
            assert_well(&mut pair);
        }
    }
}

fn cases() -> Vec<(Service, CompletionLevel, bool, bool)> {
    let mut cases = vec![];
    for service in [Service::Srd, Service::Rd] {
        for level in [CompletionLevel::Acknowledged, CompletionLevel::Delivered] {
            for hostile in [false, true] {
                cases.extend([true, false].map(|posted| (service, level, hostile, posted)));
            }
        }
    }
    cases
}
