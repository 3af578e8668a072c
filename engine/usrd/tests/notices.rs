//! What is said to a peer's user beside messages, over every device.

mod common;

use common::{Net, PATIENCE, collect, connect, pattern};
use usrd::device::fault::FaultConfig;
use usrd::{
    Access, Bytes, BytesMut, CompletionQueue, Engine, MAX_NOTE_BYTES, Notice, Notification,
    NotificationsToError, SubmitError, TransferOptions,
};

fn hostile(seed: u64) -> FaultConfig {
    FaultConfig { seed, loss: 0.05, duplicate: 0.05, delay: 0.1, ..FaultConfig::default() }
}

#[track_caller]
fn notified(engine: &Engine) -> Notification {
    collect(engine, 1).remove(0).into_notification().expect("a notification")
}

#[test]
fn numbers_and_notes_arrive_once_through_faults() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.faulty_pair(Some(hostile(3))));
        let count = 200;
        for number in 0..count {
            let len = number as usize * 97 % (MAX_NOTE_BYTES + 1);
            let notice = Notice::from(number).with_note(pattern(len, number));
            a.notify(peer, notice, number).unwrap();
        }
        let mut told: Vec<Notification> = Vec::new();
        while told.len() < count as usize {
            let more = b.wait_one(PATIENCE).expect("a notification");
            told.push(more.into_notification().unwrap());
        }
        told.sort_unstable_by_key(|it| it.immediate);
        for (number, told) in (0..).zip(&told) {
            let len = number as usize * 97 % (MAX_NOTE_BYTES + 1);
            assert_eq!((told.immediate, told.bytes), (number, 0));
            assert!(told.note == pattern(len, number), "the note of {number}");
        }
        for done in collect(&a, count as usize) {
            assert_eq!(done.into_transfer().unwrap().result, Ok(0));
        }
        assert_eq!((a.outstanding(), b.outstanding(), b.poll(&mut Vec::new(), 1)), (0, 0, 0));
    }
}

#[test]
fn transfers_end_with_a_note() {
    for net in Net::all() {
        let (a, b, peer) = connect(net.faulty_pair(Some(hostile(4))));
        let region = b.register(BytesMut::zeroed(100_000), Access::READ | Access::WRITE).unwrap();
        let there = region.remote().at(0);
        let options = TransferOptions::new(1).notify("written: request 12");
        a.write(peer, pattern(100_000, 1), there, options).unwrap();
        let told = notified(&b);
        assert_eq!((&told.note[..], told.bytes), (&b"written: request 12"[..], 100_000));
        assert!(b.copy_from(region, 0, 100_000).unwrap() == pattern(100_000, 1));
        let options = TransferOptions::new(2).notify(Notice::from(7).with_note("read"));
        a.read(peer, there, BytesMut::zeroed(100_000), options).unwrap();
        let told = notified(&b);
        assert_eq!((told.immediate, &told.note[..], told.bytes), (7, &b"read"[..], 0));
        let mut done = collect(&a, 2).into_iter().map(|done| done.into_transfer().unwrap());
        assert!(done.all(|done| done.result == Ok(0)));
    }
}

/// It is back pressure: nobody takes anything for a while, and nothing is lost.
#[test]
fn what_nobody_takes_waits_at_its_sender() {
    for net in Net::all() {
        let few = |builder: usrd::Builder| {
            builder.config(|config| {
                config.max_notifications = 4;
                config.bounce_bytes = 10_000;
            })
        };
        let (a, b, peer) = connect(net.pair().map(few));
        for number in 0..50 {
            a.notify(peer, Notice::from(number).with_note(pattern(4000, number)), 0).unwrap();
        }
        let mut told: Vec<u64> = (0..50)
            .map(|_| {
                let told = notified(&b);
                assert!(told.note == pattern(4000, told.immediate));
                told.immediate
            })
            .collect();
        told.sort_unstable();
        assert_eq!(told, (0..50).collect::<Vec<_>>());
        assert_eq!(collect(&a, 50).len(), 50);
    }
}

#[test]
fn too_long_a_note_is_not_taken() {
    let (a, b, peer) = Net::Loopback.engines();
    let refused = a.notify(peer, vec![0; MAX_NOTE_BYTES + 1], 1).unwrap_err();
    assert_eq!(refused, SubmitError::NoteTooLong { max_bytes: MAX_NOTE_BYTES });
    assert!(refused.to_string().contains("4096"), "{refused}");
    let longest = Bytes::from(vec![1; MAX_NOTE_BYTES]);
    a.notify(peer, longest.clone(), 2).unwrap();
    assert_eq!(notified(&b).note, longest);
}

/// A peer whose notifications nobody takes holds up no other.
#[test]
fn a_peer_can_have_a_queue_of_its_own() {
    for net in Net::all() {
        let few = |builder: usrd::Builder| builder.config(|config| config.max_notifications = 4);
        let (a, b, peer) = connect(net.pair().map(few));
        a.notify(peer, 0, 0).unwrap();
        let back = notified(&b).peer;
        let queue = CompletionQueue::new(5);
        b.notifications_to(back, &queue, 3).unwrap();
        let again = b.notifications_to(back, &queue, 1).unwrap_err();
        assert_eq!(again, NotificationsToError::Again);
        let full = b.notifications_to(back, &queue, 3).unwrap_err();
        assert_eq!(full, NotificationsToError::Places { limit: 2 });
        for number in 1..=20 {
            a.notify(peer, Notice::from(number).with_note("mine"), number).unwrap();
        }
        let mut told = Vec::new();
        while told.len() < 20 {
            let next = queue.wait_one(PATIENCE).expect("a notification").into_notification();
            let next = next.unwrap();
            assert_eq!((next.peer, &next.note[..]), (back, &b"mine"[..]));
            told.push(next.immediate);
        }
        told.sort_unstable();
        assert_eq!(told, (1..=20).collect::<Vec<_>>());
        assert_eq!(collect(&a, 21).len(), 21);
        assert_eq!(b.poll(&mut Vec::new(), 1), 0, "none of them was in the engine's queue");
        // The places are free again when the peer has gone.
        assert_eq!(queue.limit(), 2);
        b.disconnect(back).unwrap();
        assert_eq!((queue.limit(), queue.outstanding()), (5, 0));
    }
}
