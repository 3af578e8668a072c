//! The structures that every packet passes, alone.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use usrd_proto::Instant;
use usrd_proto::psn::Psn;
use usrd_proto::recv_window::{Admission, RecvWindow};
use usrd_proto::timer::TimerWheel;

/// A deadline that is pushed back with every packet, among 100,000 peers, and seldom fires.
fn timer_pushed_back(c: &mut Criterion) {
    let mut wheel = TimerWheel::new();
    let mut now = Instant::from_nanos(1_000_000);
    (0..PEERS).for_each(|key| wheel.arm(key, now.plus_nanos(RTO_NS)));
    let mut key = 0;
    c.bench_function("timer: pushed back, 100,000 peers", |bencher| {
        bencher.iter(|| {
            now = now.plus_nanos(PACKET_NS);
            key = (key + 7_919) % PEERS;
            wheel.arm(key, now.plus_nanos(RTO_NS));
            while let Some(expired) = wheel.pop_expired(now) {
                wheel.arm(expired, now.plus_nanos(RTO_NS));
            }
        });
    });
}

fn window_in_order(c: &mut Criterion) {
    let mut window = RecvWindow::new(4096);
    let mut psn = 0;
    c.bench_function("receive window: in order", |bencher| {
        bencher.iter(|| {
            let next = Psn::new(psn);
            if black_box(window.admit(next)) == Admission::New {
                window.insert(next);
            }
            psn += 1;
        });
    });
}

/// As many paths of different length do it: packets of a block arrive back to front.
fn window_reordered(c: &mut Criterion) {
    let mut window = RecvWindow::new(4096);
    let mut count = 0;
    c.bench_function("receive window: blocks of 128 back to front", |bencher| {
        bencher.iter(|| {
            let psn = Psn::new(count / 128 * 128 + (127 - count % 128));
            if black_box(window.admit(psn)) == Admission::New {
                window.insert(psn);
            }
            count += 1;
        });
    });
}

const PEERS: u32 = 100_000;
const RTO_NS: u64 = 200_000;
const PACKET_NS: u64 = 330;

criterion_group!(benches, timer_pushed_back, window_in_order, window_reordered);
criterion_main!(benches);
