//! The next packet.

use alloc::collections::VecDeque;

use super::{Sender, wire_bytes};
use crate::lazy::Lazy;
use crate::psn::{PathSeq, Psn};
use crate::send_window::{SentPacket, SentState};
use crate::shared::Shared;
use crate::time::Instant;

/// A data packet that is to leave now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataPacket {
    /// Zero for UD.
    pub psn: Psn,
    pub message: u32,
    pub offset: u64,
    pub len: u16,
    pub path: u8,
    pub seq: PathSeq,
    /// It was sent before, and asks for an ACK.
    pub again: bool,
}

// It is passed on by value for every packet.
const _: () = assert!(size_of::<DataPacket>() == 32);

/// UD messages: sent as they come, and forgotten.
#[derive(Debug, Default)]
pub(super) struct Datagrams(Lazy<VecDeque<u32>>);

impl Datagrams {
    pub(super) fn push(&mut self, message: u32) {
        self.0.or_default().push_back(message);
    }

    #[inline]
    fn pop(&mut self) -> Option<u32> {
        self.0.get_mut()?.pop_front()
    }

    pub(super) fn remove(&mut self, message: u32) {
        if let Some(queue) = self.0.get_mut() {
            queue.retain(|&key| key != message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(VecDeque::is_empty)
    }
}

impl Sender {
    /// The next packet, or `None` until an ACK, a timer or a command changes something.
    #[inline]
    pub(crate) fn next_packet(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        let only_messages = self.lost.is_empty()
            && self.transfers.is_empty()
            && self.datagrams.is_empty()
            && self.reports.first_owed().is_none();
        match only_messages {
            true => self.next_of_message(now, shared),
            false => self.next_in_order(now, shared),
        }
    }

    /// What goes first, if there is more than messages.
    fn next_in_order(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        if let Some(message) = self.datagrams.pop() {
            return Some(self.next_datagram(message, shared));
        }
        if let Some(packet) = self.next_lost(now, shared) {
            return Some(packet);
        }
        if let Some(packet) = self.next_report(now, shared) {
            return Some(packet);
        }
        self.next_of_both(now, shared)
    }

    fn next_datagram(&mut self, message: u32, shared: &Shared) -> DataPacket {
        let path = self.sprayer.next(&mut self.paths);
        let seq = self.paths.open(path, &shared.config).take_seq();
        let len = shared.messages[message as usize].range.len as u16;
        DataPacket { psn: Psn::ZERO, message, offset: 0, len, path, seq, again: false }
    }

    /// Sends a lost packet again, on another path. Rule L6.
    fn next_lost(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        let psn = self.next_lost_psn(shared)?;
        let packet = *self.window.get(psn)?;
        let is_probe = self.recovery.take_probe();
        if !is_probe && !self.may_send(now, packet.len) {
            return None;
        }
        self.window.unlink(&mut self.lost, psn);
        self.recovery.note_retransmission(psn, packet.path);
        let path = match is_probe && self.recovery.backoff > 0 {
            true => self.sprayer.leap(&mut self.paths),
            false => self.sprayer.next_other(&mut self.paths, packet.path),
        };
        self.retransmissions += 1;
        shared.stats.retransmissions += 1;
        Some(self.launch_again(now, shared, psn, path))
    }

    /// The lost packet with the lowest PSN; or, where the receiver has taken credit back since it
    /// was sent, the lowest, which a receiver always has credit for.
    fn next_lost_psn(&self, shared: &Shared) -> Option<Psn> {
        let first = self.lost.first()?;
        if first < self.credit || self.needs_no_credit(first, shared) {
            return Some(first);
        }
        let lowest = self.window.unacknowledged();
        let lost = self.window.get(lowest)?.state == SentState::Lost;
        lost.then_some(lowest)
    }

    /// Credit is for messages that need a receive.
    pub(super) fn needs_no_credit(&self, psn: Psn, shared: &Shared) -> bool {
        let packet = self.window.get(psn);
        packet.is_some_and(|it| shared.messages[it.message as usize].op != crate::wire::Op::Send)
    }

    /// Reports go before messages, and whatever the receiver grants: they need no buffer there, and
    /// what the peer does next may wait for them. Rule M6.
    fn next_report(&mut self, now: Instant, shared: &mut Shared) -> Option<DataPacket> {
        let key = self.reports.first_owed()?;
        let limit = self.window.unacknowledged().plus(self.peer_window.into());
        if self.window.next_psn() >= limit || !self.window.has_room() {
            return None;
        }
        if !self.may_send(now, 0) {
            return None;
        }
        self.reports.pop_owed();
        let piece = shared.messages[key as usize].cut(self.mtu);
        Some(self.launch_piece(now, key, piece, shared))
    }

    #[inline(always)]
    pub(super) fn next_of_message(
        &mut self,
        now: Instant,
        shared: &mut Shared,
    ) -> Option<DataPacket> {
        let key = self.queue.first()?;
        if self.window.next_psn() >= self.credit || !self.window.has_room() {
            return None;
        }
        let message = &mut shared.messages[key as usize];
        if message.is_untouched() && now < self.not_ready_until {
            return None;
        }
        if !self.may_send(now, message.next_len(self.mtu)) {
            return None;
        }
        let piece = message.cut(self.mtu);
        let last = message.all_cut;
        let packet = self.launch_piece(now, key, piece, shared);
        if last {
            self.queue.pop();
            self.pass_turn(true);
        }
        Some(packet)
    }

    /// Sends a new piece of a message, which has been counted: its offset and length.
    #[inline]
    pub(super) fn launch_piece(
        &mut self,
        now: Instant,
        key: u32,
        (offset, len): (u64, u16),
        shared: &Shared,
    ) -> DataPacket {
        let id = self.sprayer.next(&mut self.paths);
        let path = self.paths.open(id, &shared.config);
        let seq = path.take_seq();
        let packet = SentPacket::new(key, (offset, len), (id, seq), now);
        let psn = self.window.push_in_flight(packet, &mut path.in_flight);
        let times = &shared.times;
        self.recovery.on_sent(now, times, |peer_ns| path.probe_timeout_ns(times, peer_ns));
        self.note_sent(now, id, len);
        DataPacket { psn, message: key, offset, len, path: id, seq, again: false }
    }

    /// Whether congestion control and pacing let a packet go. Rule C1: with nothing in flight one
    /// always may, or nothing would ever come back.
    #[inline]
    pub(super) fn may_send(&mut self, now: Instant, len: u16) -> bool {
        let fits = self.in_flight_bytes + wire_bytes(len) <= self.pace.cwnd_bytes();
        if !fits && self.in_flight_bytes > 0 {
            return false;
        }
        let ready_at = self.pace.ready_at();
        if now < ready_at {
            self.recovery.wake_at(ready_at);
            return false;
        }
        true
    }

    /// Sends a packet again, on this path.
    fn launch_again(&mut self, now: Instant, shared: &Shared, psn: Psn, id: u8) -> DataPacket {
        let path = self.paths.open(id, &shared.config);
        let seq = path.take_seq();
        self.window.append(&mut path.in_flight, psn);
        let times = &shared.times;
        self.recovery.on_sent(now, times, |peer_ns| path.probe_timeout_ns(times, peer_ns));
        let Some(record) = self.window.get_mut(psn) else { unreachable!("the PSN is in a list") };
        record.path = id;
        record.seq = seq;
        record.sent_at = now;
        record.state = SentState::InFlight;
        record.missing = false;
        record.sends = record.sends.saturating_add(1);
        let SentPacket { message, offset, len, .. } = *record;
        self.note_sent(now, id, len);
        DataPacket { psn, message, offset, len, path: id, seq, again: true }
    }

    /// Accounts for a packet that leaves.
    #[inline]
    fn note_sent(&mut self, now: Instant, id: u8, len: u16) {
        self.busy.insert(id);
        self.in_flight_bytes += wire_bytes(len);
        self.pace.on_send(now, wire_bytes(len));
    }

    /// Whether a packet might leave, if windows and pacing allow.
    pub(crate) fn has_work(&self) -> bool {
        !self.lost.is_empty()
            || self.queue.first().is_some()
            || self.transfers.first().is_some()
            || self.reports.first_owed().is_some()
            || !self.datagrams.is_empty()
    }
}
