//! What a connection receives: which packets are there, what is to be said about it, and which
//! messages they belong to.

use std::collections::VecDeque;

use super::Kind;
use super::dcqcn::CNP_EVERY_NS;
use super::packet::{ACK_RANGES, Ack, Data, Packet};
use super::ranges::Ranges;

/// The receiving end of a connection.
#[derive(Debug)]
pub(super) struct Incoming {
    kind: Kind,
    /// What the sender calls it.
    connection: u32,
    pub(super) path: u8,
    /// Whether it waits for its turn to say something.
    pub(super) talking: bool,
    /// All packets before this one are there.
    next: u64,
    /// What is there beyond a gap.
    beyond: Ranges,
    unacknowledged: u32,
    owes_ack: bool,
    owes_nak: bool,
    owes_cnp: bool,
    /// The gap that a NAK was sent for.
    complained: Option<u64>,
    notified_at_ns: Option<u64>,
    latest: u64,
    echo_ns: u64,
    /// The messages under way, by the endpoint's keys, in order; none yet if nothing has come.
    messages: VecDeque<Option<u32>>,
    first_message: u32,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new, and can be taken.
    New,
    /// It was there before.
    Duplicate,
    /// Something before it is missing, and order is kept by refusing.
    OutOfOrder,
}

impl Incoming {
    pub(super) fn new(kind: Kind, connection: u32, path: u8) -> Self {
        Self {
            kind,
            connection,
            path,
            talking: false,
            next: 0,
            beyond: Ranges::default(),
            unacknowledged: 0,
            owes_ack: false,
            owes_nak: false,
            owes_cnp: false,
            complained: None,
            notified_at_ns: None,
            latest: 0,
            echo_ns: 0,
            messages: VecDeque::new(),
            first_message: 0,
        }
    }

    /// Judges a packet that has come; what is new is not taken yet.
    pub(super) fn judge(&mut self, now_ns: u64, data: &Data, ce: bool) -> Verdict {
        if ce && self.notified_at_ns.is_none_or(|at_ns| now_ns >= at_ns + CNP_EVERY_NS) {
            (self.notified_at_ns, self.owes_cnp) = (Some(now_ns), true);
        }
        (self.latest, self.echo_ns) = (data.psn, data.sent_at_ns);
        if data.psn < self.next || self.beyond.contains(data.psn) {
            self.owes_ack = true;
            return Verdict::Duplicate;
        }
        if data.psn > self.next && self.kind == Kind::Rc {
            // One NAK per gap: what is under way behind it tells nothing new.
            self.owes_nak |= self.complained != Some(self.next);
            self.complained = Some(self.next);
            return Verdict::OutOfOrder;
        }
        Verdict::New
    }

    /// Takes a packet that is new; `ends_message` if it is the last of its message.
    pub(super) fn take(&mut self, psn: u64, ends_message: bool) {
        let had_gap = !self.beyond.is_empty();
        if psn == self.next {
            self.next = self.beyond.take_from(psn + 1).unwrap_or(psn + 1);
        } else {
            self.beyond.insert(psn);
        }
        self.unacknowledged += 1;
        let enough = self.unacknowledged >= ack_every(self.kind);
        self.owes_ack |= enough || ends_message || had_gap || !self.beyond.is_empty();
    }

    /// The next thing to say to the sender; `own` is the number of this host.
    pub(super) fn report(&mut self, own: u32) -> Option<Packet> {
        let connection = self.connection;
        if std::mem::take(&mut self.owes_cnp) {
            return Some(Packet::Cnp { source: own, connection });
        }
        if !self.has_report() {
            return None;
        }
        self.owes_ack = false;
        self.unacknowledged = 0;
        Some(Packet::Ack(Ack {
            source: own,
            connection,
            next: self.next,
            nak: std::mem::take(&mut self.owes_nak),
            echo_ns: self.echo_ns,
            ranges: self.latest_ranges(),
        }))
    }

    pub(super) fn has_report(&self) -> bool {
        self.owes_ack || self.owes_nak || self.owes_cnp
    }

    /// The place for the key of a message; none if the message is over.
    pub(super) fn message(&mut self, number: u32) -> Option<&mut Option<u32>> {
        let index = number.checked_sub(self.first_message)? as usize;
        if self.messages.len() <= index {
            self.messages.resize(index + 1, None);
        }
        self.messages.get_mut(index)
    }

    /// The key of the message that is to be delivered next.
    pub(super) fn first(&self) -> Option<u32> {
        self.messages.front().copied().flatten()
    }

    /// The first message has been delivered.
    pub(super) fn pop(&mut self) {
        self.messages.pop_front();
        self.first_message += 1;
    }

    /// As TCP does it: the stretch that has just grown, then the lowest others.
    fn latest_ranges(&self) -> [(u64, u64); ACK_RANGES] {
        let empty = (self.next, self.next);
        let mut ranges = [empty; ACK_RANGES];
        let latest = self.beyond.around(self.latest);
        let others = self.beyond.iter().filter(|range| latest != Some(*range));
        for (place, range) in ranges.iter_mut().zip(latest.into_iter().chain(others)) {
            *place = range;
        }
        ranges
    }
}

/// An ACK is sent for every so many packets in order, for the last of each message, and at once for
/// everything that is out of order. For TCP that is RFC 5681; RDMA leaves it to the receiver, and
/// this is what the core does.
const fn ack_every(kind: Kind) -> u32 {
    match kind {
        Kind::Rc | Kind::RcSr => 4,
        Kind::Tcp => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(psn: u64) -> Data {
        Data {
            source: 1,
            connection: 2,
            message: 0,
            psn,
            sent_at_ns: psn,
            offset: 0,
            total_len: 0,
            again: false,
        }
    }

    fn arrive(incoming: &mut Incoming, psn: u64) -> Verdict {
        let verdict = incoming.judge(0, &packet(psn), false);
        if verdict == Verdict::New {
            incoming.take(psn, false);
        }
        verdict
    }

    fn ack(incoming: &mut Incoming) -> Option<Ack> {
        match incoming.report(9)? {
            Packet::Ack(ack) => Some(ack),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rc_takes_nothing_out_of_order_and_complains_once() {
        let mut rc = Incoming::new(Kind::Rc, 2, 0);
        assert_eq!(arrive(&mut rc, 0), Verdict::New);
        assert_eq!(ack(&mut rc), None, "it waits for four");
        assert_eq!(arrive(&mut rc, 2), Verdict::OutOfOrder);
        let nak = ack(&mut rc).unwrap();
        assert!(nak.nak && nak.next == 1);
        assert_eq!(arrive(&mut rc, 3), Verdict::OutOfOrder);
        assert_eq!(ack(&mut rc), None);
        assert_eq!(arrive(&mut rc, 1), Verdict::New);
        assert_eq!(arrive(&mut rc, 1), Verdict::Duplicate);
        assert_eq!(ack(&mut rc).map(|ack| (ack.next, ack.nak)), Some((2, false)));
    }

    #[test]
    fn tcp_reports_what_is_beyond_the_gap_latest_first() {
        let mut tcp = Incoming::new(Kind::Tcp, 2, 0);
        for psn in [0, 2, 4, 6, 8] {
            assert_eq!(arrive(&mut tcp, psn), Verdict::New);
        }
        assert_eq!(ack(&mut tcp).unwrap().ranges, [(8, 9), (2, 3), (4, 5)]);
        arrive(&mut tcp, 3);
        assert_eq!(ack(&mut tcp).unwrap().ranges, [(2, 5), (6, 7), (8, 9)]);
        assert_eq!(arrive(&mut tcp, 4), Verdict::Duplicate);
        arrive(&mut tcp, 1);
        let after = ack(&mut tcp).unwrap();
        assert_eq!((after.next, after.ranges), (5, [(6, 7), (8, 9), (5, 5)]));
    }

    #[test]
    fn marks_are_answered_once_in_fifty_microseconds() {
        let mut rc = Incoming::new(Kind::Rc, 2, 0);
        let mut notified = 0;
        for psn in 0..200 {
            rc.judge(psn * 1_000, &packet(psn), true);
            rc.take(psn, false);
            while let Some(report) = rc.report(9) {
                notified += u32::from(matches!(report, Packet::Cnp { .. }));
            }
        }
        assert_eq!(notified, 4);
    }
}
