//! Receives for several messages.

mod common;

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use common::{Net, PATIENCE, connect, pattern};
use usrd::device::fault::FaultConfig;
use usrd::{
    BytesMut, Completion, CompletionQueue, Engine, RecvFailure, RecvOptions, RecvOver, SendOptions,
    Service, SubmitError, Tags,
};

fn next(engine: &Engine) -> Completion {
    engine.wait_one(PATIENCE).expect("a completion")
}

fn over(engine: &Engine) -> RecvOver {
    next(engine).into_recv_over().expect("the end of a receive")
}

/// Each message has its own part of the buffer, and the rest comes back.
#[test]
fn messages_share_a_buffer() {
    for net in Net::all() {
        let (a, b, peer) = net.engines();
        b.recv(BytesMut::zeroed(100_000), RecvOptions::new(7).many(10, 20_000)).unwrap();
        assert_eq!(b.outstanding(), 11);
        let lens = [1_000, 0, 50_000, 40_000];
        for (n, len) in (0..).zip(lens) {
            let options = SendOptions::new(n).service(Service::Rd).immediate(n);
            a.send(peer, pattern(len, n), options).unwrap();
        }
        for (n, (len, offset)) in
            (0..).zip([(1_000, 0), (0, 1_024), (50_000, 1_024), (40_000, 51_072)])
        {
            let message = next(&b).into_recv().unwrap();
            assert_eq!((message.context, message.buffer.len()), (7, len));
            let received = message.result.unwrap();
            assert_eq!((received.len, received.offset), (len, offset));
            assert_eq!(received.immediate, Some(n));
            assert_eq!(message.message(), pattern(len, n));
        }
        let over = over(&b);
        assert_eq!((over.context, over.messages, over.result), (7, 4, Ok(())));
        assert_eq!((over.rest.len(), b.outstanding()), (100_000 - 91_072, 0));
    }
}

/// Over a bad network, with tags and without, short and long: every message arrives once, whole.
#[test]
fn nothing_is_lost_or_mixed_up() {
    const MESSAGES: u64 = 300;
    let faults = FaultConfig { loss: 0.02, duplicate: 0.02, seed: 5, ..FaultConfig::default() };
    let (a, b, peer) = connect(Net::UdpV4.faulty_pair(Some(faults)));
    let sender = thread::spawn(move || {
        for n in 0..MESSAGES {
            let len = [10, 3_000, 70_000][n as usize % 3];
            let options = SendOptions::new(n);
            let options = if n % 2 == 0 { options.tag(n) } else { options };
            a.send(peer, pattern(len, n), options).unwrap();
        }
        (0..MESSAGES).for_each(|_| assert!(next(&a).into_send().unwrap().result.is_ok()));
    });
    let any = RecvOptions::new(1).tags(Tags::masked(0, 0));
    for options in [RecvOptions::new(0), any] {
        b.recv(BytesMut::zeroed(200_000), options.many(40, 1_000)).unwrap();
    }
    let (mut seen, mut left) = (HashMap::new(), MESSAGES);
    while left > 0 {
        match next(&b) {
            Completion::Recv(message) => {
                message.result.unwrap();
                *seen.entry(message.message().to_vec()).or_insert(0) += 1;
                left -= 1;
            }
            Completion::RecvOver(over) => {
                over.result.unwrap();
                let options = if over.context == 0 { RecvOptions::new(0) } else { any };
                b.recv(BytesMut::zeroed(200_000), options.many(40, 1_000)).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    for n in 0..MESSAGES {
        assert_eq!(seen[&pattern([10, 3_000, 70_000][n as usize % 3], n)], 1);
    }
    sender.join().unwrap();
}

/// Taken back or left over, it has its last completion, and gives back the places that it kept.
#[test]
fn it_ends_with_one_completion() {
    let (a, b, peer) = Net::Loopback.engines();
    let elsewhere = b.reporting_to(&CompletionQueue::new(12));
    elsewhere.recv(BytesMut::zeroed(1_000), RecvOptions::new(1).many(11, 0)).unwrap();
    let full = elsewhere.recv(BytesMut::zeroed(1), 2).unwrap_err();
    assert_eq!(full.error, SubmitError::TooManyOutstanding { limit: 12 });
    a.send(peer, "one", 0).unwrap();
    assert_eq!(next(&elsewhere).into_recv().unwrap().message(), b"one");
    elsewhere.cancel_recv(1).unwrap();
    let cancelled = over(&elsewhere);
    assert_eq!((cancelled.messages, cancelled.result), (1, Err(RecvFailure::Cancelled)));
    assert_eq!((cancelled.rest.len(), elsewhere.outstanding()), (1_000 - 64, 0));

    elsewhere.recv(BytesMut::zeroed(1_000), RecvOptions::new(3).many(0, 0)).unwrap();
    assert_eq!(elsewhere.outstanding(), 2, "one message is the least");
    b.shutdown(Duration::from_secs(10)).unwrap();
    assert_eq!(over(&elsewhere).result, Err(RecvFailure::Closed));
    assert_eq!(elsewhere.outstanding(), 0);
}
