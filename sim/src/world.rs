//! What all hosts share: time, the network, the traffic, and those who watch.

use std::num::NonZeroU32;

use slab::Slab;
use usrd_proto::wire::{DATA_HEADER_BYTES, DataFlags};
use usrd_proto::{Atomic, BufferRange, CompletionLevel, Placement};

use crate::check::Checkers;
use crate::digest::Kind;
use crate::event::{Event, EventQueue};
use crate::fabric::{Fabric, PacketId, Step};
use crate::host::Cancels;
use crate::memory::{Exposed, Name};
use crate::observe::Observer;
use crate::scenario::{Scenario, ServiceKey};
use crate::time::Time;
use crate::traffic::{MessageId, Traffic};
use crate::units::Probability;
use crate::workload::Plan;

/// Everything in a run except the hosts.
#[derive(Debug)]
pub struct World {
    /// Now.
    pub now: Time,
    /// What is planned.
    pub queue: EventQueue,
    /// The network.
    pub fabric: Fabric,
    /// The flows.
    pub traffic: Traffic,
    /// The memory that hosts let others operate on.
    pub exposed: Exposed,
    /// Those who watch.
    pub checkers: Checkers,
    /// The fingerprint, and who records.
    pub observer: Observer,
    /// Placements under way.
    pub placements: Slab<Pending>,
    /// What all hosts are like.
    pub options: HostSettings,
    /// Packets that reached a host which was down.
    pub missed: u64,
    /// Flows that a step has made ready.
    ready: Vec<u32>,
}

/// A placement that takes its time.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// The packet that holds the payload.
    pub packet: PacketId,
    /// What is to be done.
    pub work: Work,
    /// Of which incarnation of its host.
    pub incarnation: u32,
}

/// What a host's device does for an arrival.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// It puts the payload there.
    Place(Placement),
    /// It performs an atomic.
    Perform(Atomic),
}

/// What all hosts are like.
#[derive(Clone, Copy, Debug)]
pub struct HostSettings {
    /// How long a placement takes.
    pub placement_delay: Time,
    /// How many packets the network interface holds.
    pub nic_packets: u32,
    /// How long a host's program leaves an immediate untaken.
    pub notice_delay: Time,
    /// Messages of one flow that are under way at a time.
    pub outstanding: u32,
    /// How many messages each receive is for, at most, if its buffer is shared.
    pub many: Option<NonZeroU32>,
    /// How long the note is that comes with an operation's immediate, in bytes.
    pub note_len: u64,
    /// An undisturbed round trip.
    pub round_trip: Time,
    /// Which operations are taken back.
    pub cancels: Cancels,
    /// When a send of a reliable message counts as done.
    pub level: CompletionLevel,
}

impl World {
    /// The start of a run.
    pub fn new(scenario: &Scenario, seed: u64, plan: &Plan) -> Self {
        let traffic = Traffic::new(plan);
        let cancel = scenario.workload.cancel.map_or(0.0, Probability::share);
        let (hosts, outstanding) = (scenario.topology.hosts, scenario.workload.outstanding);
        let exposed = Exposed::new(plan, hosts, outstanding);
        Self {
            now: Time::ZERO,
            queue: EventQueue::new(scenario.event_queue),
            fabric: Fabric::new(scenario, seed),
            checkers: Checkers::new(scenario, &traffic, exposed.areas()),
            traffic,
            exposed,
            observer: Observer::default(),
            placements: Slab::new(),
            ready: Vec::new(),
            missed: 0,
            options: HostSettings {
                placement_delay: scenario.host.placement_delay,
                nic_packets: scenario.host.nic_packets,
                notice_delay: scenario.host.notice_delay,
                outstanding: scenario.workload.outstanding,
                many: scenario.workload.many,
                note_len: scenario.workload.note.map_or(0, |note| note.0),
                round_trip: scenario.base_rtt(),
                cancels: Cancels::new(seed, cancel, scenario.base_rtt()),
                level: scenario.workload.completion.into(),
            },
        }
    }

    /// A host sends a packet that it has filled in.
    pub(crate) fn inject(&mut self, host: u32, packet: PacketId) {
        self.count_transmission(packet);
        self.observer.packet(self.now, Kind::Transmit, host, &self.fabric.packets.packet(packet));
        self.with_fabric(|fabric, cx| fabric.inject(cx, host, packet));
    }

    /// The network takes a step.
    pub(crate) fn with_fabric<R>(
        &mut self,
        step: impl FnOnce(&mut Fabric, &mut Step<'_>) -> R,
    ) -> R {
        let mut cx = Step { now: self.now, queue: &mut self.queue, observer: &mut self.observer };
        step(&mut self.fabric, &mut cx)
    }

    /// A sender's endpoint is done with a message.
    pub(crate) fn message_sent(&mut self, message: MessageId, well: bool) {
        self.traffic.completed(self.now, message, well, &mut self.ready);
        self.begin_ready();
    }

    /// A crash came between: a message may be delivered or not.
    pub(crate) fn excuse(&mut self, message: MessageId) {
        self.traffic.excuse(self.now, message, &mut self.ready);
        self.begin_ready();
    }

    /// A host is about to end everything with another. What has not been acknowledged may be lost; so may
    /// what waits, as its order says, for something that has not.
    pub(crate) fn part(&mut self, host: u32, other: u32) {
        self.checkers.parts(host, other);
        let ends = [(host, other), (other, host)];
        let cut_off = ends.map(|(src, dst)| self.traffic.open_between(src, dst) > 0);
        for message in self.traffic.under_way(host) {
            let spec = self.traffic.spec_of(message);
            let Some(way) = ends.iter().position(|&ends| ends == (spec.src, spec.dst)) else {
                continue;
            };
            let waits = cut_off[way] && spec.service == ServiceKey::Rd;
            if waits || !self.traffic.is_completed(message) {
                self.excuse(message);
            }
        }
    }

    /// A host has ended everything with another.
    pub(crate) fn parted(&mut self, host: u32, other: u32) {
        let open = self.traffic.under_way(host).into_iter().filter(|&message| {
            let spec = self.traffic.spec_of(message);
            (spec.src, spec.dst) == (host, other) && !self.traffic.is_completed(message)
        });
        // What is being placed for a READ ends when it is.
        let places = self.options.placement_delay > Time::ZERO;
        let (late, left): (Vec<_>, Vec<_>) =
            open.partition(|&it| places && self.traffic.spec_of(it).pulls());
        self.checkers.parted(self.now, (host, other), &left, late);
    }

    /// A receiver's endpoint has delivered a message.
    pub(crate) fn message_received(&mut self, message: MessageId) {
        self.traffic.received(self.now, message, &mut self.ready);
        self.begin_ready();
    }

    fn begin_ready(&mut self) {
        for flow in self.ready.drain(..) {
            let start = self.traffic.flows()[flow as usize].began_at;
            self.queue.schedule(start, Event::FlowStart { flow });
        }
    }

    /// A packet reached a host that had its payload already. The network's own copies and their
    /// originals do not count: nobody sent anything twice.
    pub(crate) fn count_duplicate(&mut self, packet: PacketId) {
        let packet = self.fabric.packets.packet(packet);
        if let (Some(range), false) = (packet.payload(), packet.twinned)
            && let Some(message) = self.message_in(packet.source(), range)
        {
            self.traffic.of_message(message).spurious += 1;
        }
    }

    /// Whose bytes these are of a host's.
    #[inline]
    fn message_in(&self, host: u32, range: BufferRange) -> Option<MessageId> {
        match Name::of(range.buffer) {
            Name::Message(message) | Name::List(message) | Name::Note(message) => Some(message),
            Name::Region(_) => {
                let spot = self.exposed.areas().find(host, range.offset)?;
                Some(self.traffic.message(spot.flow, spot.slot))
            }
        }
    }

    fn count_transmission(&mut self, packet: PacketId) {
        let packet = self.fabric.packets.packet(packet);
        let Some(range) = packet.payload() else { return };
        let Some(message) = self.message_in(packet.source(), range) else { return };
        if let Name::Region(registration) = Name::of(range.buffer) {
            self.checkers.touched(self.now, registration);
        }
        let flow = self.traffic.of_message(message);
        flow.packets += 1;
        flow.retransmissions += u64::from(is_retransmission(packet.head()));
    }
}

/// Whether a data packet's header says that it has been sent before.
fn is_retransmission(head: &[u8]) -> bool {
    head.len() == DATA_HEADER_BYTES && DataFlags(head[1]).has(DataFlags::RETRANSMISSION)
}
