//! An endpoint with a defect around it.

use usrd_proto::wire::{DATA_HEADER_BYTES, Data, Op, Packet};
use usrd_proto::{
    AddPeerError, Atomic, AtomicOp, BounceCopy, BufferId, Cancelled, Destination, Disposition,
    DropReason, Endpoint, EndpointStats, Event, Handled, HeaderBuffer, Inbound, InboundId, Instant,
    PathStats, PeerFailure, PeerId, PeerStats, Placement, RecvError, RecvRequest, RegionAddress,
    SendError, SendFailure, SendRequest, TransferFailure, Transmit,
};
use usrd_sim::host::Transport;

use super::{operations, shared};

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// Tells its endpoint about every 100th placement, and does not do it.
    ForgetsPlacements,
    /// Places every 100th packet a byte too far.
    MisplacesPayload,
    /// Reports every 10th delivery twice.
    DeliversTwice,
    /// Reports the fifth delivery after the sixth.
    SwapsDeliveries,
    /// Never reports the third completed send.
    LosesCompletion,
    /// Sends every 50th data packet again at once.
    RepeatsItself,
    /// Never gives bounce memory back.
    LeaksBounces,
    /// Lets five packets overtake every 20th.
    SwapsPackets,
    /// Writes what has been written before again.
    WritesAgain,
    /// Writes to memory that was taken back.
    WritesRegardless,
    /// Tells of a WRITE as soon as its immediate is here.
    TellsEarly,
    /// Tells of every fifth operation twice.
    TellsTwice,
    /// Performs an atomic as often as its packet comes.
    PerformsAgain,
    /// Says of every tenth atomic that it found something else.
    FindsOtherwise,
    /// Never gives memory back.
    LeaksRegions,
    /// Says of whatever was taken back that it had not been sent.
    DeniesSending,
    /// Takes every second tagged message before the first.
    SwapsTags,
    /// Says that every tenth tagged message came with another immediate.
    TellsAnotherImmediate,
    /// Does not say of messages that they ended with their peer.
    KeepsCutOff,
    /// Says that the peer has left when it was closed on this side.
    BlamesTheOther,
    /// Says of every note that it is shorter.
    CutsNotes,
    /// Tells of another note than has come.
    GivesAnotherNote,
    /// Of messages that share a buffer, has each but the first begin in the one before, and says so.
    PlacesOverOthers,
    /// Says of each but the first that it does.
    TellsAnotherPlace,
    /// Says of every buffer for several messages twice that it is over.
    EndsTwice,
    /// Says so before the end of the last message in it.
    EndsEarly,
    /// Says that each had been taken back.
    EndsAsTakenBack,
}

/// An endpoint, and what is done wrong around it.
pub(crate) struct Broken {
    endpoint: Endpoint,
    defect: Defect,
    count: u64,
    held: Option<Event>,
    repeat: Option<(HeaderBuffer, Transmit)>,
    /// A packet that is being overtaken, and by how many it has been.
    late: Option<(HeaderBuffer, Transmit, u32)>,
    /// The memory that peers last worked on.
    memory: BufferId,
}

impl Broken {
    pub(crate) fn new(endpoint: Endpoint, defect: Defect) -> Self {
        Self {
            endpoint,
            defect,
            count: 0,
            held: None,
            repeat: None,
            late: None,
            memory: BufferId(0),
        }
    }

    /// Counts; true at every `nth`.
    fn nth(&mut self, nth: u64) -> bool {
        self.count += 1;
        self.count.is_multiple_of(nth)
    }

    /// The next packet of a host that swaps some.
    fn swapped(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        if let Some((held, transmit, _)) = self.late.take_if(|late| late.2 >= 5) {
            *header = held;
            return Some(transmit);
        }
        let transmit = self.endpoint.poll_transmit(now, header)?;
        if transmit.payload.is_none() {
            return Some(transmit);
        }
        if let Some(late) = &mut self.late {
            late.2 += 1;
        } else if self.nth(20) {
            self.late = Some((*header, transmit, 0));
            return self.endpoint.poll_transmit(now, header);
        }
        Some(transmit)
    }

    fn spoil_event(&mut self, mut event: Event) -> Option<Event> {
        shared::spoil_event(self.defect, &mut event);
        operations::spoil_note(self.defect, &mut event);
        match (self.defect, event) {
            (Defect::DeliversTwice, Event::RecvCompleted { .. }) if self.nth(10) => {
                self.held = Some(event);
            }
            (Defect::SwapsDeliveries, Event::RecvCompleted { .. }) => {
                self.count += 1;
                if self.count == 5 {
                    self.held = Some(event);
                    return None;
                }
            }
            (Defect::LosesCompletion, Event::SendCompleted { .. }) => {
                self.count += 1;
                if self.count == 3 {
                    return None;
                }
            }
            (Defect::LeaksBounces, Event::BounceFreed { .. })
            | (Defect::LeaksRegions, Event::RegionReleased { .. })
            | (Defect::TellsEarly, Event::Notified { .. }) => return None,
            (Defect::KeepsCutOff, Event::SendCompleted { result: Err(_), .. }) => return None,
            (Defect::BlamesTheOther, Event::SendCompleted { token, peer, result: Err(_) }) => {
                let result = Err(SendFailure::Unknown(PeerFailure::Left));
                return Some(Event::SendCompleted { token, peer, result });
            }
            (Defect::EndsEarly, Event::RecvCompleted { .. } | Event::TaggedCompleted { .. }) => {
                if let Some(next) = self.endpoint.poll_event() {
                    self.held = Some(event);
                    return Some(next);
                }
            }
            (Defect::EndsTwice, Event::MultiRecvOver { .. }) => self.held = Some(event),
            (Defect::TellsTwice, Event::Notified { .. }) if self.nth(5) => self.held = Some(event),
            (
                Defect::DeniesSending,
                Event::SendCompleted { token, peer, result: Err(SendFailure::Cancelled(_)) },
            ) => {
                let result = Err(SendFailure::Cancelled(Cancelled::NotSent));
                return Some(Event::SendCompleted { token, peer, result });
            }
            (
                Defect::DeniesSending,
                Event::TransferCompleted {
                    token,
                    peer,
                    result: Err(TransferFailure::Cancelled(_)),
                },
            ) => {
                let result = Err(TransferFailure::Cancelled(Cancelled::NotSent));
                return Some(Event::TransferCompleted { token, peer, result });
            }
            (
                Defect::TellsAnotherImmediate,
                Event::TaggedCompleted { token, peer, tag, immediate, offset, len, result },
            ) if self.nth(10) => {
                let immediate = immediate.map(|it| it + 1);
                return Some(Event::TaggedCompleted {
                    token,
                    peer,
                    tag,
                    immediate,
                    offset,
                    len,
                    result,
                });
            }
            (
                Defect::FindsOtherwise,
                Event::TransferCompleted { token, peer, result: Ok(found) },
            ) if self.nth(10) => {
                return Some(Event::TransferCompleted { token, peer, result: Ok(found + 1) });
            }
            _ => {}
        }
        Some(event)
    }

    /// Does what it should not with a packet of an operation on memory.
    fn spoil_operation(&mut self, inbound: &Inbound<'_>, disposition: &mut Disposition) {
        if let Disposition::Place(Placement { destination: Destination::Memory(buffer), .. })
        | Disposition::Atomic(Atomic { buffer, .. }) = disposition
        {
            self.memory = *buffer;
        }
        let Ok(Packet::Data(data)) = Packet::decode(inbound.head, inbound.len) else { return };
        let place = RegionAddress::from_words(data.args).offset();
        let is_again = *disposition == Disposition::Dropped(DropReason::Duplicate);
        let is_refused = matches!(disposition, Disposition::Dropped(DropReason::Refused(_)));
        let writes = data.op == Op::Write && data.payload_len > 0 && !inbound.trimmed;
        match self.defect {
            Defect::WritesAgain if writes && is_again => *disposition = self.write(place, &data),
            Defect::WritesRegardless if writes && is_refused => {
                *disposition = self.write(place, &data);
            }
            Defect::PerformsAgain if data.op == Op::FetchAdd && is_again => {
                let op = AtomicOp::FetchAdd(data.total_len);
                let (id, buffer, offset) = (NOBODYS, self.memory, place);
                *disposition = Disposition::Atomic(Atomic { id, buffer, offset, op });
            }
            Defect::TellsEarly if data.op == Op::Write && data.payload_len == 0 && !is_again => {
                let (peer, immediate, len) = (PeerId(0), data.args[0], data.total_len);
                self.held =
                    Some(Event::Notified { peer, immediate, len, note: None, reserved: false });
            }
            _ => {}
        }
    }

    fn write(&self, offset: u64, data: &Data) -> Disposition {
        Disposition::Place(Placement {
            message: NOBODYS,
            destination: Destination::Memory(self.memory),
            offset,
            len: data.payload_len.into(),
        })
    }

    /// A held event comes after the next, or, as a repetition, at once.
    fn take_held(&mut self) -> Option<Event> {
        let due = self.defect != Defect::SwapsDeliveries || self.count >= 6;
        if due { self.held.take() } else { None }
    }
}

impl Transport for Broken {
    fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled {
        let mut head = [0; DATA_HEADER_BYTES];
        let is_tagged = matches!(
            Packet::decode(inbound.head, inbound.len),
            Ok(Packet::Data(Data { op: Op::Tagged | Op::Announce, .. }))
        );
        let mut inbound = *inbound;
        if self.defect == Defect::SwapsTags && is_tagged {
            head.copy_from_slice(inbound.head);
            head[LOW_BYTE_OF_ORDER] ^= 1;
            inbound.head = &head;
        }
        let inbound = &inbound;
        let mut handled = self.endpoint.handle_datagram(now, inbound);
        self.spoil_operation(inbound, &mut handled.disposition);
        let Disposition::Place(mut placement) = handled.disposition else {
            return handled;
        };
        shared::spoil_placement(self.defect, inbound, &mut placement);
        handled.disposition = Disposition::Place(placement);
        let spoils = matches!(self.defect, Defect::ForgetsPlacements | Defect::MisplacesPayload);
        let spoilt = spoils && self.nth(100);
        match self.defect {
            Defect::ForgetsPlacements if spoilt => {
                self.endpoint.handle_placed(now, placement.message);
                handled.disposition = Disposition::Consumed;
            }
            Defect::MisplacesPayload if spoilt => {
                placement.offset += 1;
                handled.disposition = Disposition::Place(placement);
            }
            _ => {}
        }
        handled
    }

    fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        if self.defect == Defect::SwapsPackets {
            return self.swapped(now, header);
        }
        if let Some((again, transmit)) = self.repeat.take() {
            *header = again;
            header[1] |= usrd_proto::wire::DataFlags::RETRANSMISSION.0;
            return Some(transmit);
        }
        let transmit = self.endpoint.poll_transmit(now, header)?;
        let data = transmit.payload.is_some();
        if data && self.defect == Defect::RepeatsItself && self.nth(50) {
            self.repeat = Some((*header, transmit));
        }
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take_held() {
                return Some(event);
            }
            let event = self.endpoint.poll_event()?;
            if let Some(event) = self.spoil_event(event) {
                return Some(event);
            }
        }
    }

    fn core(&self) -> Option<&Endpoint> {
        Some(&self.endpoint)
    }

    fn core_mut(&mut self) -> Option<&mut Endpoint> {
        Some(&mut self.endpoint)
    }

    fn add_peer(&mut self, now: Instant) -> Result<PeerId, AddPeerError> {
        self.endpoint.add_peer(now)
    }

    fn send(&mut self, now: Instant, to: PeerId, request: SendRequest) -> Result<(), SendError> {
        self.endpoint.send(now, to, request)
    }

    fn post_recv(&mut self, now: Instant, request: RecvRequest) -> Result<(), RecvError> {
        self.endpoint.post_recv(now, request)
    }

    fn handle_placed(&mut self, now: Instant, message: InboundId) {
        // Of what the endpoint has not asked for it need not hear.
        if message == NOBODYS {
            return;
        }
        self.endpoint.handle_placed(now, message);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_copy(&mut self) -> Option<BounceCopy> {
        let mut copy = self.endpoint.poll_copy()?;
        shared::spoil_copy(self.defect, &mut copy);
        Some(copy)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn stats(&self) -> EndpointStats {
        self.endpoint.stats()
    }

    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        self.endpoint.peer_stats(peer)
    }

    fn path_stats(&self, peer: PeerId) -> Vec<PathStats> {
        self.endpoint.path_stats(peer).unwrap_or_default()
    }

    fn pending_sends(&self) -> usize {
        self.endpoint.pending_sends()
    }

    fn posted_receives(&self) -> usize {
        self.endpoint.posted_receives()
    }
}

/// Where the header of data has the place of a message in its order.
const LOW_BYTE_OF_ORDER: usize = 31;
/// Nothing that an endpoint has under way.
const NOBODYS: InboundId = InboundId::from_number(u32::MAX);
