//! What a rail receives: slots of memory go to the NIC, and come back with datagrams.
//!
//! ```text
//!   shared queue, or one of each queue pair   -- arrival --> held by who reads it --+
//!        ^                                                                          |
//!        +------------------------ in batches --------------------------------------+
//! ```
//! Where queue pairs have queues of their own, each slot belongs to one of them for good.

use std::sync::Arc;

use super::gid;
use super::sender::{Sender, find_sender};
use super::sys::{CompletionQueue, Done, GRH_BYTES, ReceiveQueue, WorkCompletion};
use crate::DeviceError;

/// Receive slots, and where each is.
#[derive(Debug)]
pub(super) struct Incoming {
    queue: ReceiveQueue,
    pub(super) completions: Arc<CompletionQueue>,
    slots: usize,
    /// All of them, if they share a queue.
    slots_per_queue: usize,
    /// By queue, slots to give back to the NIC, in batches.
    to_post: Vec<Vec<u32>>,
    /// What arrived while a queue pair was made anew.
    early: Vec<Done>,
    /// Slots that somebody reads.
    held: usize,
    /// By slot: how many arrivals that lie in it are not released yet.
    readers: Box<[u16]>,
    room: Box<[WorkCompletion; POLL_BATCH]>,
}

impl Incoming {
    /// With nothing given to the NIC yet. Without a shared queue, each of the queue pairs has its part of
    /// the slots.
    pub(super) fn new(
        queue: ReceiveQueue,
        completions: Arc<CompletionQueue>,
        queues: usize,
    ) -> Self {
        let slots = queue.shape().slots;
        let slots_per_queue = slots / queues;
        let all: Vec<u32> = (0..slots as u32).collect();
        Self {
            queue,
            completions,
            slots,
            slots_per_queue,
            to_post: all.chunks(slots_per_queue).map(<[u32]>::to_vec).collect(),
            early: Vec::new(),
            held: 0,
            readers: vec![0; slots].into(),
            room: Box::new([WorkCompletion::empty(); POLL_BATCH]),
        }
    }

    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// Takes what has arrived to `received`, which is empty, while not too many slots are held. Each one
    /// is held until it is [released](Self::release), as often as it was [shared](Self::share) and once
    /// more.
    pub(super) fn collect(
        &mut self,
        senders: &mut [Sender],
        received: &mut Vec<Done>,
    ) -> Result<(), DeviceError> {
        // The other half stays with the NIC: what it has no slot for is lost.
        let room = (self.slots / 2).saturating_sub(self.held).min(POLL_BATCH);
        if !self.early.is_empty() {
            received.extend(self.early.drain(..room.min(self.early.len())));
        } else if room > 0 {
            self.poll(room, senders, received)?;
        }
        self.held += received.len();
        for done in received {
            self.readers[done.id as usize] = 1;
        }
        Ok(())
    }

    /// Takes all that has arrived, for later: some devices forget it when a queue pair is made anew.
    pub(super) fn save(&mut self, senders: &mut [Sender]) -> Result<(), DeviceError> {
        let mut early = std::mem::take(&mut self.early);
        let result = loop {
            match self.poll(POLL_BATCH, senders, &mut early) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.early = early;
        result
    }

    /// Takes up to `most` completions of receives off the NIC, and returns how many.
    fn poll(
        &mut self,
        most: usize,
        senders: &mut [Sender],
        received: &mut Vec<Done>,
    ) -> Result<usize, DeviceError> {
        let done = self.completions.poll(&mut self.room[..most])?;
        for done in done.iter().map(WorkCompletion::read) {
            let slot = done.id as u32;
            self.queue.completed(slot);
            if done.status == 0 && done.bytes as usize >= GRH_BYTES {
                received.push(done);
                continue;
            }
            self.to_post[slot as usize / self.slots_per_queue].push(slot);
            if done.status != 0
                && let Some(sender) = find_sender(senders, done.queue_pair)
            {
                sender.fail(format_args!("a receive ended with status {}", done.status));
            }
        }
        Ok(done.len())
    }

    /// What is in front of the datagram in a slot that is held.
    pub(super) fn front(&self, slot: u32) -> Option<gid::Front> {
        self.queue.grh(slot).map(gid::Front::read)
    }

    /// The datagram in a slot that is held.
    pub(super) fn datagram(&self, slot: u32, len: usize) -> Option<&[u8]> {
        self.queue.datagram(slot, len)
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
            self.to_post[slot as usize / self.slots_per_queue].push(slot);
        }
    }

    /// Gives slots back to the NIC, where there are enough of them to be worth it.
    pub(super) fn repost(&mut self, senders: &[Sender]) -> Result<(), DeviceError> {
        let least = self.slots_per_queue.min(2 * POLL_BATCH) / 4;
        for (slots, sender) in self.to_post.iter_mut().zip(senders) {
            // One that is stopped would only give them back.
            let takes_them = sender.is_well() || self.queue.is_shared();
            if slots.len() > least && takes_them {
                let result = self.queue.post(&sender.queue_pair, slots);
                slots.clear();
                result?;
            }
        }
        Ok(())
    }

    /// A queue pair has been reset, and has given back all that it will: what it has not is lost.
    pub(super) fn reclaim(&mut self, index: usize) {
        if !self.queue.is_shared() {
            let first = index * self.slots_per_queue;
            let lost = self.queue.reclaim(first..first + self.slots_per_queue);
            self.to_post[index].extend(lost);
        }
    }

    /// How many slots are free or with the NIC, and how many somebody has or will get.
    #[cfg(test)]
    pub(super) fn slots_by_place(&self) -> [usize; 2] {
        let to_post: usize = self.to_post.iter().map(Vec::len).sum();
        [self.queue.posted() + to_post, self.held + self.early.len()]
    }
}

/// Completions taken at a time.
pub(super) const POLL_BATCH: usize = 64;
