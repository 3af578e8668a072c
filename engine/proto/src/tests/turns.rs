//! Several senders, and little room at the receiver. Rules M3 and M7.

use core::time::Duration;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use super::pair::{A, B, Link, Pair, config, pattern};
use crate::boundary::{Disposition, Event, HeaderBuffer, Inbound, PeerFailure};
use crate::config::Config;
use crate::endpoint::{Endpoint, RecvRequest, SendRequest};
use crate::ids::{BufferId, BufferRange, CompletionLevel, PeerId, Service, Token};
use crate::time::Instant;
use crate::wire::{MAX_HEADER_BYTES, NackReason, Packet};

const LIMIT: Duration = Duration::from_secs(1);

/// Rule M7: who was refused is called when there is room, and does not wait for its delay to end.
#[test]
fn a_refused_sender_is_called_when_there_is_room() {
    let mut pair = Pair::new(config(1), Config { bounce_bytes: 0, ..config(2) }, Link::default());
    pair.trace = Some(Vec::new());
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_for(Duration::from_micros(30));
    let posted_at = pair.now;
    pair.post(B, 100);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 100));
    let trace = pair.trace.as_ref().unwrap();
    let nacks: Vec<_> = trace
        .iter()
        .filter_map(|&(at, from, packet)| match packet {
            Packet::Nack(nack) => Some((at, from, nack.delay_ns, nack.reason)),
            _ => None,
        })
        .collect();
    let [(_, B, 100_000, NackReason::ReceiverNotReady), call] = nacks[..] else {
        panic!("{nacks:?}")
    };
    assert_eq!(call, (posted_at, B, 0, NackReason::ReceiverNotReady));
    let again = trace.iter().find_map(|&(at, _, packet)| match packet {
        Packet::Data(data) if data.flags.has(crate::wire::DataFlags::RETRANSMISSION) => Some(at),
        _ => None,
    });
    assert_eq!(again, Some(posted_at + Duration::from_micros(5)), "when the call has arrived");
}

/// A call that is lost costs a delay, and nothing else.
#[test]
fn a_call_that_is_lost_is_not_needed() {
    let mut pair = Pair::new(config(1), Config { bounce_bytes: 0, ..config(2) }, Link::default());
    pair.link.filter = Some(std::boxed::Box::new(
        |_, packet| !matches!(packet, Packet::Nack(nack) if nack.delay_ns == 0),
    ));
    pair.send(A, Service::Srd, &pattern(1, 100));
    pair.run_for(Duration::from_micros(30));
    pair.post(B, 100);
    pair.run_until_quiet(LIMIT);
    assert_eq!(pair.b.received()[0].bytes, pattern(1, 100));
    assert_eq!(pair.a.endpoint.stats().losses_by_timeout, 0);
}

/// Senders around one receiver; a link of 5 us and no loss, unless a sender is cut off.
struct Star {
    now: Instant,
    receiver: Endpoint,
    senders: Vec<Endpoint>,
    /// When, from whom, whether to the receiver, and what.
    flights: VecDeque<(Instant, usize, bool, Vec<u8>)>,
    /// Which of the receiver's peers each sender is.
    peers: Vec<Option<PeerId>>,
    cut_off: Option<usize>,
    /// Whose messages were delivered, in that order.
    delivered: Vec<usize>,
    posted: u64,
}

const DELAY: Duration = Duration::from_micros(5);

impl Star {
    fn new(senders: usize, receiver: Config) -> Self {
        let now = Instant::from_nanos(1_000_000);
        let sender = |seed| {
            let mut endpoint = Endpoint::new(config(10 + seed as u64)).unwrap();
            endpoint.add_peer(now).unwrap();
            endpoint
        };
        Self {
            now,
            receiver: Endpoint::new(receiver).unwrap(),
            senders: (0..senders).map(sender).collect(),
            flights: VecDeque::new(),
            peers: vec![None; senders],
            cut_off: None,
            delivered: Vec::new(),
            posted: 0,
        }
    }

    fn send(&mut self, sender: usize, len: u64) {
        let range = BufferRange { buffer: BufferId(0), offset: 0, len };
        let level = CompletionLevel::Acknowledged;
        let service = Service::Srd;
        let request = SendRequest { token: Token(0), service, range, level, immediate: None };
        self.senders[sender].send(self.now, PeerId(0), request).unwrap();
    }

    fn post(&mut self, len: u64) {
        let request = RecvRequest { token: Token(self.posted), buffer: BufferId(0), len };
        self.posted += 1;
        self.receiver.post_recv(self.now, request).unwrap();
    }

    fn flush(&mut self) {
        let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
        let at = self.now + DELAY;
        for (from, sender) in self.senders.iter_mut().enumerate() {
            while let Some(transmit) = sender.poll_transmit(self.now, &mut header) {
                let mut bytes = header[..transmit.header_len].to_vec();
                bytes.resize(transmit.len(), 0);
                if self.cut_off != Some(from) {
                    self.flights.push_back((at, from, true, bytes));
                }
            }
        }
        while let Some(transmit) = self.receiver.poll_transmit(self.now, &mut header) {
            let to = self.peers.iter().position(|&peer| peer == Some(transmit.peer)).unwrap();
            let bytes = header[..transmit.header_len].to_vec();
            if self.cut_off != Some(to) {
                self.flights.push_back((at, to, false, bytes));
            }
        }
        while let Some(copy) = self.receiver.poll_copy() {
            self.receiver.handle_placed(self.now, copy.message);
        }
        while let Some(event) = self.receiver.poll_event() {
            if let Event::RecvCompleted { peer, result: Ok(()), .. } = event {
                let from = self.peers.iter().position(|&it| it == Some(peer)).unwrap();
                self.delivered.push(from);
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.flush();
            self.flush();
            let endpoints = self.senders.iter().chain([&self.receiver]);
            let timers = endpoints.filter_map(Endpoint::poll_timeout);
            let flights = self.flights.front().map(|flight| flight.0);
            let Some(next) = timers.chain(flights).min().filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            while self.flights.front().is_some_and(|flight| flight.0 <= self.now) {
                let (_, host, inwards, bytes) = self.flights.pop_front().unwrap();
                self.deliver(host, inwards, &bytes);
            }
            for endpoint in self.senders.iter_mut().chain([&mut self.receiver]) {
                if endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                    endpoint.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, host: usize, inwards: bool, bytes: &[u8]) {
        let origin = if inwards { self.peers[host] } else { Some(PeerId(0)) };
        let head = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
        let inbound = Inbound { head, len: bytes.len(), ce: false, trimmed: false, origin };
        let endpoint = if inwards { &mut self.receiver } else { &mut self.senders[host] };
        let handled = endpoint.handle_datagram(self.now, &inbound);
        if let Disposition::Place(placement) = handled.disposition {
            endpoint.handle_placed(self.now, placement.message);
        }
        if inwards {
            self.peers[host] = handled.accepted.or(self.peers[host]);
        }
    }
}

/// Room for one message of 2,000 bytes at a time.
fn one_at_a_time() -> Config {
    Config { bounce_bytes: 2500, ..config(2) }
}

/// Rule M7: room goes to whom it was refused first, and not to whoever sends in that moment.
#[test]
fn senders_are_served_in_the_order_in_which_they_were_refused() {
    let mut star = Star::new(5, one_at_a_time());
    for sender in [3, 1, 4, 0, 2] {
        star.send(sender, 2000);
        star.run_for(Duration::from_micros(10));
    }
    // One is in bounce memory; each receive that is posted frees it for the next.
    for _ in 0..5 {
        star.post(2000);
        star.run_for(Duration::from_micros(30));
    }
    assert_eq!(star.delivered, [3, 1, 4, 0, 2]);
    assert!(star.senders.iter().all(|sender| sender.stats().losses_by_timeout == 0));
}

/// A long message is not kept waiting by short ones that would fit in what is free now.
#[test]
fn short_messages_do_not_overtake_a_long_one() {
    let mut star = Star::new(3, one_at_a_time());
    star.send(0, 500);
    star.run_for(Duration::from_micros(20));
    star.send(1, 2000);
    star.run_for(Duration::from_micros(20));
    star.send(2, 500);
    star.run_for(Duration::from_micros(20));
    for _ in 0..3 {
        star.post(2000);
        star.run_for(Duration::from_micros(50));
    }
    assert_eq!(star.delivered, [0, 1, 2]);
}

/// A message that bounce memory can never hold waits for a receive, and keeps nobody from memory.
#[test]
fn who_needs_a_receive_does_not_hold_up_who_needs_memory() {
    let mut star = Star::new(2, one_at_a_time());
    star.send(0, 3000);
    star.run_for(Duration::from_micros(20));
    star.send(1, 2000);
    star.run_for(Duration::from_micros(20));
    assert_eq!(star.receiver.stats().unexpected_messages, 1);
    star.post(3000);
    star.post(3000);
    star.run_for(Duration::from_micros(30));
    assert_eq!(star.delivered, [1, 0]);
}

/// Who was called and does not come loses its turn: what was kept for it goes to the next.
#[test]
fn room_is_not_kept_for_ever() {
    let mut star = Star::new(3, one_at_a_time());
    for sender in 0..3 {
        star.send(sender, 2000);
        star.run_for(Duration::from_micros(10));
    }
    star.cut_off = Some(1);
    star.post(2000);
    star.run_for(Duration::from_micros(150));
    assert_eq!(
        (star.delivered.as_slice(), star.receiver.stats().unexpected_messages),
        (&[0][..], 1)
    );
    star.run_for(Duration::from_micros(200));
    assert_eq!(star.receiver.stats().unexpected_messages, 2, "the third has its turn");
    star.cut_off = None;
    star.post(2000);
    star.post(2000);
    star.run_for(Duration::from_millis(5));
    assert_eq!(star.delivered, [0, 2, 1]);
}

/// The same when a peer that stands in line is removed.
#[test]
fn a_peer_that_is_removed_leaves_the_line() {
    let mut star = Star::new(3, one_at_a_time());
    for sender in 0..3 {
        star.send(sender, 2000);
        star.run_for(Duration::from_micros(10));
    }
    star.cut_off = Some(1);
    let gone = star.peers[1].unwrap();
    star.receiver.remove_peer(star.now, gone);
    star.flush();
    star.post(2000);
    star.run_for(Duration::from_micros(30));
    assert_eq!(star.receiver.stats().unexpected_messages, 2, "the third has its turn at once");
    star.post(2000);
    star.run_for(Duration::from_micros(30));
    assert_eq!(star.delivered, [0, 2]);
    assert_eq!(star.senders[1].pending_sends(), 1);
    assert!(!matches!(
        star.senders[1].poll_event(),
        Some(Event::PeerDown { reason: PeerFailure::Restarted, .. })
    ));
}

/// Rule M3: what is granted to all together is not many times what there is.
#[test]
fn credit_is_divided_among_those_who_send() {
    const SENDERS: usize = 8;
    let room = Config { bounce_bytes: 64 << 12, ..config(2) };
    let mut star = Star::new(SENDERS, room);
    for sender in 0..SENDERS {
        star.send(sender, 64);
    }
    star.run_for(Duration::from_micros(40));
    for sender in 0..SENDERS {
        for _ in 0..100 {
            star.send(sender, 4096);
        }
        star.flush();
    }
    // They know of each other's number by the ACKs of their first messages.
    let sent: u64 = star.senders.iter().map(|sender| sender.stats().data_packets_sent).sum();
    let first = SENDERS as u64;
    assert!((first + 56..=first + 64 + first).contains(&sent), "{sent} for room of 64 packets");
}
