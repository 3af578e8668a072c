//! Every service, over every device, at every kind of size.

mod common;

use common::{Net, assert_same, collect, connect, exchange, pattern, received, sent};
use usrd::device::fault::FaultConfig;
use usrd::{BytesMut, Completion, RecvFailure, SendOptions, Service};

/// Sizes where something changes: nothing, one byte, a header's worth, around one and two packets.
fn sizes(mtu_bytes: usize) -> Vec<usize> {
    let open = 1388;
    let mut sizes = vec![0, 1, 64, open - 1, open, open + 1];
    sizes.extend([mtu_bytes - 1, mtu_bytes, mtu_bytes + 1, 2 * mtu_bytes, 2 * mtu_bytes + 1]);
    sizes
}

#[test]
fn reliable_messages_of_every_size() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        let mtu_bytes = usize::from(a.info().config.mtu_bytes);
        for service in [Service::Srd, Service::Rd] {
            for (context, len) in (0..).zip(sizes(mtu_bytes)) {
                let options = SendOptions::new(context).service(service);
                exchange(&a, &b, peer, len, options);
                exchange(&a, &b, peer, len, options.delivered().immediate(!context));
            }
        }
    }
}

#[test]
fn large_messages() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for service in [Service::Srd, Service::Rd] {
            for len in [1 << 20, 16 << 20] {
                exchange(&a, &b, peer, len, SendOptions::new(1).service(service));
            }
        }
    }
}

#[test]
fn datagrams_carry_one_packet() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        // Both ends agree on the MTU with the first reliable message.
        exchange(&a, &b, peer, 1, SendOptions::new(0));
        let mtu_bytes = usize::from(a.info().config.mtu_bytes);
        for len in [0, 1, 64, 1388, mtu_bytes] {
            let options = SendOptions::new(3).service(Service::Ud);
            exchange(&a, &b, peer, len, options);
            exchange(&a, &b, peer, len, options.immediate(u64::MAX));
        }
    }
}

#[test]
fn answers_reach_the_sender() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        a.recv(BytesMut::zeroed(100), 1).unwrap();
        b.recv(BytesMut::zeroed(100), 2).unwrap();
        a.send(peer, "question", 3).unwrap();
        let question = received(&b);
        b.send(question.result.unwrap().peer, "answer", 4).unwrap();
        let messages = collect(&a, 2).into_iter().filter_map(Completion::into_recv);
        let answer: Vec<_> = messages.collect();
        assert_eq!(answer[0].message(), b"answer");
        assert_eq!(answer[0].result.unwrap().peer, peer);
    }
}

#[test]
fn messages_can_come_before_their_receives() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for tag in 0..50_u64 {
            let len = 100 * tag as usize;
            let options = SendOptions::new(tag).service(Service::Rd);
            a.send(peer, pattern(len, tag), options).unwrap();
        }
        // All of them fit the bounce memory, so they are acknowledged without a receive.
        for completion in collect(&a, 50) {
            completion.into_send().unwrap().result.unwrap();
        }
        for tag in 0..50_u64 {
            b.recv(BytesMut::zeroed(5000), tag).unwrap();
            let arrived = received(&b);
            assert_same(arrived.message(), &pattern(100 * tag as usize, tag));
        }
    }
}

#[test]
fn without_room_the_sender_waits() {
    for net in Net::all() {
        let [a, b] = net.pair();
        let (a, b, peer) = connect([a, b.config(|config| config.bounce_bytes = 10_000)]);
        for tag in 0..20 {
            a.send(peer, pattern(4000, tag), SendOptions::new(tag).service(Service::Rd)).unwrap();
        }
        for tag in 0..20 {
            b.recv(BytesMut::zeroed(4000), tag).unwrap();
            assert_same(received(&b).message(), &pattern(4000, tag));
        }
        for completion in collect(&a, 20) {
            completion.into_send().unwrap().result.unwrap();
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_gets_the_front() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        for (room, len) in [(10, 11), (0, 1), (5000, 100_000)] {
            b.recv(BytesMut::zeroed(room), 1).unwrap();
            a.send(peer, pattern(len, 9), 2).unwrap();
            let arrived = received(&b);
            let Err(RecvFailure::Truncated { received, message_bytes }) = arrived.result else {
                panic!("{:?}", arrived.result);
            };
            assert_eq!((received.peer.index(), message_bytes), (0, len as u64));
            assert_same(arrived.message(), &pattern(len, 9)[..room]);
            assert_eq!(arrived.buffer.len(), room);
            sent(&a).result.unwrap();
        }
    }
}

#[test]
fn ordered_messages_stay_in_order_through_faults() {
    let faults =
        FaultConfig { seed: 4, loss: 0.02, duplicate: 0.02, delay: 0.1, ..FaultConfig::default() };
    for net in Net::all() {
        let (a, b, peer) = connect(net.faulty_pair(Some(faults.clone())));
        let count = 300;
        for tag in 0..count {
            b.recv(BytesMut::zeroed(20_000), tag).unwrap();
        }
        for tag in 0..count {
            let options = SendOptions::new(tag).service(Service::Rd).delivered().immediate(tag);
            a.send(peer, pattern((tag * 61) as usize, tag), options).unwrap();
        }
        for (tag, completion) in (0..count).zip(collect(&b, count as usize)) {
            let arrived = completion.into_recv().unwrap();
            assert_eq!(arrived.context, tag);
            assert_eq!(arrived.result.unwrap().immediate, Some(tag));
            assert_same(arrived.message(), &pattern((tag * 61) as usize, tag));
        }
        for completion in collect(&a, count as usize) {
            completion.into_send().unwrap().result.unwrap();
        }
    }
}

#[test]
fn unordered_messages_arrive_exactly_once_through_faults() {
    let faults = FaultConfig {
        seed: 5,
        loss: 0.03,
        duplicate: 0.03,
        corrupt: 0.0,
        delay: 0.1,
        ..FaultConfig::default()
    };
    for net in Net::all() {
        let (a, b, peer) = connect(net.faulty_pair(Some(faults.clone())));
        let count = 200;
        let len = |tag: u64| 8 + (tag * tag * 7) as usize;
        for tag in 0..count {
            b.recv(BytesMut::zeroed(len(count)), tag).unwrap();
        }
        for tag in 0..count {
            let mut message = pattern(len(tag), tag);
            message[..8].copy_from_slice(&tag.to_le_bytes());
            a.send(peer, message, SendOptions::new(tag).immediate(!tag)).unwrap();
        }
        let mut seen = vec![false; count as usize];
        for completion in collect(&b, count as usize) {
            let arrived = completion.into_recv().unwrap();
            let message = arrived.message();
            let tag = u64::from_le_bytes(message[..8].try_into().unwrap());
            assert_eq!(arrived.result.unwrap().immediate, Some(!tag));
            assert!(!std::mem::replace(&mut seen[tag as usize], true), "{tag} came twice");
            assert_same(&message[8..], &pattern(len(tag), tag)[8..]);
        }
        for completion in collect(&a, count as usize) {
            completion.into_send().unwrap().result.unwrap();
        }
    }
}
