//! The end of a context where placements take their time: RD keeps its order. Rule M5.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, Received, config, pattern};
use crate::boundary::{Event, PeerFailure, RecvFailure};
use crate::config::Config;
use crate::ids::Service;
use crate::wire::Packet;

const LIMIT: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_millis(20);
const FAST: Duration = Duration::from_micros(10);
const LEN: usize = 3_000;
/// Too long for a packet.
const LONG: usize = 20_000;

/// How the context of B with A ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Left,
    Closed,
    Restarted,
}

const ENDINGS: [Ending; 3] = [Ending::Left, Ending::Closed, Ending::Restarted];

impl Ending {
    fn reason(self) -> PeerFailure {
        match self {
            Self::Left => PeerFailure::Left,
            Self::Closed => PeerFailure::Closed,
            Self::Restarted => PeerFailure::Restarted,
        }
    }

    fn come(self, pair: &mut Pair) {
        match self {
            Self::Left => pair.leave(A),
            Self::Closed => pair.leave(B),
            Self::Restarted => {
                let seed = 70 + pair.b.endpoint.stats().data_packets_received;
                pair.restart(A, config(seed));
                pair.send(A, Service::Srd, &[]);
            }
        }
        let is_end =
            |it: &Event| matches!(*it, Event::PeerDown { reason, .. } if reason == self.reason());
        pair.run_until(LIMIT, |pair| pair.b.events.iter().any(is_end));
        pair.run_for(Duration::from_micros(50));
        assert!(pair.b.is_placing(), "the end came too late to matter");
        pair.b.events.retain(|it| !is_end(it));
    }
}

fn post(pair: &mut Pair, count: usize) {
    for _ in 0..count {
        pair.post(B, LONG);
    }
}

fn has_taken(pair: &Pair, packets: u64) -> bool {
    pair.b.endpoint.stats().data_packets_received == packets
}

/// Sends RD messages with these numbers, each when the one before it is here; placing one takes so long.
fn send_each(pair: &mut Pair, messages: impl IntoIterator<Item = (u64, Duration)>) {
    for (number, placing_takes) in messages {
        let packets = pair.b.endpoint.stats().data_packets_received + 1;
        pair.b.placing_takes = placing_takes;
        pair.send(A, Service::Rd, &pattern(number, LEN));
        pair.run_until(LIMIT, |pair| has_taken(pair, packets));
    }
}

/// Messages of which the last is placed first.
fn ever_faster(count: u32) -> impl Iterator<Item = (u64, Duration)> {
    (0..count).map(move |at| (at.into(), SLOW * (count - at) / count))
}

fn received(pair: &mut Pair) -> Vec<Received> {
    pair.flush(B);
    pair.b.received()
}

/// What arrived over RD of these; the others must have been aborted.
fn whole(received: Vec<Received>, ending: Ending) -> Vec<Vec<u8>> {
    let rd = received.into_iter().filter(|it| it.service == Service::Rd);
    let whole = rd.filter_map(|Received { bytes, result, .. }| match result {
        Ok(()) => Some(bytes),
        Err(failure) => {
            assert_eq!(failure, RecvFailure::Aborted(ending.reason()));
            None
        }
    });
    whole.collect()
}

fn messages(numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(|number| pattern(number, LEN)).collect()
}

/// Everything is acknowledged when the end comes, and only the last two are where they belong.
#[test]
fn what_was_acknowledged_is_delivered_in_order() {
    for ending in ENDINGS {
        for posted in 0..=6 {
            let mut pair = Pair::plain();
            post(&mut pair, posted);
            send_each(&mut pair, ever_faster(4).chain([(4, FAST), (5, FAST)]));
            pair.run_until_quiet(LIMIT);
            pair.run_for(Duration::from_micros(50));
            assert_eq!(received(&mut pair), [], "the first is still being placed");
            ending.come(&mut pair);
            post(&mut pair, 7 - posted);
            pair.run_for(SLOW * 2);
            let whole = whole(received(&mut pair), ending);
            assert!(whole == messages(0..6), "{ending:?}, {posted} posted: {} came", whole.len());
        }
    }
}

/// A message that is not here whole is a gap: nothing behind it is delivered, wherever it is, and what it
/// was given comes back.
#[test]
fn what_is_behind_a_gap_is_aborted() {
    for (ending, posted, posts_before) in
        ENDINGS.into_iter().flat_map(|it| (0..8).flat_map(move |n| [(it, n, true), (it, n, false)]))
    {
        let case = (ending, posted, posts_before);
        let mut pair = Pair::plain();
        post(&mut pair, posted);
        send_each(&mut pair, ever_faster(3));
        pair.link.filter = Some(Box::new(|from, packet| {
            from == B || !matches!(packet, Packet::Data(data) if data.offset > 0)
        }));
        pair.send(A, Service::Rd, &pattern(3, LONG));
        pair.run_until(LIMIT, |pair| has_taken(pair, 4));
        send_each(&mut pair, [(4, SLOW), (5, FAST), (6, FAST)]);
        pair.run_for(Duration::from_micros(50));
        pair.link.filter = None;
        if posts_before {
            // Where B closes, what was placed in bounce memory is now being copied.
            post(&mut pair, 8 - posted);
        }
        ending.come(&mut pair);
        if !posts_before {
            post(&mut pair, 8 - posted);
        }
        pair.run_for(SLOW * 2);
        let received = received(&mut pair);
        assert_eq!(received.len() + pair.b.endpoint.posted_receives(), 8, "{case:?}");
        let whole = whole(received, ending);
        assert!(whole == messages(0..3), "{case:?}: {} came", whole.len());
        pair.leave(B);
        pair.b.endpoint.assert_at_rest();
    }
}

/// The next context, which has the same places and may have the same index, has an order of its own.
#[test]
fn an_order_ends_with_its_context() {
    for ending in ENDINGS {
        let rests_soon = Config { idle_after: Duration::from_micros(500), ..config(2) };
        let mut pair = Pair::new(config(1), rests_soon, Link::default());
        post(&mut pair, 8);
        send_each(&mut pair, ever_faster(4));
        pair.run_for(Duration::from_millis(2));
        ending.come(&mut pair);
        send_each(&mut pair, [(10, SLOW / 2), (11, FAST)]);
        pair.run_for(Duration::from_micros(50));
        ending.come(&mut pair);
        pair.run_for(SLOW * 2);
        let whole = whole(received(&mut pair), ending);
        assert!(whole == messages([10, 11, 0, 1, 2, 3]), "{ending:?}: {} came", whole.len());
        pair.leave(B);
        pair.b.endpoint.assert_at_rest();
    }
}
