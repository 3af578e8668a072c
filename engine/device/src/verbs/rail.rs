//! A rail: one port of one device, and everything that was made there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::RailAddress;
use super::config::{RailConfig, VerbsConfig};
use super::gid::{self, GidEntry, GidKind};
use super::sys::{
    AsyncEvent, Channel, CompletionQueue, Context, Domain, Done, Port, QueuePair, QueuePairSetup,
    ReceiveQueue, Shape, WorkCompletion,
};
use crate::DeviceError;

/// One port in use.
#[derive(Debug)]
pub(super) struct Rail {
    // Queue pairs first: they are dropped before what they use.
    pub(super) senders: Vec<Sender>,
    receives: ReceiveQueue,
    send_queue: Arc<CompletionQueue>,
    receive_queue: Arc<CompletionQueue>,
    pub(super) domain: Arc<Domain>,
    pub(super) channel: Arc<Channel>,
    pub(super) context: Arc<Context>,
    pub(super) port: Port,
    pub(super) gid: GidEntry,
    /// Slots to give back to the NIC, in batches.
    to_post: Vec<u32>,
    /// Slots that somebody reads.
    held: usize,
    slots: usize,
    /// By slot: how many arrivals that lie in it are not released yet.
    readers: Box<[u16]>,
    /// It has failed, and does not come back.
    pub(super) dead: bool,
    room: Box<[WorkCompletion; POLL_BATCH]>,
}

/// A queue pair, and how it is doing.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) queue_pair: QueuePair,
    /// When it failed, if it did: it is made anew when that is long enough ago.
    failed: Option<Instant>,
    rebuilt: Option<Instant>,
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
            QueuePair::new(&domain, &send_queue, &receive_queue, &receives, setup)
                .map(|queue_pair| Sender { queue_pair, failed: None, rebuilt: None })
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
            to_post,
            held,
            slots,
            readers: vec![0; slots].into(),
            dead,
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

    /// Takes note of what the NIC has sent.
    pub(super) fn collect_sent(&mut self) {
        loop {
            let done = match self.send_queue.poll(&mut self.room[..]) {
                Ok(done) => done,
                Err(error) => return self.fail(&error),
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

    /// Takes what has arrived, while not too many slots are held. Each one is held until it is
    /// [released](Self::release), as often as it was [shared](Self::share) and once more.
    pub(super) fn collect_received(&mut self, received: &mut Vec<Done>) {
        // The other half stays with the NIC: what it has no slot for is lost.
        let room = (self.slots / 2).saturating_sub(self.held).min(POLL_BATCH);
        if room == 0 {
            return;
        }
        match self.receive_queue.poll(&mut self.room[..room]) {
            Ok(done) => {
                for done in done.iter().map(WorkCompletion::read) {
                    self.receives.completed(done.id as u32);
                    if done.status == 0 && done.bytes >= gid_bytes() {
                        self.held += 1;
                        self.readers[done.id as usize] = 1;
                        received.push(done);
                    } else {
                        self.to_post.push(done.id as u32);
                    }
                }
            }
            Err(error) => self.fail(&error),
        }
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
            self.fail(&error);
        }
    }

    /// Whether nothing is being sent, or nothing will be.
    pub(super) fn has_sent_all(&self) -> bool {
        let done = |sender: &Sender| sender.failed.is_some() || sender.queue_pair.is_idle();
        self.dead || self.senders.iter().all(done)
    }

    /// Gives up what is being sent.
    pub(super) fn abandon(&mut self) {
        for sender in &mut self.senders {
            if let Err(error) = sender.queue_pair.reset() {
                sender.fail(&error.to_string());
            }
        }
    }

    /// Hands what was pushed to the NIC.
    pub(super) fn post(&mut self) {
        for sender in &mut self.senders {
            if let Err((_, error)) = sender.queue_pair.post() {
                sender.fail(&error.to_string());
            }
        }
    }

    /// Takes note of what the device reports.
    pub(super) fn collect_events(&mut self) {
        while let Some(event) = self.context.next_event() {
            let device = self.context.name();
            match event {
                AsyncEvent::QueuePair(number) => {
                    if let Some(sender) = find_sender(&mut self.senders, number) {
                        sender.fail("the device reports it");
                    }
                }
                AsyncEvent::Fatal(kind) => {
                    tracing::error!(device, kind, "the RDMA device has failed");
                    self.dead = true;
                }
                AsyncEvent::PortUp => {
                    tracing::info!(device, port = self.port.number, "port up");
                }
                AsyncEvent::PortDown => {
                    tracing::warn!(device, port = self.port.number, "port down");
                }
                AsyncEvent::Other(kind) => tracing::debug!(device, kind, "event"),
            }
        }
    }

    /// Makes the channel readable with the next arrival, and, if `sends`, with the next that is
    /// sent.
    pub(super) fn arm(&mut self, sends: bool) {
        self.receive_queue.take_notifications();
        let armed = self.receive_queue.arm();
        let armed = if sends { armed.and_then(|()| self.send_queue.arm()) } else { armed };
        if let Err(error) = armed {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &DeviceError) {
        tracing::error!(device = self.context.name(), %error, "the rail has failed");
        self.dead = true;
    }
}

impl Sender {
    /// Whether it can be used, now: makes a failed one anew first, if that is due.
    pub(super) fn is_usable(&mut self) -> bool {
        let Some(failed) = self.failed else {
            return true;
        };
        // Not all the time: what it fails of may last, such as a port that is down.
        let waits = self.rebuilt.is_some_and(|rebuilt| failed.duration_since(rebuilt) < REST);
        if waits && failed.elapsed() < REST {
            return false;
        }
        self.rebuilt = Some(Instant::now());
        match self.queue_pair.reset() {
            Ok(()) => {
                tracing::debug!(queue_pair = self.queue_pair.number(), "made anew");
                self.failed = None;
                true
            }
            Err(error) => {
                self.fail(&error.to_string());
                false
            }
        }
    }

    fn sent(&mut self, done: &Done) {
        let current = self.queue_pair.completed(done.id);
        if current && done.status != 0 && done.status != FLUSHED {
            self.fail(&format!("a send ended with status {}", done.status));
        }
    }

    fn fail(&mut self, why: &str) {
        let queue_pair = self.queue_pair.number();
        tracing::debug!(queue_pair, why, "a queue pair failed; what it was sending is lost");
        self.failed = Some(Instant::now());
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
/// Between two lives of a queue pair that does not stay well.
const REST: Duration = Duration::from_millis(20);
/// `IBV_WC_WR_FLUSH_ERR`: what was behind one that failed.
const FLUSHED: u32 = 5;
