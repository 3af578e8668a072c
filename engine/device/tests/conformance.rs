//! What every device promises, checked on every device: each test runs over each backend, plain
//! and wrapped. Real sockets are used on the loopback interface only.

mod support;

use std::collections::HashSet;
use std::time::Duration;

use support::{Backend, Bench, Traffic};
use usrd_device::{DeviceError, DeviceKind, RouteId, SourceId};

/// Makes a module of tests for each backend.
macro_rules! conformance {
    ($($backend:ident => $make:expr $(, $(#[$ignore:meta])+)?;)*) => {$(
        mod $backend {
            use super::*;

            const BACKEND: Backend = $make;

            #[test]
            $($(#[$ignore])+)?
            fn datagrams_make_the_round_trip() { round_trip(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn batches_arrive_whole() { batch(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn trains_are_cut_where_they_were_joined() { trains(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn the_largest_datagram_fits_and_no_larger_one() { sizes(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn empty_payloads_arrive() { empty_payload(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn equal_addresses_are_equal_routes() { routes(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn unknown_routes_are_dropped_and_addresses_refused() { refusals(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn sources_lead_back_to_the_sender() { sources(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn paths_come_from_different_sources() { paths(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn a_waker_ends_a_wait() { waking(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn an_arrival_ends_a_wait() { waiting(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn held_memory_stops_arrivals_until_it_is_released() {
                back_pressure(&mut Bench::new(BACKEND));
            }
            #[test]
            $($(#[$ignore])+)?
            fn bytes_stay_readable_until_they_are_released() {
                held_bytes(&mut Bench::new(BACKEND));
            }
            #[test]
            $($(#[$ignore])+)?
            fn nothing_is_marked_without_congestion() { marks(&mut Bench::new(BACKEND)); }
            #[test]
            $($(#[$ignore])+)?
            fn a_missing_remote_does_not_stop_the_others() { missing(&mut Bench::new(BACKEND)); }
        }
    )*};
}

conformance! {
    udp_v4 => Backend::Udp { ip: "127.0.0.1", offload: true };
    udp_v6 => Backend::Udp { ip: "::1", offload: true };
    udp_without_offload => Backend::Udp { ip: "127.0.0.1", offload: false };
    udp_v6_without_offload => Backend::Udp { ip: "::1", offload: false };
    loopback => Backend::Loopback;
    loopback_in_wrappers => Backend::Wrapped(&Backend::Loopback);
    udp_in_wrappers => Backend::Wrapped(&Backend::Udp { ip: "127.0.0.1", offload: true });
}

#[cfg(feature = "verbs")]
conformance! {
    verbs => Backend::Verbs, #[ignore = "needs an RDMA device: engine/device/lab/test"];
    verbs_in_wrappers => Backend::Wrapped(&Backend::Verbs),
        #[ignore = "needs an RDMA device: engine/device/lab/test"];
}

fn round_trip(bench: &mut Bench) {
    bench.a.send(bench.to_b, &[Traffic::new(b"header", b"ping")]);
    assert_eq!(bench.b.receive(1), [b"headerping"]);
    bench.b.send(bench.to_a, &[Traffic::new(b"", b"pong")]);
    assert_eq!(bench.a.receive(1), [b"pong"]);
}

fn batch(bench: &mut Bench) {
    let sent: Vec<Vec<u8>> = (0..200_u32).map(|n| vec![n as u8; 1 + n as usize % 50]).collect();
    let batch: Vec<_> = sent.iter().map(|bytes| Traffic::new(b"", bytes)).collect();
    bench.a.send(bench.to_b, &batch);
    assert_eq!(bench.b.receive(200), sent);
}

fn trains(bench: &mut Bench) {
    let limit = bench.a.device.capabilities().max_datagram_bytes.min(8000);
    let lengths = [[1000; 70].as_slice(), &[300, 1000, 1000, 999, 1001, limit, limit, 1]].concat();
    let fill = |index: usize, len: usize| vec![(index * 7 + len) as u8; len];
    let sent: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(i, &len)| fill(i, len)).collect();
    // Header and payload split in different places.
    let batch: Vec<_> = (sent.iter().enumerate())
        .map(|(index, bytes)| {
            let (header, payload) = bytes.split_at(index.min(64).min(bytes.len()));
            Traffic::new(header, payload)
        })
        .collect();
    bench.a.send(bench.to_b, &batch);
    assert_eq!(bench.b.receive(sent.len()), sent);
}

fn sizes(bench: &mut Bench) {
    let limit = bench.a.device.capabilities().max_datagram_bytes;
    let largest = vec![0xa5; limit];
    let larger = vec![0; limit + 1];
    bench.a.send(bench.to_b, &[Traffic::new(&largest[..64], &largest[64..])]);
    assert_eq!(bench.b.receive(1), [largest.as_slice()]);

    // It ends the batch when it is further back, and is an error when it is first.
    let batch = [Traffic::new(b"fits", b""), Traffic::new(b"", &larger)];
    let batch = batch.map(|traffic| traffic.to(bench.to_b));
    assert_eq!(bench.a.device.transmit(&batch).unwrap(), 1);
    bench.a.settle();
    let error = bench.a.device.transmit(&batch[1..]).unwrap_err();
    let expected = (limit + 1, limit);
    assert!(
        matches!(error, DeviceError::TooLarge { bytes, max_bytes } if (bytes, max_bytes) == expected),
        "{error}"
    );
    assert_eq!(bench.b.receive(1), [b"fits"]);
}

fn empty_payload(bench: &mut Bench) {
    let traffic = [Traffic::new(b"only a header", b""); 3];
    bench.a.send(bench.to_b, &traffic);
    assert_eq!(bench.b.receive(3), [b"only a header"; 3]);
}

fn routes(bench: &mut Bench) {
    let address = bench.b.device.local_address();
    assert_eq!(bench.a.device.resolve(&address).unwrap(), bench.to_b);
    assert_eq!(bench.a.device.address_of(bench.to_b), Some(address));
    let own = bench.a.device.local_address();
    let to_self = bench.a.device.resolve(&own).unwrap();
    assert_ne!(to_self, bench.to_b);
    assert_eq!(to_self, RouteId(1), "routes are dense");
}

fn refusals(bench: &mut Bench) {
    let unknown = RouteId(12_345);
    assert_eq!(bench.a.device.address_of(unknown), None);
    let [x, y, z] = [b"x", b"y", b"z"].map(|header| Traffic::new(header, b""));
    let lost = bench.a.device.stats().unroutable;
    // Whether it comes first or not, it holds up nobody.
    let batch = [y.to(unknown), x.to(bench.to_b), y.to(unknown), y.to(unknown), z.to(bench.to_b)];
    assert_eq!(bench.a.device.transmit(&batch).unwrap(), batch.len());
    bench.a.settle();
    assert_eq!(bench.b.receive(2), [b"x", b"z"]);
    assert_eq!(bench.a.device.stats().unroutable, lost + 3);
    let error = bench.a.device.resolve(&"nowhere".into()).unwrap_err();
    assert!(matches!(error, DeviceError::BadAddress { .. }), "{error}");
}

fn sources(bench: &mut Bench) {
    let locator = bench.a.device.capabilities().locator;
    // Also along a path with a source of its own.
    for path in [0, 3] {
        bench.a.send(bench.to_b, &[Traffic::new(b"who", b"?").along(path)]);
        let arrivals = bench.b.arrivals(1);
        let source: SourceId = arrivals[0].source;
        let main = bench.b.device.resolve_source(source, locator).unwrap();
        assert_eq!(main, bench.to_a);
        // The very source reaches the same device, if not by the same address.
        let direct = bench.b.device.resolve_source(source, 0).unwrap();
        bench.b.device.release(&arrivals);
        bench.b.send(direct, &[Traffic::new(b"it", b"'s you")]);
        assert_eq!(bench.a.receive(1), [b"it's you"]);
    }
}

fn paths(bench: &mut Bench) {
    assert_eq!(bench.a.device.capabilities().paths, 4);
    // The last one is path 0 again.
    for path in 0..=4 {
        bench.a.send(bench.to_b, &[Traffic::new(b"p", b"").along(path)]);
    }
    let mut sources = HashSet::new();
    let mut routes = HashSet::new();
    let mut count = 0;
    while count < 5 {
        let arrivals = bench.b.arrivals_at_least(1);
        for arrival in &arrivals {
            sources.insert(arrival.source.0);
            routes.insert(bench.b.device.resolve_source(arrival.source, 0).unwrap());
        }
        count += arrivals.len();
        bench.b.device.release(&arrivals);
    }
    match bench.kind {
        DeviceKind::Udp => assert_eq!(routes.len(), 4),
        DeviceKind::Loopback => assert_eq!((sources.len(), routes.len()), (4, 1)),
        // A source is an endpoint, whichever of its queue pairs it used.
        DeviceKind::Verbs => assert_eq!((sources.len(), routes.len()), (1, 1)),
    }
}

fn waking(bench: &mut Bench) {
    let waker = bench.a.device.waker();
    waker.wake();
    bench.a.device.wait(None).unwrap();
    let thread = std::thread::spawn(move || waker.wake());
    bench.a.device.wait(None).unwrap();
    thread.join().unwrap();
    // With nothing to wait for, the timeout ends it.
    bench.a.device.wait(Some(Duration::from_micros(1))).unwrap();
    bench.a.device.wait(Some(Duration::ZERO)).unwrap();
}

fn waiting(bench: &mut Bench) {
    bench.a.send(bench.to_b, &[Traffic::new(b"wake", b" up")]);
    bench.b.device.wait(None).unwrap();
    assert_eq!(bench.b.receive(1), [b"wake up"]);
}

fn back_pressure(bench: &mut Bench) {
    // More than the receive memory that is there, one by one, so that nothing is coalesced, and along all
    // paths, as some devices have memory for each of them.
    let mut held = Vec::new();
    for n in 0..support::RECEIVE_SLOTS + 1 {
        bench.a.send(bench.to_b, &[Traffic::new(&[n as u8], b"").along(n as u8 % 4)]);
        if n < support::RECEIVE_SLOTS {
            held.extend(bench.b.arrivals(1));
        }
    }
    for _ in 0..1000 {
        assert_eq!(bench.b.device.poll(&mut Vec::new()).unwrap(), 0);
    }
    bench.b.device.release(&held);
    assert_eq!(bench.b.receive(1), [[support::RECEIVE_SLOTS as u8]]);
}

fn held_bytes(bench: &mut Bench) {
    bench.a.send(bench.to_b, &[Traffic::new(b"first", b"")]);
    let first = bench.b.arrivals(1);
    for n in 0..20 {
        bench.a.send(bench.to_b, &[Traffic::new(b"other", &[n])]);
        bench.b.receive(1);
    }
    assert_eq!(bench.b.device.bytes(&first[0]), b"first");
    bench.b.device.release(&first);
}

fn marks(bench: &mut Bench) {
    let batch = [true, false].map(|capable| Traffic::new(b"x", b"").ecn_capable(capable));
    bench.a.send(bench.to_b, &batch);
    let arrivals = bench.b.arrivals(2);
    assert!(arrivals.iter().all(|arrival| !arrival.ce));
    bench.b.device.release(&arrivals);
}

fn missing(bench: &mut Bench) {
    let gone = bench.vacant_address();
    let to_gone = bench.a.device.resolve(&gone).unwrap();
    for n in 0..20_u8 {
        let number = [n];
        let batch = [
            Traffic::new(b"lost", b"").to(to_gone),
            Traffic::new(b"kept", &number).to(bench.to_b),
            Traffic::new(b"lost", b"").to(to_gone),
        ];
        assert_eq!(bench.a.device.transmit(&batch).unwrap(), 3);
        bench.a.settle();
        assert_eq!(bench.b.receive(1), [[&b"kept"[..], &number].concat()]);
        assert_eq!(bench.a.device.poll(&mut Vec::new()).unwrap(), 0);
    }
}
