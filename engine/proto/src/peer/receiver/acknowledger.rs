//! When to acknowledge, and what to say. Rules A1 to A4.
//!
//! An ACK names the cumulative edge, the block of 64 PSNs that the edge is in, those in which
//! something arrived since the last ACK, and as many others as fit. If there is more news than fits,
//! several ACKs follow each other, and paths are reported only when every block has been: a sender
//! that hears how far a path got has heard before what came along it.

use super::arrivals::PathArrivals;
use crate::config::AckConfig;
use crate::lazy::Lazy;
use crate::psn::Psn;
use crate::recv_window::RecvWindow;
use crate::set256::Set256;
use crate::time::Instant;
use crate::times::Times;
use crate::wire::{Ack, AckBlock, DataView, Transmission};

/// See the module's head.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Acknowledger {
    due: Due,
    packets: u32,
    bytes: u32,
    totals: Totals,
    trigger: Option<Trigger>,
    blocks: Lazy<Blocks>,
}

/// What is to be told of packets that came before others.
#[derive(Debug, Default)]
struct Blocks {
    /// Blocks with arrivals since the last ACK.
    fresh: Set256,
    /// The block whose turn it is to be told again.
    next_block: u64,
}

/// What is counted for as long as the context lasts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    received_bytes: u32,
    duplicates: u16,
    duplicate: u32,
    /// That of the last ACK.
    number: u32,
}

#[derive(Clone, Copy, Debug)]
struct Trigger {
    transmission: Transmission,
    timestamp: u32,
    arrived_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Due(Instant);

impl Default for Due {
    fn default() -> Self {
        Self(Instant::NEVER)
    }
}

impl Acknowledger {
    pub(super) fn new(totals: Totals) -> Self {
        Self { totals, ..Self::default() }
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    #[inline]
    pub(super) fn on_arrival(&mut self, now: Instant, transmission: Transmission, timestamp: u32) {
        self.trigger = Some(Trigger { transmission, timestamp, arrived_at: now });
    }

    /// A packet was taken; `is_ahead` if one before it is missing.
    #[inline]
    pub(super) fn on_accepted(
        &mut self,
        now: Instant,
        (psn, is_ahead): (Psn, bool),
        len: u16,
        config: &AckConfig,
        times: &Times,
    ) {
        // What is in order is told by the cumulative edge.
        if is_ahead {
            self.blocks.or_default().fresh.insert(psn.block() as u8);
        }
        self.totals.received_bytes = self.totals.received_bytes.wrapping_add(len.into());
        self.packets += 1;
        self.bytes += u32::from(len);
        if self.packets >= config.every_packets || self.bytes >= config.every_bytes {
            self.at_once(now);
        } else if self.packets == 1 {
            // Whatever else is due may be far away: a reminder of credit, for one.
            self.at_latest(now.plus_nanos(times.ack_delay_ns));
        }
    }

    /// A PSN came again; `repeated` if it was the same transmission, which the network doubled.
    pub(super) fn on_duplicate(
        &mut self,
        now: Instant,
        data: DataView<'_>,
        psn: Psn,
        repeated: bool,
    ) {
        if !repeated {
            self.totals.duplicates = self.totals.duplicates.wrapping_add(1);
            self.totals.duplicate = psn.wire();
        }
        self.on_arrival(now, data.transmission(), data.timestamp());
        self.at_once(now);
    }

    #[inline]
    pub(super) fn at_once(&mut self, now: Instant) {
        self.at_latest(now);
    }

    #[inline]
    pub(super) fn at_latest(&mut self, at: Instant) {
        self.due.0 = self.due.0.min(at);
    }

    #[inline]
    pub(super) fn due(&self) -> Instant {
        self.due.0
    }

    /// Fills the next ACK in; `false` if nothing has ever arrived.
    pub(super) fn fill(
        &mut self,
        now: Instant,
        ack: &mut Ack,
        window: &RecvWindow,
        paths: &mut PathArrivals,
    ) -> bool {
        let Some(trigger) = self.trigger else {
            // There is nothing to acknowledge; whatever was to be told goes with the first ACK.
            self.due.0 = Instant::NEVER;
            return false;
        };
        ack.cumulative = window.next_expected().wire();
        self.totals.number = self.totals.number.wrapping_add(1);
        ack.number = self.totals.number;
        ack.received_bytes = self.totals.received_bytes;
        ack.duplicates = self.totals.duplicates;
        ack.duplicate = self.totals.duplicate;
        ack.trigger = trigger.transmission;
        ack.echo = trigger.timestamp;
        let turnaround_ns = now.nanos_since(trigger.arrived_at);
        ack.turnaround_ns = turnaround_ns.min(u64::from(u32::MAX)) as u32;
        let all_blocks_told = self.report_blocks(ack, window);
        if all_blocks_told {
            while ack.paths().len() < crate::wire::MAX_ACK_PATHS {
                let Some(report) = paths.next_report() else {
                    break;
                };
                ack.push_path(report);
            }
        }
        self.packets = 0;
        self.bytes = 0;
        let more = !all_blocks_told || paths.has_reports();
        self.due.0 = if more { now } else { Instant::NEVER };
        true
    }

    /// Reports blocks: that of the edge, fresh ones, then as many of the others as fit, each in its
    /// turn. Returns whether all fresh ones are told. Blocks go by their number modulo 256, which is
    /// unambiguous within a window: see
    /// [`MAX_RECV_WINDOW_PACKETS`](crate::config::MAX_RECV_WINDOW_PACKETS).
    fn report_blocks(&mut self, ack: &mut Ack, window: &RecvWindow) -> bool {
        let edge = window.next_expected().block();
        let Some(last) = window.highest_seen().filter(|_| window.has_gap()).map(Psn::block) else {
            if let Some(blocks) = self.blocks.get_mut() {
                blocks.fresh = Set256::default();
            }
            return true;
        };
        self.blocks.or_default().report(ack, window, (edge, last))
    }
}

impl Blocks {
    fn report(&mut self, ack: &mut Ack, window: &RecvWindow, (edge, last): (u64, u64)) -> bool {
        self.fresh.insert(edge as u8);
        let mut told = Set256::default();
        while let Some(offset) = self.fresh.first_from(edge as u8) {
            let block = edge + u64::from(offset);
            if block <= last {
                let bits = window.word(block);
                if bits != 0 && !ack.push_block(AckBlock { offset: offset.into(), bits }) {
                    return false;
                }
                told.insert(block as u8);
            }
            self.fresh.remove(block as u8);
        }
        self.fill(ack, window, (edge, last), &told);
        true
    }

    /// Uses what room is left for blocks in which nothing is new: what is missing there is news to
    /// a sender that waits to hear of it.
    fn fill(
        &mut self,
        ack: &mut Ack,
        window: &RecvWindow,
        (edge, last): (u64, u64),
        told: &Set256,
    ) {
        for _ in edge..=last {
            if self.next_block < edge || self.next_block > last {
                self.next_block = edge;
            }
            let block = self.next_block;
            let bits = window.word(block);
            let news = bits != 0 && !told.contains(block as u8);
            let offset = (block - edge) as u16;
            if news && !ack.push_block(AckBlock { offset, bits }) {
                return;
            }
            self.next_block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Rule A1: what is due much later, such as a reminder of credit, puts no ACK off.
    #[test]
    fn a_late_reminder_delays_no_ack() {
        let config = Config::default();
        let times = Times::new(&config);
        let now = Instant::from_nanos(1_000);
        let mut acknowledger = Acknowledger::default();
        acknowledger.at_latest(now.plus_nanos(100 * times.ack_delay_ns));
        acknowledger.on_accepted(now, (Psn::new(0), false), 100, &config.ack, &times);
        assert_eq!(acknowledger.due(), now.plus_nanos(times.ack_delay_ns));
        let later = now.plus_nanos(1);
        acknowledger.on_accepted(later, (Psn::new(1), false), 100, &config.ack, &times);
        assert_eq!(acknowledger.due(), now.plus_nanos(times.ack_delay_ns), "of the first of them");
    }

    /// News of credit before anything has arrived keeps nobody busy: there is nothing to say it in.
    #[test]
    fn without_an_arrival_nothing_stays_due() {
        let now = Instant::from_nanos(1_000);
        let mut acknowledger = Acknowledger::default();
        acknowledger.at_once(now);
        let address = crate::wire::Address { context: 1, tag: 2 };
        let (window, mut paths) = (RecvWindow::new(64), PathArrivals::default());
        let mut ack = Ack::new(address, 0, 0);
        assert!(!acknowledger.fill(now, &mut ack, &window, &mut paths));
        assert_eq!(acknowledger.due(), Instant::NEVER);
    }
}
