//! Regions of memory that stays the caller's, over every device.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{Net, PATIENCE, assert_same, collect, pattern};
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::{
    Access, BytesMut, Engine, PeerFailure, Refusal, RegisterError, TransferFailure, TransferOptions,
};

#[test]
fn what_peers_write_is_there_and_then_the_key_is_worthless() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let mut board = vec![0; 50_000];
        let mut handle = None;
        let written = b.with_memory(&mut board, Access::ALL, |region| {
            handle = Some(region.remote());
            let options = TransferOptions::new(1).delivered();
            a.write(peer, pattern(50_000, 1), region.remote().at(0), options).unwrap();
            collect(&a, 1).remove(0).into_transfer().unwrap().result
        });
        assert_eq!(written.unwrap(), Ok(0));
        assert_same(&board, &pattern(50_000, 1));
        // It is the caller's again, whatever peers try.
        board.fill(7);
        a.write(peer, pattern(50_000, 2), handle.unwrap().at(0), 2).unwrap();
        let late = collect(&a, 1).remove(0).into_transfer().unwrap();
        assert_eq!(late.result, Err(TransferFailure::Refused(Refusal::Key)));
        assert!(board.iter().all(|&byte| byte == 7));
        assert_eq!((b.stats().unwrap().regions, b.poll(&mut Vec::new(), 1)), (0, 0));
    }
}

#[test]
fn operations_under_way_are_waited_for() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let size = 4 << 20;
        let source = b.register(BytesMut::from(&pattern(size, 3)[..]), Access::READ).unwrap();
        let mut room = vec![0; size];
        let submitted = a.with_memory(&mut room, Access::LOCAL, |region| {
            let block = usrd::Block::new(region.at(0), source.remote().at(0), size as u64);
            a.read_v(peer, vec![block], 1)
        });
        submitted.unwrap().unwrap();
        // Nobody has waited for its completion, but it is there.
        assert_same(&room, &pattern(size, 3));
        assert_eq!(collect(&a, 1).remove(0).into_transfer().unwrap().result, Ok(0));
    }
}

#[test]
fn a_panic_gives_the_memory_back() {
    let (a, b, peer) = Net::Loopback.engines();
    let mut board = vec![0; 1000];
    let mut handle = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        b.with_memory(&mut board, Access::WRITE, |region| {
            handle = Some(region.remote());
            panic!("as planned");
        })
    }));
    assert!(panicked.is_err());
    board.fill(1);
    a.write(peer, "late", handle.unwrap().at(0), 1).unwrap();
    let late = collect(&a, 1).remove(0).into_transfer().unwrap();
    assert_eq!(late.result, Err(TransferFailure::Refused(Refusal::Key)));
    assert!(board.iter().all(|&byte| byte == 1));
}

#[test]
fn an_engine_that_ends_meanwhile_gives_the_memory_back() {
    let (a, _b, _) = Net::Loopback.engines();
    let mut board = vec![0; 1000];
    let report = a.with_memory(&mut board, Access::ALL, |_| a.shutdown(Duration::ZERO));
    report.unwrap().unwrap();
    board.fill(1);
    let closed = a.with_memory(&mut board, Access::ALL, |_| ());
    assert!(matches!(closed, Err(RegisterError::Driver(_))), "{closed:?}");
}

#[test]
fn the_key_can_be_taken_back_before() {
    let (a, _b, _) = Net::Loopback.engines();
    let mut board = vec![0; 1000];
    a.with_memory(&mut board, Access::ALL, |region| a.deregister(region, 5).unwrap()).unwrap();
    let told = collect(&a, 1).remove(0).into_deregistered().unwrap();
    assert!(told.context == 5 && told.result.unwrap().is_none());
}

/// A peer that dies holds nobody up for ever.
#[test]
fn an_operation_with_a_dead_peer_ends() {
    let fabric = Fabric::new();
    let device = || Box::new(fabric.device(LoopbackConfig::default()).unwrap());
    let soon = |config: &mut usrd::Config| config.loss.peer_dead_after = Duration::from_millis(50);
    let a = Engine::builder().device(device()).config(soon).spawn().unwrap();
    let nobody = fabric.device(LoopbackConfig::default()).unwrap();
    let address = usrd::Device::local_address(&nobody);
    let peer = a.connect(address).unwrap();
    let mut room = vec![0; 1000];
    a.with_memory(&mut room, Access::LOCAL, |region| {
        let nowhere = usrd::RegionAddress::new(0, 1, 0);
        a.read_v(peer, vec![usrd::Block::new(region.at(0), nowhere, 1000)], 1).unwrap();
    })
    .unwrap();
    let done = a.wait_one(PATIENCE).unwrap().into_transfer().unwrap();
    assert!(matches!(
        done.result,
        Err(TransferFailure::NotSent(PeerFailure::Unreachable)
            | TransferFailure::Unknown(PeerFailure::Unreachable))
    ));
}

#[test]
fn who_drives_borrows_with_the_driver() {
    let fabric = Fabric::new();
    let device = || Box::new(fabric.device(LoopbackConfig::default()).unwrap());
    let (owner, mut driver) = Engine::builder().device(device()).manual().unwrap();
    let writer = Engine::builder().device(device()).spawn().unwrap();
    let peer = writer.connect(owner.local_address()).unwrap();
    let mut board = vec![0; 5000];
    let refused = owner.with_memory(&mut board, Access::WRITE, |_| ()).unwrap_err();
    assert_eq!(refused, RegisterError::NoThread);
    let written = driver.with_memory(&mut board, Access::WRITE, |driver, region| {
        let options = TransferOptions::new(1).notify(9);
        writer.write(peer, pattern(5000, 4), region.remote().at(0), options).unwrap();
        loop {
            let _ = driver.progress();
            let mut told = Vec::new();
            if owner.poll(&mut told, 1) > 0 {
                return told.remove(0).into_notification().unwrap().bytes;
            }
        }
    });
    assert_eq!(written.unwrap(), 5000);
    assert_same(&board, &pattern(5000, 4));
    assert_eq!(owner.poll(&mut Vec::new(), 1), 0, "its end is not told");
}
