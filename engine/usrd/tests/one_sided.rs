//! Operations on memory of peers, over every device.

mod common;

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Net, assert_same, collect, connect, pattern};
use usrd::device::fault::FaultConfig;
use usrd::{
    Access, Block, BytesMut, Completion, CopyError, Engine, NotRegistered, Notification, Peer,
    Refusal, Region, RegionOptions, RegisterError, RemoteRegion, TransferCompletion, TransferError,
    TransferFailure, TransferOptions, Turn,
};

fn hostile(seed: u64) -> FaultConfig {
    FaultConfig { seed, loss: 0.02, duplicate: 0.02, delay: 0.1, ..FaultConfig::default() }
}

fn register(engine: &Engine, bytes: &[u8], access: Access) -> Region {
    engine.register(BytesMut::from(bytes), access).unwrap()
}

/// The next completion is a one-sided operation's.
#[track_caller]
fn transferred(engine: &Engine) -> TransferCompletion {
    collect(engine, 1).remove(0).into_transfer().expect("a transfer completes")
}

#[track_caller]
fn notified(engine: &Engine) -> Notification {
    collect(engine, 1).remove(0).into_notification().expect("a notification")
}

/// Takes a region back and returns its contents.
#[track_caller]
fn taken_back(engine: &Engine, region: Region) -> BytesMut {
    engine.deregister(region, 5).unwrap();
    let completion = collect(engine, 1).remove(0).into_deregistered().expect("a deregistration");
    assert_eq!(completion.context, 5);
    completion.result.unwrap().expect("the engine had owned it")
}

/// Shuffles on both sides, the same way each time.
fn blocks(from: Region, to: RemoteRegion, count: u64, len: u64) -> Vec<Block> {
    let at = |n: u64, stride: u64| n * stride % count * len;
    (0..count).map(|n| Block::new(from.at(at(n, 7)), to.at(at(n, 11)), len)).collect()
}

fn moved(blocks: &[Block], from: &[u8], to: &mut [u8]) {
    for block in blocks {
        let (source, target) = (block.local.offset() as usize, block.remote.offset() as usize);
        let len = block.len as usize;
        to[target..target + len].copy_from_slice(&from[source..source + len]);
    }
}

#[test]
fn writes_and_reads_of_every_size() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let mtu_bytes = usize::from(a.info().config.mtu_bytes);
        let region = register(&b, &vec![0; 3 * mtu_bytes + 10], Access::READ | Access::WRITE);
        let remote = RemoteRegion::from_bytes(&region.remote().to_bytes()).unwrap();
        for len in [1, 8, 1388, mtu_bytes, mtu_bytes + 1, 3 * mtu_bytes] {
            let message = pattern(len, len as u64);
            a.write(peer, message.clone(), remote.at(7), TransferOptions::new(1).notify(3))
                .unwrap();
            let done = transferred(&a);
            assert_eq!((done.context, done.peer, done.result), (1, peer, Ok(0)));
            let told = notified(&b);
            assert_eq!((told.immediate, told.bytes), (3, len as u64));
            assert_same(&b.copy_from(region, 7, len).unwrap(), &message);
            a.read(peer, remote.at(7), BytesMut::zeroed(len), 2).unwrap();
            let done = transferred(&a);
            assert_eq!((done.context, done.result), (2, Ok(0)));
            assert_same(&done.buffer.unwrap(), &message);
        }
        let all = taken_back(&b, region);
        assert_same(&all[7..7 + 3 * mtu_bytes], &pattern(3 * mtu_bytes, 3 * mtu_bytes as u64));
        assert_eq!(a.outstanding() + b.outstanding(), 0);
    }
}

#[test]
fn thousands_of_blocks_through_faults() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.faulty_pair(Some(hostile(8))));
        let (count, len) = (2000, 1000);
        let size = (count * len) as usize;
        let source = register(&a, &pattern(size, 1), Access::LOCAL);
        let back = register(&a, &vec![0; size], Access::LOCAL);
        let target = register(&b, &vec![0; size], Access::READ | Access::WRITE);
        let there = blocks(source, target.remote(), count, len);
        let mut expected = vec![0; size];
        moved(&there, &pattern(size, 1), &mut expected);
        a.write_v(peer, there, TransferOptions::new(1).delivered().notify(11)).unwrap();
        assert_eq!(transferred(&a).result, Ok(0));
        assert_eq!(notified(&b).immediate, 11);
        assert_same(&b.copy_from(target, 0, size).unwrap(), &expected);
        let home = blocks(back, target.remote(), count, len);
        let mut again = vec![0; size];
        for block in &home {
            let (to, from) = (block.local.offset() as usize, block.remote.offset() as usize);
            again[to..to + 1000].copy_from_slice(&expected[from..from + 1000]);
        }
        a.read_v(peer, home, TransferOptions::new(2).notify(12)).unwrap();
        assert_eq!(transferred(&a).result, Ok(0));
        let told = notified(&b);
        assert_eq!((told.immediate, told.bytes), (12, 0));
        assert_same(&taken_back(&a, back), &again);
    }
}

#[test]
fn large_transfers() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let size = 16 << 20;
        let region = register(&b, &vec![0; size], Access::READ | Access::WRITE);
        a.write(peer, pattern(size, 4), region.remote().at(0), 1).unwrap();
        assert_eq!(transferred(&a).result, Ok(0));
        a.read(peer, region.remote().at(0), BytesMut::zeroed(size), 2).unwrap();
        assert_same(&transferred(&a).buffer.unwrap(), &pattern(size, 4));
    }
}

#[test]
fn atomics_are_exact_through_faults() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.faulty_pair(Some(hostile(9))));
        let region = register(&b, &[0; 24], Access::ATOMIC);
        let at = region.remote().at(8);
        for context in 0..300 {
            a.fetch_add(peer, at, 1, context).unwrap();
        }
        let olds = collect(&a, 300).into_iter().map(|it| it.into_transfer().unwrap());
        let mut olds: Vec<u64> = olds.map(|it| it.result.unwrap()).collect();
        olds.sort_unstable();
        assert_eq!(olds, (0..300).collect::<Vec<_>>(), "each value once");
        a.compare_swap(peer, at, 299, 1, 0).unwrap();
        assert_eq!(transferred(&a).result, Ok(300), "not swapped");
        a.compare_swap(peer, at, 300, u64::MAX, 0).unwrap();
        assert_eq!(transferred(&a).result, Ok(300));
        a.fetch_add(peer, at, 3, 0).unwrap();
        assert_eq!(transferred(&a).result, Ok(u64::MAX));
        let memory = taken_back(&b, region);
        assert_eq!(memory[8..16], 2u64.to_ne_bytes());
        assert!(memory[..8].iter().chain(&memory[16..]).all(|&byte| byte == 0));
    }
}

#[test]
fn notifications_come_alone_and_in_any_number() {
    for net in Net::all() {
        let [a, b] = net.faulty_pair(Some(hostile(10)));
        let (a, b, peer) = connect([a, b.config(|config| config.max_notifications = 4)]);
        for immediate in 0..100 {
            a.notify(peer, immediate, 1).unwrap();
        }
        let mut told: Vec<u64> = (0..100).map(|_| notified(&b).immediate).collect();
        told.sort_unstable();
        assert_eq!(told, (0..100).collect::<Vec<_>>(), "each once");
        let done = collect(&a, 100);
        assert!(done.into_iter().all(|it| it.into_transfer().unwrap().result == Ok(0)));
        assert_eq!(b.outstanding(), 0);
    }
}

#[test]
fn what_a_region_does_not_allow_is_refused() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let refused = |refusal| Err(TransferFailure::Refused(refusal));
        let region = register(&b, &[7; 64], Access::READ);
        let remote = region.remote();
        a.write(peer, "abc", remote.at(0), 1).unwrap();
        assert_eq!(transferred(&a).result, refused(Refusal::Denied));
        a.read(peer, remote.at(60), BytesMut::zeroed(5), 2).unwrap();
        let done = transferred(&a);
        assert_eq!((done.result, done.buffer.unwrap().len()), (refused(Refusal::Bounds), 5));
        a.fetch_add(peer, remote.at(0), 1, 3).unwrap();
        assert_eq!(transferred(&a).result, refused(Refusal::Denied));
        let own = register(&a, &[0; 64], Access::LOCAL);
        let some =
            vec![Block::new(own.at(0), remote.at(0), 8), Block::new(own.at(16), remote.at(60), 8)];
        a.read_v(peer, some, 4).unwrap();
        assert_eq!(transferred(&a).result, refused(Refusal::Bounds));
        assert_eq!(taken_back(&b, region), [7; 64][..]);
        a.read(peer, remote.at(0), BytesMut::zeroed(8), 5).unwrap();
        assert_eq!(transferred(&a).result, refused(Refusal::Key));
        assert_eq!(b.stats().unwrap().regions, 0);
    }
}

#[test]
fn a_region_can_be_for_one_peer_only() {
    let fabric = usrd::device::loopback::Fabric::new();
    let engine = || {
        let device = fabric.device(usrd::device::loopback::LoopbackConfig::default()).unwrap();
        Engine::builder().device(Box::new(device)).spawn().unwrap()
    };
    let (owner, friend, stranger) = (engine(), engine(), engine());
    let known = owner.connect(friend.local_address()).unwrap();
    let options = RegionOptions::new(Access::READ).only(&[known]);
    let region = owner.register(BytesMut::zeroed(8), options).unwrap();
    let read = |engine: &Engine| {
        let peer = engine.connect(owner.local_address()).unwrap();
        engine.read(peer, region.remote().at(0), BytesMut::zeroed(8), 1).unwrap();
        transferred(engine).result
    };
    assert_eq!(read(&friend), Ok(0));
    assert_eq!(read(&stranger), Err(TransferFailure::Refused(Refusal::Denied)));
    owner.disconnect(known).unwrap();
    let gone = RegionOptions::new(Access::READ).only(&[known]);
    let error = owner.register(BytesMut::zeroed(8), gone).unwrap_err();
    assert_eq!(error.error, RegisterError::UnknownPeer);
    assert_eq!(error.memory.unwrap().len(), 8);
}

#[test]
fn what_is_wrong_on_this_side_is_said() {
    let (a, b, peer) = Net::Loopback.engines();
    let remote = register(&b, &[0; 8], Access::WRITE).remote();
    let own = register(&a, &[0; 8], Access::LOCAL);
    let rejected = |blocks: Vec<Block>| {
        a.write_v(peer, blocks, 1).unwrap();
        match transferred(&a).result {
            Err(TransferFailure::Rejected(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(rejected(vec![]), TransferError::Empty);
    let outside =
        vec![Block::new(own.at(0), remote.at(0), 4), Block::new(own.at(6), remote.at(6), 4)];
    let error = rejected(outside);
    assert_eq!(error, TransferError::Local { block: 1, refusal: Refusal::Bounds });
    assert_eq!(error.to_string(), "block 1: on this side, it reaches past the end of the region");
    taken_back(&a, own);
    let gone = rejected(vec![Block::new(own.at(0), remote.at(0), 8)]);
    assert_eq!(gone, TransferError::Local { block: 0, refusal: Refusal::Key });
    a.deregister(own, 9).unwrap();
    let again = collect(&a, 1).remove(0).into_deregistered().unwrap();
    assert_eq!((again.context, again.result), (9, Err(NotRegistered)));
    assert_eq!(a.copy_from(own, 0, 1), Err(CopyError::NotRegistered(NotRegistered)));
    let small = register(&a, &[1; 8], Access::LOCAL);
    assert_eq!(a.copy_from(small, 1, 8), Err(CopyError::OutOfBounds { len: 8 }));
    assert_eq!(a.copy_into(small, u64::MAX, "x"), Err(CopyError::OutOfBounds { len: 8 }));
    a.copy_into(small, 6, "xy").unwrap();
    assert_eq!(&a.copy_from(small, 5, 3).unwrap()[..], b"\x01xy");
}

/// Transfers and messages together, both ways at once.
#[test]
fn everything_at_once_through_faults() {
    for net in Net::all() {
        let (a, b, at_a) = connect(net.faulty_pair(Some(hostile(11))));
        let at_b = b.connect(a.local_address()).unwrap();
        let size = 200_000;
        let ends: [(&Engine, &Engine, Peer); 2] = [(&a, &b, at_a), (&b, &a, at_b)];
        let regions = [&a, &b].map(|it| register(it, &vec![0; 10 * size], Access::ALL));
        let remote = |side: usize| regions[1 - side].remote();
        for (side, (from, to, peer)) in ends.into_iter().enumerate() {
            for n in 0..5 {
                to.recv(BytesMut::zeroed(size), n).unwrap();
                from.send(peer, pattern(size, n), n).unwrap();
                let options = TransferOptions::new(n).notify(n);
                from.write(peer, pattern(size, n), remote(side).at(n * size as u64), options)
                    .unwrap();
                from.fetch_add(peer, remote(side).at(8 * size as u64), 1, n).unwrap();
            }
        }
        for (side, engine) in [&a, &b].into_iter().enumerate() {
            let (mut sums, mut told, mut messages) = (Vec::new(), Vec::new(), 0);
            for completion in collect(engine, 25) {
                match completion {
                    Completion::Send(send) => send.result.unwrap(),
                    Completion::Recv(message) => {
                        assert_eq!(message.result.unwrap().len, size);
                        messages += 1;
                    }
                    Completion::Transfer(transfer) => sums.push(transfer.result.unwrap()),
                    Completion::Notified(notification) => told.push(notification.immediate),
                    Completion::RecvOver(_) | Completion::Deregistered(_) => unreachable!(),
                }
            }
            told.sort_unstable();
            sums.sort_unstable();
            assert_eq!((messages, told), (5, vec![0, 1, 2, 3, 4]));
            assert_eq!(sums, [0, 0, 0, 0, 0, 0, 1, 2, 3, 4], "five writes, and five sums");
            for n in 0..5 {
                let copy = engine.copy_from(regions[side], n * size as u64, size).unwrap();
                assert_same(&copy, &pattern(size, n));
            }
        }
    }
}

#[test]
fn memory_of_the_callers_own() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let mut words = vec![0u64; 1000].into_boxed_slice();
        let start = NonNull::new(words.as_mut_ptr()).unwrap();
        // SAFETY: the array outlives the region; it is used directly only before the first
        // operation, after the notification, and its last word as an atomic.
        let region = unsafe { b.register_raw(start.cast(), 8000, Access::ALL) }.unwrap();
        a.write(peer, pattern(7000, 6), region.remote().at(0), TransferOptions::new(1).notify(0))
            .unwrap();
        assert_eq!(transferred(&a).result, Ok(0));
        notified(&b);
        // SAFETY: the notification comes after the write, and no other operation is under way.
        let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>().as_ptr(), 7000) };
        assert_same(bytes, &pattern(7000, 6));
        // SAFETY: aligned, valid, and used by the peer with atomics only.
        let last = unsafe { AtomicU64::from_ptr(start.add(999).as_ptr()) };
        last.store(40, Ordering::Relaxed);
        a.fetch_add(peer, region.remote().at(7992), 2, 1).unwrap();
        assert_eq!(transferred(&a).result, Ok(40));
        assert_eq!(last.load(Ordering::Acquire), 42);
        b.deregister(region, 3).unwrap();
        let done = collect(&b, 1).remove(0).into_deregistered().unwrap();
        assert_eq!(done.result, Ok(None));
        // SAFETY: nothing is accessed.
        let odd = unsafe { b.register_raw(start.cast().add(1), 8, Access::ATOMIC) };
        assert_eq!(odd, Err(RegisterError::Misaligned { align: 8 }));
    }
}

/// Deregistered in the middle of transfers both ways: they fail, and the memory does not change any
/// more.
#[test]
fn deregistration_ends_transfers() {
    for net in Net::all() {
        let [a, b] = net.faulty_pair(Some(hostile(12)));
        let (a, (b, mut driver)) = (a.spawn().unwrap(), b.manual().unwrap());
        let peer = a.connect(b.local_address()).unwrap();
        let size = 32 << 20;
        let region = driver.register(BytesMut::zeroed(size), Access::READ | Access::WRITE).unwrap();
        let there = region.remote().at(0);
        a.write(peer, pattern(size, 1), there, TransferOptions::new(1).notify(1)).unwrap();
        a.read(peer, there, BytesMut::zeroed(size), 2).unwrap();
        // Only this thread drives, so most of both is still to come.
        while driver.stats().endpoint.payload_bytes_received < 1 << 20
            || driver.stats().endpoint.reads_served == 0
        {
            let _: Turn = driver.progress();
        }
        b.deregister(region, 5).unwrap();
        let mut completions = Vec::new();
        while b.poll(&mut completions, 1) == 0 {
            let _: Turn = driver.progress();
        }
        let memory = completions.remove(0).into_deregistered().unwrap().result.unwrap().unwrap();
        let copy = memory.clone();
        let mut done = Vec::new();
        while a.poll(&mut done, 2) == 0 || done.len() < 2 {
            let _: Turn = driver.progress();
        }
        for done in done {
            let done = done.into_transfer().unwrap();
            let refused = matches!(done.result, Err(TransferFailure::Refused(_)));
            assert!(refused, "{net:?}: {:?}", done.result);
        }
        assert_same(&memory, &copy);
        assert_eq!(driver.stats().regions, 0);
        // Both go on.
        b.recv(BytesMut::zeroed(5), 1).unwrap();
        a.send(peer, "hello", 2).unwrap();
        while b.poll(&mut completions, 1) == 0 {
            let _: Turn = driver.progress();
        }
        assert_eq!(completions.remove(0).into_recv().unwrap().message(), b"hello");
    }
}

/// A path that swallows everything costs transfers nothing but time.
#[test]
fn transfers_leave_dead_paths() {
    for net in Net::all() {
        let devices = net.fault_handles(hostile(13));
        let [(a, handle), (b, _)] = devices;
        let (a, b, peer) = connect([a, b]);
        handle.black_hole(1);
        let size = 4 << 20;
        let region = register(&b, &vec![0; size], Access::READ | Access::WRITE);
        let options = TransferOptions::new(1).delivered();
        a.write(peer, pattern(size, 4), region.remote().at(0), options).unwrap();
        assert_eq!(transferred(&a).result, Ok(0));
        a.read(peer, region.remote().at(0), BytesMut::zeroed(size), 2).unwrap();
        assert_same(&transferred(&a).buffer.unwrap(), &pattern(size, 4));
    }
}

/// A peer that restarts does not know the old keys, and its memory is untouched by what was under
/// way.
#[test]
fn a_restarted_peer_refuses_old_keys() {
    let (a, b, peer) = connect(Net::UdpV4.pair());
    let address = b.local_address();
    let old = register(&b, &vec![0; 1 << 20], Access::ALL).remote();
    a.write(peer, "before", old.at(0), 1).unwrap();
    assert_eq!(transferred(&a).result, Ok(0));
    drop(b);
    let b = Engine::builder().udp(address.to_string()).spawn().unwrap();
    let new = register(&b, &vec![7; 1 << 20], Access::ALL);
    a.write(peer, pattern(1 << 20, 1), old.at(0), 2).unwrap();
    // It fails with the old context, or is refused in a new one, if the departure was heard before.
    assert!(transferred(&a).result.is_err());
    a.write(peer, pattern(1 << 20, 1), old.at(0), 3).unwrap();
    assert_eq!(transferred(&a).result, Err(TransferFailure::Refused(Refusal::Key)));
    a.fetch_add(peer, old.at(0), 1, 4).unwrap();
    assert_eq!(transferred(&a).result, Err(TransferFailure::Refused(Refusal::Key)));
    assert!(taken_back(&b, new).iter().all(|&byte| byte == 7));
}

/// Every operation completes when an engine ends, and regions come back if that was asked for.
#[test]
fn everything_completes_when_an_engine_ends() {
    for net in Net::all() {
        let [a, b] = net.pair();
        let (engine, mut driver) = a.manual().unwrap();
        let b = b.spawn().unwrap();
        let peer = driver.connect(b.local_address()).unwrap();
        let region = driver.register(BytesMut::zeroed(100), Access::ALL).unwrap();
        let remote = register(&b, &[0; 100], Access::ALL).remote();
        engine.write(peer, "abc", remote.at(0), 1).unwrap();
        engine.read(peer, remote.at(0), BytesMut::zeroed(10), 2).unwrap();
        engine.fetch_add(peer, remote.at(0), 1, 3).unwrap();
        engine.deregister(region, 4).unwrap();
        drop(driver);
        let mut contexts: Vec<u64> = collect(&engine, 4).iter().map(Completion::context).collect();
        contexts.sort_unstable();
        assert_eq!(contexts, [1, 2, 3, 4]);
        let rejected = engine.write(peer, "abc", remote.at(0), 1).unwrap_err();
        assert_eq!(&rejected.buffer[..], b"abc");
    }
}
