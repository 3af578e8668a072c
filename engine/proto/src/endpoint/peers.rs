//! Contexts begin and end. Rules O1 to O6.

use super::Endpoint;
use crate::boundary::{Event, PeerFailure, RecvFailure};
use crate::cancelled::Cancelled;
use crate::ids::{PeerId, Service};
use crate::message::{Binding, End, InMessage, NO_ENVELOPE, PostedRecv};
use crate::peer::{Context, IdlePeer};
use crate::time::Instant;
use crate::transfer::TransferFailure;

impl Endpoint {
    /// A new peer with a context of its own, or `None` if there are too many.
    pub(super) fn begin_peer(&mut self, now: Instant) -> Option<PeerId> {
        let limit = self.shared.config.max_peers.min(MAX_PEERS) as usize;
        if self.peers.len() >= limit {
            return None;
        }
        let index = self.peers.vacant_key() as u32;
        let id = PeerId(index);
        let context = Context::new(self.next_context_id(index), self.random_incarnation());
        let path = self.random_path();
        self.peers.insert(IdlePeer::new(id, context, &self.shared.config, path, now));
        Some(id)
    }

    /// The peer that a context id names.
    #[inline]
    pub(super) fn peer_index(context_id: u32) -> u32 {
        context_id & (MAX_PEERS - 1)
    }

    /// A context id leads straight to its peer; the upper bits tell contexts of one peer, and of
    /// one slot, apart.
    fn next_context_id(&mut self, index: u32) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        u32::from(self.generation) << PEER_BITS | index
    }

    /// Ends the context with a peer. Everything pending with it completes with an error; the next
    /// message opens a new one.
    pub(super) fn end_context(&mut self, now: Instant, index: u32, reason: PeerFailure) {
        self.end_context_but(now, index, reason, &[]);
    }

    /// The same, but for messages of which nothing has left, and which are taken up again.
    pub(super) fn end_context_but(
        &mut self,
        now: Instant,
        index: u32,
        reason: PeerFailure,
        spared: &[u32],
    ) {
        let Some(peer) = self.peers.get_mut(index as usize) else {
            return;
        };
        let (id, was_in_use) = (peer.id, peer.context.is_established());
        if reason == PeerFailure::Closed {
            self.plan_farewell(index);
        }
        self.leave(index);
        self.end_turn(index);
        self.senders.forget(&mut self.peers[index as usize].receiver);
        // What was to be taken back is gone with the context.
        let Self { shared, .. } = self;
        shared.withdrawals.retain(|&key| shared.messages[key as usize].peer != id);
        let failed = self.fail_sends(id, reason, spared)
            + self.fail_receives(now, id, reason)
            + self.fail_operations(id, reason, spared);
        if was_in_use || failed > 0 {
            self.shared.events.push_back(Event::PeerDown { peer: id, reason });
        }
        let (context_id, incarnation) = (self.next_context_id(index), self.random_incarnation());
        let path = self.random_path();
        self.peers.renew(index as usize, (context_id, incarnation), path);
        self.mark(index);
    }

    /// Removes what is left of a peer whose context has ended.
    pub(super) fn forget_peer(&mut self, now: Instant, index: u32) {
        if let Some(peer) = self.peers.get(index as usize)
            && peer.silence_ns(now) < self.shared.times.peer_dead_ns
        {
            self.departed.remember(peer.context.ended());
        }
        self.forget_reserved(index);
        self.shared.regions.forget_peer(PeerId(index));
        self.peers.remove(index as usize);
        self.timers.disarm(index);
        self.ready.retain(|&it| it != index);
        self.talking.retain(|&it| it != index);
        self.marked.retain(|&it| it != index);
    }

    fn fail_sends(&mut self, peer: PeerId, reason: PeerFailure, spared: &[u32]) -> usize {
        let messages = self.shared.messages.iter().filter(|(_, it)| it.peer == peer);
        let failing = messages.map(|(key, _)| key).filter(|&key| !spared.contains(&(key as u32)));
        let keys: alloc::vec::Vec<usize> = failing.collect();
        for &key in &keys {
            self.shared.fail_message(key, reason);
        }
        keys.len()
    }

    /// Ends what the peer had begun to send. What has arrived whole was acknowledged, and stays; but for RD
    /// messages behind one that has not.
    fn fail_receives(&mut self, now: Instant, peer: PeerId, reason: PeerFailure) -> usize {
        self.end_tag_order(now, peer);
        self.form_order_tail(peer);
        let keys: alloc::vec::Vec<u32> = self
            .inbound
            .iter()
            .filter(|(_, it)| it.peer == peer && it.ended.is_none())
            .filter(|(_, it)| {
                let is_behind_gap = it.service == Service::Rd && it.tail.is_none();
                !it.has_arrived() || is_behind_gap || self.is_told_of(it)
            })
            .map(|(key, _)| key as u32)
            .collect();
        for &key in &keys {
            self.fail_receive(now, key, End::Context(reason));
        }
        self.detach_inbound(peer);
        self.pair_unexpected(now);
        keys.len()
    }

    /// Tagged messages that are here and waited for others have no others to wait for any more.
    fn end_tag_order(&mut self, now: Instant, peer: PeerId) {
        let Some(peer) = self.peers.get_mut(peer.0 as usize) else { return };
        let (early, promised) = peer.receiver.order.end_tagged();
        self.free_promised(promised);
        for key in early {
            // What is still at its sender ends with the rest that has not arrived.
            if self.inbound[key as usize].has_arrived() {
                self.match_message(now, key);
            }
        }
    }

    /// Ends a message that will not arrive whole, or may not be delivered; once the driver is done with its
    /// placements.
    pub(super) fn fail_receive(&mut self, now: Instant, key: u32, end: End) {
        let message = &mut self.inbound[key as usize];
        let is_tagged = message.envelope != NO_ENVELOPE;
        if is_tagged {
            self.matcher.tags.forget_waiting(key);
        }
        if !message.is_unplaced() {
            message.ended = Some(end);
            return;
        }
        let message = self.inbound.remove(key as usize);
        match message.binding {
            _ if is_tagged => self.fail_tagged(&message, end.into()),
            Binding::Posted(recv) => self.fail_posted(&message, recv, end),
            Binding::Copying { id, to } => {
                self.free_bounce(id);
                self.fail_posted(&message, to, end);
            }
            Binding::Bounce { id, claimed } => {
                self.matcher.remove_unexpected(key);
                self.free_bounce(id);
                // Nothing was written to the buffer that claimed it: it can have the next message.
                if let Some(recv) = claimed {
                    self.matcher.post_again(recv, &mut self.shared);
                }
            }
            Binding::Write { notice } => {
                self.shared.served -= 1;
                if let Some(notice) = notice {
                    self.forget_notice(message.peer, notice);
                }
            }
            Binding::List { id } => {
                self.shared.served -= 1;
                self.free_bounce(id);
            }
            Binding::Read { operation } => {
                let failure = match end {
                    End::Context(reason) => TransferFailure::Unknown(reason),
                    // The operation knows why.
                    End::Withdrawn { .. } => TransferFailure::Cancelled(Cancelled::Partly),
                };
                self.shared.end_operation(operation, Err(failure));
            }
            Binding::Atomic | Binding::Announced { .. } => {
                unreachable!("a placement is under way")
            }
        }
        if end == (End::Withdrawn { tell: true }) && !message.detached {
            self.say_withdrawn(now, message.peer.0, message.id);
        }
    }

    /// The same for the receive that it has.
    fn fail_posted(&mut self, message: &InMessage, recv: PostedRecv, end: End) {
        match end {
            End::Context(reason) => {
                self.shared.events.push_back(Event::RecvCompleted {
                    token: recv.token,
                    peer: message.peer,
                    service: message.service,
                    offset: recv.offset,
                    len: 0,
                    immediate: None,
                    result: Err(RecvFailure::Aborted(reason)),
                });
                self.shared.receive_over(&recv);
            }
            // Whoever has posted it need not know.
            End::Withdrawn { .. } => self.matcher.post_again(recv, &mut self.shared),
        }
    }

    /// A receive that was given a message in vain may take another.
    pub(super) fn receive_is_free(&mut self, now: Instant) {
        self.pair_unexpected(now);
        self.look_for_room();
    }

    /// Whether a READ has arrived that is complete only when its peer has been told.
    fn is_told_of(&self, message: &InMessage) -> bool {
        match message.binding {
            Binding::Read { operation } => self.shared.operations[operation as usize].notifies(),
            _ => false,
        }
    }

    fn detach_inbound(&mut self, peer: PeerId) {
        for (_, message) in self.inbound.iter_mut().filter(|(_, it)| it.peer == peer) {
            message.detached = true;
        }
    }
}

/// Answers to stray packets are limited, so that an endpoint cannot be made to send much by sending
/// it little. Rule O6.
#[derive(Debug, Default)]
pub(super) struct ResetBudget {
    window_from: Instant,
    sent: u32,
}

impl ResetBudget {
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now.nanos_since(self.window_from) >= RESET_WINDOW_NS {
            *self = Self { window_from: now, sent: 0 };
        }
        self.sent += 1;
        self.sent <= RESETS_PER_WINDOW
    }
}

const RESET_WINDOW_NS: u64 = 1_000_000;
/// A restarted endpoint has to turn a thousand peers away within milliseconds; 64 per millisecond
/// is that, and less than a thousandth of a fast link.
const RESETS_PER_WINDOW: u32 = 64;

const PEER_BITS: u32 = 24;
const MAX_PEERS: u32 = 1 << PEER_BITS;
