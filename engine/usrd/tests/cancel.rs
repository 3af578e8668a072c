//! Operations are taken back: each still completes once, and what its completion says is true.

mod common;

use std::time::Duration;

use common::{Net, PATIENCE, assert_same, collect, connect, pattern, received, sent};
use usrd::device::fault::FaultConfig;
use usrd::{
    Access, Block, BytesMut, Cancelled, Completion, RecvOptions, SendFailure, SendOptions, Service,
    TransferCompletion, TransferFailure, TransferOptions, Turn,
};

#[track_caller]
fn transferred(engine: &usrd::Engine) -> TransferCompletion {
    collect(engine, 1).remove(0).into_transfer().expect("a transfer completes")
}

/// Nobody has driven in between: nothing has left.
#[test]
fn what_has_not_left_is_not_sent() {
    let [a, b] = Net::Loopback.pair();
    let (a, mut driver) = a.manual().unwrap();
    let b = b.spawn().unwrap();
    let peer = driver.connect(b.local_address()).unwrap();
    a.send(peer, "never", SendOptions::new(1).service(Service::Rd)).unwrap();
    a.send(peer, "ever", SendOptions::new(2).service(Service::Rd)).unwrap();
    a.notify(peer, 77, 3).unwrap();
    a.cancel(peer, 1).unwrap();
    a.cancel(peer, 3).unwrap();
    a.cancel(peer, 99).unwrap();
    b.recv(BytesMut::zeroed(10), 4).unwrap();
    let mut done = Vec::new();
    while done.len() < 3 {
        assert_ne!(driver.progress(), Turn::Closed);
        a.poll(&mut done, 3);
    }
    for completion in done {
        match completion {
            Completion::Send(send) if send.context == 1 => {
                assert_eq!(send.result, Err(SendFailure::Cancelled(Cancelled::NotSent)));
            }
            Completion::Send(send) => assert_eq!((send.context, send.result), (2, Ok(()))),
            Completion::Transfer(it) => {
                let not_sent = TransferFailure::Cancelled(Cancelled::NotSent);
                assert_eq!((it.context, it.result), (3, Err(not_sent)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received(&b).message(), b"ever");
    assert!(b.wait_one(Duration::from_millis(20)).is_none(), "nobody was notified");
}

/// Too large for the receiver's memory, and no receive for it: the sender gets its bytes back.
#[test]
fn a_message_that_nobody_takes_can_be_taken_back() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let big = bytes::Bytes::from(pattern(64 << 20, 1));
        a.send(peer, big.clone(), 1).unwrap();
        assert!(a.wait_one(Duration::from_millis(50)).is_none(), "it waits for a receive");
        a.cancel(peer, 1).unwrap();
        let done = sent(&a);
        let cancelled = matches!(done.result, Err(SendFailure::Cancelled(_)));
        assert!(cancelled, "{net:?}: {:?}", done.result);
        b.recv(BytesMut::zeroed(100), 2).unwrap();
        a.send(peer, "small", 3).unwrap();
        assert_eq!(received(&b).message(), b"small");
        sent(&a).result.unwrap();
        assert!(a.shutdown(PATIENCE).unwrap().is_drained());
    }
}

/// Transfers of many packets, cancelled while they run, over networks that lose some: what they say
/// holds, and the memory of both sides is free.
#[test]
fn transfers_are_cancelled_while_they_run() {
    for net in Net::all() {
        let faults = FaultConfig { loss: 0.01, delay: 0.05, seed: 5, ..FaultConfig::default() };
        let (a, b, peer) = connect(net.faulty_pair(Some(faults)));
        const LEN: usize = 4 << 20;
        let here = a.register(BytesMut::from(&pattern(LEN, 1)[..]), Access::LOCAL).unwrap();
        for round in 0..6 {
            let there = b.register(BytesMut::zeroed(LEN), Access::ALL).unwrap();
            let blocks = |at: usize| {
                let at = (at * 4096) as u64;
                Block::new(here.at(at), there.remote().at(at), 4096)
            };
            let blocks: Vec<Block> = (0..LEN / 4096).map(blocks).collect();
            match round % 2 {
                0 => a.write_v(peer, blocks, TransferOptions::new(1).notify(9)).unwrap(),
                _ => a.read_v(peer, blocks, TransferOptions::new(1).notify(9)).unwrap(),
            }
            std::thread::sleep(Duration::from_micros(200 * round));
            a.cancel(peer, 1).unwrap();
            let done = transferred(&a);
            match done.result {
                Ok(_) => {}
                Err(TransferFailure::Cancelled(_)) => {
                    let at_the_end = b.copy_from(there, 0, LEN).unwrap();
                    let later = b.wait_one(Duration::from_millis(20));
                    if let Some(Completion::Notified(_)) = later {
                        let unknown = TransferFailure::Cancelled(Cancelled::Unknown);
                        assert_eq!(done.result, Err(unknown));
                    }
                    assert_same(&b.copy_from(there, 0, LEN).unwrap(), &at_the_end);
                }
                Err(failure) => panic!("{net:?}: {failure:?}"),
            }
            b.deregister(there, 2).unwrap();
            while !matches!(collect(&b, 1).remove(0), Completion::Deregistered(_)) {}
        }
        a.deregister(here, 3).unwrap();
        let region = collect(&a, 1).remove(0).into_deregistered().unwrap();
        assert_eq!(region.result.unwrap().unwrap().len(), LEN);
        assert!(a.shutdown(PATIENCE).unwrap().is_drained());
    }
}

/// A long message with a tag is announced: its receiver forgets it.
#[test]
fn an_announced_message_is_forgotten() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let options = SendOptions::new(1).tag(5);
        a.send(peer, pattern(1 << 20, 1), options).unwrap();
        let tags = usrd::Tags::exact(5);
        while b.peek(tags).unwrap().is_none() {}
        a.cancel(peer, 1).unwrap();
        assert_eq!(sent(&a).result, Err(SendFailure::Cancelled(Cancelled::NotSent)));
        while b.peek(tags).unwrap().is_some() {}
        a.send(peer, "short", SendOptions::new(2).tag(5)).unwrap();
        b.recv(BytesMut::zeroed(10), RecvOptions::new(3).tag(5)).unwrap();
        assert_eq!(received(&b).message(), b"short");
        sent(&a).result.unwrap();
    }
}
