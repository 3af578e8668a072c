//! Congestion control and fairness: section 9 of docs/PROTOCOL.md.

use core::time::Duration;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::HeaderBuffer;
use crate::cc::Algorithm;
use crate::config::Config;
use crate::endpoint::{Endpoint, SendRequest};
use crate::ids::{BufferId, BufferRange, CompletionLevel, Service, Token};
use crate::time::Instant;
use crate::wire::MAX_HEADER_BYTES;

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn every_controller_moves_data() {
    for algorithm in [Algorithm::Nscc, Algorithm::Swift, Algorithm::Fixed] {
        let mut one = config(1);
        one.cc.algorithm = algorithm;
        let mut pair = Pair::new(one, config(2), Link::hostile());
        pair.post(B, 1 << 20);
        pair.send(A, Service::Srd, &pattern(1, 1 << 20));
        pair.run_until_quiet(LIMIT);
        assert_eq!(pair.b.received()[0].bytes, pattern(1, 1 << 20));
    }
}

/// Rule C1: never more in flight than the window, with at least one packet always.
#[test]
fn the_window_is_kept() {
    let mut fixed = config(1);
    fixed.cc.algorithm = Algorithm::Fixed;
    fixed.cc.fixed_cwnd_bytes = 20_000;
    let mut pair = Pair::new(fixed, config(2), Link::default());
    pair.post(B, 1 << 20);
    pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    let mut most = 0;
    while pair.a.endpoint.pending_sends() > 0 {
        assert!(pair.step());
        let peer = pair.a.peer.unwrap();
        most = most.max(pair.a.endpoint.peer_stats(peer).unwrap().in_flight_bytes);
    }
    assert!((16_000..=20_000).contains(&most), "{most}");
}

/// Marks make the window smaller, and are reported at once.
#[test]
fn marks_shrink_the_window() {
    let mut pair = Pair::plain();
    let peer = pair.a.peer.unwrap();
    pair.link.delay = Duration::from_micros(5);
    pair.post(B, 1 << 20);
    pair.send(A, Service::Srd, &pattern(1, 1 << 20));
    pair.run_until_quiet(LIMIT);
    let before = pair.a.endpoint.peer_stats(peer).unwrap().cwnd_bytes;
    pair.link.delay = Duration::from_micros(25);
    pair.link.mark_ce = true;
    for message in 0..20 {
        pair.post(B, 1 << 20);
        pair.send(A, Service::Srd, &pattern(message, 1 << 20));
    }
    pair.run_until_quiet(LIMIT);
    let after = pair.a.endpoint.peer_stats(peer).unwrap().cwnd_bytes;
    assert!(after < before / 2, "{before} -> {after}");
    assert!(pair.b.endpoint.stats().ce_marks_received > 0);
}

/// Rule C2: with pacing, packets do not all leave at once.
#[test]
fn pacing_spreads_packets_out() {
    let gaps = |gain| {
        let paced = Config { pacing_gain_percent: gain, pacing_burst_bytes: 8192, ..config(1) };
        let mut pair = Pair::new(paced, config(2), Link::default());
        for _ in 0..2 {
            pair.post(B, 400_000);
            pair.send(A, Service::Srd, &pattern(1, 400_000));
            pair.run_until_quiet(LIMIT);
            pair.trace = Some(Vec::new());
        }
        pair.post(B, 400_000);
        pair.send(A, Service::Srd, &pattern(1, 400_000));
        pair.run_until_quiet(LIMIT);
        let trace = pair.trace.take().unwrap();
        let times: std::collections::BTreeSet<Instant> =
            trace.iter().filter(|(_, from, _)| *from == A).map(|(at, _, _)| *at).collect();
        times.len()
    };
    let (unpaced, paced) = (gaps(0), gaps(125));
    assert!(paced > 2 * unpaced, "{paced} moments of sending against {unpaced}");
}

/// Rule C3: peers share the way out, whatever the size of their packets.
#[test]
fn peers_take_turns_by_bytes() {
    let mut unlimited = Config { recv_window_packets: 64, ..config(1) };
    unlimited.cc.algorithm = Algorithm::Fixed;
    unlimited.cc.fixed_cwnd_bytes = 1 << 30;
    unlimited.cc.max_cwnd_bytes = None;
    let mut endpoint = Endpoint::new(unlimited).unwrap();
    let now = Instant::from_nanos(1);
    let peers: Vec<_> = (0..4).map(|_| endpoint.add_peer(now).unwrap()).collect();
    // The first two send large messages, the others many small ones.
    for (index, &peer) in peers.iter().enumerate() {
        for message in 0..64 {
            let len = if index < 2 { 4096 } else { 1024 };
            let range = BufferRange { buffer: BufferId(0), offset: 0, len };
            let request = SendRequest {
                token: Token(message),
                service: Service::Srd,
                range,
                level: CompletionLevel::Acknowledged,
                immediate: None,
            };
            endpoint.send(now, peer, request).unwrap();
        }
    }
    let mut bytes = [0usize; 4];
    let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
    // Until the small senders run out, all four get the same share.
    while bytes[2].min(bytes[3]) < 60 * 1024 {
        let transmit = endpoint.poll_transmit(now, &mut header).expect("there is data");
        bytes[transmit.peer.0 as usize] += transmit.len();
    }
    let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
    assert!(most - least <= 2 * 16_384, "{bytes:?}");
}
