//! RDMA NICs: unreliable-datagram queue pairs, through libibverbs.
//!
//! A [`VerbsDevice`] has one or several rails (ports), each with several queue pairs that share one
//! receive queue, or, where a device has none to share, have one each. A path is a combination of rail, queue pair and flow label, see `routes`. Header
//! and payload leave from where they are as one datagram of two pieces, and arrive in two pieces.
//!
//! ```text
//!   rail 0   QP QP QP QP --+-- shared receive queue -- completion queue --+
//!   rail 1   QP QP QP QP --+-- shared receive queue -- completion queue --+--> arrivals
//! ```
//! # Whose payload is sent from where it is
//! What [`Outgoing::memory`] names, if it is [pinned](Device::pin) or at least
//! [`VerbsConfig::register_bytes`] long; pieces below 512 bytes and everything else are copied into
//! registered memory. Memory that was [lent](Device::lend) is registered then. The device keeps a reference to memory that the NIC reads until the NIC is done,
//! also if the operation completed before that, and one to registered memory until nobody else has it
//! or it is unpinned.
//!
//! # What goes wrong
//! A queue pair that fails loses what it was sending, as datagrams may be lost, and is reset under the
//! same number, see `sender`; meanwhile its paths lead nowhere, which the protocol above notices. A
//! device that fails or is removed takes its rail with it. When the last rail has failed, so does the
//! device: calls then end in an error. [`DeviceStats`] counts all of it.

mod address;
mod config;
mod errands;
mod gid;
mod greeting;
mod health;
mod incoming;
mod info;
mod open;
mod ports;
mod probe;
mod rail;
mod receive;
mod registry;
mod routes;
mod sender;
mod sys;
#[cfg(test)]
mod tests;
mod transmit;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use bytes::Bytes;

pub use address::{EndpointAddress, RailAddress};
pub use config::{RailConfig, VerbsConfig};
pub use gid::{Gid, GidEntry, GidKind};
pub use info::{PortInfo, ports};

use crate::bundle::Planner;
use crate::readiness::{self, Interest};
use crate::{
    Address, Arrival, Capabilities, Device, DeviceError, DeviceStats, Lendable, Loan, Outgoing,
    RouteId, SourceId, Waker,
};
use health::Left;
use rail::Rail;
use receive::Stranger;
use registry::Registry;
use routes::{Hop, Routes};
use sys::{Done, Region};

/// A device of unreliable-datagram queue pairs.
#[derive(Debug)]
pub struct VerbsDevice {
    // Rails first: what NICs may still read is dropped after them.
    rails: Vec<Rail>,
    routes: Routes,
    registry: Registry,
    capabilities: Capabilities,
    address: EndpointAddress,
    /// What names this endpoint, and what its queue pairs accept.
    qkey: u32,
    /// Whether small datagrams are joined.
    bundles: bool,
    planner: Planner,
    stats: DeviceStats,
    /// Datagrams whose senders are not known yet.
    strangers: Vec<Stranger>,
    /// The pieces of a stranger's bundle. Empty between calls.
    pieces: Vec<Arrival>,
    /// Arrivals for the next poll.
    ready: Vec<Arrival>,
    /// Empty between calls.
    received: Vec<Done>,
    /// Where there was no room for a datagram of the last batch.
    full: Option<Hop>,
    polls: u32,
    waker: Waker,
    /// Ways that nothing more is sent along.
    left: Vec<Left>,
    /// What a wait waits for; the waker comes last.
    interests: Vec<Interest>,
}

/// Memory that no [`Bytes`] owns, such as a GPU's, registered with each rail.
#[derive(Debug)]
pub struct ForeignMemory {
    regions: Vec<Region>,
}

impl ForeignMemory {
    /// What work requests of a rail name it by.
    pub fn lkey(&self, rail: usize) -> Option<u32> {
        self.regions.get(rail).map(Region::lkey)
    }
}

impl VerbsDevice {
    /// This endpoint, as others need to know it.
    pub const fn endpoint_address(&self) -> &EndpointAddress {
        &self.address
    }

    /// Registers a part of a dmabuf, such as a GPU exports, with every rail; `address` is what its
    /// first byte is to be known as.
    pub fn register_dmabuf(
        &self,
        descriptor: BorrowedFd<'_>,
        offset: u64,
        bytes: usize,
        address: u64,
    ) -> Result<ForeignMemory, DeviceError> {
        let region = |rail: &Rail| Region::dmabuf(&rail.domain, descriptor, offset, bytes, address);
        Ok(ForeignMemory { regions: self.rails.iter().map(region).collect::<Result<_, _>>()? })
    }

    /// Registers memory by its address with every rail: a GPU's, where a peer-memory module is
    /// loaded ([`PortInfo::peer_memory`]).
    ///
    /// # Safety
    /// The memory stays where it is until what this returns is dropped.
    pub unsafe fn register_foreign(
        &self,
        address: u64,
        bytes: usize,
    ) -> Result<ForeignMemory, DeviceError> {
        // SAFETY: as the caller promises.
        let region = |rail: &Rail| unsafe { Region::foreign(&rail.domain, address, bytes) };
        Ok(ForeignMemory { regions: self.rails.iter().map(region).collect::<Result<_, _>>()? })
    }

    /// Whether a datagram can be taken that begins this way.
    fn has_room(&mut self, hop: Hop) -> bool {
        // Where a path leads nowhere, there is room for everything.
        self.rails[hop.rail].sender(hop.sender).is_none_or(|sender| sender.queue_pair.room() > 0)
    }
}

impl Device for VerbsDevice {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn local_address(&self) -> Address {
        self.address.to_address()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        let (route, is_new) = self.routes.intern(EndpointAddress::from_address(address)?);
        self.routes.claim(route);
        if is_new {
            self.introduce(route);
        }
        Ok(route)
    }

    fn resolve_source(&mut self, source: SourceId, _locator: u16) -> Result<RouteId, DeviceError> {
        let route = RouteId(source.0);
        self.routes.claim(route).then_some(route).ok_or(DeviceError::UnknownSource(source))
    }

    fn known_source(&mut self, source: SourceId, _locator: u16) -> Option<RouteId> {
        let route = RouteId(source.0);
        self.routes.address(route).map(|_| route)
    }

    fn forget(&mut self, route: RouteId) {
        self.routes.disclaim(route);
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        self.routes.address(route).map(EndpointAddress::to_address)
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        self.transmit_batch(batch)
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        self.polls = self.polls.wrapping_add(1);
        if self.polls.is_multiple_of(POLLS_PER_LOOK_AROUND) {
            self.look_around()?;
        }
        self.collect_sent();
        self.collect_ways();
        Ok(self.receive(arrivals))
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        self.slot_bytes(arrival)
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            self.give_back(arrival.slot);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        self.look_around()?;
        let full = self.full.is_some();
        self.rails.iter_mut().for_each(|rail| rail.arm(full));
        // What has come before the queues were armed does not ring.
        self.collect_sent();
        let mut ready = Vec::new();
        self.receive(&mut ready);
        self.ready = ready;
        if !self.ready.is_empty() || self.full.is_some_and(|hop| self.has_room(hop)) {
            return Ok(());
        }
        let timeout = [timeout, self.look_again_after()].into_iter().flatten().min();
        if !self.watch_rails() {
            return Ok(());
        }
        readiness::wait(&mut self.interests, timeout).map_err(DeviceError::io("waiting"))?;
        if self.interests.last().is_some_and(Interest::is_readable) {
            self.waker.clear();
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn pin(&mut self, memory: &Bytes) -> Result<(), DeviceError> {
        self.registry.pin(memory)
    }

    fn unpin(&mut self, memory: &[u8]) {
        self.registry.unpin(memory);
    }

    fn lend(&mut self, memory: &Lendable) -> Option<Loan> {
        self.registry.lend(memory)
    }

    fn take_back(&mut self, loan: Loan) -> bool {
        self.collect_sent();
        // One that has failed does not tell what it is done with, before it is made anew.
        self.rails.iter_mut().for_each(Rail::mend);
        self.registry.take_back(loan)
    }

    fn has_sent_all(&mut self) -> bool {
        self.collect_ways();
        self.collect_sent();
        self.routes.ports.held() == 0 && self.rails.iter().all(Rail::has_sent_all)
    }

    fn abandon(&mut self) {
        self.rails.iter_mut().for_each(Rail::abandon);
    }

    fn stats(&self) -> DeviceStats {
        self.counted()
    }
}

/// Seldom enough to cost nothing, and often enough that a failure is noticed within a millisecond.
const POLLS_PER_LOOK_AROUND: u32 = 1024;
