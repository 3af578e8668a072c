//! Datagrams come in.

use alloc::vec::Vec;

use super::{Endpoint, deliver};
use crate::boundary::{Disposition, Handled, Inbound};
use crate::drop_reason::DropReason;
use crate::ids::{PeerId, Service};
use crate::peer::receiver::Arrival;
use crate::peer::sender::NackOutcome;
use crate::peer::{Peer, PeerTable};
use crate::psn::Psn;
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::{
    AckView, Address, Close, DataFlags, DataView, Kind, Nack, NackReason, Op, OpenPacket, Part,
    Probe, Reset,
};

/// How an arrival ends, one way or the other.
pub(super) type Outcome = Result<Disposition, DropReason>;

impl Endpoint {
    /// Takes in a datagram. Perform what [`Handled`] asks for before the next call.
    #[inline]
    pub fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled {
        let mut accepted = None;
        let outcome = self.take(now, inbound, &mut accepted);
        let disposition = outcome.unwrap_or_else(|reason| {
            self.shared.count_drop(reason);
            Disposition::Dropped(reason)
        });
        Handled { disposition, accepted }
    }

    #[inline]
    fn take(
        &mut self,
        now: Instant,
        inbound: &Inbound<'_>,
        accepted: &mut Option<PeerId>,
    ) -> Outcome {
        let head = inbound.head;
        if inbound.trimmed {
            return self.on_trimmed(now, inbound, accepted);
        }
        match Kind::of(head)? {
            Kind::Data => self.on_data(now, inbound, DataView::check(head, inbound.len)?, accepted),
            Kind::Ack => self.on_ack(now, AckView::check(head)?),
            Kind::Nack => self.on_nack(now, &Nack::decode(head)?),
            Kind::Open => self.on_open(now, inbound, &OpenPacket::decode(head)?, accepted),
            Kind::Reset => self.on_reset(now, inbound, &Reset::decode(head)?),
            Kind::Probe => self.on_probe(now, &Probe::decode(head)?),
            Kind::Close => self.on_close(now, &Close::decode(head)?),
            Kind::Part => self.on_part(now, &Part::decode(head)?),
        }
    }

    #[inline]
    fn on_data(
        &mut self,
        now: Instant,
        inbound: &Inbound<'_>,
        data: DataView<'_>,
        accepted: &mut Option<PeerId>,
    ) -> Outcome {
        let index = match data.flags().has(DataFlags::OPEN) {
            true => {
                let index = match self.open_with_data(now, inbound, data, accepted) {
                    Err(DropReason::StaleIncarnation) => return self.turn_away_opener(now, data),
                    outcome => outcome?,
                };
                self.heard(now, index);
                index
            }
            false => {
                let Self { shared, peers, marked, .. } = self;
                let Some((index, peer)) = find(peers, data.address()) else {
                    return self.turn_away(now, data.address(), data.transmission());
                };
                // Whose data it is has to be known before any of it is taken: see rule O3.
                if !peer.context.is_established() {
                    return Err(DropReason::UnknownContext);
                }
                heard(peer, now, index, shared, marked);
                index
            }
        };
        self.shared.stats.ce_marks_received += u64::from(inbound.ce);
        match (data.service(), data.op()) {
            (Service::Ud, _) => self.take_datagram(now, index, data, inbound.ce),
            (_, Op::Send) => self.take_piece(now, index, data, inbound.ce),
            (_, Op::Delivered) => self.take_report(now, index, data, inbound.ce),
            _ => self.take_operation(now, index, data, inbound.ce),
        }
    }

    /// Something believable came from a peer.
    #[inline]
    pub(super) fn heard(&mut self, now: Instant, index: u32) {
        let Self { shared, peers, marked, .. } = self;
        heard(&mut peers[index as usize], now, index, shared, marked);
    }

    /// A UD message: placed if there is room, gone if not.
    fn take_datagram(&mut self, now: Instant, index: u32, data: DataView<'_>, ce: bool) -> Outcome {
        self.peers[index as usize].receiver.on_datagram(data, ce);
        let key = self.bind(now, index, data).map_err(|_| DropReason::NoBuffer)?;
        Ok(Disposition::Place(self.inbound[key as usize].place(key, data)))
    }

    /// A piece of a reliable message: placed where it belongs, or refused for now.
    #[inline]
    fn take_piece(&mut self, now: Instant, index: u32, data: DataView<'_>, ce: bool) -> Outcome {
        let Self { shared, peers, inbound, senders, .. } = self;
        let peer = &mut peers[index as usize];
        let psn = admit(peer, now, data, ce)?;
        let begun = if data.is_whole() { None } else { peer.receiver.message(data.message_id()) };
        let Some(key) = begun else {
            return self.take_first_piece(now, index, psn, data);
        };
        let message = &mut inbound[key as usize];
        if !message.agrees_with(data) {
            return Err(DropReason::Inconsistent);
        }
        accept(peer, now, psn, data, shared);
        let placement = message.place(key, data);
        if message.has_arrived() {
            peer.receiver.message_arrived(now, data.total_len(), shared);
            peer.receiver.end_message(data.message_id());
            senders.arrived(&mut peer.receiver, data.total_len());
        }
        self.credit_arrival(index, psn, data.payload_len(), None);
        Ok(Disposition::Place(placement))
    }

    /// The piece of a message that arrives first, whichever it is.
    fn take_first_piece(
        &mut self,
        now: Instant,
        index: u32,
        psn: Psn,
        data: DataView<'_>,
    ) -> Outcome {
        let key = match self.bind(now, index, data) {
            Ok(key) => key,
            Err(deliver::BindError::NoBuffer) => {
                return self.refuse_for_now(now, index, data, data.total_len());
            }
            Err(deliver::BindError::Impossible) => return Err(DropReason::Inconsistent),
        };
        let peer = &mut self.peers[index as usize];
        accept(peer, now, psn, data, &mut self.shared);
        self.senders.begins(now, &mut peer.receiver.sent_in);
        if data.is_whole() {
            peer.receiver.message_arrived(now, data.total_len(), &self.shared);
        } else {
            peer.receiver.begin_message(data.message_id(), key);
            self.senders.arrives(&mut peer.receiver, data.total_len());
        }
        self.credit_arrival(index, psn, data.payload_len(), Some(data.total_len()));
        Ok(Disposition::Place(self.inbound[key as usize].place(key, data)))
    }

    /// The peer has placed a message of ours.
    fn take_report(&mut self, now: Instant, index: u32, data: DataView<'_>, ce: bool) -> Outcome {
        let peer = &mut self.peers[index as usize];
        let psn = admit(peer, now, data, ce)?;
        peer.receiver.accept(now, psn, 0, &self.shared);
        self.credit_arrival(index, psn, 0, None);
        if data.order() != 0 {
            self.take_truncation(index, data.message_id());
            return Ok(Disposition::Consumed);
        }
        let peer = &mut self.peers[index as usize];
        if let Some(key) = peer.sender.take_report(data.message_id()) {
            self.shared.messages[key as usize].reported = true;
            self.shared.complete_if_done(key);
        }
        Ok(Disposition::Consumed)
    }

    /// No room: the sender is told, and tries again. Rule M4.
    pub(super) fn refuse(&mut self, index: u32, data: DataView<'_>) -> Outcome {
        let delay_ns = crate::time::nanos(self.shared.config.rnr_delay);
        self.tell_refusal(index, data, NackReason::ReceiverNotReady, delay_ns)?;
        Err(DropReason::NoBuffer)
    }

    /// No room for so many bytes of a message: its sender is told, and called when there is. Rule M7.
    pub(super) fn refuse_for_now(
        &mut self,
        now: Instant,
        index: u32,
        data: DataView<'_>,
        wanted_bytes: u64,
    ) -> Outcome {
        let outcome = self.refuse(index, data);
        if let Some(&nack) = self.peers[index as usize].receiver.last_nack() {
            self.wait_for_turn(now, index, wanted_bytes, nack);
        }
        outcome
    }

    /// Plans a NACK for a packet.
    pub(super) fn tell_refusal(
        &mut self,
        index: u32,
        data: DataView<'_>,
        reason: NackReason,
        delay_ns: u64,
    ) -> Result<(), DropReason> {
        let credit = self.credit(index);
        let peer = &mut self.peers[index as usize];
        let source = peer.context.local_tag();
        let Some(address) = peer.context.remote() else {
            return Err(DropReason::UnknownContext);
        };
        peer.receiver.refuse(Nack {
            address,
            psn: data.psn(),
            transmission: data.transmission(),
            delay_ns: delay_ns.min(u64::from(u32::MAX)) as u32,
            reason,
            credit: credit.wire(),
            source,
        });
        Ok(())
    }

    fn on_ack(&mut self, now: Instant, ack: AckView<'_>) -> Outcome {
        let Self { shared, peers, marked, .. } = self;
        let (index, peer) = find_from(peers, ack.address(), ack.source())?;
        peer.sender.on_ack(now, peer.id, ack, shared)?;
        shared.stats.acks_received += 1;
        heard(peer, now, index, shared, marked);
        Ok(Disposition::Consumed)
    }

    fn on_nack(&mut self, now: Instant, nack: &Nack) -> Outcome {
        let Self { shared, peers, marked, .. } = self;
        let (index, peer) = find_from(peers, nack.address, nack.source)?;
        match peer.sender.on_nack(now, peer.id, nack, shared) {
            NackOutcome::Unsolicited => return Err(DropReason::Unsolicited),
            NackOutcome::Taken => heard(peer, now, index, shared, marked),
        }
        Ok(Disposition::Consumed)
    }

    fn on_probe(&mut self, now: Instant, probe: &Probe) -> Outcome {
        let Some((index, peer)) = find(&mut self.peers, probe.address) else {
            return self.turn_away(now, probe.address, probe.transmission);
        };
        if !peer.context.is_established() {
            // It is the right context, and cannot answer before it knows its peer.
            return Err(DropReason::UnknownContext);
        }
        if peer.is_asking(now, &self.shared.times) {
            // It may be this side's answers that do not get through. Rule P7.
            peer.sender.answer_along(probe.transmission.path);
        }
        peer.receiver.on_probe(now, probe);
        self.heard(now, index);
        Ok(Disposition::Consumed)
    }
}

/// The peer whose context a packet is addressed to. Rule O3. It knows that context, then.
#[inline]
pub(super) fn find(peers: &mut PeerTable, address: Address) -> Option<(u32, &mut Peer)> {
    let index = Endpoint::peer_index(address.context);
    let peer = peers.get_mut_if(index as usize, |context| context.accepts(address))?;
    peer.context.confirm();
    Some((index, peer))
}

/// As [`find`], for what is said about packets: only the incarnation that they were sent to can know.
/// Rule O3.
#[inline]
fn find_from(
    peers: &mut PeerTable,
    address: Address,
    source: u16,
) -> Result<(u32, &mut Peer), DropReason> {
    let (index, peer) = find(peers, address).ok_or(DropReason::UnknownContext)?;
    match peer.context.remote().is_some_and(|remote| remote.tag == source) {
        true => Ok((index, peer)),
        false => Err(DropReason::StaleIncarnation),
    }
}

/// Something believable came from a peer: what follows is seen to once per batch.
#[inline]
fn heard(peer: &mut Peer, now: Instant, index: u32, shared: &Shared, marked: &mut Vec<u32>) {
    peer.heard(now, &shared.times);
    if !peer.marked {
        peer.marked = true;
        marked.push(index);
    }
}

/// Judges a reliable packet by its PSN. What is sent again may not have been heard of: rule P7.
#[inline(always)]
pub(super) fn admit(
    peer: &mut Peer,
    now: Instant,
    data: DataView<'_>,
    ce: bool,
) -> Result<Psn, DropReason> {
    if data.flags().has(DataFlags::RETRANSMISSION) {
        peer.sender.answer_along(data.transmission().path);
    }
    match peer.receiver.admit(now, data, ce) {
        Arrival::New(psn) => Ok(psn),
        Arrival::Duplicate => Err(DropReason::Duplicate),
        Arrival::OutOfWindow => Err(DropReason::OutOfWindow),
    }
}

/// Takes a packet of a message.
#[inline(always)]
pub(super) fn accept(
    peer: &mut Peer,
    now: Instant,
    psn: Psn,
    data: DataView<'_>,
    shared: &mut Shared,
) {
    peer.receiver.accept(now, psn, data.payload_len(), shared);
    shared.stats.data_packets_received += 1;
    shared.stats.payload_bytes_received += u64::from(data.payload_len());
}
