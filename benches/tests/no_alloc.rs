//! In the steady state the core allocates nothing.

use usrd_benches::{CountingAllocator, Load, Pair};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// Everything in one test: another would allocate in its own thread meanwhile.
#[test]
fn a_steady_state_allocates_nothing() {
    for (name, peers, in_flight, message_bytes) in [
        ("large messages", 1, 4, &[1 << 20][..]),
        ("messages of one packet", 1, 64, &[4096]),
        ("messages of several sizes", 1, 32, &SIZES),
        ("a hundred peers", 100, 200, &SIZES),
    ] {
        let mut pair = Pair::new(Load { peers, in_flight, message_bytes });
        pair.start();
        pair.run_packets(WARM_UP_PACKETS + u64::from(peers) * WARM_UP_PACKETS_PER_PEER);
        let (before, from) = (ALLOCATOR.allocations(), pair.sender_stats());
        pair.run_packets(MEASURED_PACKETS);
        let allocations = ALLOCATOR.allocations() - before;
        let until = pair.sender_stats();
        assert_eq!(allocations, 0, "{name}: within {MEASURED_PACKETS} packets");
        assert_eq!(pair.failed(), 0, "{name}");
        // The loop is what it is meant to be: messages end, ACKs come back.
        assert!(until.messages_sent > from.messages_sent, "{name}");
        let acks = until.acks_received - from.acks_received;
        assert!(acks >= MEASURED_PACKETS / 10, "{name}: {acks} ACKs");
    }
}

/// Empty, less than a packet, one packet, a few with a short end, many.
const SIZES: [u64; 6] = [0, 8, 4096, 10_000, 65_536, 300_001];
/// Every queue and table has by then been as full as it gets: they grow to their high-water mark,
/// each peer's to its own.
const WARM_UP_PACKETS: u64 = 200_000;
const WARM_UP_PACKETS_PER_PEER: u64 = 10_000;
const MEASURED_PACKETS: u64 = 100_000;
