//! Time per 4 KiB data packet, both ends and the ACKs included.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use usrd_benches::{Load, Pair};

fn core(c: &mut Criterion) {
    for (name, peers, in_flight, message_bytes) in [
        ("1 peer, 1 MiB messages", 1, 64, &[1 << 20]),
        ("1 peer, 4 KiB messages", 1, 256, &[4 << 10]),
        ("1000 peers, 64 KiB messages", 1000, 64, &[64 << 10]),
        ("1000 peers, 4 KiB messages", 1000, 256, &[4 << 10]),
    ] {
        let mut group = c.benchmark_group("core: 4 KiB packet, both ends");
        group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(3));
        group.bench_function(name, |bencher| {
            let mut pair = Pair::new(Load { peers, in_flight, message_bytes });
            pair.start();
            pair.run_packets(WARM_UP_PACKETS);
            bencher.iter_custom(|packets| {
                let start = Instant::now();
                pair.run_packets(packets);
                start.elapsed()
            });
            assert_eq!(pair.failed(), 0);
        });
        group.finish();
    }
}

const WARM_UP_PACKETS: u64 = 100_000;

criterion_group!(benches, core);
criterion_main!(benches);
