//! An endpoint of a baseline: many connections, one pool of posted receives. It stands where the
//! core stands, so the same host drives it and the same checkers watch it. Each peer of it is one
//! end of one connection; the host opens one for every flow that is under way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use slab::Slab;
use usrd_proto::{
    AddPeerError, BounceCopy, BufferId, Destination, Disposition, DropReason, EndpointStats, Event,
    Handled, HeaderBuffer, Inbound, InboundId, Instant, PathId, PathState, PathStats, PeerId,
    PeerStats, Placement, RecvError, RecvFailure, RecvRequest, SendError, SendRequest, Service,
    Token, Transmit,
};

use super::incoming::{Incoming, Verdict};
use super::outgoing::packets;
use super::packet::{Ack, Data, HEADER_BYTES, Packet};
use super::sender::{Next, Sender};
use super::{Kind, Settings};
use crate::host::Transport;
use crate::rng::{Component, Stream};

/// See the module's head.
#[derive(Debug)]
pub struct Baseline {
    host: u32,
    settings: Settings,
    rng: Stream,
    /// By the number of the peer.
    ends: Vec<End>,
    /// The receiving ends, by who sends and what they call the connection.
    incoming: HashMap<(u32, u32), u32>,
    posted: VecDeque<RecvRequest>,
    /// Messages that are arriving.
    messages: Slab<Arriving>,
    /// Connections that may have a packet to send, each in turn.
    ready: VecDeque<u32>,
    /// Connections that have something to report.
    talking: VecDeque<u32>,
    /// Those that wait for their pace, and for an answer: (when, which).
    paced: BinaryHeap<Reverse<(u64, u32)>>,
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    events: VecDeque<Event>,
    stats: EndpointStats,
}

/// One end of a connection.
#[derive(Debug)]
enum End {
    Sender(Box<Sender>),
    Receiver(Box<Incoming>),
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    connection: u32,
    token: Token,
    buffer: BufferId,
    buffer_len: u64,
    total_len: u64,
    /// Packets that are not placed yet.
    missing: u64,
}

impl Baseline {
    /// The endpoint of a host.
    pub fn new(host: u32, settings: Settings, seed: u64) -> Self {
        Self {
            host,
            settings,
            rng: Stream::new(seed, Component::Endpoint, host),
            ends: Vec::new(),
            incoming: HashMap::new(),
            posted: VecDeque::new(),
            messages: Slab::new(),
            ready: VecDeque::new(),
            talking: VecDeque::new(),
            paced: BinaryHeap::new(),
            timers: BinaryHeap::new(),
            events: VecDeque::new(),
            stats: EndpointStats::default(),
        }
    }

    fn any_path(&mut self) -> u8 {
        self.rng.below(self.settings.paths.into()) as u8
    }

    fn sender(&mut self, index: u32) -> Option<&mut Sender> {
        match self.ends.get_mut(index as usize)? {
            End::Sender(sender) => Some(sender),
            End::Receiver(_) => None,
        }
    }

    fn receiver(&mut self, index: u32) -> Option<&mut Incoming> {
        match self.ends.get_mut(index as usize)? {
            End::Receiver(receiver) => Some(receiver),
            End::Sender(_) => None,
        }
    }

    /// The connection may have a packet to send.
    fn make_ready(&mut self, index: u32) {
        let Some(sender) = self.sender(index) else { return };
        if !std::mem::replace(&mut sender.ready, true) {
            self.ready.push_back(index);
        }
    }

    /// Sees to it that the timer rings no later than the connection needs it.
    fn arm(&mut self, index: u32) {
        let Some(sender) = self.sender(index) else { return };
        let deadline_ns = sender.deadline_ns();
        if deadline_ns < sender.rings_at_ns {
            sender.rings_at_ns = deadline_ns;
            self.timers.push(Reverse((deadline_ns, index)));
        }
    }

    fn handle_data(&mut self, now_ns: u64, data: &Data, inbound: &Inbound<'_>) -> Handled {
        let (index, accepted) = self.receiver_of(data);
        let mut handled =
            Handled { disposition: Disposition::Dropped(DropReason::NoBuffer), accepted };
        self.stats.ce_marks_received += u64::from(inbound.ce);
        let Some(receiver) = self.receiver(index) else { return handled };
        match receiver.judge(now_ns, data, inbound.ce) {
            Verdict::Duplicate => handled.disposition = Disposition::Dropped(DropReason::Duplicate),
            Verdict::OutOfOrder => {
                handled.disposition = Disposition::Dropped(DropReason::OutOfWindow);
            }
            Verdict::New => {
                let len = inbound.len - HEADER_BYTES;
                if let Some(placement) = self.place(index, data, len) {
                    handled.disposition = Disposition::Place(placement);
                }
            }
        }
        if let Disposition::Dropped(reason) = handled.disposition {
            self.stats.drops[reason.index()] += 1;
        }
        self.let_talk(index);
        handled
    }

    /// The end that receives this connection, made now if it is its first packet.
    fn receiver_of(&mut self, data: &Data) -> (u32, Option<PeerId>) {
        let name = (data.source, data.connection);
        if let Some(&index) = self.incoming.get(&name) {
            return (index, None);
        }
        let index = self.ends.len() as u32;
        let incoming = Incoming::new(self.settings.kind, data.connection, self.any_path());
        self.ends.push(End::Receiver(Box::new(incoming)));
        self.incoming.insert(name, index);
        (index, Some(PeerId(index)))
    }

    /// Where a new packet goes. Without a receive for its message it is as if it had been lost.
    fn place(&mut self, index: u32, data: &Data, len: usize) -> Option<Placement> {
        let Some(End::Receiver(receiver)) = self.ends.get_mut(index as usize) else { return None };
        let known = receiver.message(data.message)?;
        let key = match *known {
            Some(key) => key,
            None => {
                let request = self.posted.pop_front()?;
                let arriving = Arriving {
                    connection: index,
                    token: request.token,
                    buffer: request.buffer,
                    buffer_len: request.len,
                    total_len: data.total_len,
                    missing: packets(data.total_len, self.settings.mtu_bytes),
                };
                *known.insert(self.messages.insert(arriving) as u32)
            }
        };
        receiver.take(data.psn, data.offset + len as u64 == data.total_len);
        self.stats.data_packets_received += 1;
        self.stats.payload_bytes_received += len as u64;
        let message = &self.messages[key as usize];
        Some(Placement {
            message: InboundId::from_number(key),
            destination: Destination::Posted(message.buffer),
            offset: data.offset,
            len: len.min(message.buffer_len.saturating_sub(data.offset) as usize),
        })
    }

    fn let_talk(&mut self, index: u32) {
        let Some(receiver) = self.receiver(index) else { return };
        if receiver.has_report() && !std::mem::replace(&mut receiver.talking, true) {
            self.talking.push_back(index);
        }
    }

    fn handle_ack(&mut self, now_ns: u64, ack: &Ack) {
        let Some(sender) = self.sender(ack.connection) else { return };
        let news = sender.acknowledged(now_ns, ack);
        let mut done = Vec::new();
        while let Some(token) = sender.outgoing.pop_acknowledged(ack.next) {
            done.push(token);
        }
        self.stats.acks_received += 1;
        self.stats.losses_by_path_gap += news.lost;
        self.stats.messages_sent += done.len() as u64;
        let peer = PeerId(ack.connection);
        self.events.extend(done.into_iter().map(|token| Event::SendCompleted {
            token,
            peer,
            result: Ok(()),
        }));
        self.make_ready(ack.connection);
        self.arm(ack.connection);
    }

    /// Something to report goes before data.
    fn transmit_report(&mut self, header: &mut HeaderBuffer) -> Option<Transmit> {
        let own = self.host;
        while let Some(&index) = self.talking.front() {
            let receiver = self.receiver(index)?;
            let (report, path) = (receiver.report(own), receiver.path);
            if !receiver.has_report() {
                receiver.talking = false;
                self.talking.pop_front();
            }
            if let Some(packet) = report {
                self.stats.acks_sent += u64::from(matches!(packet, Packet::Ack(_)));
                return Some(self.transmit(index, path, &packet, header));
            }
        }
        None
    }

    fn transmit_data(&mut self, now_ns: u64, header: &mut HeaderBuffer) -> Option<Transmit> {
        while let Some(index) = self.ready.pop_front() {
            let sender = self.sender(index)?;
            match sender.poll(now_ns) {
                Next::Packet { psn, again, piece } => {
                    let path = sender.path;
                    self.ready.push_back(index);
                    self.arm(index);
                    let data = Data {
                        source: self.host,
                        connection: index,
                        message: piece.message,
                        psn,
                        sent_at_ns: now_ns,
                        offset: piece.offset,
                        total_len: piece.total_len,
                        again,
                    };
                    self.stats.data_packets_sent += 1;
                    self.stats.payload_bytes_sent += piece.payload.len;
                    self.stats.retransmissions += u64::from(again);
                    let transmit = self.transmit(index, path, &Packet::Data(data), header);
                    let ecn_capable = self.settings.kind != Kind::Tcp;
                    return Some(Transmit {
                        payload: Some(piece.payload),
                        ecn_capable,
                        ..transmit
                    });
                }
                Next::At(at_ns) => {
                    sender.ready = false;
                    if !std::mem::replace(&mut sender.paced, true) {
                        self.paced.push(Reverse((at_ns, index)));
                    }
                }
                Next::Idle => sender.ready = false,
            }
        }
        None
    }

    fn transmit(
        &self,
        index: u32,
        path: u8,
        packet: &Packet,
        header: &mut HeaderBuffer,
    ) -> Transmit {
        packet.encode(header);
        Transmit {
            peer: PeerId(index),
            path: PathId(path),
            header_len: HEADER_BYTES,
            payload: None,
            ecn_capable: false,
        }
    }

    /// Hands over what is whole, in the order in which it was sent.
    fn deliver(&mut self, index: u32) {
        while let Some(receiver) = self.receiver(index) {
            let Some(key) = receiver.first() else { return };
            if self.messages[key as usize].missing > 0 {
                return;
            }
            if let Some(receiver) = self.receiver(index) {
                receiver.pop();
            }
            let message = self.messages.remove(key as usize);
            let fits = message.total_len <= message.buffer_len;
            let truncated = RecvFailure::Truncated { message_len: message.total_len };
            self.stats.messages_received += 1;
            self.events.push_back(Event::RecvCompleted {
                token: message.token,
                peer: PeerId(index),
                service: Service::Rd,
                len: message.total_len.min(message.buffer_len),
                result: fits.then_some(()).ok_or(truncated),
            });
        }
    }

    /// Takes what is due from a heap of deadlines.
    fn due(heap: &mut BinaryHeap<Reverse<(u64, u32)>>, now_ns: u64) -> Option<(u64, u32)> {
        let &Reverse((at_ns, index)) = heap.peek()?;
        (at_ns <= now_ns).then(|| {
            heap.pop();
            (at_ns, index)
        })
    }
}

impl Transport for Baseline {
    fn opens_per_flow(&self) -> bool {
        true
    }

    fn add_peer(&mut self, _now: Instant) -> Result<PeerId, AddPeerError> {
        let path = self.any_path();
        let index = self.ends.len() as u32;
        self.ends.push(End::Sender(Box::new(Sender::new(&self.settings, path))));
        Ok(PeerId(index))
    }

    fn send(&mut self, _now: Instant, to: PeerId, what: SendRequest) -> Result<(), SendError> {
        let sender = self.sender(to.0).ok_or(SendError::UnknownPeer)?;
        sender.outgoing.push(what.token, what.range);
        self.make_ready(to.0);
        Ok(())
    }

    fn post_recv(&mut self, _now: Instant, request: RecvRequest) -> Result<(), RecvError> {
        self.posted.push_back(request);
        Ok(())
    }

    fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled {
        let consumed = Handled { disposition: Disposition::Consumed, accepted: None };
        match Packet::decode(inbound.head) {
            Some(Packet::Data(data)) => self.handle_data(now.as_nanos(), &data, inbound),
            Some(Packet::Ack(ack)) => {
                self.handle_ack(now.as_nanos(), &ack);
                consumed
            }
            Some(Packet::Cnp { connection, .. }) => {
                if let Some(sender) = self.sender(connection) {
                    sender.notified(now.as_nanos());
                }
                consumed
            }
            None => {
                let reason = DropReason::Inconsistent;
                self.stats.drops[reason.index()] += 1;
                Handled { disposition: Disposition::Dropped(reason), accepted: None }
            }
        }
    }

    fn handle_placed(&mut self, _now: Instant, message: InboundId) {
        let Some(arriving) = self.messages.get_mut(message.number() as usize) else { return };
        arriving.missing -= 1;
        let (missing, connection) = (arriving.missing, arriving.connection);
        if missing == 0 {
            self.deliver(connection);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now_ns = now.as_nanos();
        while let Some((_, index)) = Self::due(&mut self.paced, now_ns) {
            if let Some(sender) = self.sender(index) {
                sender.paced = false;
            }
            self.make_ready(index);
        }
        while let Some((at_ns, index)) = Self::due(&mut self.timers, now_ns) {
            let Some(sender) = self.sender(index) else { continue };
            if sender.rings_at_ns == at_ns {
                sender.rings_at_ns = u64::MAX;
            }
            let lost = sender.time_out(now_ns);
            if lost > 0 {
                self.stats.losses_by_timeout += lost;
                self.stats.rtos += 1;
                self.make_ready(index);
            }
            self.arm(index);
        }
    }

    fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        self.transmit_report(header).or_else(|| self.transmit_data(now.as_nanos(), header))
    }

    fn poll_copy(&mut self) -> Option<BounceCopy> {
        None
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let next = |heap: &BinaryHeap<Reverse<(u64, u32)>>| heap.peek().map(|Reverse(next)| next.0);
        let soonest = next(&self.paced).into_iter().chain(next(&self.timers)).min();
        soonest.map(Instant::from_nanos)
    }

    fn stats(&self) -> EndpointStats {
        self.stats
    }

    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        let packet_bytes = self.settings.mtu_bytes + HEADER_BYTES as u64;
        let mut stats = PeerStats {
            established: true,
            mtu_bytes: self.settings.mtu_bytes as u32,
            paths_good: 1,
            ..PeerStats::default()
        };
        if let End::Sender(sender) = self.ends.get(peer.0 as usize)? {
            stats.cwnd_bytes = sender.window().unwrap_or_default() * packet_bytes;
            stats.in_flight_bytes = sender.in_flight() * packet_bytes;
            stats.srtt_ns = sender.srtt_ns();
            stats.messages_pending = sender.outgoing.pending() as u32;
            stats.retransmissions = sender.repeated;
        }
        Some(stats)
    }

    fn path_stats(&self, peer: PeerId) -> Vec<PathStats> {
        let Some(End::Sender(sender)) = self.ends.get(peer.0 as usize) else { return Vec::new() };
        vec![PathStats {
            path: PathId(sender.path),
            state: PathState::Good,
            packets_sent: sender.sent,
            packets_lost: sender.lost,
            srtt_ns: sender.srtt_ns(),
        }]
    }

    fn pending_sends(&self) -> usize {
        let pending = |end: &End| match end {
            End::Sender(sender) => sender.outgoing.pending(),
            End::Receiver(_) => 0,
        };
        self.ends.iter().map(pending).sum()
    }

    fn posted_receives(&self) -> usize {
        self.posted.len()
    }
}
