//! The sending end of a connection: which packet next ([`GoBackN`] or [`Selective`]), when
//! ([`Dcqcn`] or [`Cubic`]), and what to do when nothing comes back.

use super::cubic::Cubic;
use super::dcqcn::Dcqcn;
use super::go_back_n::GoBackN;
use super::outgoing::{Outgoing, Piece};
use super::packet::{Ack, HEADER_BYTES};
use super::rtt::Rtt;
use super::selective::{News, Selective};
use super::{Kind, Settings};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) path: u8,
    pub(super) outgoing: Outgoing,
    recovery: Recovery,
    congestion: Congestion,
    rtt: Rtt,
    /// When to give up what is under way; never if nothing is.
    deadline_ns: u64,
    /// Where the endpoint has it: in the queue of those that may send, ...
    pub(super) ready: bool,
    /// ... among those that wait for their pace, ...
    pub(super) paced: bool,
    /// ... and when its timer rings.
    pub(super) rings_at_ns: u64,
    pub(super) sent: u64,
    pub(super) repeated: u64,
    pub(super) lost: u64,
}

#[derive(Debug)]
enum Recovery {
    GoBackN(GoBackN),
    Selective(Selective),
}

#[derive(Debug)]
enum Congestion {
    Dcqcn(Dcqcn),
    Cubic {
        window: Cubic,
        /// The losses of one round trip count once: until this packet is acknowledged.
        recovers_until: u64,
        /// Whether the window stands still meanwhile; not after a timeout.
        fast: bool,
    },
}

/// What a sender wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this packet, which was sent before or not.
    Packet { psn: u64, again: bool, piece: Piece },
    /// Be asked again, in so many nanoseconds since the start.
    At(u64),
    /// Wait for an ACK, or for something to send.
    Idle,
}

impl Sender {
    pub(super) fn new(settings: &Settings, path: u8) -> Self {
        let (recovery, congestion) = match settings.kind {
            Kind::Rc => (Recovery::GoBackN(GoBackN::default()), rate(settings)),
            Kind::RcSr => (Recovery::Selective(Selective::new(RC_THRESHOLD)), rate(settings)),
            Kind::Tcp => (Recovery::Selective(Selective::new(TCP_THRESHOLD)), window(settings)),
        };
        Self {
            path,
            outgoing: Outgoing::new(settings.mtu_bytes),
            recovery,
            congestion,
            rtt: Rtt::new(settings.min_rto_ns),
            deadline_ns: u64::MAX,
            ready: false,
            paced: false,
            rings_at_ns: u64::MAX,
            sent: 0,
            repeated: 0,
            lost: 0,
        }
    }

    /// What to do now. A packet that is returned has been sent.
    pub(super) fn poll(&mut self, now_ns: u64) -> Next {
        let end = self.outgoing.end();
        let has_next = match &self.recovery {
            Recovery::GoBackN(recovery) => recovery.has_next(end),
            Recovery::Selective(recovery) => recovery.has_next(end),
        };
        if !has_next {
            return Next::Idle;
        }
        match &self.congestion {
            Congestion::Dcqcn(rate) if rate.next_at_ns() > now_ns => {
                return Next::At(rate.next_at_ns());
            }
            Congestion::Cubic { window, .. } if self.in_flight() >= window.window() => {
                return Next::Idle;
            }
            _ => {}
        }
        let next = match &mut self.recovery {
            Recovery::GoBackN(recovery) => recovery.next(end),
            Recovery::Selective(recovery) => recovery.next(end),
        };
        let Some((psn, again)) = next else { return Next::Idle };
        let Some(piece) = self.outgoing.piece(psn) else { return Next::Idle };
        self.sent += 1;
        self.repeated += u64::from(again);
        if let Congestion::Dcqcn(rate) = &mut self.congestion {
            rate.sent(now_ns, piece.payload.len + HEADER_BYTES as u64);
        }
        if self.deadline_ns == u64::MAX {
            self.deadline_ns = now_ns + self.rtt.rto_ns();
        }
        Next::Packet { psn, again, piece }
    }

    /// An ACK, or a NAK.
    pub(super) fn acknowledged(&mut self, now_ns: u64, ack: &Ack) -> News {
        let news = match &mut self.recovery {
            Recovery::Selective(recovery) => recovery.acknowledge(ack.next, &ack.ranges),
            Recovery::GoBackN(recovery) => {
                let arrived = recovery.acknowledge(ack.next);
                let goes_back = ack.nak && ack.next == recovery.first() && recovery.go_back();
                News { arrived, lost: u64::from(goes_back) }
            }
        };
        self.lost += news.lost;
        if news.arrived > 0 {
            self.rtt.progress();
        }
        self.control(now_ns, ack, news);
        if news.arrived > 0 || self.in_flight() == 0 {
            let under_way = self.in_flight() > 0;
            self.deadline_ns = if under_way { now_ns + self.rtt.rto_ns() } else { u64::MAX };
        }
        news
    }

    /// What an ACK means for the window. (A rate changes by notifications only.)
    fn control(&mut self, now_ns: u64, ack: &Ack, news: News) {
        let (first, sent_end) = (self.first(), self.sent_end());
        let Congestion::Cubic { window, recovers_until, fast } = &mut self.congestion else {
            return;
        };
        self.rtt.sample(now_ns.saturating_sub(ack.echo_ns));
        *fast &= first < *recovers_until;
        if news.lost > 0 && first >= *recovers_until {
            window.lost();
            (*recovers_until, *fast) = (sent_end, true);
        } else if news.arrived > 0 && !*fast && !ack.has_gap() {
            window.acknowledged(now_ns, news.arrived, self.rtt.srtt_ns());
        }
    }

    /// The receiver has seen a mark.
    pub(super) fn notified(&mut self, now_ns: u64) {
        if let Congestion::Dcqcn(rate) = &mut self.congestion {
            rate.notified(now_ns);
        }
    }

    /// Gives up what is under way, if it is time to. Returns how many packets that is.
    pub(super) fn time_out(&mut self, now_ns: u64) -> u64 {
        if now_ns < self.deadline_ns {
            return 0;
        }
        self.deadline_ns = u64::MAX;
        self.rtt.expired();
        let lost = match &mut self.recovery {
            Recovery::GoBackN(recovery) => {
                let lost = recovery.in_flight();
                recovery.go_back();
                lost
            }
            Recovery::Selective(recovery) => recovery.give_up(),
        };
        self.lost += lost;
        let sent_end = self.sent_end();
        if let Congestion::Cubic { window, recovers_until, fast } = &mut self.congestion {
            window.timed_out();
            (*recovers_until, *fast) = (sent_end, false);
        }
        lost
    }

    /// When to call [`time_out`](Self::time_out).
    pub(super) fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// Packets under way.
    pub(super) fn in_flight(&self) -> u64 {
        match &self.recovery {
            Recovery::GoBackN(recovery) => recovery.in_flight(),
            Recovery::Selective(recovery) => recovery.in_flight(),
        }
    }

    /// The window in packets; what the rate allows per round trip is nobody's to say.
    pub(super) fn window(&self) -> Option<u64> {
        match &self.congestion {
            Congestion::Cubic { window, .. } => Some(window.window()),
            Congestion::Dcqcn(_) => None,
        }
    }

    pub(super) fn srtt_ns(&self) -> u64 {
        self.rtt.srtt_ns()
    }

    fn first(&self) -> u64 {
        match &self.recovery {
            Recovery::GoBackN(recovery) => recovery.first(),
            Recovery::Selective(recovery) => recovery.first(),
        }
    }

    fn sent_end(&self) -> u64 {
        match &self.recovery {
            Recovery::GoBackN(recovery) => recovery.first() + recovery.in_flight(),
            Recovery::Selective(recovery) => recovery.sent_end(),
        }
    }
}

fn rate(settings: &Settings) -> Congestion {
    Congestion::Dcqcn(Dcqcn::new(settings.link_bps))
}

fn window(settings: &Settings) -> Congestion {
    let window = Cubic::new(settings.initial_window);
    Congestion::Cubic { window, recovers_until: 0, fast: false }
}

/// RDMA trusts the order of its one path; TCP waits for three duplicate ACKs.
const RC_THRESHOLD: u64 = 1;
const TCP_THRESHOLD: u64 = 3;

#[cfg(test)]
mod tests {
    use usrd_proto::{BufferId, BufferRange, Token};

    use super::*;

    const MTU: u64 = 936;
    const RTO_NS: u64 = 1_000_000;

    /// A sender with so many packets of 1,000 bytes to send, over a line of 8 Gb/s: one each
    /// microsecond.
    fn sender(kind: Kind, packets: u64) -> Sender {
        let settings = Settings {
            kind,
            mtu_bytes: MTU,
            paths: 1,
            link_bps: 8_000_000_000,
            min_rto_ns: RTO_NS,
            initial_window: 10,
        };
        let mut sender = Sender::new(&settings, 0);
        let range = BufferRange { buffer: BufferId(0), offset: 0, len: packets * MTU };
        sender.outgoing.push(Token(0), range);
        sender
    }

    fn ack(next: u64, ranges: &[(u64, u64)]) -> Ack {
        let mut ack = Ack { next, ranges: [(next, next); 3], ..Ack::default() };
        ack.ranges[..ranges.len()].copy_from_slice(ranges);
        ack
    }

    /// The packets that leave at `now_ns`; what was sent before is negative.
    fn burst(sender: &mut Sender, now_ns: u64) -> Vec<i64> {
        let mut sent = Vec::new();
        while let Next::Packet { psn, again, .. } = sender.poll(now_ns) {
            sent.push(if again { -(psn as i64) } else { psn as i64 });
        }
        sent
    }

    #[test]
    fn rc_keeps_its_rate_and_goes_back() {
        let mut rc = sender(Kind::Rc, 6);
        assert_eq!(burst(&mut rc, 0), [0]);
        assert_eq!(rc.poll(500), Next::At(1_000));
        for psn in 1..4 {
            assert_eq!(burst(&mut rc, psn * 1_000), [psn as i64]);
        }
        let nak = Ack { nak: true, ..ack(1, &[]) };
        assert_eq!(rc.acknowledged(4_000, &nak), News { arrived: 1, lost: 1 });
        assert_eq!(burst(&mut rc, 4_000), [-1]);
        assert_eq!(rc.acknowledged(4_500, &ack(0, &[])), News::default(), "an old ACK");
        rc.notified(4_500);
        assert_eq!(burst(&mut rc, 5_000), [-2]);
        assert_eq!(rc.poll(6_000), Next::At(7_000), "half of the rate");
    }

    #[test]
    fn rc_starts_over_when_nothing_comes_back() {
        let mut rc = sender(Kind::Rc, 2);
        burst(&mut rc, 0);
        burst(&mut rc, 1_000);
        assert_eq!((rc.deadline_ns(), rc.time_out(RTO_NS - 1)), (RTO_NS, 0));
        assert_eq!(rc.time_out(RTO_NS), 2);
        assert_eq!(burst(&mut rc, RTO_NS), [0], "psn 0 again");
        assert_eq!(rc.deadline_ns(), 3 * RTO_NS, "twice as long");
        assert_eq!(rc.acknowledged(RTO_NS + 5_000, &ack(2, &[])).arrived, 2);
        assert_eq!((rc.deadline_ns(), rc.poll(2 * RTO_NS)), (u64::MAX, Next::Idle));
    }

    #[test]
    fn selective_repeat_sends_only_the_gap_again() {
        let mut rc = sender(Kind::RcSr, 9);
        for psn in 0..5 {
            assert_eq!(burst(&mut rc, psn * 1_000), [psn as i64]);
        }
        assert_eq!(rc.acknowledged(5_000, &ack(1, &[(2, 3)])), News { arrived: 2, lost: 1 });
        assert_eq!(burst(&mut rc, 5_000), [-1]);
        assert_eq!(burst(&mut rc, 6_000), [5]);
    }

    #[test]
    fn tcp_fills_its_window_halves_it_once_and_goes_on() {
        let mut tcp = sender(Kind::Tcp, 200);
        assert_eq!(burst(&mut tcp, 0), Vec::from_iter(0..10));
        tcp.acknowledged(10_000, &ack(10, &[]));
        assert_eq!(burst(&mut tcp, 10_000), Vec::from_iter(10..30));
        // 10 and 12 are lost; the window of 20 becomes 14, once.
        assert_eq!(tcp.acknowledged(20_000, &ack(10, &[(11, 12)])).lost, 0);
        assert_eq!(tcp.acknowledged(20_000, &ack(10, &[(13, 15), (11, 12)])).lost, 1);
        assert_eq!(tcp.acknowledged(20_000, &ack(10, &[(13, 16), (11, 12)])).lost, 1);
        assert_eq!(tcp.window(), Some(14));
        assert!(burst(&mut tcp, 20_000).is_empty(), "14 are still under way");
        tcp.acknowledged(20_000, &ack(10, &[(13, 18), (11, 12)]));
        assert_eq!(burst(&mut tcp, 20_000), [-10, -12]);
        tcp.acknowledged(30_000, &ack(30, &[]));
        assert_eq!(burst(&mut tcp, 30_000).len(), 14);
    }

    #[test]
    fn tcp_starts_slowly_after_a_timeout() {
        let mut tcp = sender(Kind::Tcp, 100);
        burst(&mut tcp, 0);
        assert_eq!(tcp.time_out(RTO_NS), 10);
        assert_eq!(burst(&mut tcp, RTO_NS), [0]);
        tcp.acknowledged(RTO_NS + 10_000, &ack(1, &[]));
        assert_eq!(burst(&mut tcp, RTO_NS + 10_000), [-1, -2]);
    }
}
