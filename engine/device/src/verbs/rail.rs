//! A rail: one port of one device, and everything that was made there.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::RailAddress;
use super::config::{RailConfig, VerbsConfig};
use super::gid::{self, GidEntry, GidKind};
use super::incoming::{Incoming, POLL_BATCH};
use super::sender::{REST, Sender, find_sender};
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
    pub(super) incoming: Incoming,
    send_queue: Arc<CompletionQueue>,
    pub(super) domain: Arc<Domain>,
    pub(super) channel: Arc<Channel>,
    pub(super) context: Arc<Context>,
    pub(super) port: Port,
    pub(super) gid: GidEntry,
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
        let queue_pairs = usize::from(config.queue_pairs);
        let shared = config.shared_receives && context.has_shared_receive_queues()?;
        let queues = if shared { 1 } else { queue_pairs };
        let slots = slots.div_ceil(queues) * queues;
        let domain = Domain::new(context.clone())?;
        let channel = Channel::new(&context)?;
        let send_queue = CompletionQueue::new(&context, &channel, queue_pairs * config.send_depth)?;
        let receive_queue = CompletionQueue::new(&context, &channel, slots)?;
        let receives = ReceiveQueue::new(&domain, Shape { slots, datagram_bytes }, shared)?;
        let setup = QueuePairSetup {
            port: rail.port,
            qkey,
            depth: config.send_depth,
            receives: slots / queues,
            datagram_bytes,
        };
        let sender = |_| {
            QueuePair::new(&domain, &send_queue, &receive_queue, &receives, setup).map(Sender::new)
        };
        let senders = (0..queue_pairs).map(sender).collect::<Result<_, _>>()?;
        let mut rail = Self {
            senders,
            incoming: Incoming::new(receives, receive_queue, queues),
            send_queue,
            domain,
            channel,
            context,
            port,
            gid,
            dead: false,
            past: [0; 2],
            room: Box::new([WorkCompletion::empty(); POLL_BATCH]),
        };
        rail.incoming.repost(&rail.senders)?;
        Ok(rail)
    }

    pub(super) fn address(&self) -> RailAddress {
        RailAddress {
            gid: self.gid.gid,
            lid: self.port.lid,
            queue_pairs: self.senders.iter().map(|sender| sender.queue_pair.number()).collect(),
        }
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

    /// Takes what has arrived to `received`, which is empty.
    pub(super) fn collect_received(&mut self, received: &mut Vec<Done>) {
        if !self.dead
            && let Err(error) = self.incoming.collect(&mut self.senders, received)
        {
            self.fail(error);
        }
    }

    /// Gives free receive slots back to the NIC.
    pub(super) fn repost(&mut self) {
        if let Err(error) = self.incoming.repost(&self.senders) {
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
        if let Err(error) = self.try_restart(index) {
            self.fail(error);
        }
    }

    fn try_restart(&mut self, index: usize) -> Result<(), DeviceError> {
        let Self { incoming, senders, .. } = self;
        incoming.save(senders)?;
        let Some(sender) = senders.get_mut(index) else { return Ok(()) };
        sender.queue_pair.reset()?;
        // From then on, no more comes of what it had.
        incoming.save(senders)?;
        incoming.reclaim(index);
        senders[index].make_ready();
        Ok(())
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
        self.incoming.completions.take_notifications();
        let armed = self.incoming.completions.arm();
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
