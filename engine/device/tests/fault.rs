//! What a fault device does to datagrams, seen by the device at the other end of a loopback.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use usrd_device::fault::{FaultConfig, FaultCounters, FaultDevice};
use usrd_device::loopback::{Fabric, LoopbackConfig, LoopbackDevice};
use usrd_device::{Device, Outgoing, RouteId};

/// A fault device, the remote that it sends to, and the time.
struct Bench {
    local: FaultDevice<LoopbackDevice>,
    remote: LoopbackDevice,
    route: RouteId,
    now: Arc<Mutex<Instant>>,
}

impl Bench {
    fn new(config: FaultConfig) -> Self {
        let fabric = Fabric::new();
        let device = || fabric.device(LoopbackConfig::default()).unwrap();
        let (local, remote) = (device(), device());
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = now.clone();
        let clock = Box::new(move || *clock.lock().unwrap());
        let mut local = FaultDevice::with_clock(local, config, clock).unwrap();
        Self { route: local.resolve(&remote.local_address()).unwrap(), local, remote, now }
    }

    /// Sends datagrams that hold their number, in batches of `batch`.
    fn send(&mut self, numbers: std::ops::Range<u32>, batch: usize, path: u8) {
        let numbers: Vec<_> = numbers.map(u32::to_be_bytes).collect();
        for numbers in numbers.chunks(batch) {
            let outgoing = |number| Outgoing {
                route: self.route,
                path,
                ecn_capable: true,
                header: b"no.",
                payload: number,
                memory: None,
            };
            let batch: Vec<_> = numbers.iter().map(|n| outgoing(n.as_slice())).collect();
            assert_eq!(self.local.transmit(&batch).unwrap(), batch.len());
        }
    }

    fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        let mut arrivals = Vec::new();
        while self.remote.poll(&mut arrivals).unwrap() > 0 {
            received.extend(arrivals.iter().map(|a| self.remote.bytes(a).to_vec()));
            self.remote.release(&arrivals);
            arrivals.clear();
        }
        received
    }

    fn receive_numbers(&mut self) -> Vec<u32> {
        let number = |bytes: Vec<u8>| u32::from_be_bytes(bytes[3..].try_into().unwrap());
        self.receive().into_iter().map(number).collect()
    }

    fn advance(&mut self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    fn counters(&self) -> FaultCounters {
        self.local.handle().counters()
    }
}

fn everything() -> FaultConfig {
    FaultConfig {
        seed: 11,
        loss: 0.1,
        duplicate: 0.1,
        corrupt: 0.1,
        delay: 0.1,
        max_delay: Duration::from_millis(1),
    }
}

#[test]
fn the_same_seed_does_the_same_however_it_is_batched() {
    let run = |config: FaultConfig, batch| {
        let mut bench = Bench::new(config);
        bench.send(0..500, batch, 0);
        bench.advance(Duration::from_millis(1));
        bench.local.poll(&mut Vec::new()).unwrap();
        (bench.receive(), bench.counters())
    };
    let reference = run(everything(), 1);
    assert_eq!(reference, run(everything(), 7));
    assert_eq!(reference, run(everything(), 500));
    assert_ne!(reference, run(FaultConfig { seed: 12, ..everything() }, 1));
}

#[test]
fn what_is_not_lost_arrives_and_the_counters_add_up() {
    let mut bench = Bench::new(everything());
    bench.send(0..500, 50, 0);
    bench.advance(Duration::from_millis(1));
    bench.local.poll(&mut Vec::new()).unwrap();
    let counters = bench.counters();
    assert_eq!(counters.offered, 500);
    assert!(counters.lost > 0 && counters.duplicated > 0);
    assert!(counters.corrupted > 0 && counters.delayed > 0);
    let expected = counters.offered - counters.lost + counters.duplicated;
    assert_eq!(bench.receive().len() as u64, expected);
}

#[test]
fn without_faults_nothing_changes() {
    let mut bench = Bench::new(FaultConfig::default());
    bench.send(0..100, 10, 0);
    assert_eq!(bench.receive_numbers(), (0..100).collect::<Vec<_>>());
    assert_eq!(bench.counters(), FaultCounters { offered: 100, ..FaultCounters::default() });
}

#[test]
fn duplicates_follow_at_once() {
    let mut bench = Bench::new(FaultConfig { duplicate: 1.0, ..FaultConfig::default() });
    bench.send(0..3, 3, 0);
    assert_eq!(bench.receive_numbers(), [0, 0, 1, 1, 2, 2]);
}

#[test]
fn corruption_flips_one_bit() {
    let mut bench = Bench::new(FaultConfig { corrupt: 1.0, ..FaultConfig::default() });
    bench.send(0..50, 10, 0);
    for (number, received) in bench.receive().iter().enumerate() {
        let sent = [&b"no."[..], &(number as u32).to_be_bytes()].concat();
        assert_eq!(received.len(), sent.len());
        let flipped = received.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        assert_eq!(flipped, 1);
    }
    assert_eq!(bench.counters().corrupted, 50);
}

#[test]
fn delayed_datagrams_are_overtaken_and_come_when_due() {
    let delay = FaultConfig { delay: 0.3, ..everything() };
    let config = FaultConfig { loss: 0.0, duplicate: 0.0, corrupt: 0.0, ..delay };
    let mut bench = Bench::new(config);
    bench.send(0..100, 10, 0);
    let first = bench.receive_numbers();
    let held = bench.counters().delayed as usize;
    assert!(held > 0);
    assert_eq!(first.len(), 100 - held);
    assert!(first.is_sorted());
    // Half of the time brings some, the rest brings all; any call will do.
    bench.advance(Duration::from_micros(500));
    bench.local.transmit(&[]).unwrap();
    let second = bench.receive_numbers();
    assert!(!second.is_empty() && second.len() < held);
    bench.advance(Duration::from_micros(500));
    bench.local.wait(Some(Duration::ZERO)).unwrap();
    let third = bench.receive_numbers();
    let mut all = [first, second, third].concat();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_wait_ends_when_something_held_is_due() {
    let fabric = Fabric::new();
    let mut remote = fabric.device(LoopbackConfig::default()).unwrap();
    let local = fabric.device(LoopbackConfig::default()).unwrap();
    let config = FaultConfig { delay: 1.0, max_delay: Duration::from_millis(5), ..everything() };
    let config = FaultConfig { loss: 0.0, duplicate: 0.0, ..config };
    let mut local = FaultDevice::new(local, config).unwrap();
    let route = local.resolve(&remote.local_address()).unwrap();
    let outgoing =
        Outgoing { route, path: 0, ecn_capable: true, header: b"late", payload: b"", memory: None };
    assert_eq!(local.transmit(&[outgoing]).unwrap(), 1);
    // A single wait without a timeout would sleep for good if it did not know.
    let mut arrivals = Vec::new();
    while remote.poll(&mut arrivals).unwrap() == 0 {
        local.wait(None).unwrap();
    }
}

#[test]
fn black_holes_swallow_one_path_until_they_heal() {
    let mut bench = Bench::new(FaultConfig::default());
    let handle = bench.local.handle();
    handle.black_hole(3);
    bench.send(0..2, 2, 2);
    bench.send(2..4, 2, 3);
    // Of 16 paths, this is 3 again.
    bench.send(4..6, 2, 19);
    assert_eq!(bench.receive_numbers(), [0, 1]);
    assert_eq!(handle.counters().black_holed, 4);
    handle.heal(3);
    bench.send(6..8, 2, 3);
    assert_eq!(bench.receive_numbers(), [6, 7]);
}
