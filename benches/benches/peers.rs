//! What 10,000 peers cost beside a single one: processor time per 4 KiB packet, both ends and the
//! ACKs included, and memory per peer that is idle.
//!
//! All loads take turns, so that each ratio compares what one machine did in one minute; the median
//! of the turns is what counts. Two things make many peers dearer. An ACK answers one message where
//! it answers several of a single peer that has many under way: that shows in the second row, and in
//! the benchmark `instructions`. And a peer's memory has left the cache when its turn comes again.

use std::process::ExitCode;
use std::time::Duration;

use usrd_benches::{CountingAllocator, Load, Pair, processor_time};
use usrd_proto::Config;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// What is measured: name, peers, those of them that are busy, messages under way. A single peer
/// comes first, and the ratios are to it.
const LOADS: [(&str, u32, u32, u32); 5] = [
    ("1 peer, 256 at a time", 1, 1, 256),
    ("1 peer, 1 at a time", 1, 1, 1),
    ("1 peer beside 9999 idle, 256 at a time", PEERS, 1, 256),
    ("10000 peers in turn, 256 at a time", PEERS, PEERS, 256),
    ("10000 peers in turn, all at a time", PEERS, PEERS, PEERS),
];
const PEERS: u32 = 10_000;
const MESSAGES: [(&str, &[u64]); 2] = [("4 KiB", &[4 << 10]), ("64 KiB", &[64 << 10])];
const ROUNDS: usize = 9;
/// Every peer has by then been sent to several times.
const WARM_UP_PACKETS: u64 = 200_000;
/// A turn brings its own memory into the cache first.
const SETTLE_PACKETS: u64 = 50_000;
const MEASURED_PACKETS: u64 = 200_000;

fn main() -> ExitCode {
    print_memory();
    match print_times() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_times() -> Result<(), String> {
    println!("processor time per 4 KiB packet, both ends and ACKs; medians of {ROUNDS} turns");
    for (size, message_bytes) in MESSAGES {
        let mut pairs = LOADS.map(|(_, peers, busy, in_flight)| {
            let mut pair = Pair::new(Load { peers, in_flight, message_bytes });
            pair.greet_every_peer();
            pair.come_to_rest(rest_ns());
            pair.narrow_to(busy);
            pair.start();
            pair.run_packets(WARM_UP_PACKETS);
            pair
        });
        let mut turns: [Vec<f64>; LOADS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (pair, turns) in pairs.iter_mut().zip(&mut turns) {
                pair.run_packets(SETTLE_PACKETS);
                let used = processor_time()?;
                pair.run_packets(MEASURED_PACKETS);
                turns.push(per_packet_ns(processor_time()? - used));
            }
        }
        let medians = turns.map(median);
        for ((name, ..), ns) in LOADS.iter().zip(medians) {
            println!("  {name:<38} {size:>6} messages {ns:>6.0} ns {:>6.2}", ns / medians[0]);
        }
        assert!(pairs.iter().all(|pair| pair.failed() == 0));
    }
    Ok(())
}

/// Memory of both ends, by what has happened to each peer.
fn print_memory() {
    println!("bytes per peer, at one end, of {PEERS}");
    let before = ALLOCATOR.live_bytes();
    let per_peer = || (ALLOCATOR.live_bytes() - before) / (2 * u64::from(PEERS));
    let load = Load { peers: PEERS, in_flight: 256, message_bytes: &[64 << 10] };
    let mut pair = Pair::new(load);
    pair.come_to_rest(0);
    println!("  {:<38} {:>6}", "never active", per_peer());
    pair.greet_every_peer();
    pair.come_to_rest(rest_ns());
    println!("  {:<38} {:>6}", "active before, and idle", per_peer());
    assert_eq!(pair.failed(), 0);
}

/// A peer that has said one thing is asked once whether it is there, which delays its rest.
fn rest_ns() -> u64 {
    3 * Config::default().idle_after.as_nanos() as u64
}

fn per_packet_ns(time: Duration) -> f64 {
    time.as_nanos() as f64 / MEASURED_PACKETS as f64
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns[turns.len() / 2]
}
