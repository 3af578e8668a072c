//! What each of several senders may send while the receiver has little room. Rule M3.
//!
//! Room for messages nobody has asked for yet is one pool for all peers. Were each told of all of
//! it, as many times as much would come. So it is divided by the number of *active* senders: those
//! of which a message is arriving, or has begun within the last millisecond or two. That is counted
//! in periods, so a sender that falls silent is forgotten without anybody looking for it.

use crate::peer::receiver::Receiver;
use crate::time::Instant;

/// How many peers are sending.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// Peers with a message of several packets under way.
    arriving: u32,
    period_ends: Instant,
    /// Its number; never that of a peer that has begun nothing.
    period: u32,
    /// Peers that began a message in this period, and in the one before.
    in_this: u32,
    in_last: u32,
}

impl Senders {
    /// A message begins. `sent_in`: the period in which the peer's last one began.
    #[inline]
    pub(super) fn begins(&mut self, now: Instant, sent_in: &mut u32) {
        if now >= self.period_ends {
            self.next_period(now);
        }
        if *sent_in != self.period {
            *sent_in = self.period;
            self.in_this += 1;
        }
    }

    #[cold]
    fn next_period(&mut self, now: Instant) {
        let missed_one = now.nanos_since(self.period_ends) >= PERIOD_NS;
        self.in_last = if missed_one { 0 } else { self.in_this };
        self.in_this = 0;
        self.period = self.period.wrapping_add(1).max(1);
        self.period_ends = now.plus_nanos(PERIOD_NS);
    }

    /// A message of several packets begins.
    pub(super) fn arrives(&mut self, receiver: &mut Receiver, len: u64) {
        self.arriving += u32::from(receiver.expect_bytes(len));
    }

    /// It has arrived whole.
    pub(super) fn arrived(&mut self, receiver: &mut Receiver, len: u64) {
        self.arriving -= u32::from(receiver.bytes_arrived(len));
    }

    /// The rest of what was arriving will not come.
    pub(super) fn forget(&mut self, receiver: &mut Receiver) {
        let bytes = receiver.expected_bytes();
        if bytes > 0 {
            self.arrived(receiver, bytes);
        }
    }

    /// How many there are.
    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.arriving.max(self.in_this).max(self.in_last)
    }
}

/// Among thousands of senders each has its turn in this time: it is three thousand packets at
/// 100 Gbit/s.
const PERIOD_NS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + micros * 1000)
    }

    #[test]
    fn senders_are_counted_once_and_forgotten() {
        let mut senders = Senders::default();
        let mut peers = [0; 3];
        for _ in 0..5 {
            peers.iter_mut().for_each(|peer| senders.begins(at(0), peer));
        }
        assert_eq!(senders.count(), 3);
        senders.begins(at(1500), &mut peers[0]);
        assert_eq!(senders.count(), 3, "the others were there a moment ago");
        senders.begins(at(2600), &mut peers[0]);
        assert_eq!(senders.count(), 1);
        senders.begins(at(99_000), &mut peers[1]);
        assert_eq!(senders.count(), 1, "after a long pause");
    }

    #[test]
    fn a_long_message_keeps_its_sender_active() {
        let mut senders = Senders::default();
        let config = crate::config::Config::default();
        let receiver = || Receiver::wake(&Default::default(), &config);
        let mut peers = [receiver(), receiver()];
        peers.iter_mut().for_each(|peer| senders.arrives(peer, 100));
        senders.arrives(&mut peers[0], 50);
        assert_eq!(senders.count(), 2);
        senders.arrived(&mut peers[0], 100);
        assert_eq!(senders.count(), 2);
        senders.arrived(&mut peers[0], 50);
        senders.forget(&mut peers[1]);
        assert_eq!(senders.count(), 0);
    }
}
