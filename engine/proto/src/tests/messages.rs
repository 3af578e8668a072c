//! Messages: section 6 of docs/PROTOCOL.md.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::{Event, RecvFailure};
use crate::drop_reason::DropReason;
use crate::ids::{CompletionLevel, Service};
use crate::wire::Packet;

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn sizes_around_every_edge_arrive_whole() {
    for service in [Service::Srd, Service::Rd] {
        for len in [0, 1, 63, 64, 4095, 4096, 4097, 8192, 100_000] {
            let mut pair = Pair::plain();
            pair.post(B, len);
            pair.send(A, service, &pattern(3, len));
            pair.run_until_quiet(LIMIT);
            let received = pair.b.received();
            assert_eq!(received.len(), 1, "{service} {len}");
            assert_eq!(received[0].bytes, pattern(3, len));
            assert_eq!(received[0].result, Ok(()));
            assert_eq!(pair.a.sent().len(), 1);
        }
    }
}

#[test]
fn a_gibibyte_is_cut_and_counted_right() {
    // Cutting is arithmetic; one that wraps or drifts would show at the far end of the message.
    let mut message = crate::message::OutMessage::new(
        crate::ids::PeerId(0),
        None,
        Service::Srd,
        crate::wire::Op::Send,
    );
    message.range.len = (5 << 30) + 1;
    let mut end = 0;
    while !message.all_cut {
        let (offset, len) = message.cut(8908);
        assert_eq!(offset, end);
        end += u64::from(len);
    }
    assert_eq!(end, (5 << 30) + 1);
}

/// Rule M1: an unexpected message waits in bounce memory, and is copied when a receive is posted.
#[test]
fn an_unexpected_message_waits_for_its_receive() {
    let mut pair = Pair::plain();
    pair.send(A, Service::Srd, &pattern(1, 10_000));
    pair.run_until_quiet(LIMIT);
    assert!(pair.b.received().is_empty());
    assert_eq!(pair.b.endpoint.stats().unexpected_messages, 1);
    pair.post(B, 10_000);
    pair.flush(B);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 10_000));
    assert!(pair.b.events.iter().any(|event| matches!(event, Event::BounceFreed { .. })));
}

/// A receive posted while the message is half there claims it.
#[test]
fn a_receive_claims_a_message_that_is_still_arriving() {
    let mut pair = Pair::plain();
    pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 3);
    assert!(pair.b.endpoint.stats().data_packets_received < 200);
    pair.post(B, 1 << 20);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 1 << 20));
}

/// Rule M4: without room the sender is told, waits, and tries again; nothing is lost, and it is
/// not taken for congestion.
#[test]
fn without_room_the_sender_waits() {
    let no_bounce = crate::config::Config { bounce_bytes: 1000, ..config(2) };
    let mut pair = Pair::new(config(1), no_bounce, Link::default());
    pair.send(A, Service::Srd, &pattern(1, 50_000));
    pair.run_for(Duration::from_millis(5));
    let stats = pair.a.endpoint.stats();
    assert!(stats.nacks_received > 0);
    assert_eq!(stats.losses_by_path_gap + stats.losses_by_timeout + stats.rtos, 0);
    assert!(pair.b.drops.contains(&DropReason::NoBuffer));
    pair.post(B, 50_000);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 50_000));
}

/// Rule M3: while the receiver has nothing to offer, little is sent in vain.
#[test]
fn a_refused_sender_does_not_flood() {
    let no_bounce = crate::config::Config { bounce_bytes: 0, ..config(2) };
    let mut pair = Pair::new(config(1), no_bounce, Link::default());
    for _ in 0..1000 {
        pair.send(A, Service::Srd, &pattern(1, 4000));
    }
    pair.run_for(Duration::from_millis(10));
    let sent = pair.a.endpoint.stats().data_packets_sent;
    assert!(sent < 500, "{sent} packets in 100 delays");
    for _ in 0..1000 {
        pair.post(B, 4000);
    }
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 1000);
}

/// A large message that is bound goes on while others find no room.
#[test]
fn a_bound_message_is_not_held_up_by_refused_ones() {
    let no_bounce = crate::config::Config { bounce_bytes: 0, ..config(2) };
    let mut pair = Pair::new(config(1), no_bounce, Link::default());
    pair.post(B, 1 << 20);
    pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 3);
    for _ in 0..10 {
        pair.send(A, Service::Srd, &pattern(2, 100));
    }
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().messages_received == 1);
    pair.flush(B);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 1 << 20));
    for _ in 0..10 {
        pair.post(B, 100);
    }
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received().len(), 10);
}

/// Rule M2: what does not fit is cut off, and the completion says how much would have been needed.
#[test]
fn a_short_buffer_gets_the_front_of_the_message() {
    for posted_first in [true, false] {
        let mut pair = Pair::plain();
        if posted_first {
            pair.post(B, 6000);
        }
        pair.send(A, Service::Srd, &pattern(1, 10_000));
        pair.run_until_quiet(LIMIT);
        if !posted_first {
            pair.post(B, 6000);
            pair.flush(B);
        }
        let received = pair.b.received();
        assert_eq!(received[0].bytes, pattern(1, 6000));
        assert_eq!(received[0].result, Err(RecvFailure::Truncated { message_len: 10_000 }));
    }
}

/// Rule M5: RD is delivered in the order of submission, whatever the link does.
#[test]
fn rd_keeps_order_when_the_first_message_is_late() {
    let mut pair = Pair::plain();
    let mut dropped = false;
    pair.link.filter = Some(std::boxed::Box::new(move |_, packet| match packet {
        Packet::Data(data) if data.message_id == 0 && !dropped => {
            dropped = true;
            false
        }
        _ => true,
    }));
    for _ in 0..5 {
        pair.post(B, 100);
    }
    for message in 0..5 {
        pair.send(A, Service::Rd, &pattern(message, 100));
    }
    pair.run_until_quiet(LIMIT);
    let received: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
    assert_eq!(received, (0..5).map(|it| pattern(it, 100)).collect::<Vec<_>>());
}

/// SRD delivers what is complete, without waiting for what was lost.
#[test]
fn srd_does_not_wait_for_the_late_one() {
    let mut pair = Pair::plain();
    let mut dropped = false;
    pair.link.filter = Some(std::boxed::Box::new(move |_, packet| match packet {
        Packet::Data(data) if data.message_id == 0 && !dropped => {
            dropped = true;
            false
        }
        _ => true,
    }));
    for message in 0..5 {
        pair.post(B, 100);
        pair.send(A, Service::Srd, &pattern(message, 100));
    }
    pair.run_until_quiet(LIMIT);
    let received: Vec<_> = pair.b.received().into_iter().map(|it| it.bytes).collect();
    assert_eq!(received.last(), Some(&pattern(0, 100)));
    assert_eq!(received.len(), 5);
}

/// Rule M5: later messages may not take the only receive while the first has none.
#[test]
fn rd_with_a_single_receive_at_a_time_does_not_deadlock() {
    let small = crate::config::Config { bounce_bytes: 3000, ..config(2) };
    let mut pair = Pair::new(config(1), small, Link::hostile());
    for message in 0..50 {
        pair.send(A, Service::Rd, &pattern(message, 1000));
    }
    for message in 0..50 {
        pair.post(B, 1000);
        pair.run_until(LIMIT, |pair| pair.b.endpoint.posted_receives() == 0);
        pair.run_until(LIMIT, |pair| {
            pair.b.events.iter().any(|event| matches!(event, Event::RecvCompleted { .. }))
        });
        assert_eq!(pair.b.received()[0].bytes, pattern(message, 1000));
    }
}

/// UD: gone if there is no room, delivered if there is.
#[test]
fn ud_is_delivered_or_gone() {
    let no_bounce = crate::config::Config { bounce_bytes: 0, ..config(2) };
    let mut pair = Pair::new(config(1), no_bounce, Link::default());
    pair.send(A, Service::Ud, b"nobody listens");
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.sent().len(), 1, "a datagram is complete when it is sent");
    pair.post(B, 100);
    pair.send(A, Service::Ud, b"hello");
    pair.run_until_quiet(LIMIT);
    let received = pair.b.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].bytes, b"hello");
    assert_eq!(pair.b.drops, vec![DropReason::NoBuffer]);
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
}

/// Rule M6: delivered means placed in the receiver's buffer, not merely arrived.
#[test]
fn delivered_waits_for_the_receive() {
    let mut pair = Pair::plain();
    let delivered = pair.send_with(A, Service::Srd, CompletionLevel::Delivered, &pattern(1, 9000));
    let acknowledged = pair.send(A, Service::Srd, &pattern(2, 9000));
    pair.run_for(Duration::from_millis(5));
    assert_eq!(pair.a.sent(), vec![(acknowledged, true)]);
    pair.post(B, 9000);
    pair.post(B, 9000);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.sent(), vec![(delivered, true)]);
}

/// Delivered, while placing takes its time as a copy to a GPU does.
#[test]
fn delivered_waits_for_slow_placement() {
    let mut pair = Pair::plain();
    pair.b.placing_takes = Duration::from_millis(3);
    pair.post(B, 9000);
    pair.send_with(A, Service::Srd, CompletionLevel::Delivered, &pattern(1, 9000));
    let begin = pair.now;
    pair.run_until_quiet(LIMIT);
    assert!(pair.now.since(begin) >= Duration::from_millis(3));
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 9000));
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0, "acknowledged on acceptance");
}

#[test]
fn a_receive_can_be_taken_back_until_it_is_used() {
    let mut pair = Pair::plain();
    let first = pair.post(B, 10);
    let second = pair.post(B, 10);
    assert!(pair.b.endpoint.cancel_recv(crate::ids::Token(first)));
    assert!(!pair.b.endpoint.cancel_recv(crate::ids::Token(first)));
    pair.send(A, Service::Srd, b"second");
    pair.run_until_quiet(LIMIT);
    let received = pair.b.received();
    assert_eq!((received[0].token, &received[0].bytes[..]), (second, &b"second"[..]));
}

#[test]
fn both_sides_may_begin_at_once() {
    let mut pair = Pair::plain();
    pair.b.peer = Some(pair.b.endpoint.add_peer(pair.now).unwrap());
    for side in [A, B] {
        pair.post(side, 50_000);
        pair.send(side, Service::Srd, &pattern(side as u64, 50_000));
    }
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.received()[0].bytes, pattern(1, 50_000));
    assert_eq!(pair.b.received()[0].bytes, pattern(0, 50_000));
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
    assert_eq!(pair.b.endpoint.stats().retransmissions, 0);
}

#[test]
fn requests_that_cannot_be_are_refused() {
    use crate::error::SendError;
    use crate::ids::{BufferId, BufferRange, PeerId, Token};
    let mut pair = Pair::plain();
    let range = |len| BufferRange { buffer: BufferId(0), offset: 0, len };
    let request = |service, level, len| crate::endpoint::SendRequest {
        token: Token(0),
        service,
        range: range(len),
        level,
        immediate: None,
    };
    let now = pair.now;
    let peer = pair.a.peer.unwrap();
    let endpoint = &mut pair.a.endpoint;
    let acknowledged = CompletionLevel::Acknowledged;
    let send =
        |endpoint: &mut crate::endpoint::Endpoint, peer, request| endpoint.send(now, peer, request);
    assert_eq!(
        send(endpoint, PeerId(9), request(Service::Srd, acknowledged, 1)),
        Err(SendError::UnknownPeer)
    );
    assert_eq!(
        send(endpoint, peer, request(Service::Ud, acknowledged, 4097)),
        Err(SendError::TooLongForUd { max_bytes: 4096 })
    );
    assert_eq!(
        send(endpoint, peer, request(Service::Ud, CompletionLevel::Delivered, 1)),
        Err(SendError::NoReport { service: Service::Ud })
    );
    let max_bytes = crate::endpoint::MAX_MESSAGE_BYTES;
    assert_eq!(
        send(endpoint, peer, request(Service::Srd, acknowledged, max_bytes + 1)),
        Err(SendError::TooLong { max_bytes })
    );
    assert_eq!(endpoint.pending_sends(), 0);
}

/// Rule M6: a report goes out even if the peer has no room for messages; or two applications that
/// wait for each other's reports would wait for ever.
#[test]
fn a_report_passes_refused_messages() {
    for messages in [1, 20] {
        let no_bounce = crate::config::Config { bounce_bytes: 0, ..config(2) };
        let mut pair = Pair::new(config(1), no_bounce, Link::default());
        for _ in 0..messages {
            pair.send(A, Service::Srd, &pattern(1, 5000));
        }
        pair.run_for(Duration::from_millis(1));
        assert!(pair.a.endpoint.stats().nacks_received > 0);
        pair.post(A, 100);
        let delivered = pair.send_with(B, Service::Srd, CompletionLevel::Delivered, b"after you");
        pair.run_for(Duration::from_millis(5));
        assert_eq!(pair.b.sent(), [(delivered, true)]);
        for _ in 0..messages {
            pair.post(B, 5000);
        }
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.b.received().len(), messages);
    }
}
