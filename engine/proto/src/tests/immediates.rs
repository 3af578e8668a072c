//! 64 bits beside a message without a tag. Rule M10 of docs/PROTOCOL.md.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, Received, config, pattern};
use crate::boundary::RecvFailure;
use crate::config::Config;
use crate::ids::{CompletionLevel, Service, Token};
use crate::wire::{Data, DataFlags, NackReason, Packet};

const LIMIT: Duration = Duration::from_secs(10);
const SRD: (Service, CompletionLevel) = (Service::Srd, CompletionLevel::Acknowledged);

/// Looks like no offset.
const IMMEDIATE: u64 = u64::MAX - 6;

impl Pair {
    fn data_packets(&self) -> Vec<Data> {
        let trace = self.trace.as_ref().unwrap().iter();
        trace
            .filter_map(|(_, _, packet)| match packet {
                Packet::Data(data) => Some(*data),
                _ => None,
            })
            .collect()
    }
}

fn has_immediate(data: &Data) -> bool {
    data.flags.has(DataFlags::IMMEDIATE)
}

fn told(received: &[Received]) -> Vec<Option<u64>> {
    received.iter().map(|it| it.immediate).collect()
}

/// Every service carries one, from the first packet of a context on, in one packet of the message.
#[test]
fn every_message_can_have_one() {
    for service in [Service::Ud, Service::Srd, Service::Rd] {
        let mut pair = Pair::plain();
        for (number, len) in (0..).zip([0, 1, 4096, 4097, 50_000]) {
            if service == Service::Ud && len > 4096 {
                continue;
            }
            for immediate in [None, Some(0), Some(IMMEDIATE)] {
                pair.trace = Some(Vec::new());
                pair.post(B, 50_000);
                let how = (service, CompletionLevel::Acknowledged);
                pair.send_along(A, how, immediate, &pattern(number, len));
                pair.run_until_quiet(LIMIT);
                let received = pair.b.received();
                assert_eq!(told(&received), [immediate], "{service} of {len} bytes");
                assert!(received[0].bytes == pattern(number, len));
                let packets = pair.data_packets();
                assert_eq!(packets.len(), len.div_ceil(4096).max(1), "no packet more");
                let with = packets.iter().filter(|it| has_immediate(it)).count();
                assert_eq!(with, usize::from(immediate.is_some()));
            }
        }
    }
}

/// The piece that has it can come last, be trimmed, and be sent again.
#[test]
fn it_comes_with_its_piece_whenever_that_comes() {
    for trims in [false, true] {
        let mut taken = false;
        let mut once = move |packet: &Packet| {
            let is_it = matches!(packet, Packet::Data(data) if has_immediate(data));
            is_it && !core::mem::replace(&mut taken, true)
        };
        let link = match trims {
            true => Link { trim: Some(Box::new(move |_, it| once(it))), ..Link::default() },
            false => Link { filter: Some(Box::new(move |_, it| !once(it))), ..Link::default() },
        };
        let mut pair = Pair::new(config(1), config(2), link);
        pair.trace = Some(Vec::new());
        pair.post(B, 20_000);
        pair.send_along(A, SRD, Some(IMMEDIATE), &pattern(1, 20_000));
        pair.run_until_quiet(LIMIT);
        let received = pair.b.received();
        assert_eq!(told(&received), [Some(IMMEDIATE)]);
        assert!(received[0].bytes == pattern(1, 20_000));
        let packets = pair.data_packets();
        assert_eq!(packets.iter().filter(|it| has_immediate(it)).count(), 2, "sent again with it");
        let trace = pair.trace.as_ref().unwrap().iter();
        let trimmed = trace
            .filter(|it| matches!(&it.2, Packet::Nack(nack) if nack.reason == NackReason::Trimmed));
        assert_eq!(trimmed.count(), usize::from(trims));
    }
}

/// What is copied, late, or refused at first has it all the same, once.
#[test]
fn it_is_told_once_over_any_link() {
    for (seed, bounce_bytes) in [(1, 16 << 20), (2, 10_000), (3, 0)] {
        let receiver = Config { bounce_bytes, ..config(seed + 100) };
        let mut pair = Pair::new(config(seed), receiver, Link::hostile());
        for number in 0..60 {
            let service = if number % 2 == 0 { Service::Srd } else { Service::Rd };
            let how = (service, CompletionLevel::Delivered);
            pair.send_along(A, how, Some(!number), &pattern(number, 137 * number as usize));
        }
        pair.run_for(Duration::from_millis(2));
        (0..60).for_each(|_| drop_token(pair.post(B, 10_000)));
        pair.run_until_quiet(LIMIT);
        let mut received = pair.b.received();
        received.sort_by_key(|it| it.bytes.len());
        assert_eq!(told(&received), (0..60).map(|number| Some(!number)).collect::<Vec<_>>());
    }
}

fn drop_token(_: u64) {}

/// A receive that is too short tells it, too: it is about the message, not about its bytes.
#[test]
fn a_cut_message_has_its_immediate() {
    let mut pair = Pair::plain();
    pair.post(B, 10);
    pair.send_along(A, SRD, Some(5), &pattern(1, 9000));
    pair.run_until_quiet(LIMIT);
    let received = pair.b.received();
    assert_eq!(received[0].result, Err(RecvFailure::Truncated { message_len: 9000 }));
    assert_eq!((told(&received), received[0].bytes.len()), (Vec::from([Some(5)]), 10));
}

/// A message that is taken back tells nothing, and the next in its receive only its own.
#[test]
fn what_is_taken_back_tells_nothing() {
    let mut pair = Pair::plain();
    let posted = pair.post(B, 1 << 20);
    let token = pair.send_along(A, SRD, Some(1), &pattern(1, 1 << 20));
    pair.run_until(LIMIT, |pair| pair.b.endpoint.stats().data_packets_received > 8);
    let now = pair.now;
    assert!(pair.a.endpoint.cancel_send(now, Token(token)));
    pair.send(A, Service::Srd, &pattern(2, 5000));
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_millis(5));
    let received = pair.b.received();
    assert_eq!((told(&received), received[0].token), (Vec::from([None]), posted));
    assert!(received[0].bytes == pattern(2, 5000));
}

/// Also what was sent to be sent again as nothing: its header has no room for it any more.
#[test]
fn an_abandoned_piece_has_no_immediate() {
    let lost = |_, packet: &Packet| !matches!(packet, Packet::Data(data) if has_immediate(data));
    let link = Link { filter: Some(Box::new(lost)), ..Link::default() };
    let mut pair = Pair::new(config(1), config(2), link);
    pair.trace = Some(Vec::new());
    pair.post(B, 5000);
    let token = pair.send_along(A, SRD, Some(1), &pattern(1, 5000));
    pair.run_for(Duration::from_micros(20));
    let now = pair.now;
    assert!(pair.a.endpoint.cancel_send(now, Token(token)));
    pair.run_until_quiet(LIMIT);
    pair.run_for(Duration::from_millis(5));
    assert!(pair.b.received().is_empty());
    let abandoned = pair.data_packets().into_iter().filter(|it| it.op == crate::wire::Op::Abandon);
    let abandoned: Vec<Data> = abandoned.collect();
    assert!(!abandoned.is_empty());
    assert!(abandoned.iter().all(|it| !has_immediate(it) && it.offset == 0));
}
