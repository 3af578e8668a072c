//! A rail: one port of one device, and everything that was made there.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::RailAddress;
use super::config::{RailConfig, VerbsConfig};
use super::gid::{self, GidEntry, GidKind};
use super::sender::{REST, Sender};
use super::sys::{
    AsyncEvent, Channel, CompletionQueue, Context, Domain, Done, Port, QueuePair, QueuePairSetup,
    ReceiveQueue, Shape, WorkCompletion,
};
use crate::DeviceError;

/// One port in use.
#[derive(Debug)]
pub(super) struct Rail {
    // Queue pairs first: they are dropped before what they use. None once the rail has failed.
    pub(super) senders: Vec<Sender>,
    receives: ReceiveQueue,
    send_queue: Arc<CompletionQueue>,
    receive_queue: Arc<CompletionQueue>,
    pub(super) domain: Arc<Domain>,
    pub(super) channel: Arc<Channel>,
    pub(super) context: Arc<Context>,
    pub(super) port: Port,
    pub(super) gid: GidEntry,
    /// What arrived while a queue pair was made anew.
    early: Vec<Done>,
    /// Slots to give back to the NIC, in batches.
    to_post: Vec<u32>,
    /// Slots that somebody reads.
    held: usize,
    slots: usize,
    /// By slot: how many arrivals that lie in it are not released yet.
    readers: Box<[u16]>,
    /// It has failed, and does not come back.
    pub(super) dead: bool,
    /// Failures and rebuilds of queue pairs that are gone.
    past: [u64; 2],
    room: Box<[WorkCompletion; POLL_BATCH]>,
}

impl Rail {
    pub(super) fn open(
        config: &VerbsConfig,
        rail: &RailConfig,
        (context, port): (Arc<Context>, Port),
        qkey: u32,
        datagram_bytes: usize,
    ) -> Result<Self, DeviceError> {
        if !port.active {
            tracing::warn!(rail = %rail, "the port is down; its paths will be, until it is up");
        }
        let gid = find_gid(&context, &port, rail)?;
        let slots = config.receive_slots(port.link_bps, datagram_bytes);
        let domain = Domain::new(context.clone())?;
        let channel = Channel::new(&context)?;
        let sends = usize::from(config.queue_pairs) * config.send_depth;
        let send_queue = CompletionQueue::new(&context, &channel, sends)?;
        let receive_queue = CompletionQueue::new(&context, &channel, slots)?;
        let mut receives = ReceiveQueue::new(&domain, Shape { slots, datagram_bytes })?;
        receives.post(&(0..slots as u32).collect::<Vec<_>>())?;
        let setup =
            QueuePairSetup { port: rail.port, qkey, depth: config.send_depth, datagram_bytes };
        let sender = |_| {
            QueuePair::new(&domain, &send_queue, &receive_queue, &receives, setup).map(Sender::new)
        };
        let senders = (0..config.queue_pairs).map(sender).collect::<Result<_, _>>()?;
        let room = Box::new([WorkCompletion::empty(); POLL_BATCH]);
        let (to_post, held, dead) = (Vec::with_capacity(slots), 0, false);
        Ok(Self {
            senders,
            receives,
            send_queue,
            receive_queue,
            domain,
            channel,
            context,
            port,
            gid,
            early: Vec::new(),
            to_post,
            held,
            slots,
            readers: vec![0; slots].into(),
            dead,
            past: [0; 2],
            room,
        })
    }

    pub(super) fn address(&self) -> RailAddress {
        RailAddress {
            gid: self.gid.gid,
            lid: self.port.lid,
            queue_pairs: self.senders.iter().map(|sender| sender.queue_pair.number()).collect(),
        }
    }

    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// A queue pair that what is sent now can go through.
    pub(super) fn sender(&mut self, index: usize) -> Option<&mut Sender> {
        self.senders.get_mut(index).filter(|sender| sender.is_well())
    }

    /// Takes note of what the NIC has sent.
    pub(super) fn collect_sent(&mut self) {
        while !self.dead {
            let done = match self.send_queue.poll(&mut self.room[..]) {
                Ok(done) => done,
                Err(error) => return self.fail(error),
            };
            for done in done.iter().map(WorkCompletion::read) {
                if let Some(sender) = find_sender(&mut self.senders, done.queue_pair) {
                    sender.sent(&done);
                }
            }
            if done.len() < POLL_BATCH {
                return;
            }
        }
    }

    /// Takes what has arrived to `received`, which is empty, while not too many slots are held. Each one
    /// is held until it is [released](Self::release), as often as it was [shared](Self::share) and once more.
    pub(super) fn collect_received(&mut self, received: &mut Vec<Done>) {
        // The other half stays with the NIC: what it has no slot for is lost.
        let room = (self.slots / 2).saturating_sub(self.held).min(POLL_BATCH);
        if self.early.is_empty() {
            self.poll_received(room, received);
        } else {
            received.extend(self.early.drain(..room.min(self.early.len())));
        }
        self.held += received.len();
        for done in received {
            self.readers[done.id as usize] = 1;
        }
    }

    /// Takes up to `most` completions of receives off the NIC, and returns how many.
    fn poll_received(&mut self, most: usize, received: &mut Vec<Done>) -> usize {
        if most == 0 || self.dead {
            return 0;
        }
        let done = match self.receive_queue.poll(&mut self.room[..most]) {
            Ok(done) => done,
            Err(error) => {
                self.fail(error);
                return 0;
            }
        };
        for done in done.iter().map(WorkCompletion::read) {
            self.receives.completed(done.id as u32);
            if done.status == 0 && done.bytes >= gid_bytes() {
                received.push(done);
                continue;
            }
            self.to_post.push(done.id as u32);
            if done.status != 0
                && let Some(sender) = find_sender(&mut self.senders, done.queue_pair)
            {
                sender.fail(format_args!("a receive ended with status {}", done.status));
            }
        }
        done.len()
    }

    /// What is in front of the datagram in a slot that is held.
    pub(super) fn front(&self, slot: u32) -> Option<gid::Front> {
        self.receives.grh(slot).map(gid::Front::read)
    }

    /// The datagram in a slot that is held.
    pub(super) fn datagram(&self, slot: u32, len: usize) -> Option<&[u8]> {
        self.receives.datagram(slot, len)
    }

    /// So many more arrivals lie in a slot that is held.
    pub(super) fn share(&mut self, slot: u32, more: u16) {
        self.readers[slot as usize] += more;
    }

    /// An arrival has been read; with the last one its slot is free.
    pub(super) fn release(&mut self, slot: u32) {
        let readers = &mut self.readers[slot as usize];
        *readers -= 1;
        if *readers == 0 {
            self.held -= 1;
            self.to_post.push(slot);
        }
    }

    /// Gives slots back to the NIC, if there are enough of them to be worth it.
    pub(super) fn repost(&mut self) {
        if self.to_post.len() < self.slots.min(2 * POLL_BATCH) / 4 || self.dead {
            return;
        }
        let result = self.receives.post(&self.to_post);
        self.to_post.clear();
        if let Err(error) = result {
            self.fail(error);
        }
    }

    /// Whether nothing is being sent, or nothing will be.
    pub(super) fn has_sent_all(&self) -> bool {
        self.senders.iter().all(Sender::has_sent_all)
    }

    /// Of each queue pair, how far it has been handed work.
    pub(super) fn sent_so_far(&self) -> Vec<u64> {
        self.senders.iter().map(|sender| sender.queue_pair.next()).collect()
    }

    /// Whether the NIC is done with what it had been handed when it was that far.
    pub(super) fn is_past(&self, sent: &[u64]) -> bool {
        let is_past = |(sender, &sent): (&Sender, _)| sender.queue_pair.is_past(sent);
        self.senders.iter().zip(sent).all(is_past)
    }

    /// Gives up what is being sent.
    pub(super) fn abandon(&mut self) {
        self.senders.iter_mut().for_each(Sender::stop);
        (0..self.senders.len()).for_each(|index| self.restart(index));
    }

    /// Hands what was pushed to the NIC.
    pub(super) fn post(&mut self) {
        for sender in &mut self.senders {
            if let Err((_, error)) = sender.queue_pair.post() {
                sender.fail(error);
            }
        }
    }

    /// Finds queue pairs that do not get on, and makes those anew that have rested.
    pub(super) fn mend(&mut self) {
        let now = Instant::now();
        for index in 0..self.senders.len() {
            // With the rail, they are gone.
            let Some(sender) = self.senders.get_mut(index) else { return };
            sender.watch(now);
            if sender.is_rested(now) {
                self.restart(index);
            }
        }
    }

    /// When to [mend](Self::mend), if anything is to be mended.
    pub(super) fn mend_after(&self) -> Option<Duration> {
        let is_well = self.senders.iter().all(Sender::is_well);
        (!is_well).then_some(REST)
    }

    /// Makes a stopped queue pair anew.
    fn restart(&mut self, index: usize) {
        // Some devices forget what has arrived there and was not looked at.
        let mut early = std::mem::take(&mut self.early);
        while self.poll_received(POLL_BATCH, &mut early) > 0 {}
        self.early = early;
        let Some(sender) = self.senders.get_mut(index) else { return };
        if let Err(error) = sender.restart() {
            self.fail(error);
        }
    }

    /// How many receive slots are free or with the NIC, and how many somebody has or will get.
    #[cfg(test)]
    pub(super) fn slots_by_place(&self) -> [usize; 2] {
        [self.receives.posted() + self.to_post.len(), self.held + self.early.len()]
    }

    /// How often queue pairs have failed, and how often they were made anew.
    pub(super) fn failures_and_rebuilds(&self) -> [u64; 2] {
        self.senders.iter().fold(self.past, |[failures, rebuilds], sender| {
            [failures + sender.failures, rebuilds + sender.rebuilds]
        })
    }

    /// Takes note of what the device reports.
    pub(super) fn collect_events(&mut self) {
        while !self.dead
            && let Some(event) = self.context.next_event()
        {
            let device = self.context.name();
            match event {
                AsyncEvent::QueuePair(number) => {
                    if let Some(sender) = find_sender(&mut self.senders, number) {
                        sender.fail("the device reports it");
                    }
                }
                AsyncEvent::Fatal(what) => self.fail(what),
                AsyncEvent::Port { number, active } if number == self.port.number => {
                    tracing::warn!(device, port = number, active, "the port has changed");
                    self.port.active = active;
                }
                AsyncEvent::Port { .. } => {}
                AsyncEvent::Other(kind) => tracing::debug!(device, kind, "event"),
            }
        }
    }

    /// Makes the channel readable with the next arrival, and, if `sends`, with the next that is
    /// sent.
    pub(super) fn arm(&mut self, sends: bool) {
        if self.dead {
            return;
        }
        self.receive_queue.take_notifications();
        let armed = self.receive_queue.arm();
        let armed = if sends { armed.and_then(|()| self.send_queue.arm()) } else { armed };
        if let Err(error) = armed {
            self.fail(error);
        }
    }

    /// It is of no use any more. With its queue pairs goes what they were sending.
    pub(super) fn fail(&mut self, why: impl Display) {
        let (device, port) = (self.context.name(), self.port.number);
        tracing::error!(device, port, %why, "the rail has failed");
        self.past = self.failures_and_rebuilds();
        self.senders.clear();
        self.dead = true;
    }
}

fn find_sender(senders: &mut [Sender], number: u32) -> Option<&mut Sender> {
    senders.iter_mut().find(|sender| sender.queue_pair.number() == number)
}

fn find_gid(context: &Context, port: &Port, rail: &RailConfig) -> Result<GidEntry, DeviceError> {
    let gids = context.gids(port);
    let found = match rail.gid_index {
        Some(index) => gids.iter().find(|entry| entry.index == index).copied(),
        None => gid::choose(&gids),
    };
    let gid = found.ok_or_else(|| DeviceError::BadSetting {
        setting: "gid_index",
        problem: format!(
            "{rail} has no such GID; there are {gids:?}. Has its interface an address?"
        ),
    })?;
    if gid.kind == GidKind::RoceV1 {
        tracing::warn!(%rail, "only RoCE v1 there: all paths are one to the network");
    }
    Ok(gid)
}

const fn gid_bytes() -> u32 {
    super::sys::GRH_BYTES as u32
}

/// Completions taken at a time.
pub(super) const POLL_BATCH: usize = 64;
