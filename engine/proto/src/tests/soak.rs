//! Many messages over a link that loses, disorders and doubles.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config};
use crate::ids::Service;

const MESSAGES: usize = 100_000;

fn number(bytes: &[u8]) -> usize {
    u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes")) as usize
}

/// Every 50th message is longer than a packet.
fn len(number: usize) -> usize {
    if number.is_multiple_of(50) { 9000 } else { 8 + number % 24 }
}

/// Sends `MESSAGES` numbered messages, some of several packets, and returns the numbers received,
/// in the order of delivery.
fn soak(service: Service, seed: u64) -> Vec<usize> {
    let mut pair = Pair::new(config(seed), config(seed + 1), Link::hostile());
    let mut order = Vec::with_capacity(MESSAGES);
    let (mut sent, mut posted, mut acknowledged) = (0, 0, 0);
    let end = pair.now + Duration::from_secs(600);
    while order.len() < MESSAGES || acknowledged < MESSAGES {
        while sent < MESSAGES && sent - acknowledged < 256 {
            let mut bytes = (sent as u64).to_be_bytes().to_vec();
            bytes.resize(len(sent), sent as u8);
            pair.send(A, service, &bytes);
            sent += 1;
        }
        while posted < MESSAGES && posted - order.len() < 300 {
            pair.post(B, 9000);
            posted += 1;
        }
        assert!(pair.step(), "{} of {MESSAGES} delivered, and nothing left to happen", order.len());
        assert!(pair.now < end, "{} of {MESSAGES} delivered in ten minutes", order.len());
        for message in pair.b.received() {
            let number = number(&message.bytes);
            assert_eq!(message.result, Ok(()));
            assert_eq!(message.bytes.len(), len(number));
            assert!(message.bytes[8..].iter().all(|&byte| byte == number as u8));
            order.push(number);
        }
        for (_, success) in pair.a.sent() {
            assert!(success);
            acknowledged += 1;
        }
    }
    pair.run_for(Duration::from_millis(100));
    assert!(pair.b.received().is_empty(), "nothing comes twice, however late");
    order
}

#[test]
fn srd_delivers_100_000_messages_exactly_once() {
    let order = soak(Service::Srd, 11);
    let mut seen = vec![false; MESSAGES];
    for number in order {
        assert!(!std::mem::replace(&mut seen[number], true), "message {number} came twice");
    }
    assert!(seen.into_iter().all(|it| it));
}

#[test]
fn rd_delivers_100_000_messages_in_order() {
    let order = soak(Service::Rd, 12);
    assert!(order.into_iter().eq(0..MESSAGES));
}
