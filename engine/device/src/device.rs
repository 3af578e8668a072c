//! The one trait that every device implements, and the plain values that cross it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{Address, Capabilities, DeviceError, DeviceStats, Lendable, Loan, Memory, Waker};

/// An unreliable datagram device, driven by one thread at a time.
///
/// The calls of one turn of a driver loop, in order: [`poll`](Self::poll),
/// [`bytes`](Self::bytes) for each arrival, [`release`](Self::release),
/// [`transmit`](Self::transmit); [`wait`](Self::wait) when there is nothing to do. None of them
/// but `wait` blocks.
pub trait Device: Send + fmt::Debug {
    /// What this device can do. Constant for the device's life.
    fn capabilities(&self) -> &Capabilities;

    /// The address that remote endpoints resolve to reach this device.
    fn local_address(&self) -> Address;

    /// Turns a remote endpoint's address into a route. The same address gives the same route.
    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError>;

    /// The route back to the sender of an arrival of the last [`poll`](Self::poll).
    ///
    /// `locator` is what the remote device named as [`Capabilities::locator`]: where, relative to
    /// the arrival's source, its main address is (for UDP, the port). Zero means the source itself.
    fn resolve_source(&mut self, source: SourceId, locator: u16) -> Result<RouteId, DeviceError>;

    /// The same, if there is a route to the sender already: none is made. Anybody can send something
    /// from any address, and most of that deserves no memory.
    fn known_source(&mut self, source: SourceId, locator: u16) -> Option<RouteId> {
        self.resolve_source(source, locator).ok()
    }

    /// Nothing more is sent along a route: its number may come to mean another remote. Not to be called
    /// while something for it has not been taken by [`transmit`](Self::transmit).
    fn forget(&mut self, _route: RouteId) {}

    /// The address behind a route of this device.
    fn address_of(&self, route: RouteId) -> Option<Address>;

    /// Sends a prefix of `batch`, and returns how many were taken. Fewer than all means that the
    /// device is full for now: offer the rest again later.
    ///
    /// An error means that nothing was taken. [`TooLarge`](DeviceError::TooLarge) is about the first of
    /// the batch; further back in the batch, such a datagram ends the prefix. What has no route is taken
    /// and lost, as [`DeviceStats::unroutable`] counts: the others are not to wait for it.
    ///
    /// Neighbours in the batch with the same route, path and total length (the last may be
    /// shorter) travel as one train where the device has segmentation offload.
    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError>;

    /// Appends the datagrams that have arrived to `arrivals`, up to a batch of the device's own
    /// choosing, and returns how many. Never blocks.
    ///
    /// While too much of the receive memory is held, see [`release`](Self::release), nothing is
    /// appended, and [`wait`](Self::wait) may return at once.
    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError>;

    /// The bytes of an arrival that has not been released yet: header, then payload.
    fn bytes(&self, arrival: &Arrival) -> &[u8];

    /// Gives the arrivals' memory back to the device.
    fn release(&mut self, arrivals: &[Arrival]);

    /// Sleeps until something arrives, the [`Waker`] is used, or `timeout` is over (`None`: for as
    /// long as it takes). It may return early.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError>;

    /// A handle with which any thread ends a [`wait`](Self::wait), now or the next one.
    fn waker(&self) -> Waker;

    /// Prepares memory that will be sent from again and again, so that it need not be copied
    /// ([`Outgoing::memory`]), until it is [unpinned](Self::unpin). The device keeps a reference to it.
    /// Most devices have nothing to prepare.
    fn pin(&mut self, _memory: &Bytes) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Forgets everything about memory that overlaps with this, pinned or not. What is being sent
    /// from it still is.
    fn unpin(&mut self, _memory: &[u8]) {}

    /// Lends memory to the device that nobody can keep a reference to, so that what is sent from there
    /// ([`Memory::Lent`]) need not be copied. None if it will be copied all the same, as by most devices;
    /// then nothing has to be taken back.
    fn lend(&mut self, _memory: &Lendable) -> Option<Loan> {
        None
    }

    /// Takes back what was lent. False while it is still being read: ask again later. Nothing more
    /// may be sent from it by then.
    fn take_back(&mut self, _loan: Loan) -> bool {
        true
    }

    /// Whether everything that [`transmit`](Self::transmit) has taken has left. What has not when the
    /// device is dropped is lost, so who wants its last words heard asks until it has, or for as
    /// long as its patience lasts.
    fn has_sent_all(&mut self) -> bool {
        true
    }

    /// Gives up what is being sent: after this, nothing that was lent is read any more.
    fn abandon(&mut self) {}

    /// What this device has counted.
    fn stats(&self) -> DeviceStats {
        DeviceStats::default()
    }
}

impl<D: Device + ?Sized> Device for Box<D> {
    fn capabilities(&self) -> &Capabilities {
        (**self).capabilities()
    }

    fn local_address(&self) -> Address {
        (**self).local_address()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        (**self).resolve(address)
    }

    fn resolve_source(&mut self, source: SourceId, locator: u16) -> Result<RouteId, DeviceError> {
        (**self).resolve_source(source, locator)
    }

    fn known_source(&mut self, source: SourceId, locator: u16) -> Option<RouteId> {
        (**self).known_source(source, locator)
    }

    fn forget(&mut self, route: RouteId) {
        (**self).forget(route);
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        (**self).address_of(route)
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        (**self).transmit(batch)
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        (**self).poll(arrivals)
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        (**self).bytes(arrival)
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        (**self).release(arrivals);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        (**self).wait(timeout)
    }

    fn waker(&self) -> Waker {
        (**self).waker()
    }

    fn pin(&mut self, memory: &Bytes) -> Result<(), DeviceError> {
        (**self).pin(memory)
    }

    fn unpin(&mut self, memory: &[u8]) {
        (**self).unpin(memory);
    }

    fn lend(&mut self, memory: &Lendable) -> Option<Loan> {
        (**self).lend(memory)
    }

    fn take_back(&mut self, loan: Loan) -> bool {
        (**self).take_back(loan)
    }

    fn has_sent_all(&mut self) -> bool {
        (**self).has_sent_all()
    }

    fn abandon(&mut self) {
        (**self).abandon();
    }

    fn stats(&self) -> DeviceStats {
        (**self).stats()
    }
}

/// A remote endpoint as this device knows it: a small index, dense from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// Where an arrival came from; valid until the next [`Device::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId(pub u32);

/// The piece of receive memory that an arrival lies in. Several arrivals can share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u32);

/// A datagram to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// To whom.
    pub route: RouteId,
    /// Along which path, below [`Capabilities::paths`] (a larger one is taken modulo it).
    pub path: u8,
    /// Whether the network may mark it instead of dropping it (ECT(0)).
    pub ecn_capable: bool,
    /// The protocol's header.
    pub header: &'a [u8],
    /// What follows the header; may be empty.
    pub payload: &'a [u8],
    /// What the payload is a part of, if the device may send it from there later.
    pub memory: Option<Memory<'a>>,
}

impl Outgoing<'_> {
    /// Header and payload, in bytes.
    pub fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A datagram that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The memory it lies in.
    pub slot: Slot,
    /// Where in the slot it starts, in bytes.
    pub offset: u32,
    /// Header and payload, in bytes.
    pub len: u32,
    /// Its sender, see [`Device::resolve_source`].
    pub source: SourceId,
    /// Whether the network marked it (congestion experienced).
    pub ce: bool,
}
