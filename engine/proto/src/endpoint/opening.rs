//! Contexts are opened by peers, and what is meant for one that is no more is turned away. Rules O3 to O6.

use super::Endpoint;
use super::receive::Outcome;
use crate::boundary::{Disposition, Event, Inbound, PeerFailure, Reply};
use crate::drop_reason::DropReason;
use crate::ids::PeerId;
use crate::peer::{Context, OpenVerdict};
use crate::time::Instant;
use crate::wire::{Address, DataView, OpenInfo, OpenPacket, Reset, Transmission};

/// The incarnation that an OPEN was sent to, as far as it says; zero if its sender knew none.
#[derive(Clone, Copy)]
enum Answers {
    Tag(u16),
    Incarnation(u64),
}

impl Answers {
    /// Rule O3: what was meant for a predecessor, the sender has paired with that predecessor; it
    /// must not be paired with its successor.
    fn may_be_for(self, local: Option<u64>) -> bool {
        match self {
            Self::Tag(0) | Self::Incarnation(0) => true,
            Self::Tag(tag) => local.is_some_and(|local| local as u16 == tag),
            Self::Incarnation(incarnation) => local == Some(incarnation),
        }
    }
}

impl Endpoint {
    #[cold]
    pub(super) fn open_with_data(
        &mut self,
        now: Instant,
        inbound: &Inbound<'_>,
        data: DataView<'_>,
        accepted: &mut Option<PeerId>,
    ) -> Result<u32, DropReason> {
        let open = data.open().ok_or(DropReason::UnknownContext)?;
        let answers = Answers::Tag(data.address().tag);
        let index = self.open_context(now, inbound.origin, &open, answers, accepted)?;
        self.peers[index as usize].open_owed = true;
        Ok(index)
    }

    pub(super) fn on_open(
        &mut self,
        now: Instant,
        inbound: &Inbound<'_>,
        open: &OpenPacket,
        accepted: &mut Option<PeerId>,
    ) -> Outcome {
        let answers = Answers::Incarnation(open.answers);
        let index = self.open_context(now, inbound.origin, &open.info, answers, accepted)?;
        let peer = &mut self.peers[index as usize];
        if open.answers == 0 {
            peer.open_owed = true;
        } else {
            peer.context.confirm();
        }
        self.heard(now, index);
        Ok(Disposition::Consumed)
    }

    /// The peer has no such context: it has restarted, or given this side up; or it has done with this
    /// side's incarnation. Believed only if it repeats what it was really sent. Rule O6.
    pub(super) fn on_reset(
        &mut self,
        now: Instant,
        inbound: &Inbound<'_>,
        reset: &Reset,
    ) -> Outcome {
        let origin = inbound.origin.ok_or(DropReason::UnknownOrigin)?;
        let context = self.peers.context(origin.0 as usize).ok_or(DropReason::UnknownOrigin)?;
        let ours = context.remote() == Some(reset.address)
            || context.must_open() && context.accepts(reset.address);
        // What an idle peer was sent is known no more.
        let peer = self.peers.get(origin.0 as usize);
        if !ours || !peer.is_some_and(|peer| peer.sender.has_sent(reset.transmission)) {
            return Err(DropReason::Unsolicited);
        }
        match self.has_agreed_to_part(origin.0) {
            true => self.expire(now, origin.0),
            false => self.end_context(now, origin.0, PeerFailure::Restarted),
        }
        Ok(Disposition::Consumed)
    }

    /// The peer that opens: a new one, a known one, or none if it may not.
    fn open_context(
        &mut self,
        now: Instant,
        origin: Option<PeerId>,
        open: &OpenInfo,
        answers: Answers,
        accepted: &mut Option<PeerId>,
    ) -> Result<u32, DropReason> {
        if self.is_for_a_predecessor(origin, answers) {
            return Err(DropReason::StaleIncarnation);
        }
        let known = origin.and_then(|peer| self.peers.context(peer.0 as usize));
        if !known.is_some_and(Context::is_established) && self.departed.has(open.incarnation) {
            return Err(DropReason::StaleIncarnation);
        }
        let id = match origin.filter(|_| known.is_some()) {
            Some(id) => id,
            None => {
                let id = self.admit_newcomer(now)?;
                *accepted = Some(id);
                id
            }
        };
        let peer = &mut self.peers[id.0 as usize];
        let verdict = match peer.context.judge(open) {
            OpenVerdict::Conflict if self.has_agreed_to_part(id.0) => {
                self.expire(now, id.0);
                OpenVerdict::Adopt
            }
            verdict => verdict,
        };
        let peer = &mut self.peers[id.0 as usize];
        match verdict {
            OpenVerdict::Known => {}
            OpenVerdict::Adopt => {
                peer.adopt(open, &self.shared.config);
                self.shared.events.push_back(Event::PeerUp { peer: id });
            }
            OpenVerdict::Stale => return Err(DropReason::StaleIncarnation),
            OpenVerdict::Conflict => {
                peer.doubt(now);
                self.mark(id.0);
                return Err(DropReason::IncarnationConflict);
            }
        }
        Ok(id.0)
    }

    /// Whether a packet that opens is meant for an incarnation of this side that is no more.
    fn is_for_a_predecessor(&self, origin: Option<PeerId>, answers: Answers) -> bool {
        let known = origin.and_then(|peer| self.peers.context(peer.0 as usize));
        !answers.may_be_for(known.map(Context::local_incarnation))
    }

    /// Data that opens a context which is over, or for a predecessor of this side: its sender is told by
    /// its own address, which is all that it may know.
    #[cold]
    pub(super) fn turn_away_opener(&mut self, now: Instant, data: DataView<'_>) -> Outcome {
        let open = data.open().ok_or(DropReason::StaleIncarnation)?;
        let address = Address { context: open.context, tag: open.incarnation as u16 };
        self.turn_away(now, address, data.transmission())
    }

    /// A packet for a context that is not here: its sender is told. Rule O6.
    pub(super) fn turn_away(
        &mut self,
        now: Instant,
        address: Address,
        transmission: Transmission,
    ) -> Outcome {
        if !self.resets.take(now) {
            return Err(DropReason::UnknownContext);
        }
        self.shared.count_drop(DropReason::UnknownContext);
        let reset = Reset { address, transmission };
        Ok(Disposition::Reply(Reply::new(|out| reset.encode(out))))
    }
}
