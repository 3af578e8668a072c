//! Registered memory: the core decides who may touch what and when it is free, here it is.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use slab::Slab;
use usrd_device::{Device, Loan};
use usrd_proto::{Access, BufferId, BufferRange, RegionRequest};

use super::Driver;
use super::buffers::{Space, id_in, split};
use crate::memory::Memory;
use crate::submission::Registered;
use crate::{
    Completion, CompletionQueue, CopyError, NotRegistered, Region, RegionCompletion, RegionOptions,
    RegisterError, Unregistered,
};

/// The memory of all regions, by number.
#[derive(Debug, Default)]
pub(super) struct Regions {
    entries: Slab<Entry>,
    /// Released by the core, and still read by the device.
    leaving: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    memory: Memory,
    region: Region,
    /// That it was lent to the device.
    loan: Option<Loan>,
    /// Its deregistration, once it has begun.
    deregistering: Option<Deregistration>,
}

/// What the user calls it, and where it is reported.
#[derive(Debug)]
struct Deregistration {
    context: u64,
    to: Option<CompletionQueue>,
}

impl Regions {
    pub(super) fn memory(&self, index: u32) -> &Memory {
        &self.entries[index as usize].memory
    }

    pub(super) fn memory_mut(&mut self, index: u32) -> &mut Memory {
        &mut self.entries[index as usize].memory
    }

    /// A copy of a stretch of a region.
    pub(super) fn copy_of(&self, range: BufferRange) -> Bytes {
        let (_, index) = split(range.buffer);
        Bytes::copy_from_slice(self.memory(index).slice(range.offset as usize, range.len as usize))
    }

    pub(super) fn loan(&self, index: u32) -> Option<Loan> {
        self.entries.get(index as usize)?.loan
    }

    /// Whether some wait for the device.
    pub(super) const fn are_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    fn are_returned(&mut self, device: &mut dyn Device) -> bool {
        let entries = self.entries.iter_mut().map(|(_, entry)| entry);
        let lent = entries.chain(&mut self.leaving).filter_map(|entry| {
            let is_returned = entry.is_returned(device);
            (!is_returned).then_some(())
        });
        // Every one is asked.
        lent.count() == 0
    }

    fn find(&self, region: Region) -> Result<usize, NotRegistered> {
        let mut entries = self.entries.iter();
        let live =
            |(_, entry): &(usize, &Entry)| entry.region == region && entry.deregistering.is_none();
        entries.find(live).map(|(index, _)| index).ok_or(NotRegistered)
    }

    /// All that is left: deregistrations that have not completed, with the memory.
    fn drain(&mut self) -> Vec<(Deregistration, Option<BytesMut>)> {
        let entries = self.entries.drain().chain(self.leaving.drain(..));
        entries.filter_map(Entry::deregistered).collect()
    }
}

impl Entry {
    /// Whether the device has given it back, or never had it.
    fn is_returned(&mut self, device: &mut dyn Device) -> bool {
        if self.loan.is_some_and(|loan| device.take_back(loan)) {
            self.loan = None;
        }
        self.loan.is_none()
    }

    /// What its owner is told. Memory that the device may still read is never freed.
    fn deregistered(self) -> Option<(Deregistration, Option<BytesMut>)> {
        let memory = if self.loan.is_some() {
            self.memory.leak();
            None
        } else {
            self.memory.into_owned()
        };
        Some((self.deregistering?, memory))
    }
}

impl Driver {
    /// [`Engine::register`](crate::Engine::register), for the thread that drives.
    pub fn register(
        &mut self,
        memory: BytesMut,
        options: impl Into<RegionOptions>,
    ) -> Result<Region, Unregistered> {
        let registered = self.register_memory(Memory::Owned(memory), options.into());
        registered.map_err(|(error, memory)| Unregistered { error, memory: memory.into_owned() })
    }

    /// [`Engine::register_raw`](crate::Engine::register_raw), for the thread that drives.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn register_raw(
        &mut self,
        memory: std::ptr::NonNull<u8>,
        len: usize,
        options: impl Into<RegionOptions>,
    ) -> Result<Region, RegisterError> {
        // SAFETY: the caller promises what `Memory::raw` asks for.
        let memory = unsafe { Memory::raw(memory, len) };
        self.register_memory(memory, options.into()).map_err(|(error, _)| error)
    }

    pub(crate) fn register_memory(
        &mut self,
        mut memory: Memory,
        options: RegionOptions,
    ) -> Registered {
        let RegionOptions { access, peers } = options;
        if access.allows(Access::ATOMIC) && !memory.is_aligned() {
            let error = RegisterError::Misaligned { align: align_of::<u64>() };
            return Err((error, memory));
        }
        let peers = match peers {
            None => None,
            Some(peers) => match peers.iter().map(|&peer| self.routes.lookup(peer)).collect() {
                Some(peers) => Some(peers),
                None => return Err((RegisterError::UnknownPeer, memory)),
            },
        };
        let (slot, len) = (self.regions.entries.vacant_key(), memory.len() as u64);
        let buffer = id_in(Space::Region, slot);
        match self.endpoint.register(RegionRequest { buffer, len, access, peers }) {
            Ok(start) => {
                let region = Region { start, len, access };
                // SAFETY: it goes into the table as it is, and leaves it when the device has given it
                // back, or was dropped, as it is before the table.
                let lendable = unsafe { memory.lendable() };
                let loan = self.device.lend(&lendable);
                self.regions.entries.insert(Entry { memory, region, loan, deregistering: None });
                Ok(region)
            }
            Err(error) => Err((error.into(), memory)),
        }
    }

    pub(crate) fn deregister(&mut self, region: Region, context: u64, to: Option<CompletionQueue>) {
        let deregistration = Deregistration { context, to };
        let found = self.regions.find(region);
        if let Ok(index) = found
            && self.endpoint.revoke(self.now, region.start).is_ok()
        {
            self.regions.entries[index].deregistering = Some(deregistration);
            return;
        }
        self.deregistration_over(deregistration, Err(NotRegistered));
    }

    fn deregistration_over(
        &mut self,
        deregistration: Deregistration,
        result: Result<Option<BytesMut>, NotRegistered>,
    ) {
        let Deregistration { context, to } = deregistration;
        let engine = self.shared.info.id;
        let completion = RegionCompletion { engine, context, result };
        self.complete(to, Completion::Deregistered(completion));
    }

    /// Completes the deregistrations that have not, when the engine ends.
    pub(super) fn end_deregistrations(&mut self) {
        for (deregistration, memory) in self.regions.drain() {
            self.deregistration_over(deregistration, Ok(memory));
        }
    }

    /// The core has seen the last of a region. Packets that wait for the device keep what they
    /// carry of it.
    pub(super) fn region_released(&mut self, buffer: BufferId) {
        let (_, index) = split(buffer);
        let Some(entry) = self.regions.entries.try_remove(index as usize) else {
            debug_assert!(false, "{buffer:?} released without having been registered");
            return;
        };
        let piece = |start, len| Bytes::copy_from_slice(entry.memory.slice(start, len));
        self.batch.hold(buffer, piece);
        self.regions.leaving.push(entry);
        self.see_off_regions();
    }

    /// Gives regions back to their owners that the device does not read from any more.
    pub(super) fn see_off_regions(&mut self) {
        for mut entry in std::mem::take(&mut self.regions.leaving) {
            if !entry.is_returned(&mut *self.device) {
                self.regions.leaving.push(entry);
            } else if let Some((deregistration, memory)) = entry.deregistered() {
                self.deregistration_over(deregistration, Ok(memory));
            }
        }
    }

    /// Takes back everything that was lent to the device. What is being sent has `patience` long to
    /// leave, and then is given up.
    pub(super) fn recall_regions(&mut self, patience: Duration) {
        let deadline = self.clock.now() + patience;
        while !self.regions.are_returned(&mut *self.device) {
            if self.clock.now() >= deadline {
                self.device.abandon();
                // One that is not returned now either is one that a broken device has for good.
                self.regions.are_returned(&mut *self.device);
                return;
            }
        }
    }

    /// [`Engine::copy_from`](crate::Engine::copy_from), for the thread that drives.
    pub fn copy_from(&self, region: Region, offset: u64, len: usize) -> Result<Bytes, CopyError> {
        let index = self.inside(region, offset, len)?;
        let memory = self.regions.memory(index as u32);
        Ok(Bytes::copy_from_slice(memory.slice(offset as usize, len)))
    }

    /// [`Engine::copy_into`](crate::Engine::copy_into), for the thread that drives.
    pub fn copy_into(&mut self, region: Region, offset: u64, data: &[u8]) -> Result<(), CopyError> {
        let index = self.inside(region, offset, data.len())?;
        self.regions.memory_mut(index as u32).write(offset as usize, data);
        Ok(())
    }

    fn inside(&self, region: Region, offset: u64, len: usize) -> Result<usize, CopyError> {
        let index = self.regions.find(region)?;
        let end = offset.checked_add(len as u64);
        match end.is_some_and(|end| end <= region.len) {
            true => Ok(index),
            false => Err(CopyError::OutOfBounds { len: region.len }),
        }
    }
}
