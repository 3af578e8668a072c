//! What an endpoint keeps: section 4 of docs/PROTOCOL.md.

use core::time::Duration;

use super::pair::{A, B, Pair, pattern};
use crate::ids::Service;
use crate::peer::Peer;

/// An idle peer holds its own record and nothing else; benches measure the whole with an allocator
/// that counts.
#[test]
fn an_idle_peer_is_small() {
    assert!(size_of::<Peer>() <= MOST_BYTES, "{} bytes", size_of::<Peer>());
}

/// 1 KiB, less what the allocator, the timer, and the place in tables that double take.
const MOST_BYTES: usize = 1024 - 16 - 2 * (16 + 32);

/// Windows are given back after a while, and what follows goes on as if they had not been.
#[test]
fn an_idle_peer_goes_on_where_it_was() {
    let mut pair = Pair::plain();
    for message in 0..5 {
        pair.post(B, 100_000);
        pair.send(A, Service::Rd, &pattern(message, 100_000));
        pair.run_until_quiet(Duration::from_secs(1));
        assert_eq!(pair.b.received()[0].bytes, pattern(message, 100_000));
        let idle_after = pair.a.endpoint.config().idle_after;
        pair.run_for(idle_after * 3);
        let (peer, node) = (pair.a.peer.unwrap(), &pair.a);
        assert!(node.endpoint.path_stats(peer).unwrap().is_empty(), "paths are given back");
    }
    assert_eq!(pair.a.endpoint.stats().retransmissions, 0);
    assert_eq!(pair.a.endpoint.poll_timeout(), None, "an idle endpoint wakes for nothing");
    assert_eq!(pair.b.endpoint.poll_timeout(), None);
}
