//! Both endpoints, the network between them, and who else is on it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use usrd_proto::wire::Packet;
use usrd_proto::{Config, Instant, LossConfig, Service, TagFilter};

use super::forge::Seen;
use super::node::{Node, Received, pick};
use super::op::{Op, Side};

#[derive(Debug)]
pub(crate) struct World {
    now: Instant,
    a: Node,
    b: Node,
    to_a: Direction,
    to_b: Direction,
    /// Attackers have valid addresses; nothing is promised about messages.
    hostile: bool,
    /// Memory is registered and used, too.
    one_sided: bool,
    next_token: u64,
    messages: BTreeMap<u64, Message>,
}

/// One way from one endpoint to the other.
#[derive(Debug, Default)]
struct Direction {
    flights: VecDeque<Vec<u8>>,
    /// What has passed by lately.
    captured: VecDeque<Vec<u8>>,
    seen: Seen,
    /// The last RD message to have arrived in order, and in which of the receiver's contexts.
    last_rd: Option<(u64, u32)>,
}

/// What became of a message to the other endpoint.
#[derive(Debug)]
struct Message {
    to: Side,
    service: Service,
    len: usize,
    arrived: u32,
}

impl World {
    pub(crate) fn new(choices: u8) -> Self {
        Self {
            now: Instant::from_nanos(1_000_000),
            a: Node::new(config(1, choices)),
            b: Node::new(config(2, choices)),
            to_a: Direction::default(),
            to_b: Direction::default(),
            hostile: choices & 1 == 1,
            one_sided: choices & 128 != 0,
            next_token: 1,
            messages: BTreeMap::new(),
        }
    }

    pub(crate) fn perform(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Send { side, how, len } if self.one_sided && len % 2 == 1 => {
                let token = self.token();
                if let Some(there) = self.node(side.other()).region {
                    self.node(side).operate(now, there, how, (token, len.into()));
                }
            }
            Op::Send { side, how, len } if self.one_sided && len % 4 == 2 => {
                let (tag, len) = (u64::from(len / 4) % 3, usize::from(len) % MAX_MESSAGE_BYTES);
                let (token, bytes) = self.message(side.other(), Service::Srd, len);
                self.node(side).send_tagged(now, how, (token, tag), bytes);
            }
            Op::Send { side, how, len } => {
                let len = usize::from(len) % MAX_MESSAGE_BYTES;
                let (token, bytes) = self.message(side.other(), how.service(), len);
                self.node(side).send(now, how, token, bytes);
            }
            Op::SendToNobody { side, how, len } => {
                let token = self.token();
                self.node(side).send_to_nobody(now, how, token, vec![0; len.into()]);
            }
            Op::Post { side, len } => {
                let token = self.token();
                if self.one_sided {
                    self.node(side).register(token, REGION_BYTES);
                }
                let (token, room) = (self.token(), usize::from(len) % MAX_MESSAGE_BYTES);
                let tags = (self.one_sided && len % 4 == 2).then(|| some_tags(len));
                match tags {
                    tags if len % 16 >= 10 => self.node(side).post_multi(now, token, room, tags),
                    Some(tags) => self.node(side).post_tagged(now, token, room, tags),
                    None => self.node(side).post(now, token, room),
                }
            }
            Op::Cancel { side, which } if self.one_sided && which % 2 == 1 => {
                self.node(side).revoke(now);
            }
            Op::Cancel { side, which } => self.node(side).cancel(which),
            Op::Remove { side, which } => self.node(side).remove(now, which),
            Op::Wait { mantissa, shift } => {
                self.now = now.plus_nanos(u64::from(mantissa) << (shift % 26));
            }
            Op::Timer => self.now = self.next_timer().unwrap_or(now).max(now),
            Op::PlaceLater { side, on } => self.node(side).place_later = on,
            Op::Placed { side, which } => self.node(side).placed(now, which),
            Op::Deliver { .. } | Op::DeliverAll { .. } | Op::Repeat { .. } | Op::Lose { .. } => {
                self.perform_network(&op);
            }
            Op::Garbage { .. } | Op::Replay { .. } | Op::Alter { .. } | Op::Forge { .. } => {
                self.perform_attack(&op);
            }
        }
        self.turn();
    }

    fn perform_network(&mut self, op: &Op) {
        match *op {
            Op::Deliver { to, which, ce } => {
                if let Some(bytes) = self.direction(to).take(which) {
                    self.hand_in(to, &bytes, ce, true);
                }
            }
            Op::DeliverAll { to } => {
                while let Some(bytes) = self.direction(to).flights.pop_front() {
                    self.hand_in(to, &bytes, false, true);
                }
            }
            Op::Repeat { to, which } => {
                let flights = &mut self.direction(to).flights;
                if let Some(bytes) = pick(flights.make_contiguous(), which).cloned() {
                    self.hand_in(to, &bytes, false, true);
                }
            }
            Op::Lose { to, which } => {
                self.direction(to).take(which);
            }
            _ => unreachable!("not the network's"),
        }
    }

    fn perform_attack(&mut self, op: &Op) {
        let hostile = self.hostile;
        match *op {
            Op::Garbage { to, from_peer, mut bytes, len } => {
                // Version 0 is spoken nowhere: garbage for certain.
                bytes[0] &= if hostile { 0xff } else { 0x0f };
                let mut datagram = bytes.to_vec();
                datagram.resize(len.into(), bytes[1]);
                self.hand_in(to, &datagram, false, from_peer);
            }
            Op::Replay { to, which, from_peer } => {
                if let Some(bytes) = self.direction(to).recall(which) {
                    self.hand_in(to, &bytes, false, from_peer || !hostile);
                }
            }
            Op::Alter { to, which, from_peer, at, bits, len } if hostile => {
                if let Some(mut bytes) = self.direction(to).recall(which) {
                    let altered = usize::from(at) % bytes.len();
                    bytes[altered] ^= bits;
                    let len = bytes.len().saturating_add_signed(len.min(1).into());
                    bytes.resize(len, 0);
                    self.hand_in(to, &bytes, false, from_peer);
                }
            }
            Op::Forge { to, from_peer, forgery } if hostile => {
                let bytes = self.direction(to).seen.forge(forgery);
                self.hand_in(to, &bytes, false, from_peer);
            }
            _ => {}
        }
    }

    /// The network becomes kind, and everything is given the time that it needs.
    pub(crate) fn finish(&mut self) {
        let end = self.now + Duration::from_secs(120);
        if !self.hostile {
            // Those that are left may be of the wrong kind, and all that there may be.
            self.a.cancel_all();
            self.b.cancel_all();
        }
        // On a hostile network nothing has to complete: a while is enough.
        let steps = if self.hostile { HOSTILE_STEPS } else { MAX_STEPS };
        for _ in 0..steps {
            for side in [Side::A, Side::B] {
                self.node(side).place_later = false;
                while self.node(side).has_placements() {
                    let now = self.now;
                    self.node(side).placed(now, 0);
                }
                if !self.hostile && self.node(side).endpoint.posted_receives() < 4 {
                    let (now, token) = (self.now, self.token());
                    self.node(side).post(now, token, MAX_MESSAGE_BYTES);
                }
                if !self.hostile {
                    self.receive_tagged(side);
                }
                self.perform(Op::DeliverAll { to: side });
            }
            let quiet = self.to_a.flights.is_empty() && self.to_b.flights.is_empty();
            let pending = self.a.endpoint.pending_sends() + self.b.endpoint.pending_sends();
            if quiet && pending == 0 {
                return;
            }
            let next = if quiet { self.next_timer() } else { None };
            self.now = next.unwrap_or(self.now).max(self.now.plus_nanos(STEP_NS));
            if self.now > end {
                break;
            }
            self.turn();
        }
        let pending = (self.a.endpoint.pending_sends(), self.b.endpoint.pending_sends());
        assert!(self.hostile, "{pending:?} messages never complete");
    }

    /// Posts a receive for what waits for one.
    fn receive_tagged(&mut self, side: Side) {
        let (now, token, any) = (self.now, self.token(), TagFilter::new(0, 0, None));
        let node = self.node(side);
        if node.endpoint.peek_tagged(&any).is_some() {
            node.post_tagged(now, token, MAX_MESSAGE_BYTES, any);
        }
    }

    /// Both drivers take a turn.
    fn turn(&mut self) {
        let now = self.now;
        for side in [Side::A, Side::B] {
            let datagrams = self.node(side).turn(now);
            let there = self.direction(side.other());
            datagrams.into_iter().for_each(|bytes| there.launch(bytes));
            let received = std::mem::take(&mut self.node(side).received);
            received.iter().for_each(|received| self.check(side, received));
        }
    }

    fn hand_in(&mut self, to: Side, bytes: &[u8], ce: bool, from_other: bool) {
        let now = self.now;
        let reply = self.node(to).take_in(now, bytes, ce, from_other);
        if let Some(reply) = reply.filter(|_| from_other) {
            self.direction(to.other()).launch(reply);
        }
    }

    /// What arrives is what was sent, whole; once for each of the receiver's contexts; and in order
    /// if it was to be.
    fn check(&mut self, side: Side, received: &Received) {
        if self.hostile || received.bytes.len() < TOKEN_BYTES {
            return;
        }
        let (token, _) = received.bytes.split_first_chunk().expect("a token");
        let token = u64::from_le_bytes(*token);
        let contexts_ended = self.node(side).contexts_ended;
        let message = self.messages.get_mut(&token).expect("a message that was sent");
        assert_eq!((message.to, message.service), (side, received.service));
        assert_eq!(message.len as u64, received.whole_len);
        assert_eq!(received.bytes, pattern(token, message.len)[..received.bytes.len()]);
        message.arrived += 1;
        if received.service == Service::Ud {
            return;
        }
        assert!(message.arrived <= 1 + contexts_ended, "message {token} has arrived twice");
        if received.service == Service::Rd && received.from_other {
            let last = self.direction(side).last_rd.replace((token, contexts_ended));
            let in_order = last.is_none_or(|last| last.1 != contexts_ended || last.0 < token);
            // What an ended context leaves behind is delivered beside what the next one brings.
            assert!(in_order || contexts_ended > 0, "{token} after {last:?}");
        }
    }

    fn message(&mut self, to: Side, service: Service, len: usize) -> (u64, Vec<u8>) {
        let token = self.token();
        self.messages.insert(token, Message { to, service, len, arrived: 0 });
        (token, pattern(token, len))
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn next_timer(&self) -> Option<Instant> {
        let timers = [self.a.endpoint.poll_timeout(), self.b.endpoint.poll_timeout()];
        timers.into_iter().flatten().min()
    }

    fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    fn direction(&mut self, to: Side) -> &mut Direction {
        match to {
            Side::A => &mut self.to_a,
            Side::B => &mut self.to_b,
        }
    }
}

impl Direction {
    fn launch(&mut self, bytes: Vec<u8>) {
        if let Ok(packet) = Packet::decode(&bytes, bytes.len()) {
            self.seen.note(&packet);
        }
        if self.captured.len() == MAX_CAPTURED {
            self.captured.pop_front();
        }
        self.captured.push_back(bytes.clone());
        if self.flights.len() == MAX_FLIGHTS {
            self.flights.pop_front();
        }
        self.flights.push_back(bytes);
    }

    fn take(&mut self, which: u8) -> Option<Vec<u8>> {
        let at = usize::from(which).checked_rem(self.flights.len())?;
        self.flights.remove(at)
    }

    fn recall(&mut self, which: u8) -> Option<Vec<u8>> {
        pick(self.captured.make_contiguous(), which).cloned()
    }
}

/// Small limits, so that they are reached.
fn config(seed: u64, choices: u8) -> Config {
    let is_wide = choices & 2 != 0;
    let has_trains = choices & 4 != 0;
    Config {
        seed,
        mtu_bytes: 256,
        open_mtu_bytes: if choices & 8 == 0 { 256 } else { 100 },
        paths: if is_wide { 64 } else { 3 },
        train_packets: if has_trains { 4 } else { 1 },
        max_peers: 4,
        max_pending_messages: 16,
        max_posted_receives: 16,
        recv_window_packets: 64,
        recv_window_bytes: if choices & 16 == 0 { 1 << 20 } else { 4 << 10 },
        max_notifications: 3,
        max_served: 8,
        bounce_bytes: if choices & 32 == 0 { 16 << 10 } else { 1 << 10 },
        idle_after: Duration::from_millis(if choices & 64 == 0 { 1_000 } else { 1 }),
        loss: LossConfig { peer_dead_after: Duration::from_millis(500), ..LossConfig::default() },
        ..Config::default()
    }
}

/// Receives for one tag, for several, and for all.
fn some_tags(choice: u16) -> TagFilter {
    let (tag, mask) = (u64::from(choice / 4) % 3, [u64::MAX, u64::MAX, 1, 0]);
    TagFilter::new(tag, mask[usize::from(choice / 16) % 4], None)
}

/// Contents that tell which message they are of: its token, then bytes that depend on it.
fn pattern(token: u64, len: usize) -> Vec<u8> {
    let rest = (0..len).map(|at| (at as u64 * 31 + token * 17) as u8);
    let mut bytes: Vec<u8> = token.to_le_bytes().into_iter().chain(rest).collect();
    bytes.truncate(len);
    bytes
}

/// A good number of packets.
const REGION_BYTES: u64 = 6_000;
const TOKEN_BYTES: usize = 8;
/// A good number of packets.
const MAX_MESSAGE_BYTES: usize = 12_000;
const MAX_FLIGHTS: usize = 256;
const MAX_CAPTURED: usize = 64;
/// A kind network's delay.
const STEP_NS: u64 = 5_000;
const MAX_STEPS: usize = 8_000;
const HOSTILE_STEPS: usize = 100;
