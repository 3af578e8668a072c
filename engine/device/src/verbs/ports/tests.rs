//! Ports whose ways are found when the test says so.

use std::collections::HashSet;
use std::io;

use crossbeam::channel::{self, Receiver, Sender};

use super::remote::MOST_WAITING;
use super::*;

struct Lab {
    ports: Ports<u32>,
    verdicts: Sender<bool>,
    asked: Receiver<Way>,
}

impl Lab {
    fn new() -> Self {
        let (verdicts, verdict) = channel::unbounded();
        let (asking, asked) = channel::unbounded();
        let make = move |_: usize, way: &Way| {
            asking.send(*way).unwrap();
            match verdict.recv() {
                Ok(true) => Ok(way.flow_label),
                _ => Err(DeviceError::Io {
                    operation: "asking",
                    source: io::ErrorKind::HostUnreachable.into(),
                }),
            }
        };
        let local = vec![LocalPort { port: 1, gid_index: 3 }];
        let ports = Ports::new(local, 0, 7, make, Waker::new().unwrap()).unwrap();
        Self { ports, verdicts, asked }
    }

    fn outcome(&mut self) -> Outcome {
        loop {
            match self.ports.outcome() {
                Some(outcome) => return outcome,
                None => std::thread::yield_now(),
            }
        }
    }
}

fn gid(number: u32) -> Gid {
    Gid::from_ipv4((0x0a00_0000 + number).to_be_bytes())
}

fn parcel(n: u8) -> Parcel {
    Parcel { rail: 0, sender: 0, queue_pair: 5, qkey: 6, immediate: 7, bytes: vec![n] }
}

#[test]
fn datagrams_are_held_until_the_way_is_known() {
    let mut lab = Lab::new();
    let port = lab.ports.claim(0, gid(1), 0);
    let place = Ports::<u32>::place(port, 4, true);
    // Nothing waits, though nobody has answered.
    assert_eq!(lab.ports.handle(place), None);
    assert!((0..3).all(|n| lab.ports.hold(place, || parcel(n))));
    assert_eq!((lab.ports.held(), lab.ports.outcome()), (3, None));
    let way = lab.asked.recv().unwrap();
    assert_eq!((way.to, way.source_gid_index, way.traffic_class), (gid(1), 3, ECT_0));
    lab.verdicts.send(true).unwrap();
    let found = (0..3).map(parcel).collect();
    assert_eq!(lab.outcome(), Outcome::Found(place, found));
    assert_eq!(lab.ports.handle(place), Some(&way.flow_label));
    assert_eq!(lab.ports.held(), 0);
    // It is known, so nothing has to be held.
    assert!(!lab.ports.hold(place, || parcel(9)));
    // What was asked for meanwhile is found next.
    assert_eq!(lab.outcome(), Outcome::Lost(0));
}

#[test]
fn all_ways_are_found_and_those_to_other_hosts_do_not_wait() {
    let mut lab = Lab::new();
    let slow = lab.ports.claim(0, gid(1), 0);
    let quick = lab.ports.claim(0, gid(2), 0);
    assert_eq!(lab.ports.handle(Ports::<u32>::place(slow, 0, false)), None);
    assert_eq!(lab.asked.recv().unwrap().to, gid(1));
    for turn in 0..20 {
        assert_eq!(lab.ports.handle(Ports::<u32>::place(quick, turn, false)), None);
    }
    // One of both that wait for a verdict gets it, and goes on with what it has to do.
    assert_eq!(lab.asked.recv().unwrap().to, gid(2));
    (0..21).for_each(|_| lab.verdicts.send(true).unwrap());
    let places = |port| (0..20).map(move |turn| Ports::<u32>::place(port, turn, false));
    while !places(quick).chain(places(slow).take(1)).all(|it| lab.ports.handle(it).is_some()) {
        let _ = lab.ports.outcome();
    }
    assert_eq!(lab.asked.try_iter().count(), 19);
}

#[test]
fn ports_come_and_go_and_their_number_does_not_grow() {
    let mut lab = Lab::new();
    let mut found = 0;
    let mut given_up = 0;
    for number in 0..2000 {
        let port = lab.ports.claim(0, gid(number), 0);
        let place = Ports::<u32>::place(port, 0, false);
        assert_eq!(lab.ports.handle(place), None);
        lab.verdicts.send(true).unwrap();
        while lab.ports.handle(place).is_none() {
            let _ = lab.ports.outcome();
        }
        found += 1;
        lab.ports.leave(port);
        // Somebody who only asks who this is.
        lab.ports.visit(0, gid(1_000_000 + number), 0).unwrap();
        for (_, ways) in lab.ports.take_left() {
            given_up += ways.len();
            lab.ports.give_up(ways);
        }
    }
    // It may be that its errand was under way, so one more is kept.
    let most = MOST_UNUSED + 2;
    assert!(lab.ports.ports.len() <= most && lab.ports.known.len() <= most, "{:?}", lab.ports);
    assert!(given_up < found && given_up + most >= found);
    // One that is used again is kept, and so is what leads there.
    let last = lab.ports.claim(0, gid(1999), 0);
    (0..200).for_each(|number| assert!(lab.ports.visit(0, gid(5000 + number), 0).is_some()));
    assert!(lab.ports.handle(Ports::<u32>::place(last, 0, false)).is_some());
}

#[test]
fn who_asks_from_everywhere_is_not_answered_forever() {
    let mut lab = Lab::new();
    let visits = (0..1000).filter(|&number| {
        let port = lab.ports.visit(0, gid(number), 0);
        port.is_some_and(|port| lab.ports.handle(Ports::<u32>::place(port, 0, false)).is_none())
    });
    // No answer comes, so none can be forgotten.
    assert_eq!(visits.count(), MOST_UNUSED + 1);
    // A route that is wanted is another matter.
    lab.ports.claim(0, gid(5000), 0);
    drop(lab.verdicts);
}

#[test]
fn a_host_that_is_not_there_is_waited_for_once() {
    let mut lab = Lab::new();
    let port = lab.ports.claim(0, gid(1), 0);
    let places = [0, 1, 2].map(|turn| Ports::<u32>::place(port, turn, false));
    for place in places {
        assert_eq!(lab.ports.handle(place), None);
        assert!(lab.ports.hold(place, || parcel(1)));
    }
    lab.verdicts.send(false).unwrap();
    // One verdict for all three.
    assert_eq!(lab.outcome(), Outcome::Lost(3));
    assert_eq!((lab.asked.try_iter().count(), lab.ports.held()), (1, 0));
    // It is not asked again at once, and nothing is held meanwhile.
    assert_eq!(lab.ports.handle(places[0]), None);
    assert!(!lab.ports.hold(places[0], || parcel(1)));
    // After a while it is.
    std::thread::sleep(LEAST_PAUSE);
    lab.verdicts.send(true).unwrap();
    while lab.ports.handle(places[0]).is_none() {
        let _ = lab.ports.outcome();
        std::thread::yield_now();
    }
}

#[test]
fn there_is_a_limit_to_what_is_held_for_each_port() {
    let mut lab = Lab::new();
    for last in 1..3 {
        let port = lab.ports.claim(0, gid(last), 0);
        assert_eq!(lab.ports.claim(0, gid(last), 0), port);
        let place = Ports::<u32>::place(port, 0, false);
        let _ = lab.ports.handle(place);
        let held = (0..1000).filter(|_| lab.ports.hold(place, || parcel(1))).count();
        assert_eq!(held, MOST_WAITING);
    }
    assert_eq!(lab.ports.held(), 2 * MOST_WAITING);
    // So that the end does not wait for a verdict.
    drop(lab.verdicts);
}

#[test]
fn flow_labels_differ() {
    let labels: HashSet<_> = (0..256).map(|turn| flow_label(77, turn)).collect();
    assert!(labels.len() >= 255 && labels.iter().all(|&label| 0 < label && label < 1 << 20));
}
