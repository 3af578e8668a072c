//! The driver of an endpoint: hands datagrams in and out, places, and hears what has happened. All that
//! the endpoint says is checked on the way.

use std::collections::BTreeSet;

use usrd_proto::wire::{DATA_HEADER_BYTES, MAX_HEADER_BYTES, Packet, origin_locator};
use usrd_proto::{
    Disposition, EndpointStats, Event, HeaderBuffer, Inbound, InboundId, Instant, PeerId,
    RecvFailure, Service, Token, Transmit,
};

use super::memory::Place;
use super::node::{Node, Received};

impl Node {
    /// Finishes one of the placements under way.
    pub(crate) fn placed(&mut self, now: Instant, which: u8) {
        if !self.placing.is_empty() {
            let (message, place) = self.placing.remove(usize::from(which) % self.placing.len());
            self.finish(now, message, place);
        }
    }

    fn finish(&mut self, now: Instant, message: InboundId, place: Place) {
        self.memory.done(place);
        match place {
            Place::Atomic(_, old) => self.endpoint.handle_atomic(now, message, old),
            _ => self.endpoint.handle_placed(now, message),
        }
    }

    pub(crate) fn has_placements(&self) -> bool {
        !self.placing.is_empty()
    }

    /// Hands a datagram in. `from_other`: it comes from the other endpoint's address.
    /// Returns what goes back to where it came from.
    pub(crate) fn take_in(
        &mut self,
        now: Instant,
        bytes: &[u8],
        ce: bool,
        from_other: bool,
    ) -> Option<Vec<u8>> {
        let head_len = match bytes.first() {
            Some(first) if first & 0x0f == 1 => bytes.len().min(DATA_HEADER_BYTES),
            _ => bytes.len(),
        };
        let head = &bytes[..head_len];
        let address = if from_other { self.other } else { self.stranger };
        let origin = origin_locator(head).and(address);
        let before = self.endpoint.stats();
        let inbound = Inbound { head, len: bytes.len(), ce, trimmed: false, origin };
        let handled = self.endpoint.handle_datagram(now, &inbound);
        if let Some(peer) = handled.accepted {
            assert_eq!(origin, None, "only an unknown sender is accepted");
            *(if from_other { &mut self.other } else { &mut self.stranger }) = Some(peer);
        }
        self.check_drop(&before, handled.disposition);
        match handled.disposition {
            Disposition::Place(placement) => {
                let place = self.memory.place(&placement, &bytes[DATA_HEADER_BYTES..]);
                self.begin(now, placement.message, place);
                None
            }
            Disposition::Atomic(atomic) => {
                self.perform(now, &atomic);
                None
            }
            Disposition::Reply(reply) => Some(reply.bytes().to_vec()),
            Disposition::Consumed | Disposition::Dropped(_) => None,
        }
    }

    pub(crate) fn begin(&mut self, now: Instant, message: InboundId, place: Place) {
        if self.place_later && self.placing.len() < MAX_PLACING {
            self.placing.push((message, place));
        } else {
            self.finish(now, message, place);
        }
    }

    /// A drop is counted, under its reason, and changes no other counter.
    fn check_drop(&self, before: &EndpointStats, disposition: Disposition) {
        let after = self.endpoint.stats();
        let mut expected = match disposition {
            // A refused packet may have been marked all the same.
            Disposition::Dropped(_) => {
                EndpointStats { ce_marks_received: after.ce_marks_received, ..*before }
            }
            Disposition::Reply(_) => *before,
            Disposition::Place(_) | Disposition::Atomic(_) | Disposition::Consumed => {
                assert_eq!(after.drops, before.drops, "nothing was dropped");
                return;
            }
        };
        match disposition {
            Disposition::Dropped(reason) => expected.drops[reason.index()] += 1,
            _ => expected.drops[usrd_proto::DropReason::UnknownContext.index()] += 1,
        }
        assert_eq!(after, expected, "{disposition:?} changes a counter, and nothing else");
    }

    /// One turn of a driver. Returns the datagrams for the other endpoint.
    pub(crate) fn turn(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut datagrams = core::mem::take(&mut self.farewells);
        let mut turns = 0;
        loop {
            if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
                self.endpoint.handle_timeout(now);
            }
            while let Some(copy) = self.endpoint.poll_copy() {
                let place = self.memory.copy(&copy);
                self.begin(now, copy.message, place);
            }
            self.transmit(now, &mut datagrams);
            self.take_events(now);
            if self.endpoint.poll_timeout().is_none_or(|at| at > now) {
                break;
            }
            turns += 1;
            assert!(turns < 16, "time stands still at {now:?}: {:?}", self.endpoint.poll_timeout());
        }
        self.check_bounds();
        datagrams
    }

    fn transmit(&mut self, now: Instant, datagrams: &mut Vec<Vec<u8>>) {
        let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
        let mut count = 0;
        while let Some(transmit) = self.endpoint.poll_transmit(now, &mut header) {
            count += 1;
            assert!(count <= MAX_TRANSMITS, "a window's worth at most");
            let bytes = self.gather(&transmit, &header);
            if Some(transmit.peer) == self.other {
                datagrams.push(bytes);
            }
        }
    }

    /// The datagram's bytes. Payload is only ever read from a buffer that the core still has.
    pub(super) fn gather(&self, transmit: &Transmit, header: &HeaderBuffer) -> Vec<u8> {
        assert!(u16::from(transmit.path.0) < self.limits.paths, "a path that there is");
        let mut bytes = header[..transmit.header_len].to_vec();
        if let Some(range) = transmit.payload {
            let (start, end) = (range.offset as usize, (range.offset + range.len) as usize);
            bytes.extend_from_slice(&self.source(range.buffer.0)[start..end]);
        }
        assert_eq!(bytes.len(), transmit.len());
        Packet::decode(&bytes, bytes.len()).expect("the core sends valid packets");
        bytes
    }

    fn source(&self, buffer: u32) -> &[u8] {
        let id = buffer.into();
        match (self.sent.get(&id), self.transfers.get(&id)) {
            (Some(sent), _) => &sent.bytes,
            (None, Some(data)) if !data.is_empty() => data,
            _ => self.memory.opened(buffer),
        }
    }

    pub(super) fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::SendCompleted { token, .. } => {
                    self.sent.remove(&token.0).expect("a send completes once");
                }
                Event::RecvCompleted { token, peer, service, offset, len, result, .. } => {
                    self.take_received(token, peer, service, (offset, len), result);
                }
                Event::TaggedCompleted { token, peer, offset, len, result, .. } => {
                    self.take_received(token, peer, Service::Srd, (offset, len), result);
                }
                Event::RecvCancelled { token } | Event::MultiRecvOver { token, .. } => {
                    self.memory.take(token.0 as u32);
                }
                Event::BounceFreed { bounce } => self.memory.free_bounce(bounce),
                Event::PeerDown { peer, .. } => {
                    self.contexts_ended += u32::from(Some(peer) == self.other);
                }
                Event::PathChanged { path, .. } => {
                    assert!(u16::from(path.0) < self.limits.paths, "a path that there is");
                }
                Event::PeerUp { .. } => {}
                Event::TransferCompleted { token, .. } => self.transfer_completed(token),
                Event::Notified { .. } => self.endpoint.notifications_taken(1),
                Event::ListArrived { list, bounce, len } => {
                    self.list_arrived(now, list, bounce, len);
                }
                Event::RegionReleased { buffer } => self.memory.close(buffer.0),
            }
        }
    }

    fn take_received(
        &mut self,
        token: Token,
        peer: PeerId,
        service: Service,
        (offset, len): (u64, u64),
        result: Result<(), RecvFailure>,
    ) {
        let mut area = self.memory.received(token.0 as u32, offset, len);
        assert!(len <= area.bytes.len() as u64, "no more than fits");
        let whole_len = match result {
            Ok(()) => len,
            Err(RecvFailure::Truncated { message_len }) => {
                // Of a message that was announced nothing was moved.
                assert!(len == 0 || len == area.bytes.len() as u64, "a full buffer");
                assert!(message_len > len, "more than fits");
                message_len
            }
            Err(RecvFailure::Aborted(_) | RecvFailure::Withdrawn) => return,
        };
        area.bytes.truncate(len as usize);
        let from_other = Some(peer) == self.other;
        self.received.push(Received { service, bytes: area.bytes, whole_len, from_other });
    }

    fn check_bounds(&self) {
        self.memory.check_bounces();
        assert_eq!(self.endpoint.pending_sends(), self.sent.len() + self.transfers.len());
        assert!(self.endpoint.pending_sends() <= 2 * self.limits.sends);
        assert!(self.endpoint.posted_receives() <= self.memory.posted_count());
        let peers: BTreeSet<PeerId> = self.endpoint.peers().collect();
        assert!(peers.len() <= self.limits.peers);
        assert!(self.other.is_none_or(|peer| peers.contains(&peer)));
    }
}

/// Placements under way at a time; more finish at once.
const MAX_PLACING: usize = 64;
/// Far more than all windows together can hold.
const MAX_TRANSMITS: usize = 10_000;
