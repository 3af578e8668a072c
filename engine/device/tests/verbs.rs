//! What only verbs devices do, over a real RDMA device: both ends at the same port.

#![cfg(feature = "verbs")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::verbs::{config, device};
use support::{End, Traffic};
use usrd_device::verbs::{EndpointAddress, Gid, VerbsConfig, VerbsDevice, ports};
use usrd_device::{Device, DeviceError, Lendable, Memory, Outgoing, RouteId};

fn end(device: VerbsDevice) -> End {
    End::new(Box::new(device))
}

fn pair() -> (End, End, RouteId) {
    let (mut a, mut b) = (end(device()), end(device()));
    let route = a.device.resolve(&b.device.local_address()).unwrap();
    meet(&mut a, &mut b, route);
    (a, b, route)
}

/// From then on the way along the first path is known.
fn meet(a: &mut End, b: &mut End, route: RouteId) {
    a.send(route, &[Traffic::new(b"first", b"")]);
    assert_eq!(b.receive(1), [b"first"]);
}

/// Sends a part of `memory`, as an engine does.
fn send_part(from: &mut End, route: RouteId, memory: &Bytes, part: std::ops::Range<usize>) {
    let payload = &memory[part];
    let outgoing = Outgoing {
        memory: Some(Memory::Shared(memory)),
        ..Traffic::new(b"head", payload).to(route)
    };
    assert_eq!(from.device.transmit(&[outgoing]).unwrap(), 1);
    from.settle();
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn payload_leaves_from_where_it_is_and_is_kept_until_it_has() {
    let (mut a, mut b, route) = pair();
    // Large enough to be registered on its own; then pinned; then small, so that it is copied.
    for (len, pinned) in [(1 << 20, false), (40_000, true), (4000, false)] {
        let contents = pattern(len);
        let memory = Bytes::from(contents.clone());
        if pinned {
            a.device.pin(&memory).unwrap();
        }
        let step = 3000;
        for start in (0..len - step).step_by(step * 7) {
            send_part(&mut a, route, &memory, start..start + step);
        }
        // The device has what it needs.
        drop(memory);
        let starts: Vec<_> = (0..len - step).step_by(step * 7).collect();
        for (start, received) in starts.iter().zip(b.receive(starts.len())) {
            let expected = [b"head", &contents[*start..start + step]].concat();
            assert!(received == expected, "{len} at {start}");
        }
    }
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn memory_is_let_go_when_nobody_else_has_it_or_it_is_unpinned() {
    let (mut a, mut b, route) = pair();
    let large = Bytes::from(pattern(1 << 20));
    send_part(&mut a, route, &large, 0..2000);
    b.receive(1);
    a.device.poll(&mut Vec::new()).unwrap();
    assert!(!large.is_unique(), "the registration cache has it");
    let watched = Watched::new(1 << 20);
    let freed = watched.freed.clone();
    let memory = Bytes::from_owner(watched);
    send_part(&mut a, route, &memory, 0..2000);
    b.receive(1);
    drop(memory);
    // Waits look around.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !freed.load(Ordering::SeqCst) {
        a.device.wait(Some(Duration::from_millis(100))).unwrap();
        assert!(Instant::now() < deadline, "it is kept forever");
    }

    let small = Bytes::from(pattern(10_000));
    a.device.pin(&small).unwrap();
    assert!(!small.is_unique());
    a.device.unpin(&small);
    a.device.unpin(&large);
    assert!(small.is_unique() && large.is_unique());
}

/// Memory that tells when it is freed.
struct Watched {
    bytes: Vec<u8>,
    freed: Arc<AtomicBool>,
}

impl Watched {
    fn new(len: usize) -> Self {
        Self { bytes: pattern(len), freed: Arc::default() }
    }
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.freed.store(true, Ordering::SeqCst);
    }
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn a_stranger_is_asked_who_it_is_and_loses_nothing() {
    let (mut stranger, mut b) = (end(device()), end(device()));
    let mut address = EndpointAddress::from_address(&b.device.local_address()).unwrap();
    // Introductions go to the first queue pair: this one's goes astray.
    for rail in &mut address.rails {
        rail.queue_pairs[0] = 0x00ff_fff0;
    }
    let route = stranger.device.resolve(&address.to_address()).unwrap();
    let path = address.rails.len() as u8;
    let sent: Vec<_> = (0..10_u8).map(|n| [n; 9]).collect();
    for bytes in &sent {
        stranger.send(route, &[Traffic::new(b"hello", bytes).along(path)]);
    }
    let mut received = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while received.len() < sent.len() && Instant::now() < deadline {
        let mut arrivals = Vec::new();
        b.device.poll(&mut arrivals).unwrap();
        for arrival in &arrivals {
            received.push(b.device.bytes(arrival).to_vec());
            let back = b.device.resolve_source(arrival.source, 0).unwrap();
            assert_eq!(b.device.address_of(back), Some(stranger.device.local_address()));
        }
        b.device.release(&arrivals);
        // It answers who it is.
        stranger.device.poll(&mut Vec::new()).unwrap();
    }
    let expected: Vec<_> = sent.iter().map(|bytes| [b"hello", &bytes[..]].concat()).collect();
    assert_eq!(received, expected);
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn what_a_device_can_do_is_found_out() {
    let ports = ports().unwrap();
    let port = ports.first().expect("an RDMA device");
    assert!(port.is_active && port.gid.is_some(), "{port:?}");
    let capabilities = port.probe().unwrap();
    let link = capabilities.link.unwrap();
    assert!(link.bps > 0);
    assert_eq!((capabilities.paths, capabilities.locator), (128, 0));
    // Soft-RoCE shows the network's header, so marks are seen; it cannot register dmabufs.
    if link.is_software {
        assert!(capabilities.ecn && !port.dmabuf);
        let nothing = std::fs::File::open("/dev/null").unwrap();
        let device = device();
        let descriptor = std::os::fd::AsFd::as_fd(&nothing);
        assert!(device.register_dmabuf(descriptor, 0, 4096, 0).is_err());
    }
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn what_is_not_there_is_named() {
    let opened = |text: &str| VerbsDevice::open(&text.parse::<VerbsConfig>().unwrap());
    let error = opened("mlx5_99").unwrap_err();
    assert!(error.to_string().contains("mlx5_99"), "{error}");
    let device = &config().rails[0].device;
    for (text, hint) in
        [(format!("{device}:77"), "port 77"), (format!("{device}@200"), "no such GID")]
    {
        let error = opened(&text).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
    }
    let mut device = self::device();
    let error = device.resolve(&"10.0.0.1:4791".into()).unwrap_err();
    assert!(matches!(error, DeviceError::BadAddress { .. }), "{error}");
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn small_datagrams_share_one_and_large_ones_do_not() {
    let (mut a, mut b, route) = pair();
    // Pairs of a full packet and the end of a message, and then many that are small.
    let large: Vec<_> = (0..6_u8).map(|n| vec![n; 4000]).collect();
    let small: Vec<_> = (0..60_u8).map(|n| vec![n; 40]).collect();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    sent.extend(large.iter().zip(&small).flat_map(|(large, small)| [large.clone(), small.clone()]));
    sent.extend_from_slice(&small);
    let batch: Vec<_> = sent.iter().map(|bytes| Traffic::new(b"head", bytes)).collect();
    a.send(route, &batch);
    let received = b.receive(sent.len());
    for (place, bytes) in sent.iter().enumerate() {
        let bytes = [b"head", &bytes[..]].concat();
        let near = place.saturating_sub(2)..(place + 3).min(received.len());
        assert!(received[near].contains(&bytes), "the one at {place} is elsewhere, or lost");
    }
    let (out, into) = (a.device.stats(), b.device.stats());
    assert_eq!(
        (out.bundles_sent, out.bundled_sent),
        (into.bundles_received, into.bundled_received)
    );
    assert_eq!(out.bundled_sent, 66);
    assert!(out.bundles_sent <= 4, "{out:?}");
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn a_bundles_memory_is_free_when_all_its_datagrams_are() {
    let (mut a, mut b, route) = pair();
    for round in 0..1000_u32 {
        let sent: Vec<_> = (0..10).map(|n| (round * 10 + n).to_be_bytes()).collect();
        let batch: Vec<_> = sent.iter().map(|bytes| Traffic::new(b"", bytes)).collect();
        a.send(route, &batch);
        let arrivals = b.arrivals(sent.len());
        assert!(arrivals.iter().all(|arrival| arrival.slot == arrivals[0].slot));
        // One after the other, and the rest stays readable.
        for (bytes, arrival) in sent.iter().zip(&arrivals) {
            assert_eq!(b.device.bytes(arrival), bytes);
            b.device.release(&[*arrival]);
        }
    }
    // Many more than there are slots.
    assert_eq!(b.device.stats().bundles_received, 1000);
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn who_does_not_want_bundles_gets_none() {
    let plain = || VerbsDevice::open(&VerbsConfig { bundles: false, ..config() }).unwrap();
    for (a, b) in [(plain(), device()), (device(), plain())] {
        let (mut a, mut b) = (end(a), end(b));
        let route = a.device.resolve(&b.device.local_address()).unwrap();
        meet(&mut a, &mut b, route);
        a.send(route, &[Traffic::new(b"one", b""), Traffic::new(b"two", b"")]);
        assert_eq!(b.receive(2), [b"one", b"two"]);
        assert_eq!((a.device.stats().bundles_sent, b.device.stats().bundles_received), (0, 0));
    }
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn a_host_that_is_not_there_holds_up_nobody_else() {
    let (mut a, mut b, route) = pair();
    let mut address = EndpointAddress::from_address(&b.device.local_address()).unwrap();
    address.qkey ^= 1;
    for rail in &mut address.rails {
        let Gid(bytes) = &mut rail.gid;
        bytes[15] = 0xfd;
    }
    let nowhere = a.device.resolve(&address.to_address()).unwrap();
    let batch = [
        Traffic::new(b"lost", b"").to(nowhere),
        Traffic::new(b"found", b"").to(route),
        Traffic::new(b"lost", b"").to(nowhere),
    ];
    assert_eq!(a.device.transmit(&batch).unwrap(), 3);
    assert_eq!(b.receive(1), [b"found"]);
    // What was held is given up in the end: an introduction for each rail, and two datagrams.
    a.settle();
    assert_eq!(a.device.stats().unroutable, address.rails.len() as u64 + 2);
    // The device is closed while it is being asked for again.
    std::thread::sleep(Duration::from_millis(20));
    a.device.transmit(&batch[..1]).unwrap();
}

#[test]
#[ignore = "needs an RDMA device: engine/device/lab/test"]
fn what_was_lent_is_read_where_it_is_until_it_is_taken_back() {
    let (mut a, mut b, route) = pair();
    // Zeros that nobody has written to: the kernel has no pages of their own for them yet.
    let mut memory = vec![0_u8; 1 << 20];
    let start = std::ptr::NonNull::new(memory.as_mut_ptr()).unwrap();
    // SAFETY: it is taken back below, and stays until then.
    let lendable = unsafe { Lendable::new(start, memory.len()) };
    let loan = a.device.lend(&lendable).expect("it is registered");
    for (place, fill) in [(0, 1), (500_000, 2), (memory.len() - 4000, 3)] {
        memory[place..place + 4000].fill(fill);
        let payload = &memory[place..place + 4000];
        let outgoing = Traffic::new(b"head", payload).to(route);
        let outgoing = Outgoing { memory: Some(Memory::Lent(loan)), ..outgoing };
        assert_eq!(a.device.transmit(&[outgoing]).unwrap(), 1);
        a.settle();
        assert_eq!(b.receive(1), [[b"head", payload].concat()]);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !a.device.take_back(loan) {
        assert!(Instant::now() < deadline, "it is read forever");
    }
    // A loan that is over is no reason to read anything in place.
    memory.fill(4);
    let outgoing = Traffic::new(b"head", &memory[..4000]).to(route);
    let outgoing = Outgoing { memory: Some(Memory::Lent(loan)), ..outgoing };
    assert_eq!(a.device.transmit(&[outgoing]).unwrap(), 1);
    assert_eq!(b.receive(1), [[b"head", &memory[..4000]].concat()]);

    // SAFETY: as above.
    let lendable = unsafe { Lendable::new(start, memory.len()) };
    let loan = a.device.lend(&lendable).unwrap();
    let outgoing = Traffic::new(b"head", &memory[..4000]).to(route);
    let outgoing = [Outgoing { memory: Some(Memory::Lent(loan)), ..outgoing }; 64];
    assert!(a.device.transmit(&outgoing).unwrap() > 0);
    a.device.abandon();
    assert!(a.device.take_back(loan), "nothing is read any more");
    // It goes on with other things.
    a.send(route, &[Traffic::new(b"last", b"")]);
    let mut is_over = false;
    while !is_over {
        let arrivals = b.arrivals_at_least(1);
        is_over = arrivals.iter().any(|arrival| b.device.bytes(arrival) == b"last");
        b.device.release(&arrivals);
    }
}
