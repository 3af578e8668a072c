//! Peers that are closed with time to finish, that move, and that are not there.

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{Net, PATIENCE, assert_same, collect, connect, exchange, pattern, received, sent};
use usrd::device::udp::{UdpConfig, UdpDevice};
use usrd::{
    BytesMut, CommandError, Completion, Engine, Event, PeerFailure, SendFailure, SendOptions,
    Service, UpdateAddressError,
};

#[test]
fn a_peer_is_closed_when_all_is_done() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for n in 0..20 {
            b.recv(BytesMut::zeroed(1 << 18), n).unwrap();
            a.send(peer, pattern(1 << 18, n), SendOptions::new(n)).unwrap();
        }
        let report = a.close_peer(peer, PATIENCE).unwrap();
        assert!(report.is_drained(), "{net:?}: {report:?}");
        for completion in collect(&a, 20) {
            completion.into_send().unwrap().result.unwrap();
        }
        assert!(collect(&b, 20).into_iter().all(|it| it.into_recv().unwrap().result.is_ok()));
        assert_eq!(a.close_peer(peer, PATIENCE), Err(CommandError::UnknownPeer));
        // The engine goes on, also with this peer, under another handle.
        let again = a.connect(b.local_address()).unwrap();
        assert_ne!(again, peer);
        exchange(&a, &b, again, 100, SendOptions::new(3));
    }
}

#[test]
fn what_is_not_done_in_time_is_counted() {
    let (a, b, peer) = Net::Loopback.engines();
    exchange(&a, &b, peer, 10, SendOptions::new(0));
    // Larger than the bounce memory, and no receive for it.
    a.send(peer, vec![0; 64 << 20], 1).unwrap();
    let (report, refused, taken) = std::thread::scope(|scope| {
        let closer = scope.spawn(|| a.close_peer(peer, Duration::from_millis(300)));
        // Nothing more is taken from some moment on.
        let (mut refused, mut taken) = (None, 1);
        while refused.is_none() {
            a.send(peer, "late", 2).unwrap();
            taken += 1;
            let done = a.wait_one(Duration::from_millis(20)).and_then(Completion::into_send);
            refused = done.filter(|it| matches!(it.result, Err(SendFailure::Refused(_))));
        }
        (closer.join().unwrap().unwrap(), refused.unwrap(), taken - 1)
    });
    assert_eq!(refused.context, 2);
    assert!((1..=taken).contains(&report.aborted) && !report.is_drained(), "{report:?}");
    assert!(
        collect(&a, report.aborted).into_iter().all(|it| it.into_send().unwrap().result.is_err())
    );
}

/// Between two engines, as a translator of addresses would be.
struct Relay {
    of_first: SocketAddr,
    of_second: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// To each of them the other is at `ip`, under the port that it says is its own.
    fn new(ip: [u8; 4], ends: [SocketAddr; 2]) -> Self {
        let sockets = ends.map(|end| {
            let socket = UdpSocket::bind(SocketAddr::from((ip, end.port()))).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut bytes = vec![0; 70_000];
            while !stopped.load(Ordering::Relaxed) {
                let mut idle = true;
                // What comes to the first end's place is from the second, and is for the first.
                for (side, socket) in sockets.iter().enumerate() {
                    while let Ok(len) = socket.recv(&mut bytes) {
                        idle = false;
                        let _ = sockets[1 - side].send_to(&bytes[..len], ends[side]);
                    }
                }
                if idle {
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let [of_first, of_second] = ends.map(|end| SocketAddr::from((ip, end.port())));
        Self { of_first, of_second, stop, thread: Some(thread) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn single_path() -> Engine {
    let address = "127.0.0.1:0".parse().unwrap();
    let device = UdpDevice::bind(&UdpConfig { paths: 1, ..UdpConfig::new(address) }).unwrap();
    Engine::builder().device(Box::new(device)).spawn().unwrap()
}

/// The way to a peer ends, and another begins: it is the same peer, and nothing is lost or doubled.
#[test]
fn a_peer_goes_on_at_its_new_address() {
    let (a, b) = (single_path(), single_path());
    let ends = [&a, &b].map(|engine| engine.local_address().as_str().parse().unwrap());
    let first = Relay::new([127, 0, 0, 2], ends);
    let peer = a.connect(first.of_second).unwrap();
    exchange(&a, &b, peer, 1000, SendOptions::new(0));
    exchange(&a, &b, peer, 1000, SendOptions::new(0));
    drop(first);
    let message = pattern(200_000, 5);
    b.recv(BytesMut::zeroed(200_000), 1).unwrap();
    a.send(peer, message.clone(), SendOptions::new(2)).unwrap();
    assert!(a.wait_one(Duration::from_millis(30)).is_none(), "there is no way");
    let second = Relay::new([127, 0, 0, 3], ends);
    a.update_address(peer, second.of_second).unwrap();
    a.update_address(peer, second.of_second).unwrap();
    let at_b = b.peers().unwrap()[0];
    b.update_address(at_b, second.of_first).unwrap();
    assert_same(received(&b).message(), &message);
    sent(&a).result.unwrap();
    assert_eq!(a.peer_stats(peer).unwrap().address.as_str(), second.of_second.to_string());
    exchange(&a, &b, peer, 1000, SendOptions::new(0));
    assert_eq!((a.stats().unwrap().peers, b.peers().unwrap()), (1, vec![at_b]));
}

#[test]
fn an_address_is_of_one_peer() {
    let (a, b, peer) = Net::UdpV4.engines();
    let c = Engine::builder().udp("127.0.0.1:0").spawn().unwrap();
    let other = a.connect(c.local_address()).unwrap();
    let taken = a.update_address(other, b.local_address()).unwrap_err();
    assert!(matches!(taken, UpdateAddressError::Taken { peer: it } if it == peer), "{taken}");
    let bad = a.update_address(other, "nowhere").unwrap_err();
    assert!(matches!(bad, UpdateAddressError::Address(_)));
    a.disconnect(other).unwrap();
    let gone = a.update_address(other, c.local_address()).unwrap_err();
    assert!(matches!(gone, UpdateAddressError::Driver(CommandError::UnknownPeer)));
    exchange(&a, &b, peer, 10, SendOptions::new(0));
}

/// Nothing is under way for long: the side that was called forgets its peer, the one that called keeps
/// its handle, and can use it as if nothing had been.
#[test]
fn idle_peers_expire() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.pair().map(|side| {
            side.config(|config| {
                config.idle_after = Duration::from_millis(20);
                config.expire_after = Duration::from_millis(40);
            })
        }));
        let mut handles = Vec::new();
        for round in 0..3 {
            exchange(&a, &b, peer, 1000, SendOptions::new(round));
            exchange(&a, &b, peer, 1000, SendOptions::new(round).service(Service::Rd));
            handles.extend(b.peers().unwrap());
            let deadline = Instant::now() + PATIENCE;
            while b.stats().unwrap().peers > 0 {
                assert!(Instant::now() < deadline, "{net:?}: {:?}", b.stats());
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(a.peers().unwrap(), [peer]);
        }
        let mut ends = std::iter::from_fn(|| a.poll_event());
        let expired = Event::PeerDown { peer, reason: PeerFailure::Expired };
        assert!(ends.any(|event| event == expired), "{net:?}");
        b.send(handles[0], "to nobody", 9).unwrap();
        assert!(matches!(sent(&b).result, Err(SendFailure::Refused(_))), "{net:?}");
    }
}

/// First packets from somebody who never takes an answer: they take a place each, for a while.
#[test]
fn strangers_are_forgotten() {
    let victim = Engine::builder()
        .udp("127.0.0.1:0")
        .config(|config| {
            config.max_half_open = 4;
            config.loss.peer_dead_after = Duration::from_millis(200);
        })
        .spawn()
        .unwrap();
    // What an engine says first, taken down by a socket that pretends to be its peer.
    let tap = UdpSocket::bind("127.0.0.1:0").unwrap();
    tap.set_read_timeout(Some(PATIENCE)).unwrap();
    let address: SocketAddr = victim.local_address().as_str().parse().unwrap();
    for _ in 0..10 {
        let caller = single_path();
        let peer = caller.connect(tap.local_addr().unwrap()).unwrap();
        caller.send(peer, "knock", 0).unwrap();
        let mut bytes = vec![0; 2000];
        let len = tap.recv(&mut bytes).unwrap();
        drop(caller);
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&bytes[..len], address).unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    let mut forgotten = 0;
    while forgotten < 4 {
        match victim.poll_event() {
            Some(Event::PeerDown { reason: PeerFailure::Unconfirmed, .. }) => forgotten += 1,
            Some(_) => {}
            None => std::thread::yield_now(),
        }
        assert!(Instant::now() < deadline, "{:?}", victim.stats());
    }
    assert!(victim.stats().unwrap().peers_half_open <= 4);
    while victim.stats().unwrap().peers > 0 {
        assert!(Instant::now() < deadline, "their records are given back");
    }
    let drops = victim.stats().unwrap().endpoint.drops_by_name().collect::<Vec<_>>();
    assert!(drops.iter().any(|it| it.0 == "too_many_half_open"), "{drops:?}");
}
