//! Packets whose payload a switch has cut off. Rule L7 of docs/PROTOCOL.md.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::Config;
use crate::boundary::Disposition;
use crate::drop_reason::DropReason;
use crate::ids::Service;
use crate::region::Access;
use crate::wire::{DecodeError, NackReason, Packet};

const LIMIT: Duration = Duration::from_secs(1);

/// Trims the first transmission of these PSNs.
fn trim_once(psns: &'static [u32]) -> Link {
    let mut trimmed = Vec::new();
    let trim = move |_, packet: &Packet| match packet {
        Packet::Data(data) if psns.contains(&data.psn) && !trimmed.contains(&data.psn) => {
            trimmed.push(data.psn);
            true
        }
        _ => false,
    };
    Link { trim: Some(Box::new(trim)), ..Link::default() }
}

/// The sender hears of it a moment after it happened, and sends the packet again on another path:
/// no timer, no gap. The first packets open the context, and may be trimmed as well.
#[test]
fn a_trimmed_packet_is_told_and_sent_again_at_once() {
    let mut pair = Pair::new(config(1), config(2), trim_once(&[0, 3, 4]));
    pair.trace = Some(Vec::new());
    pair.post(B, 60_000);
    pair.send(A, Service::Srd, &pattern(1, 60_000));
    pair.run_until_quiet(LIMIT);
    let trace = pair.trace.as_ref().unwrap();
    let nacked: Vec<_> = trace
        .iter()
        .filter_map(|(_, _, packet)| match packet {
            Packet::Nack(nack) if nack.reason == NackReason::Trimmed => Some(nack.psn),
            _ => None,
        })
        .collect();
    assert_eq!(nacked, [0, 3, 4]);
    let on = |psn| {
        let sent = trace.iter().filter_map(move |(_, _, packet)| match packet {
            Packet::Data(data) if data.psn == psn => Some(data.transmission.path),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    assert!(on(3).len() == 2 && on(3)[0] != on(3)[1], "{:?}", on(3));
    let stats = pair.a.endpoint.stats();
    assert_eq!((stats.retransmissions, stats.nacks_received), (3, 3));
    assert_eq!((stats.losses_by_path_gap, stats.losses_by_timeout), (0, 0));
    assert_eq!(stats.spurious_retransmissions, 0);
    assert_eq!(pair.b.endpoint.stats().drops[DropReason::Trimmed.index()], 3);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 60_000));
}

/// Switches send headers first. One that has overtaken the packets before it on its path is no sign
/// that those are lost: they still wait in the queue that was full.
#[test]
fn a_header_that_overtook_makes_no_gaps() {
    let config = |seed| Config { paths: 1, ..config(seed) };
    let link = Link { queue: Duration::from_micros(40), ..trim_once(&[20, 21]) };
    let mut pair = Pair::new(config(1), config(2), link);
    pair.post(B, 4_000);
    pair.send(A, Service::Srd, &pattern(1, 4_000));
    pair.run_until_quiet(LIMIT);
    pair.post(B, 90_000);
    pair.send(A, Service::Srd, &pattern(2, 90_000));
    pair.run_until_quiet(LIMIT);
    let stats = pair.a.endpoint.stats();
    assert_eq!((stats.nacks_received, stats.losses_by_path_gap), (2, 0));
    assert_eq!((stats.retransmissions, stats.spurious_retransmissions), (2, 0));
    assert_eq!(pair.b.received()[1].bytes, pattern(2, 90_000));
}

/// A UD packet that is trimmed is gone.
#[test]
fn a_trimmed_datagram_is_lost() {
    let mut pair = Pair::new(config(1), config(2), trim_once(&[0]));
    pair.post(B, 500);
    pair.send(A, Service::Ud, &pattern(1, 500));
    pair.run_until_quiet(LIMIT);
    assert!(pair.b.received().is_empty());
    assert_eq!(pair.b.drops, [DropReason::Trimmed]);
}

fn with_credits(link: Link) -> Pair {
    let config = |seed| {
        let mut config = config(seed);
        config.cc.receiver_credits = true;
        config
    };
    Pair::new(config(1), config(2), link)
}

/// Rule C5: only SENDs wait for grants. A trimmed piece of anything else is no backlog, which nothing
/// would ever end.
#[test]
fn a_trimmed_write_leaves_no_backlog() {
    let mut pair = with_credits(trim_once(&[1, 2, 5]));
    let memory = pair.register(B, std::vec![0; 60_000], Access::ALL);
    pair.write(A, &pattern(1, 60_000), memory.start, None);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.drops.len(), 3);
    assert_eq!(pair.b.endpoint.backlogged(), 0);
    assert_eq!(pair.contents(B, memory), pattern(1, 60_000));
    // The answer to a READ.
    pair.link = trim_once(&[0, 1]);
    pair.read(A, memory.start, 60_000);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.a.endpoint.backlogged(), 0);
    pair.settle_down();
}

/// Rule C7: a WRITE goes beyond the credit, which is for SENDs; what is trimmed of it is congestion, which
/// nobody else sees to.
#[test]
fn trimmed_writes_shrink_the_window() {
    let mut little = config(2);
    little.bounce_bytes = 1 << 14;
    let mut pair = Pair::new(config(1), little, trim_once(&[60, 61, 62, 63, 64, 65, 66, 67]));
    pair.acquaint();
    let memory = pair.register(B, std::vec![0; 1 << 20], Access::ALL);
    let cwnd = |pair: &Pair| pair.a.endpoint.peer_stats(pair.a.peer.unwrap()).unwrap().cwnd_bytes;
    let before = cwnd(&pair);
    pair.write(A, &pattern(1, 1 << 20), memory.start, None);
    pair.run_until(LIMIT, |pair| pair.a.endpoint.stats().nacks_received == 8);
    assert!(cwnd(&pair) < before, "{} of {before}", cwnd(&pair));
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.contents(B, memory), pattern(1, 1 << 20));
}

/// Rule C5: a message that was taken back is no backlog any more, even if only a header of it has come.
#[test]
fn a_message_that_was_taken_back_leaves_no_backlog() {
    let mut pair = with_credits(Link::default());
    pair.post(B, 100);
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_until_quiet(LIMIT);
    pair.link.trim = Some(Box::new(|_, _: &Packet| true));
    let token = pair.send(A, Service::Srd, &pattern(2, 60_000));
    pair.run_for(Duration::from_micros(20));
    assert_eq!(pair.b.endpoint.backlogged(), 1);
    let now = pair.now;
    assert!(pair.a.endpoint.cancel_send(now, crate::Token(token)));
    pair.run_until_quiet(LIMIT);
    // The last word about it may leave after its completion.
    pair.run_for(Duration::from_millis(5));
    assert_eq!(pair.b.endpoint.backlogged(), 0);
}

/// What says that it is trimmed and is no data, or has payload after all, changes nothing.
#[test]
fn only_a_data_header_can_be_what_is_left_of_a_packet() {
    let mut pair = Pair::new(config(1), config(2), trim_once(&[]));
    let now = pair.now;
    for bytes in [&[0x12; 64][..], &[0x11; 63], &[0x11; 200]] {
        let inbound = crate::Inbound {
            head: bytes,
            len: bytes.len(),
            ce: false,
            trimmed: true,
            origin: None,
        };
        let handled = pair.b.endpoint.handle_datagram(now, &inbound);
        let malformed = |error| Disposition::Dropped(DropReason::Malformed(error));
        let expected = match bytes.len() {
            63 => malformed(DecodeError::Truncated),
            _ => malformed(DecodeError::Length),
        };
        assert_eq!(handled.disposition, expected);
    }
}
