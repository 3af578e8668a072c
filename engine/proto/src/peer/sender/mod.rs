//! The sending half of a peer: what is to be sent, what is on its way, and how fast.
//!
//! | file | what it does |
//! |---|---|
//! | `transmit` | the next packet: lost ones first, then new ones, as the windows allow |
//! | `acknowledge` | ACKs come in: what has arrived, and how long it took |
//! | `path_reports` | what they tell of paths |
//! | `refusals` | NACKs come in: what the receiver has no room for |
//! | `gaps` | packets that later ones on their path have overtaken |
//! | `pace` | how fast to send |
//! | `reports` | delivery reports and other answers, expected and owed |
//! | `transfers` | messages of one-sided operations |
//! | `cancel` | messages that are taken back |
//! | `parting` | messages that wait to know whether the peer is still there |
//! | `overdue` | packets that got no answer in time |
//! | `suspects` | paths that are not trusted, and what they are asked |
//! | `recovery` | what is remembered for these two: timers, what was sent again |
//! | `idle` | what a sender goes on from after a pause |

mod acknowledge;
mod cancel;
mod gaps;
mod idle;
mod overdue;
mod pace;
mod parting;
mod path_reports;
mod recovery;
mod refusals;
mod reports;
mod suspects;
mod transfers;
mod transmit;

use crate::config::Config;
use crate::loss::rtt::RttEstimator;
use crate::message::{OutMessage, SendQueue};
use crate::path::{PathTable, Sprayer};
use crate::psn::Psn;
use crate::send_window::{PacketList, SendWindow};
use crate::set256::Set256;
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::DATA_HEADER_BYTES;

pub(crate) use idle::IdleSender;
pub(crate) use overdue::TimerOutcome;
pub(crate) use pace::Pace;
pub(crate) use refusals::NackOutcome;
pub(crate) use transmit::DataPacket;

use recovery::Recovery;
use reports::Reports;
use transfers::Transfers;
use transmit::Datagrams;

/// See the module's head. What is asked of every peer that something has happened to is in front, what
/// only trouble needs at the end: see [`Peer`](super::Peer).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Sender {
    mtu: u16,
    reported_duplicates: u16,
    newest_ack: u32,
    next_message: u32,
    next_order: u32,
    /// Tagged messages are numbered as they are cut.
    next_tagged: u32,
    /// The peer's whole receive window, whatever of it is granted now, in packets.
    peer_window: u32,
    sprayer: Sprayer,
    paths: PathTable,
    queue: SendQueue,
    transfers: Transfers,
    datagrams: Datagrams,
    reports: Reports,
    /// Packets to be sent again.
    lost: PacketList,
    /// No new message is begun before; zero: the receiver is ready.
    not_ready_until: Instant,
    recovery: Recovery,
    window: SendWindow,
    /// The first PSN that the peer would not accept.
    credit: Psn,
    in_flight_bytes: u64,
    /// Paths with data in flight.
    busy: Set256,
    /// Paths on which a packet in flight has been overtaken.
    overtaken: Set256,
    rtt: RttEstimator,
    pace: Pace,
    /// Packets that wait for the receiver.
    refused: PacketList,
    retransmissions: u64,
    spurious: u32,
    /// What one full packet takes on the link, in nanoseconds.
    packet_ns: u32,
}

impl Sender {
    /// Names the memory of what the next packet will be entered in.
    pub(crate) fn lines_of_next(&self, ask: &mut impl FnMut(*const u8)) {
        self.window.lines_of_next(ask);
        for path in self.sprayer.likely_next() {
            self.paths.lines_of_path(path, ask);
        }
    }

    /// Takes up what the peer told when it opened.
    pub(crate) fn agree(&mut self, config: &Config, mtu: u16, paths: u16, credit_packets: u16) {
        self.mtu = config.mtu_bytes.min(mtu);
        self.packet_ns = packet_ns(config, self.mtu);
        self.peer_window = credit_packets.into();
        self.paths.limit(paths);
        self.credit = self.credit.max(Psn::new(credit_packets.into()));
    }

    /// Numbers a message and takes it up.
    pub(crate) fn submit(&mut self, shared: &mut Shared, message: OutMessage) {
        let wants_report = message.level == crate::ids::CompletionLevel::Delivered;
        let is_rd = message.service == crate::ids::Service::Rd;
        let is_ud = message.service == crate::ids::Service::Ud;
        let (id, order) = (self.next_message, if is_rd { self.next_order } else { 0 });
        self.next_message = id.wrapping_add(1);
        self.next_order = self.next_order.wrapping_add(u32::from(is_rd));
        let key = shared.messages.insert(OutMessage { id, order, ..message }) as u32;
        if wants_report {
            self.reports.expect(id, key);
        }
        if is_ud {
            self.datagrams.push(key);
        } else {
            self.queue.push(key);
        }
    }

    /// Takes up a report, a message of the protocol's own that carries the number of another.
    pub(crate) fn submit_report(&mut self, shared: &mut Shared, report: OutMessage) {
        let key = shared.messages.insert(report) as u32;
        self.reports.owe(key);
    }

    /// The peer reports a message placed. Returns its key, if it is one that asked.
    pub(crate) fn take_report(&mut self, id: u32) -> Option<u32> {
        self.reports.take(id)
    }

    /// The peer does not take a message whole. Returns its key, if it is one that waits for news.
    pub(crate) fn take_refused(&mut self, id: u32) -> Option<u32> {
        self.reports.take_refused(id)
    }

    /// The key of the message that was announced under this number and not pulled.
    pub(crate) fn announced(&self, id: u32) -> Option<u32> {
        self.reports.announced(id)
    }

    /// From now on an operation waits for an answer to the message `id`.
    pub(crate) fn expect_answer(&mut self, id: u32, operation: u32) {
        self.reports.expect_answer(id, operation);
    }

    /// The operation that an answer to the message `id` is for.
    #[inline]
    pub(crate) fn operation(&self, id: u32) -> Option<u32> {
        self.reports.operation(id)
    }

    /// The operation that waited for an answer to the message `id` is over.
    pub(crate) fn forget_answer(&mut self, id: u32) {
        self.reports.forget(id);
    }

    /// Whether the peer has all of a message and has not reported it delivered.
    pub(crate) fn awaits_report(&self) -> bool {
        self.reports.awaits()
    }

    /// Largest payload of a packet, in bytes.
    pub(crate) fn mtu(&self) -> u16 {
        self.mtu
    }

    pub(crate) fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// When [`on_timer`](Self::on_timer) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        let not_ready = match self.not_ready_until {
            Instant::ZERO => Instant::NEVER,
            until => until,
        };
        self.recovery.deadline().min(not_ready)
    }

    /// Whether nothing is pending that would keep the memory in use.
    pub(crate) fn is_idle(&self) -> bool {
        self.window.is_empty()
            && self.queue.is_empty()
            && self.transfers.is_empty()
            && self.datagrams.is_empty()
            && self.reports.is_empty()
    }
}

fn packet_ns(config: &Config, mtu: u16) -> u32 {
    let ns = wire_bytes(mtu) * 8 * 1_000_000_000 / config.cc.link_bps.max(1);
    u32::try_from(ns).unwrap_or(u32::MAX)
}

/// What a packet counts against the window: its payload, and its header.
#[inline]
fn wire_bytes(len: u16) -> u64 {
    u64::from(len) + DATA_HEADER_BYTES as u64
}

/// As many packets as any peer can have as its receive window.
const SEND_WINDOW_PACKETS: u32 = crate::config::MAX_RECV_WINDOW_PACKETS as u32;
