//! What happens when queue pairs and rails fail, over a real RDMA device: the tests reach into the
//! device and break them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::sender::Sender;
use super::{Gid, VerbsConfig, VerbsDevice, ports};
use crate::{Arrival, Device, DeviceError, Memory, Outgoing, RouteId};

fn config() -> VerbsConfig {
    let rails = std::env::var("USRD_VERBS").unwrap_or_else(|_| {
        let ports = ports().expect("the verbs library, and a device");
        ports.first().expect("an RDMA device").rail.to_string()
    });
    let config: VerbsConfig = rails.parse().unwrap();
    VerbsConfig { queue_pairs: 2, paths: 8, receive_slots: Some(SLOTS), send_depth: 128, ..config }
}

/// Two devices that know each other, and what is sent from the first to the second.
struct Bench {
    a: VerbsDevice,
    b: VerbsDevice,
    route: RouteId,
    memory: Bytes,
    arrived: BTreeSet<u32>,
}

impl Bench {
    fn new(config: &VerbsConfig) -> Self {
        let mut a = VerbsDevice::open(config).unwrap();
        let b = VerbsDevice::open(config).unwrap();
        let route = a.resolve(&b.local_address()).unwrap();
        let memory = Bytes::from((0..PAYLOAD_BYTES).map(|i| i as u8).collect::<Vec<_>>());
        a.pin(&memory).unwrap();
        Self { a, b, route, memory, arrived: BTreeSet::new() }
    }

    /// Offers these, each along a path of its own, and takes what has arrived.
    fn exchange(&mut self, numbers: &[u32]) {
        let headers: Vec<_> = numbers.iter().map(|number| number.to_be_bytes()).collect();
        let (route, memory) = (self.route, &self.memory);
        let datagram = |header| datagram(route, header, memory);
        let batch: Vec<_> = headers.iter().map(datagram).collect();
        self.a.transmit(&batch).unwrap();
        self.a.poll(&mut Vec::new()).unwrap();
        let mut arrivals: Vec<Arrival> = Vec::new();
        self.b.poll(&mut arrivals).unwrap();
        for arrival in &arrivals {
            let (number, payload) = self.b.bytes(arrival).split_first_chunk().unwrap();
            assert_eq!(payload, self.memory);
            self.arrived.insert(u32::from_be_bytes(*number));
        }
        self.b.release(&arrivals);
    }

    /// Sends the missing ones of so many, again and again.
    fn deliver(&mut self, count: u32, mut meanwhile: impl FnMut(&mut Self)) {
        let deadline = Instant::now() + DEADLINE;
        while self.arrived.len() < count as usize {
            let missing = (0..count).filter(|number| !self.arrived.contains(number));
            let missing: Vec<_> = missing.take(BATCH).collect();
            self.exchange(&missing);
            meanwhile(self);
            assert!(Instant::now() < deadline, "{:?} {:?}", self.a.stats(), self.b.stats());
        }
    }

    /// Until both have nothing left to mend or to send.
    fn settle(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        for device in [&mut self.a, &mut self.b] {
            let is_settled = |device: &mut VerbsDevice| {
                let mut rails = device.rails.iter();
                device.stats().held == 0
                    && rails.all(|rail| {
                        rail.senders.iter().all(|it| it.is_well() && it.queue_pair.is_idle())
                    })
            };
            while !is_settled(device) {
                let mut arrivals = Vec::new();
                device.poll(&mut arrivals).unwrap();
                device.release(&arrivals);
                assert!(Instant::now() < deadline, "{:?}", device.stats());
            }
        }
    }

    fn devices(&mut self) -> [&mut VerbsDevice; 2] {
        [&mut self.a, &mut self.b]
    }
}

fn datagram<'a>(route: RouteId, header: &'a [u8; 4], memory: &'a Bytes) -> Outgoing<'a> {
    let (path, shared) = (header[3], Some(Memory::Shared(memory)));
    Outgoing { route, path, ecn_capable: false, header, payload: memory, memory: shared }
}

/// The queue pair that has its turn.
fn sender(device: &mut VerbsDevice, turn: usize) -> &mut Sender {
    let rails = device.rails.len();
    let senders = &mut device.rails[turn % rails].senders;
    let index = turn / rails % senders.len();
    &mut senders[index]
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn queue_pairs_that_fail_are_made_anew_and_everything_arrives() {
    fail_again_and_again(&config());
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn queue_pairs_with_receives_of_their_own_get_them_back() {
    fail_again_and_again(&VerbsConfig { shared_receives: false, ..config() });
}

fn fail_again_and_again(config: &VerbsConfig) {
    let mut bench = Bench::new(config);
    let (mut turn, mut next) = (0, 100);
    bench.deliver(2000, |bench| {
        if bench.arrived.len() < next {
            return;
        }
        // One that sends finds out by itself, and of one that only receives the device reports it.
        sender(&mut bench.a, turn).queue_pair.stop().unwrap();
        sender(&mut bench.b, turn).fail("the test reports it");
        (turn, next) = (turn + 1, next + 100);
    });
    bench.settle();
    for device in bench.devices() {
        let stats = device.stats();
        assert!(stats.queue_pairs_failed > 0, "{stats:?}");
        assert_eq!(stats.queue_pairs_failed, stats.queue_pairs_rebuilt);
        assert_eq!((stats.rails_failed, stats.ports_down), (0, 0));
        // What the NIC had is here or there: no slot is lost, in neither direction.
        for rail in &mut device.rails {
            assert_eq!(rail.incoming.slots_by_place(), [SLOTS, 0]);
            assert!(rail.senders.iter().all(|sender| sender.queue_pair.room() == 128));
        }
    }
    // Nothing of what was sent in place is held on to.
    bench.a.unpin(&bench.memory.clone());
    assert!(bench.memory.is_unique());
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn a_queue_pair_that_only_receives_is_made_anew() {
    let mut bench = Bench::new(&config());
    bench.deliver(8, |_| {});
    let senders = bench.b.rails.iter().map(|rail| rail.senders.len()).sum();
    (0..senders).for_each(|turn| sender(&mut bench.b, turn).fail("the test reports it"));
    bench.arrived.clear();
    bench.deliver(8, |_| {});
    assert_eq!(bench.b.stats().queue_pairs_rebuilt, senders as u64);
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn a_queue_pair_that_gets_nowhere_is_made_anew() {
    let mut bench = Bench::new(&config());
    bench.deliver(8, |_| {});
    bench.settle();
    let rail = &mut bench.a.rails[0];
    let began = Instant::now();
    rail.mend();
    // A request that the NIC was never handed, so it does not complete.
    let queue_pair = &mut rail.senders[0].queue_pair;
    queue_pair.push_stuck();
    while rail.failures_and_rebuilds() != [1, 1] {
        rail.collect_sent();
        rail.mend();
        assert!(began.elapsed() < DEADLINE);
    }
    bench.arrived.clear();
    bench.deliver(8, |_| {});
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn a_rail_that_fails_gives_everything_back_and_the_last_one_ends_the_device() {
    let mut bench = Bench::new(&config());
    bench.deliver(100, |_| {});
    let rails = bench.a.rails.len();
    for dead in 1..=rails {
        // With something under way.
        bench.exchange(&[0, 1, 2, 3, 4, 5, 6, 7]);
        bench.a.rails[dead - 1].fail("the test says so");
        assert_eq!(bench.a.stats().rails_failed, dead as u64);
        if dead < rails {
            bench.arrived.clear();
            let deadline = Instant::now() + DEADLINE;
            // The paths of the others go on, and what goes along its own is lost.
            while bench.arrived.len() < 8 * (rails - dead) / rails {
                bench.exchange(&[0, 1, 2, 3, 4, 5, 6, 7]);
                bench.a.wait(Some(Duration::from_millis(1))).unwrap();
                assert!(Instant::now() < deadline);
            }
        }
    }
    let lost = bench.a.stats().unroutable;
    let memory = bench.memory.clone();
    bench.a.transmit(&[datagram(bench.route, &[0; 4], &memory)]).unwrap();
    drop(memory);
    assert_eq!(bench.a.stats().unroutable, lost + 1);
    assert!(bench.a.has_sent_all());
    bench.a.unpin(&bench.memory.clone());
    assert!(bench.memory.is_unique());
    // Whether it sleeps or polls, it is told, and does not wait for what cannot come.
    let error = bench.a.wait(None).unwrap_err();
    assert!(matches!(error, DeviceError::Io { .. }), "{error}");
    let polls = (0..10_000).find_map(|_| bench.a.poll(&mut Vec::new()).err());
    assert!(polls.is_some());
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn endpoints_come_and_go_and_the_ways_to_a_port_stay() {
    let mut bench = Bench::new(&config());
    let memory = bench.memory.clone();
    for number in 0..2000_u32 {
        // Other endpoints at the same ports.
        let mut address = bench.b.endpoint_address().clone();
        address.qkey = number + 1;
        let route = bench.a.resolve(&address.to_address()).unwrap();
        let header = number.to_be_bytes();
        assert_eq!(bench.a.transmit(&[datagram(route, &header, &memory)]).unwrap(), 1);
        bench.a.forget(route);
        bench.a.look_around().unwrap();
        if number % 16 == 0 {
            bench.settle();
        }
    }
    assert!(bench.a.routes.len() < 300, "{}", bench.a.routes.len());
    assert_eq!(bench.a.routes.ports.len(), bench.a.rails.len());
    // Somebody who was never forgotten is still there.
    bench.deliver(100, |_| {});
    // A host that is left for many others is forgotten, when nothing needs the way there any more.
    bench.a.forget(bench.route);
    bench.settle();
    for number in 0..1000_u32 {
        let mut address = bench.b.endpoint_address().clone();
        address.qkey = number + 1;
        for rail in &mut address.rails {
            rail.gid = Gid::from_ipv4((0x0a63_0000 + number).to_be_bytes());
        }
        let (route, _) = bench.a.routes.intern(address);
        bench.a.routes.claim(route);
        bench.a.forget(route);
        bench.a.look_around().unwrap();
    }
    assert_ne!(bench.a.address_of(bench.route), Some(bench.b.local_address()));
    assert!(bench.a.left.is_empty() && bench.a.routes.len() < 300);
    // And found again, when somebody calls.
    bench.route = bench.a.resolve(&bench.b.local_address()).unwrap();
    bench.arrived.clear();
    bench.deliver(100, |_| {});
}

const SLOTS: usize = 256;
const PAYLOAD_BYTES: usize = 2000;
const BATCH: usize = 60;
/// Long enough for a host that is busy with something else.
const DEADLINE: Duration = Duration::from_secs(60);
