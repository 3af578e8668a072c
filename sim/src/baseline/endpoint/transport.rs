//! The boundary that the host drives, the same as the core's.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use usrd_proto::{
    AddPeerError, BounceCopy, Disposition, DropReason, EndpointStats, Event, Handled, HeaderBuffer,
    Inbound, InboundId, Instant, PathId, PathState, PathStats, PeerId, PeerStats, RecvError,
    RecvRequest, SendError, SendRequest, Transmit,
};

use super::{Baseline, End};
use crate::baseline::packet::{HEADER_BYTES, Packet};
use crate::baseline::sender::Sender;
use crate::host::Transport;

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
