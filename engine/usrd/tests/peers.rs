//! Many peers, peers that die, peers that come back.

mod common;

use std::time::{Duration, Instant};

use common::{Net, PATIENCE, collect, connect, exchange, pattern, received, sent};
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::device::udp::UdpConfig;
use usrd::{
    Builder, BytesMut, CommandError, ConnectError, Engine, Event, PeerFailure, SendFailure,
    SendOptions, proto,
};

/// Gives up soon, so that the tests of peers that do not answer need not wait long.
fn impatient(builder: Builder) -> Builder {
    builder.config(|config| config.loss.peer_dead_after = Duration::from_millis(300))
}

#[test]
fn sixty_four_peers() {
    let fabric = Fabric::new();
    let engine = || {
        let device = fabric.device(LoopbackConfig::default()).unwrap();
        Engine::builder().device(Box::new(device)).max_outstanding(256).spawn().unwrap()
    };
    let hub = engine();
    let spokes: Vec<_> = (0..64).map(|_| engine()).collect();
    for context in 0..128 {
        hub.recv(BytesMut::zeroed(3000), context).unwrap();
    }
    for (tag, spoke) in (0..).zip(&spokes) {
        let peer = spoke.connect(hub.local_address()).unwrap();
        spoke.send(peer, pattern(3000, tag), tag).unwrap();
        spoke.send(peer, pattern(3000, tag), tag).unwrap();
    }
    let mut counts = [0; 64];
    for completion in collect(&hub, 128) {
        let arrived = completion.into_recv().unwrap();
        counts[arrived.result.unwrap().peer.index()] += 1;
    }
    assert_eq!(counts, [2; 64]);
    for spoke in &spokes {
        assert!(collect(spoke, 2).into_iter().all(|it| it.into_send().unwrap().result.is_ok()));
    }
    assert_eq!(hub.peers().unwrap().len(), 64);
    for peer in hub.peers().unwrap() {
        hub.send(peer, "back", 0).unwrap();
    }
    for spoke in &spokes {
        spoke.recv(BytesMut::zeroed(10), 0).unwrap();
        assert_eq!(received(spoke).message(), b"back");
    }
}

#[test]
fn the_same_address_is_the_same_peer() {
    let (a, b, peer) = Net::UdpV4.engines();
    assert_eq!(a.connect(b.local_address()).unwrap(), peer);
    exchange(&a, &b, peer, 10, SendOptions::new(0));
    // And the one that connected is the same to the other side, under its main address.
    let back = b.connect(a.local_address()).unwrap();
    assert_eq!(b.peers().unwrap(), [back]);
    let snapshot = b.peer_stats(back).unwrap();
    assert_eq!((snapshot.peer, snapshot.address), (back, a.local_address()));
    assert!(snapshot.stats.established);
}

#[test]
fn bad_addresses_are_refused() {
    let (a, _b, _) = Net::UdpV4.engines();
    for address in ["", "nonsense", "127.0.0.1:0", "[::1]:5", "loopback:1"] {
        let error = a.connect(address).unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{address}: {error}");
    }
}

#[test]
fn nobody_there() {
    for net in Net::all() {
        let (a, b, _) = connect(net.pair().map(impatient));
        let address = b.local_address();
        drop(b);
        let peer = a.connect(address).unwrap();
        a.send(peer, "hello?", 1).unwrap();
        let result = sent(&a).result;
        assert_eq!(result, Err(SendFailure::Unknown(PeerFailure::Unreachable)), "{net:?}");
    }
}

/// The event that says that a peer is lost. It comes after what was pending with it has completed.
#[track_caller]
fn down(engine: &Engine) -> Event {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match engine.poll_event() {
            Some(event @ Event::PeerDown { .. }) => return event,
            Some(_) => {}
            None => std::thread::yield_now(),
        }
    }
    panic!("no peer is lost");
}

/// A side that closes says so: its peers need not find out by silence.
#[test]
fn a_peer_that_closes_is_not_taken_for_dead() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        exchange(&a, &b, peer, 10, SendOptions::new(0));
        // No receive is posted, and the message is too large to bounce: it stays pending.
        a.send(peer, vec![0; 64 << 20], 1).unwrap();
        b.shutdown(PATIENCE).unwrap();
        let result = sent(&a).result;
        let left = |reason| reason == PeerFailure::Left;
        assert!(
            matches!(result, Err(SendFailure::NotSent(r) | SendFailure::Unknown(r)) if left(r)),
            "{net:?}: {result:?}"
        );
        assert_eq!(down(&a), Event::PeerDown { peer, reason: PeerFailure::Left }, "{net:?}");
    }
}

#[test]
fn a_peer_that_dies_fails_what_is_pending() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.pair().map(impatient));
        exchange(&a, &b, peer, 10, SendOptions::new(0));
        // No receive is posted, and the message is too large to bounce: it stays pending.
        a.send(peer, vec![0; 64 << 20], 1).unwrap();
        drop(b);
        assert!(sent(&a).result.is_err(), "{net:?}");
        down(&a);
    }
}

#[test]
fn a_peer_that_restarts_is_reached_again() {
    let (a, b, peer) = connect(Net::UdpV4.pair().map(impatient));
    exchange(&a, &b, peer, 10, SendOptions::new(0));
    let address = b.local_address();
    drop(b);
    let builder = Engine::builder().udp(address.to_string());
    let b = builder.spawn().unwrap();
    assert_eq!(b.local_address(), address);
    // The first message may meet the old context, and then fails; it must not hang.
    a.send(peer, "first", 1).unwrap();
    let _either_way = sent(&a);
    b.shutdown(Duration::ZERO).unwrap();
    drop(b);
    let b = Engine::builder().udp(address.to_string()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "never reached again");
        a.send(peer, "again", 2).unwrap();
        if sent(&a).result.is_ok() {
            break;
        }
    }
    b.recv(BytesMut::zeroed(10), 3).unwrap();
    assert_eq!(received(&b).message(), b"again");
}

#[test]
fn a_disconnected_peer_is_unknown() {
    let (a, b, peer) = Net::Loopback.engines();
    exchange(&a, &b, peer, 10, SendOptions::new(0));
    a.disconnect(peer).unwrap();
    assert_eq!(a.disconnect(peer), Err(CommandError::UnknownPeer));
    assert_eq!(a.peer_stats(peer).unwrap_err(), CommandError::UnknownPeer);
    a.send(peer, "to nobody", 1).unwrap();
    let refused = Err(SendFailure::Refused(proto::SendError::UnknownPeer));
    assert_eq!(sent(&a).result, refused);
    let again = a.connect(b.local_address()).unwrap();
    assert_ne!(again, peer);
    b.recv(BytesMut::zeroed(10), 1).unwrap();
    a.send(again, "hello", 2).unwrap();
    assert_eq!(received(&b).message(), b"hello");
    sent(&a).result.unwrap();
}

#[test]
fn disconnecting_completes_what_is_pending() {
    let (a, _b, peer) = Net::Loopback.engines();
    a.send(peer, vec![0; 64 << 20], 1).unwrap();
    a.disconnect(peer).unwrap();
    let failure = sent(&a).result.unwrap_err();
    let (SendFailure::NotSent(reason) | SendFailure::Unknown(reason)) = failure else {
        panic!("{failure}");
    };
    assert_eq!(reason, PeerFailure::Closed);
}

#[test]
fn unread_events_are_dropped_and_counted() {
    let [a, b] = Net::Loopback.pair();
    let (a, b, peer) = connect([a.event_capacity(1), b]);
    exchange(&a, &b, peer, 10, SendOptions::new(0));
    a.disconnect(peer).unwrap();
    let peer = a.connect(b.local_address()).unwrap();
    b.recv(BytesMut::zeroed(1), 0).unwrap();
    a.send(peer, "x", 1).unwrap();
    sent(&a).result.unwrap();
    assert!(matches!(a.poll_event(), Some(Event::PeerUp { .. })));
    assert_eq!(a.poll_event(), None);
    assert!(a.stats().unwrap().driver.events_dropped >= 1);
}

#[test]
fn many_paths_are_used_and_reported() {
    let settings = |paths| UdpConfig { paths, ..UdpConfig::new("127.0.0.1:0".parse().unwrap()) };
    let pair = [4, 4].map(|paths| Engine::builder().udp_config(settings(paths)));
    let (a, b, peer) = connect(pair);
    exchange(&a, &b, peer, 4 << 20, SendOptions::new(0));
    let snapshot = a.peer_stats(peer).unwrap();
    assert_eq!(snapshot.paths.len(), 4);
    assert!(snapshot.paths.iter().all(|path| path.packets_sent > 0), "{snapshot:?}");
}
