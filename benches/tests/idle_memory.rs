//! An idle peer costs little memory.

use usrd_benches::{CountingAllocator, Load, Pair};
use usrd_proto::Config;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

#[test]
fn an_idle_peer_takes_at_most_400_bytes() {
    let config = Config::default();
    // A peer that has said one thing is asked once whether it is there, which delays its rest.
    let rest_ns = 3 * config.idle_after.as_nanos() as u64;
    let before = ALLOCATOR.live_bytes();
    let load = Load { peers: PEERS, in_flight: 64, message_bytes: &[20_000] };
    let mut pair = Pair::with_config(load, &config);
    pair.greet_every_peer();
    pair.come_to_rest(rest_ns);
    assert_eq!((pair.messages_received(), pair.failed()), (u64::from(PEERS), 0));
    let per_peer = (ALLOCATOR.live_bytes() - before) / (2 * u64::from(PEERS));
    assert!(per_peer <= 400, "{per_peer} bytes per idle peer");
}

const PEERS: u32 = 10_000;
