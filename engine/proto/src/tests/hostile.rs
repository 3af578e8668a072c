//! Datagrams that nobody honest sends change nothing but a counter.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Pair, Side, pattern};
use crate::boundary::{Disposition, Event};
use crate::drop_reason::DropReason;
use crate::endpoint::Endpoint;
use crate::ids::Service;
use crate::stats::EndpointStats;
use crate::wire::{
    Ack, AckBlock, AckPath, Address, Data, DecodeError, Nack, NackReason, Packet, Reset,
    Transmission,
};

/// A pair in the middle of a transfer, the address that A's context has, and B's tag.
fn busy() -> (Pair, Address, u16) {
    let mut pair = Pair::plain();
    pair.trace = Some(Vec::new());
    for _ in 0..2 {
        pair.post(B, 1 << 20);
        pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    }
    pair.run_until(Duration::from_secs(1), |pair| {
        pair.b.endpoint.stats().data_packets_received > 100
    });
    let address =
        pair.trace.as_ref().unwrap().iter().rev().find_map(|(_, from, packet)| match packet {
            Packet::Ack(ack) if *from == B => Some((ack.address, ack.source)),
            _ => None,
        });
    let (address, source) = address.unwrap();
    (pair, address, source)
}

/// Everything that can be seen of an endpoint but the counters of drops.
fn visible(endpoint: &Endpoint) -> std::string::String {
    let stats = EndpointStats { drops: Default::default(), ..endpoint.stats() };
    let peers: Vec<_> = endpoint
        .peers()
        .map(|peer| (endpoint.peer_stats(peer), endpoint.path_stats(peer)))
        .collect();
    std::format!("{stats:?} {peers:?} {:?}", endpoint.poll_timeout())
}

#[track_caller]
fn assert_dropped(pair: &mut Pair, to: Side, bytes: &[u8], reason: DropReason) {
    let before = visible(&pair.node(to).endpoint);
    let count = pair.node(to).endpoint.stats().drops[reason.index()];
    assert_eq!(pair.deliver(to, bytes, false), Disposition::Dropped(reason));
    assert_eq!(pair.node(to).endpoint.stats().drops[reason.index()], count + 1);
    assert_eq!(visible(&pair.node(to).endpoint), before);
    assert!(
        pair.node(to)
            .endpoint
            .poll_event()
            .is_none_or(|event| { !matches!(event, Event::PeerDown { .. }) })
    );
}

fn encode(encode: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut bytes = vec![0; 200];
    let len = encode(&mut bytes);
    bytes.truncate(len);
    bytes
}

#[test]
fn garbage_and_truncation_are_dropped() {
    let (mut pair, ..) = busy();
    let malformed = DropReason::Malformed;
    assert_dropped(&mut pair, B, &[], malformed(DecodeError::Truncated));
    assert_dropped(&mut pair, B, &[0x55; 100], malformed(DecodeError::Version(5)));
    assert_dropped(&mut pair, B, &[0x1f; 100], malformed(DecodeError::Kind(15)));
    assert_dropped(&mut pair, B, &[0x11], malformed(DecodeError::Truncated));
    assert_dropped(&mut pair, B, &[0x11; 63], malformed(DecodeError::Truncated));
    assert_dropped(&mut pair, A, &[0x12; 20], malformed(DecodeError::Truncated));
}

#[test]
fn every_truncation_of_a_real_datagram_is_dropped() {
    let (mut pair, ..) = busy();
    let flights: Vec<_> = pair.flights.iter().map(|it| it.0.clone()).take(20).collect();
    for flight in flights {
        for len in 0..flight.bytes.len().min(200) {
            let before = visible(&pair.node(flight.to).endpoint);
            let disposition = pair.deliver(flight.to, &flight.bytes[..len], false);
            assert!(matches!(disposition, Disposition::Dropped(DropReason::Malformed(_))), "{len}");
            assert_eq!(visible(&pair.node(flight.to).endpoint), before);
        }
    }
}

/// Rule A5, each way in which an ACK can lie beyond what was sent.
#[test]
fn forged_acks_are_not_believed() {
    let (mut pair, address, source) = busy();
    let sent = pair.a.endpoint.stats().data_packets_sent as u32;
    let trigger = Transmission { path: 0, seq: 0 };
    let mut honest = Ack::new(address, 0, 1000);
    honest.trigger = trigger;
    honest.number = 1 << 20;
    honest.source = source;
    let mut forged = vec![honest; 4];
    forged[0].cumulative = sent + 1;
    forged[1].cumulative = sent + 4000;
    forged[2].trigger = Transmission { path: 0, seq: 5000 };
    forged[3].trigger = Transmission { path: 99, seq: 0 };
    let mut block_beyond = honest;
    block_beyond.push_block(AckBlock { offset: 40, bits: 1 });
    let mut bit_beyond = honest;
    let offset = (sent / 64) as u16;
    bit_beyond.push_block(AckBlock { offset, bits: 1 << 63 });
    let mut path_beyond = honest;
    path_beyond
        .push_path(AckPath { highest: Transmission { path: 3, seq: 1 << 20 }, ce_packets: 0 });
    forged.extend([block_beyond, bit_beyond, path_beyond]);
    for ack in forged {
        let bytes = encode(|out| ack.encode(out));
        assert_dropped(&mut pair, A, &bytes, DropReason::AckBeyondSent);
    }
    pair.run_until_quiet(Duration::from_secs(1));
    assert_eq!(pair.b.received().len(), 2);
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
}

#[test]
fn stale_and_unknown_contexts_are_dropped() {
    let (mut pair, address, source) = busy();
    let mut of_another_incarnation = Ack::new(address, 3, 1000);
    of_another_incarnation.source = source ^ 1;
    let bytes = encode(|out| of_another_incarnation.encode(out));
    assert_dropped(&mut pair, A, &bytes, DropReason::StaleIncarnation);
    let stale = [
        Address { tag: address.tag ^ 1, ..address },
        Address { context: address.context ^ 0x0100_0000, ..address },
        Address { context: address.context + 77, ..address },
    ];
    for address in stale {
        let bytes = encode(|out| Ack::new(address, 3, 1000).encode(out));
        assert_dropped(&mut pair, A, &bytes, DropReason::UnknownContext);
    }
}

#[test]
fn unsolicited_nacks_and_resets_are_dropped() {
    let (mut pair, address, source) = busy();
    let nack = Nack {
        address,
        psn: 3,
        transmission: Transmission { path: 0, seq: 9999 },
        delay_ns: u32::MAX,
        reason: NackReason::ReceiverNotReady,
        credit: 0,
        source,
    };
    let far = Nack { psn: 1 << 20, ..nack };
    for nack in [nack, far] {
        let bytes = encode(|out| nack.encode(out));
        assert_dropped(&mut pair, A, &bytes, DropReason::Unsolicited);
    }
    let reset = Reset { address, transmission: Transmission { path: 0, seq: 0 } };
    let bytes = encode(|out| reset.encode(out));
    assert_dropped(&mut pair, A, &bytes, DropReason::Unsolicited);
}

/// A real data packet, its PSN moved beyond the window.
#[test]
fn data_beyond_the_window_is_not_taken() {
    let (mut pair, ..) = busy();
    let flight = pair
        .flights
        .iter()
        .map(|it| it.0.clone())
        .find(|it| {
            it.to == B && matches!(decode(&it.bytes), Packet::Data(data) if data.open.is_none())
        })
        .expect("data on its way");
    let Packet::Data(data) = decode(&flight.bytes) else { unreachable!() };
    for ahead in [8192, 100_000, u32::MAX / 2] {
        let forged = Data { psn: data.psn.wrapping_add(ahead), ..data };
        let mut bytes = flight.bytes.clone();
        forged.encode(&mut bytes);
        let before = pair.b.endpoint.stats();
        let disposition = pair.deliver(B, &bytes, false);
        assert_eq!(disposition, Disposition::Dropped(DropReason::OutOfWindow));
        let after = pair.b.endpoint.stats();
        let drops = before.drops;
        assert_eq!(EndpointStats { drops, ..after }, EndpointStats { drops, ..before });
    }
    pair.run_until_quiet(Duration::from_secs(1));
    assert_eq!(pair.b.received().len(), 2);
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
}

/// A packet that contradicts its message is not placed.
#[test]
fn contradictions_are_not_placed() {
    let (mut pair, ..) = busy();
    let flight = pair
        .flights
        .iter()
        .map(|it| it.0.clone())
        .find(|it| {
            it.to == B && matches!(decode(&it.bytes), Packet::Data(data) if data.open.is_none())
        })
        .expect("data on its way");
    let Packet::Data(data) = decode(&flight.bytes) else { unreachable!() };
    let forged = Data { total_len: data.total_len + 1, ..data };
    let mut bytes = flight.bytes.clone();
    forged.encode(&mut bytes);
    let disposition = pair.deliver(B, &bytes, false);
    assert_eq!(disposition, Disposition::Dropped(DropReason::Inconsistent));
    pair.run_until_quiet(Duration::from_secs(1));
    let received = pair.b.received();
    assert!(received.iter().all(|it| it.bytes == pattern(1, 1 << 20)));
}

fn decode(bytes: &[u8]) -> Packet {
    Packet::decode(bytes, bytes.len()).unwrap()
}
