//! Memory that is asked for before it is needed.

use std::vec::Vec;

use crate::boundary::HeaderBuffer;
use crate::config::Config;
use crate::endpoint::{Endpoint, SendRequest};
use crate::ids::{BufferId, BufferRange, CompletionLevel, PeerId, Service, Token};
use crate::time::Instant;
use crate::wire::MAX_HEADER_BYTES;

const NOW: Instant = Instant::from_nanos(1_000);

/// An endpoint with so many peers, a message on its way to each.
fn busy(peers: u32) -> (Endpoint, Vec<PeerId>) {
    let mut endpoint = Endpoint::new(Config { seed: 1, ..Config::default() }).unwrap();
    let ids: Vec<_> = (0..peers).map(|_| endpoint.add_peer(NOW).unwrap()).collect();
    for &peer in &ids {
        let range = BufferRange { buffer: BufferId(0), offset: 0, len: 100 };
        let (service, level) = (Service::Srd, CompletionLevel::Acknowledged);
        let token = Token(0);
        let request = SendRequest { token, service, range, level, immediate: None };
        endpoint.send(NOW, peer, request).unwrap();
    }
    let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
    while endpoint.poll_transmit(NOW, &mut header).is_some() {}
    (endpoint, ids)
}

fn asked_for(endpoint: &Endpoint, peers: &[PeerId]) -> Vec<usize> {
    let mut lines = Vec::new();
    endpoint.look_ahead_to(peers.iter().copied(), |address| lines.push(address.addr() / 64));
    lines
}

#[test]
fn each_of_many_peers_has_lines_of_its_own() {
    let (mut endpoint, peers) = busy(100);
    let idle = endpoint.add_peer(NOW).unwrap();
    let first = asked_for(&endpoint, &peers[..1]);
    let second = asked_for(&endpoint, &peers[1..2]);
    assert!(first.len() > 10 && second.iter().filter(|line| first.contains(line)).count() <= 1);
    assert_eq!(asked_for(&endpoint, &peers[..2]).len(), first.len() + second.len());
    assert_eq!(asked_for(&endpoint, &[idle, PeerId(1_000_000)]), []);
}

/// What is known of a few stays in the cache.
#[test]
fn few_peers_need_no_asking() {
    let (endpoint, peers) = busy(10);
    assert_eq!(asked_for(&endpoint, &peers), []);
}

/// Heads are taken as they come: nothing has checked them.
#[test]
fn any_bytes_will_do() {
    let (endpoint, _) = busy(100);
    let bytes = [0xff; 64];
    let heads = (0..64).map(|len| &bytes[..len]);
    endpoint.look_ahead(heads, |_| panic!("there is no such peer"));
    let mut asked = 0;
    let head = [0; 16];
    endpoint.look_ahead([&head[..]].into_iter(), |_| asked += 1);
    assert!(asked > 10, "peer 0 is there");
}
