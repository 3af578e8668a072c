//! Messages with tags over every device, and under every fault.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Net, PATIENCE, assert_same, collect, connect, pattern, received, sent};
use usrd::device::fault::FaultConfig;
use usrd::{
    BytesMut, Completion, Engine, Peer, RecvFailure, RecvOptions, SendFailure, SendOptions,
    Service, SubmitError, Tags,
};

/// For any of them.
const ROOM: usize = 101_000;

/// Short and long: sent at once, in a packet or several, and pulled.
const LENS: [usize; 6] = [0, 1, 1000, 40_000, 100_000, 3 << 20];

/// Tags and lengths.
fn messages() -> Vec<(u64, usize)> {
    (0..).zip(LENS).collect()
}

#[test]
fn tags_lead_messages_to_their_receives() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for (tag, len) in messages() {
            let options = RecvOptions::new(100 + tag).tag(tag);
            b.recv(BytesMut::zeroed(len), options).unwrap();
        }
        // A receive without a tag is not for them.
        b.recv(BytesMut::zeroed(10), 7).unwrap();
        for (tag, len) in messages().into_iter().rev() {
            let options = SendOptions::new(tag).tag(tag).immediate(!tag);
            a.send(peer, pattern(len, tag), options).unwrap();
        }
        for completion in collect(&b, LENS.len()) {
            let arrived = completion.into_recv().unwrap();
            let got = arrived.result.unwrap();
            let tag = got.tag.unwrap();
            assert_eq!((arrived.context, got.immediate), (100 + tag, Some(!tag)));
            assert_same(arrived.message(), &pattern(LENS[tag as usize], tag));
        }
        for completion in collect(&a, LENS.len()) {
            assert_eq!(completion.into_send().unwrap().result, Ok(()));
        }
    }
}

#[test]
fn messages_come_before_their_receives_and_can_be_looked_at() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for (tag, len) in messages() {
            a.send(peer, pattern(len, tag), SendOptions::new(tag).tag(tag).delivered()).unwrap();
        }
        for (tag, len) in messages().into_iter().rev() {
            let seen = wait_for(&b, Tags::exact(tag));
            assert_eq!((seen.len, seen.immediate), (len as u64, None));
            let only_theirs = Tags::masked(tag, 0xffff).of(seen.peer);
            b.recv(BytesMut::zeroed(len), RecvOptions::new(tag).tags(only_theirs)).unwrap();
            assert_same(received(&b).message(), &pattern(len, tag));
            assert_eq!(b.peek(Tags::exact(tag)).unwrap(), None);
            assert_eq!(sent(&a).result, Ok(()));
        }
    }
}

#[test]
fn a_receive_that_is_too_short_is_an_error_on_both_sides() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for (len, placed) in [(100, 10), (1 << 20, 0)] {
            b.recv(BytesMut::zeroed(10), RecvOptions::new(1).tag(1)).unwrap();
            a.send(peer, pattern(len, 1), SendOptions::new(2).tag(1).delivered()).unwrap();
            let arrived = received(&b);
            let Err(RecvFailure::Truncated { received, message_bytes }) = arrived.result else {
                panic!("{arrived:?}");
            };
            assert_eq!((received.len, message_bytes), (placed, len as u64));
            let failure = sent(&a).result.unwrap_err();
            assert_eq!(failure, SendFailure::Truncated);
            assert!(failure.to_string().contains("post a longer one"), "{failure}");
        }
    }
}

#[test]
fn a_tagged_receive_can_be_taken_back() {
    let (a, b, peer) = Net::Loopback.engines();
    b.recv(BytesMut::zeroed(10), RecvOptions::new(5).tag(1)).unwrap();
    b.cancel_recv(5).unwrap();
    let back = received(&b);
    assert_eq!((back.context, back.result), (5, Err(RecvFailure::Cancelled)));
    a.send(peer, "later", SendOptions::new(1).tag(1)).unwrap();
    wait_for(&b, Tags::exact(1));
    b.recv(BytesMut::zeroed(10), RecvOptions::new(6).tag(1)).unwrap();
    assert_eq!(received(&b).message(), b"later");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let (a, b, peer) = Net::Loopback.engines();
    let rejected = a.send(peer, "x", SendOptions::new(1).tag(1).service(Service::Rd)).unwrap_err();
    assert_eq!(rejected.error, SubmitError::TaggedService { service: Service::Rd });
    let strange = Tags::exact(1).of(peer);
    a.disconnect(peer).unwrap();
    drop(b);
    a.recv(BytesMut::zeroed(1), RecvOptions::new(1).tags(strange)).unwrap();
    let failure = received(&a).result.unwrap_err();
    assert!(failure.to_string().contains("no such peer"), "{failure}");
}

/// Short and long messages, receives early and late, over links that lose, repeat and reorder: each
/// receive of a tag has the message that the order of submission gives it.
#[test]
fn order_and_bytes_survive_a_bad_network() {
    for net in Net::all() {
        for seed in 0..3 {
            let faults = FaultConfig {
                seed,
                loss: 0.03,
                duplicate: 0.03,
                delay: 0.1,
                max_delay: Duration::from_micros(300),
                ..FaultConfig::default()
            };
            let (a, b, peer) = connect(net.faulty_pair(Some(faults)));
            exchange_in_order(&a, &b, peer, 60);
        }
    }
}

fn exchange_in_order(a: &Engine, b: &Engine, peer: Peer, count: u64) {
    let len = |n: u64| [10, 30_000, 100_000][n as usize % 3] + n as usize;
    let tag = |n: u64| n % 4;
    for n in 0..count {
        if n % 2 == 0 {
            b.recv(BytesMut::zeroed(ROOM), RecvOptions::new(n).tag(tag(n))).unwrap();
        }
        a.send(peer, pattern(len(n), n), SendOptions::new(n).tag(tag(n))).unwrap();
    }
    for n in (0..count).filter(|n| n % 2 == 1) {
        b.recv(BytesMut::zeroed(ROOM), RecvOptions::new(n).tag(tag(n))).unwrap();
    }
    let mut posted: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for n in (0..count).step_by(2).chain((1..count).step_by(2)) {
        posted.entry(tag(n)).or_default().push(n);
    }
    for completion in collect(b, count as usize) {
        let arrived = completion.into_recv().unwrap();
        let tag = arrived.result.unwrap().tag.unwrap();
        let nth = posted[&tag].iter().position(|&it| it == arrived.context).unwrap() as u64;
        let message = nth * 4 + tag;
        assert_same(arrived.message(), &pattern(len(message), message));
    }
    for completion in collect(a, count as usize) {
        assert_eq!(completion.into_send().unwrap().result, Ok(()));
    }
}

/// Paths that swallow everything are left, in the middle of long messages.
#[test]
fn black_holes_cost_time_and_nothing_else() {
    for net in Net::all() {
        let faults = FaultConfig { seed: 3, ..FaultConfig::default() };
        let [(a, a_faults), (b, b_faults)] = net.fault_handles(faults);
        let (a, b, peer) = connect([a, b]);
        let paths = a.info().capabilities.paths;
        if paths > 2 {
            a_faults.black_hole(0);
            b_faults.black_hole(1);
        }
        exchange_in_order(&a, &b, peer, 24);
    }
}

/// The receiver goes away while a long message waits for its receive, and comes back as another.
#[test]
fn a_restarted_receiver_fails_what_it_had_not_asked_for() {
    let (a, b, peer) = connect([
        Engine::builder().udp("127.0.0.1:0").seed(1),
        Engine::builder().udp("127.0.0.1:0").seed(2),
    ]);
    let address = b.local_address();
    a.send(peer, pattern(1 << 20, 1), SendOptions::new(1).tag(1)).unwrap();
    wait_for(&b, Tags::exact(1));
    drop(b);
    let again = Engine::builder().udp(address.to_string()).seed(3).spawn().unwrap();
    let failure = sent(&a).result.unwrap_err();
    assert!(matches!(failure, SendFailure::NotSent(_)), "{failure:?}");
    again.recv(BytesMut::zeroed(1 << 20), RecvOptions::new(1).tag(1)).unwrap();
    a.send(peer, pattern(1 << 20, 2), SendOptions::new(2).tag(1)).unwrap();
    assert_same(received(&again).message(), &pattern(1 << 20, 2));
    assert_eq!(sent(&a).result, Ok(()));
}

/// The sender leaves between its announcement and the receive: nothing waits for it any more.
#[test]
fn a_sender_that_leaves_takes_its_announcements_along() {
    let (a, b, peer) = Net::UdpV4.engines();
    a.send(peer, pattern(1 << 20, 1), SendOptions::new(1).tag(1)).unwrap();
    wait_for(&b, Tags::exact(1));
    drop(a);
    let deadline = std::time::Instant::now() + PATIENCE;
    while b.peek(Tags::exact(1)).unwrap().is_some() {
        assert!(std::time::Instant::now() < deadline, "it can never be pulled");
        std::thread::sleep(Duration::from_millis(1));
    }
    b.recv(BytesMut::zeroed(1), RecvOptions::new(1).tag(1)).unwrap();
    b.cancel_recv(1).unwrap();
    assert_eq!(received(&b).result, Err(RecvFailure::Cancelled));
}

/// More than there is memory for, and the receives in the reverse order: nothing is lost, and
/// nothing waits for what comes after it.
#[test]
fn little_memory_is_back_pressure_and_no_loss() {
    for net in Net::all() {
        let [a, b] = net.pair();
        let (a, b, peer) = connect([a, b.config(|config| config.bounce_bytes = 256 << 10)]);
        let count = 250;
        for tag in 0..count {
            a.send(peer, pattern(1000, tag), SendOptions::new(tag).tag(tag)).unwrap();
        }
        wait_for(&b, Tags::exact(count - 1));
        for tag in (0..count).rev() {
            b.recv(BytesMut::zeroed(1000), RecvOptions::new(tag).tag(tag)).unwrap();
        }
        for completion in collect(&b, count as usize) {
            let arrived = completion.into_recv().unwrap();
            assert_same(arrived.message(), &pattern(1000, arrived.context));
        }
        let sends = collect(&a, count as usize).into_iter().filter_map(Completion::into_send);
        assert!(sends.into_iter().all(|send| send.result == Ok(())));
        assert_eq!(a.stats().unwrap().endpoint.rtos, 0);
    }
}

/// Waits until a message can be looked at.
#[track_caller]
fn wait_for(engine: &Engine, tags: Tags) -> usrd::Peeked {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = engine.peek(tags).unwrap() {
            return seen;
        }
        assert!(std::time::Instant::now() < deadline, "no message with {tags:?} came");
        std::thread::sleep(Duration::from_millis(1));
    }
}
