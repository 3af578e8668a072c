//! Bytes per idle peer, of 100,000: each has exchanged a message and then been idle for longer than
//! `idle_after`.

use usrd_benches::{CountingAllocator, Load, Pair};
use usrd_proto::Config;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn main() {
    println!("bytes per idle peer, at one end (goal: 400)");
    for message_bytes in [&[64], &[64 << 10]] {
        let config = Config::default();
        let rest_ns = 3 * config.idle_after.as_nanos() as u64;
        let before = ALLOCATOR.live_bytes();
        let load = Load { peers: PEERS, in_flight: 64, message_bytes };
        let mut pair = Pair::with_config(load, &config);
        let added = ALLOCATOR.live_bytes() - before;
        pair.greet_every_peer();
        pair.come_to_rest(rest_ns);
        assert_eq!((pair.messages_received(), pair.failed()), (u64::from(PEERS), 0));
        let rested = ALLOCATOR.live_bytes() - before;
        let per_peer = |bytes: u64| bytes / (2 * u64::from(PEERS));
        println!(
            "  {PEERS} peers, one message of {} B each: {} after adding, {} idle",
            message_bytes[0],
            per_peer(added),
            per_peer(rested)
        );
    }
}

const PEERS: u32 = 100_000;
