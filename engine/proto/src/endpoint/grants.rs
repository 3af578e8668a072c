//! Receiver credits: with several backlogged senders the receiver says who may send, packet by
//! packet. Rules C5 to C7.
//!
//! Only the receiver of an incast knows how many there are. So from the second backlogged peer on,
//! credit (the PSN up to which a peer may send) is not the receive window but a *grant*, and all
//! grants together never leave more packets missing than the link needs to be busy:
//!
//! ```text
//!   arrival of a granted packet --> one packet fewer missing --> who has had least is granted one
//! ```
//! The link itself sets the pace: grants are given as packets arrive, to whoever has had least (the
//! [order](super::grant_order)), so every peer gets the same, and the queue before the link stays as short as `credit_bdp` says. A PSN is granted
//! once; to send it again takes no second grant. Who is silent although packets of its are missing
//! has perhaps not heard of its grant: it is told again, and until it is heard of, others send.

use alloc::vec::Vec;

use super::Endpoint;
use super::grant_order::GrantOrder;
use crate::config::Config;
use crate::peer::Peer;
use crate::psn::Psn;
use crate::time::{Instant, nanos};
use crate::wire::DATA_HEADER_BYTES;

/// Who may send, and how much of it is on its way.
#[derive(Debug)]
pub(super) struct Grants {
    /// Peers with something to send, as far as the pieces of messages that have arrived tell.
    backlogged: Vec<u32>,
    /// Whose turn it is.
    order: GrantOrder,
    /// Granted and missing, in packets, over all peers but the silent ones.
    missing: u32,
    /// How many may be missing; zero: receiver credits are off.
    window: u32,
    /// After how much silence a grant is told again, in nanoseconds.
    patience_ns: u64,
}

/// What one peer may send.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grant {
    /// Bytes of its messages that have begun to arrive, and not arrived.
    pub(crate) backlog_bytes: u64,
    /// The PSN up to which it may send; none while it need not ask.
    pub(crate) end: Option<Psn>,
    /// PSNs below that have not arrived.
    missing: u32,
    /// It has not been heard of for too long: its missing packets count for nothing.
    silent: bool,
    /// The backlog is that of a message of which only a trimmed header has arrived.
    announced: bool,
    /// How many packets it has had, for the order.
    tag: u64,
    /// It has its place in the order. Who could not take a grant has none until something arrives.
    waiting: bool,
}

impl Grants {
    pub(super) fn new(config: &Config) -> Self {
        let packet = f64::from(config.mtu_bytes) + DATA_HEADER_BYTES as f64;
        let bdp = config.cc.bdp_bytes() / packet;
        let window = (bdp * config.cc.credit_bdp) as u32;
        let rtts = nanos(config.cc.base_rtt).saturating_mul(PATIENCE_RTTS);
        Self {
            backlogged: Vec::new(),
            order: GrantOrder::new((bdp * LEAD_BDP) as u64),
            missing: 0,
            window: if config.cc.receiver_credits { window.max(1) } else { 0 },
            patience_ns: rtts.max(nanos(config.loss.min_rto)),
        }
    }

    /// The PSN up to which a peer may send, if that is for this side to say. Who has no backlog, as
    /// far as is known, may send a portion, which tells whether it has one.
    pub(super) fn limit(&self, peer: &Peer) -> Option<Psn> {
        if !self.is_active() {
            return None;
        }
        let edge = peer.receiver.next_expected();
        let grant = peer.receiver.crowd.get().and_then(|crowd| crowd.grant.end);
        Some(grant.map_or_else(|| edge.plus(self.portion().into()), |end| end.max(edge)))
    }

    /// Whether anybody needs a grant to send.
    fn is_active(&self) -> bool {
        self.backlogged.len() > 1
    }

    /// How many packets are granted at a time: half of an equal share.
    fn portion(&self) -> u32 {
        (self.window / (2 * self.backlogged.len() as u32)).max(1)
    }
}

impl Endpoint {
    /// A packet was taken: `len` bytes of a message, of which it is the first if `begins` says how
    /// long that is.
    #[inline]
    pub(super) fn credit_arrival(&mut self, index: u32, psn: Psn, len: u16, begins: Option<u64>) {
        if self.grants.window > 0 {
            self.take_arrival(index, psn, len, begins);
        }
    }

    fn take_arrival(&mut self, index: u32, psn: Psn, len: u16, begins: Option<u64>) {
        let grant = &mut self.peers[index as usize].receiver.crowd.or_default().grant;
        let had_backlog = grant.backlog_bytes > 0;
        if let Some(total_len) = begins {
            let before =
                if core::mem::take(&mut grant.announced) { 0 } else { grant.backlog_bytes };
            grant.backlog_bytes = before + total_len;
        }
        grant.backlog_bytes = grant.backlog_bytes.saturating_sub(len.into());
        let has_backlog = grant.backlog_bytes > 0;
        if core::mem::take(&mut grant.silent) {
            self.grants.missing += grant.missing;
        }
        if grant.end.is_some_and(|end| psn < end) {
            grant.missing -= 1;
            self.grants.missing -= 1;
        } else {
            grant.tag += 1;
        }
        match (had_backlog, has_backlog) {
            (false, true) => self.join(index),
            (true, false) => self.leave(index),
            (true, true) => self.await_turn(index),
            (false, false) => {}
        }
        self.hand_out();
    }

    /// The header of a packet has arrived, without its payload: the peer has that much to send.
    pub(super) fn credit_announcement(&mut self, index: u32, total_len: u64) {
        if self.grants.window == 0 {
            return;
        }
        let grant = &mut self.peers[index as usize].receiver.crowd.or_default().grant;
        if grant.backlog_bytes == 0 && total_len > 0 {
            (grant.backlog_bytes, grant.announced) = (total_len, true);
            self.join(index);
        }
        self.hand_out();
    }

    /// A message of which nothing has been taken will not come: perhaps that of a trimmed header.
    pub(super) fn credit_retraction(&mut self, index: u32) {
        let crowd = self.peers[index as usize].receiver.crowd.get_mut();
        let grant = crowd.map(|crowd| &mut crowd.grant).filter(|grant| grant.announced);
        let Some(grant) = grant else { return };
        grant.announced = false;
        let announced_bytes = grant.backlog_bytes;
        self.credit_withdrawal(index, announced_bytes);
    }

    /// So many bytes of a message that a peer had begun will not come.
    pub(super) fn credit_withdrawal(&mut self, index: u32, missing_bytes: u64) {
        if self.grants.window == 0 {
            return;
        }
        let grant = &mut self.peers[index as usize].receiver.crowd.or_default().grant;
        let had_backlog = grant.backlog_bytes > 0;
        grant.backlog_bytes = grant.backlog_bytes.saturating_sub(missing_bytes);
        if had_backlog && grant.backlog_bytes == 0 {
            self.leave(index);
        }
        self.hand_out();
    }

    /// A peer has something to send. With the second one, everybody has to ask.
    fn join(&mut self, index: u32) {
        if let [first] = self.grants.backlogged[..] {
            let tag = self.grant_of(first).tag;
            self.grants.order.serve(tag);
            self.take_credit_back(first);
        }
        self.grants.backlogged.push(index);
        let tag = self.grant_of(index).tag;
        self.grant_of(index).tag = self.grants.order.start(tag);
        if self.grants.is_active() {
            self.take_credit_back(index);
        }
    }

    /// From now on the peer may send what it is granted, which is nothing yet.
    fn take_credit_back(&mut self, index: u32) {
        let edge = self.peers[index as usize].receiver.next_expected();
        self.grant_of(index).end = Some(edge);
        self.await_turn(index);
    }

    /// A peer that has to ask may want more than when it was last asked.
    fn await_turn(&mut self, index: u32) {
        let grant = self.grant_of(index);
        if grant.end.is_some() && !core::mem::replace(&mut grant.waiting, true) {
            let tag = grant.tag;
            self.grants.order.push(tag, index);
        }
    }

    fn grant_of(&mut self, index: u32) -> &mut Grant {
        &mut self.peers[index as usize].receiver.crowd.or_default().grant
    }

    /// A peer has nothing more to send, or is gone. The last one need not ask any more.
    pub(super) fn leave(&mut self, index: u32) {
        let Some(at) = self.grants.backlogged.iter().position(|&it| it == index) else { return };
        self.grants.backlogged.remove(at);
        self.lift(index);
        if let [last] = self.grants.backlogged[..] {
            self.lift(last);
            self.tell(last);
        }
    }

    fn lift(&mut self, index: u32) {
        let Some(crowd) = self.peers[index as usize].receiver.crowd.get_mut() else { return };
        let grant = &mut crowd.grant;
        if !grant.silent {
            self.grants.missing -= grant.missing;
        }
        if grant.waiting {
            self.grants.order.remove(index);
        }
        let Grant { backlog_bytes, announced, tag, .. } = *grant;
        *grant = Grant { backlog_bytes, announced, tag, ..Grant::default() };
    }

    /// Grants what may be missing, to those first that have had least.
    fn hand_out(&mut self) {
        if !self.grants.is_active() {
            return;
        }
        let portion = self.grants.portion();
        while self.grants.missing < self.grants.window {
            let Some((pushed_tag, index)) = self.grants.order.pop() else { return };
            let grant = self.grant_of(index);
            if grant.tag > pushed_tag {
                // It got something unasked in the meantime.
                let tag = grant.tag;
                self.grants.order.push(tag, index);
                continue;
            }
            grant.waiting = false;
            let most = portion.min(self.grants.window - self.grants.missing);
            let granted = self.grant(index, most);
            if granted > 0 {
                self.grants.missing += granted;
                self.grants.order.serve(pushed_tag);
                self.await_turn(index);
                self.tell(index);
            }
        }
    }

    /// Grants a peer up to `most` packets that it has and that have not arrived.
    fn grant(&mut self, index: u32, most: u32) -> u32 {
        let peer = &mut self.peers[index as usize];
        let mtu = u64::from(peer.sender.mtu());
        let limit = peer.receiver.limit();
        let Some(mut grant) = peer.receiver.crowd.get().map(|it| it.grant) else { return 0 };
        let (Some(mut end), false) = (grant.end, grant.silent) else { return 0 };
        let has = grant.backlog_bytes.div_ceil(mtu).min(u64::from(u32::MAX)) as u32;
        let wanted = most.min(has.saturating_sub(grant.missing));
        let mut granted = 0;
        while granted < wanted && end < limit {
            granted += u32::from(!peer.receiver.has(end));
            end = end.plus(1);
        }
        (grant.end, grant.missing) = (Some(end), grant.missing + granted);
        grant.tag += u64::from(granted);
        peer.receiver.crowd.or_default().grant = grant;
        granted
    }

    fn tell(&mut self, index: u32) {
        self.peers[index as usize].receiver.tell_credit();
        self.mark(index);
    }

    /// An ACK leaves. If packets that were granted are missing, it is repeated after a while.
    pub(super) fn credit_told(&mut self, now: Instant, index: u32) {
        if !self.grants.is_active() {
            return;
        }
        let peer = &mut self.peers[index as usize];
        let quiet_ns = peer.silence_ns(now);
        let grant = peer.receiver.crowd.get_mut().map(|crowd| &mut crowd.grant);
        let Some(grant) = grant.filter(|grant| grant.missing > 0) else { return };
        let falls_silent = quiet_ns >= self.grants.patience_ns && !grant.silent;
        if falls_silent {
            grant.silent = true;
            self.grants.missing -= grant.missing;
        }
        peer.receiver.tell_credit_again(now.plus_nanos(self.grants.patience_ns));
        if falls_silent {
            self.hand_out();
        }
    }
}

/// Longer than a grant and its packet take, however long the queue is.
const PATIENCE_RTTS: u64 = 4;

/// How far behind the others a peer may join, in BDP: what senders may have sent unasked, a first
/// window (1.5 BDP), does not decide who is done first.
const LEAD_BDP: f64 = 2.0;

#[cfg(test)]
impl Endpoint {
    /// Peers that have something to send, as far as this side knows.
    pub(crate) fn backlogged(&self) -> usize {
        self.grants.backlogged.len()
    }
}
