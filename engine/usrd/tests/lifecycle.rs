//! Limits, waiting, shutting down, dropping: whatever happens, every operation completes once and
//! nobody is left waiting.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Net, PATIENCE, collect, connect, exchange, pattern, received, sent};
use usrd::{
    BuildError, BytesMut, CommandError, Completion, Engine, RecvFailure, SendFailure, SendOptions,
    Service, SubmitError, Turn,
};

#[test]
fn a_builder_says_what_is_missing_or_wrong() {
    assert!(matches!(Engine::builder().spawn(), Err(BuildError::NoDevice)));
    let udp = || Engine::builder().udp("127.0.0.1:0");
    assert!(matches!(Engine::builder().udp("here").spawn(), Err(BuildError::BadAddress(_))));
    let taken = udp().spawn().unwrap();
    let again = Engine::builder().udp(taken.local_address().to_string());
    assert!(matches!(again.spawn(), Err(BuildError::Device(_))));
    let zero = udp().max_outstanding(0).spawn();
    assert!(matches!(zero, Err(BuildError::TooSmall { name: "max_outstanding", .. })));
    let huge = udp().config(|config| config.mtu_bytes = 60_000).spawn();
    assert!(matches!(huge, Err(BuildError::Mtu { mtu_bytes: 60_000, .. })));
    let odd = udp().config(|config| config.recv_window_packets = 100).spawn();
    assert!(matches!(odd, Err(BuildError::Config(_))));
}

#[test]
fn seeds_differ_unless_they_are_set() {
    let seed = |builder: usrd::Builder| builder.spawn().unwrap().info().config.seed;
    let udp = || Engine::builder().udp("127.0.0.1:0");
    assert_ne!(seed(udp()), seed(udp()));
    assert_eq!(seed(udp().seed(5)), 5);
}

#[test]
fn a_full_submission_queue_says_so_and_gives_the_buffer_back() {
    let [a, _] = Net::Loopback.pair();
    let (engine, mut driver) = a.submission_capacity(2).manual().unwrap();
    engine.recv(BytesMut::zeroed(1), 0).unwrap();
    engine.recv(BytesMut::zeroed(2), 1).unwrap();
    let rejected = engine.recv(BytesMut::zeroed(3), 2).unwrap_err();
    assert_eq!(rejected.error, SubmitError::QueueFull { capacity: 2 });
    assert_eq!(rejected.buffer.len(), 3);
    let _: Turn = driver.progress();
    engine.recv(rejected.buffer, 2).unwrap();
    assert_eq!(engine.outstanding(), 3);
}

#[test]
fn outstanding_operations_are_limited_until_completions_are_taken() {
    let [a, b] = Net::Loopback.pair();
    let (a, b, peer) = connect([a, b.max_outstanding(1)]);
    b.recv(BytesMut::zeroed(10), 0).unwrap();
    let limit = || b.recv(BytesMut::zeroed(10), 1).unwrap_err().error;
    assert_eq!(limit(), SubmitError::TooManyOutstanding { limit: 1 });
    a.send(peer, "hello", 1).unwrap();
    sent(&a).result.unwrap();
    assert_eq!(limit(), SubmitError::TooManyOutstanding { limit: 1 });
    received(&b).result.unwrap();
    b.recv(BytesMut::zeroed(10), 1).unwrap();
}

#[test]
fn datagrams_are_checked_at_once() {
    let (a, _b, peer) = Net::UdpV4.engines();
    let max_bytes = a.info().capabilities.max_datagram_bytes - 64;
    let ud = SendOptions::new(0).service(Service::Ud);
    let too_long = a.send(peer, vec![0; max_bytes + 1], ud).unwrap_err();
    assert_eq!(too_long.error, SubmitError::TooLongForUd { max_bytes });
    assert_eq!(too_long.buffer.len(), max_bytes + 1);
    let report = a.send(peer, "x", ud.delivered()).unwrap_err();
    assert_eq!(report.error, SubmitError::NoReport);
    assert_eq!(a.outstanding(), 0);
}

#[test]
fn waiting_ends_with_the_timeout() {
    let [a, _] = Net::Loopback.pair();
    let engine = a.spawn().unwrap();
    assert!(engine.wait_one(Duration::from_millis(20)).is_none());
    assert!(engine.wait_one(Duration::ZERO).is_none());
}

#[test]
fn a_cancelled_receive_comes_back() {
    let (a, b, peer) = Net::Loopback.engines();
    b.recv(BytesMut::zeroed(10), 1).unwrap();
    b.recv(BytesMut::zeroed(20), 2).unwrap();
    b.cancel_recv(1).unwrap();
    b.cancel_recv(77).unwrap();
    let cancelled = received(&b);
    assert_eq!((cancelled.context, cancelled.buffer.len()), (1, 10));
    assert_eq!(cancelled.result, Err(RecvFailure::Cancelled));
    a.send(peer, "still there", 0).unwrap();
    assert_eq!(received(&b).message(), b"still there");
}

#[test]
fn a_shutdown_drains() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for tag in 0..20 {
            b.recv(BytesMut::zeroed(1 << 18), tag).unwrap();
            a.send(peer, pattern(1 << 18, tag), tag).unwrap();
        }
        let report = a.shutdown(PATIENCE).unwrap();
        assert!(report.is_drained(), "{net:?}: {report:?}");
        for completion in collect(&a, 20) {
            completion.into_send().unwrap().result.unwrap();
        }
        assert_eq!(a.outstanding(), 0);
        assert!(collect(&b, 20).into_iter().all(|it| it.into_recv().unwrap().result.is_ok()));
        assert_eq!(a.send(peer, "late", 0).unwrap_err().error, SubmitError::Closed);
        assert_eq!(a.stats(), Err(CommandError::Closed));
        assert_eq!(a.shutdown(PATIENCE), Err(CommandError::Closed));
    }
}

#[test]
fn a_shutdown_says_what_it_did_not_do() {
    let (a, _b, peer) = Net::Loopback.engines();
    // Larger than the bounce memory, and no receive for it.
    a.send(peer, vec![0; 64 << 20], 1).unwrap();
    a.recv(BytesMut::zeroed(5), 2).unwrap();
    a.recv(BytesMut::zeroed(5), 3).unwrap();
    let report = a.shutdown(Duration::from_millis(50)).unwrap();
    assert_eq!((report.sends_aborted, report.receives_returned), (1, 2));
    assert!(!report.is_drained());
    for completion in collect(&a, 3) {
        match completion {
            Completion::Send(send) => assert!(send.result.is_err()),
            Completion::Recv(recv) => {
                assert_eq!(recv.result, Err(RecvFailure::Closed));
                assert_eq!(recv.buffer.len(), 5);
            }
            other => panic!("{other:?} was not asked for"),
        }
    }
    assert_eq!(a.outstanding(), 0);
    assert!(a.wait_one(PATIENCE).is_none());
}

#[test]
fn a_dropped_driver_releases_everybody() {
    let [a, b] = Net::Loopback.pair();
    let (engine, mut driver) = a.manual().unwrap();
    let peer = driver.connect(b.spawn().unwrap().local_address()).unwrap();
    engine.recv(BytesMut::zeroed(8), 1).unwrap();
    let _: Turn = driver.progress();
    engine.send(peer, "never taken", 2).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| collect(&engine, 2));
        let asker = scope.spawn(|| engine.stats());
        drop(driver);
        assert_eq!(waiter.join().unwrap().len(), 2);
        assert_eq!(asker.join().unwrap(), Err(CommandError::Closed));
    });
    assert_eq!(engine.recv(BytesMut::new(), 3).unwrap_err().error, SubmitError::Closed);
}

#[test]
fn operations_race_a_shutdown_and_none_is_lost() {
    for _ in 0..20 {
        let [a, _] = Net::Loopback.pair();
        let engine = a.spawn().unwrap();
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !engine.is_closed() {
                        if engine.recv(BytesMut::zeroed(1), 0).is_ok() {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            engine.shutdown(Duration::ZERO).unwrap();
        });
        let mut completions = Vec::new();
        while engine.wait(&mut completions, 100, PATIENCE) > 0 {}
        assert_eq!(completions.len(), taken.into_inner());
        assert_eq!(engine.outstanding(), 0);
    }
}

#[test]
fn one_thread_can_do_it_all() {
    for net in Net::all() {
        let [a, b] = net.pair();
        let (a, mut a_driver) = a.manual().unwrap();
        let (b, mut b_driver) = b.manual().unwrap();
        let peer = a_driver.connect(b.local_address()).unwrap();
        b.recv(BytesMut::zeroed(100_000), 1).unwrap();
        a.send(peer, pattern(100_000, 3), SendOptions::new(2).delivered()).unwrap();
        let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
        while at_a.is_empty() || at_b.is_empty() {
            assert_ne!(a_driver.progress(), Turn::Closed);
            assert_ne!(b_driver.progress(), Turn::Closed);
            a.poll(&mut at_a, 8);
            b.poll(&mut at_b, 8);
        }
        let arrived = at_b.remove(0).into_recv().unwrap();
        assert_eq!(arrived.message(), pattern(100_000, 3));
        assert_eq!(at_a.remove(0).into_send().unwrap().result, Ok(()));
        assert_eq!(b_driver.stats().endpoint.messages_received, 1);
        assert_eq!(b_driver.peers().len(), 1);
        assert!(a_driver.shutdown(PATIENCE).is_drained());
        assert_eq!(a_driver.progress(), Turn::Closed);
    }
}

#[test]
fn a_sleeping_driver_is_woken() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.pair().map(|side| side.spin(Duration::ZERO)));
        for context in 0..100 {
            exchange(&a, &b, peer, 100, SendOptions::new(context));
        }
        assert!(a.stats().unwrap().driver.waits > 0);
    }
}

#[test]
fn a_handle_of_another_engine_is_refused() {
    let (a, b, peer) = Net::Loopback.engines();
    drop(a);
    // The handle belongs to another engine; this one has no peer of that name.
    b.send(peer, "x", 9).unwrap();
    let done = sent(&b);
    assert!(matches!(done.result, Err(SendFailure::Refused(_))), "{done:?}");
}
