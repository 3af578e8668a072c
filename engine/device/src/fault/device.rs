//! The wrapper itself.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::held::HeldBack;
use super::verdict::{Judge, Verdict};
use super::{FaultConfig, FaultCounters, FaultHandle};
use bytes::Bytes;

use crate::{
    Address, Arrival, Capabilities, Device, DeviceError, DeviceStats, Lendable, Loan, Outgoing,
    RouteId, SourceId, Waker,
};

/// Tells the time, to hold datagrams back by.
pub type Clock = Box<dyn FnMut() -> Instant + Send>;

/// A device that mistreats what is transmitted through it.
pub struct FaultDevice<D> {
    inner: D,
    judge: Judge,
    /// Verdicts on the datagrams at the front of the next batch: drawn, but the inner device had
    /// no room.
    verdicts: VecDeque<Verdict>,
    held: HeldBack,
    clock: Clock,
    handle: FaultHandle,
    counters: FaultCounters,
    /// Where a datagram is corrupted.
    scratch: Vec<u8>,
}

impl<D: Device> FaultDevice<D> {
    /// Wraps `inner`.
    pub fn new(inner: D, config: FaultConfig) -> Result<Self, DeviceError> {
        Self::with_clock(inner, config, Box::new(Instant::now))
    }

    /// Wraps `inner`, with a clock of the caller's.
    pub fn with_clock(inner: D, config: FaultConfig, clock: Clock) -> Result<Self, DeviceError> {
        config.validate()?;
        Ok(Self {
            inner,
            judge: Judge::new(config),
            verdicts: VecDeque::new(),
            held: HeldBack::default(),
            clock,
            handle: FaultHandle::default(),
            counters: FaultCounters::default(),
            scratch: Vec::new(),
        })
    }

    /// A handle to black holes and counters.
    pub fn handle(&self) -> FaultHandle {
        self.handle.clone()
    }

    /// The device inside; what is still held back is lost.
    pub fn into_inner(self) -> D {
        self.inner
    }

    /// Sends what was held back and is due.
    fn send_due(&mut self) -> Result<(), DeviceError> {
        let Some(mut due) = self.held.next_due() else {
            return Ok(());
        };
        let now = (self.clock)();
        while due <= now
            && let Some(datagram) = self.held.next()
        {
            // Without room it stays, and gets still later.
            if self.inner.transmit(&[datagram])? == 0 {
                break;
            }
            self.held.remove_next();
            match self.held.next_due() {
                Some(next) => due = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Carries out the verdicts on `batch`, and returns on how many.
    fn execute(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        let mut taken = 0;
        while taken < batch.len() {
            let rest = &batch[taken..];
            let result = match self.innocuous_run(rest) {
                0 => self.mistreat(&rest[0]).map(usize::from),
                run => self.inner.transmit(&rest[..run]),
            };
            let done = match result {
                // Reported when it is first in the batch.
                Err(_) if taken > 0 => break,
                result => result?,
            };
            self.verdicts.drain(..done);
            self.counters.offered += done as u64;
            taken += done;
            if done == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// How many datagrams at the front just go on.
    fn innocuous_run(&self, batch: &[Outgoing<'_>]) -> usize {
        (batch.iter().zip(&self.verdicts))
            .take_while(|(outgoing, verdict)| {
                verdict.is_innocuous() && !self.is_black_holed(outgoing)
            })
            .count()
    }

    /// Does to one datagram what its verdict says. Returns whether there was room to.
    fn mistreat(&mut self, datagram: &Outgoing<'_>) -> Result<bool, DeviceError> {
        let verdict = self.verdicts[0];
        if self.is_black_holed(datagram) {
            self.counters.black_holed += 1;
            return Ok(true);
        }
        if verdict.lose {
            self.counters.lost += 1;
            return Ok(true);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = self.mistreat_with(datagram, verdict, &mut scratch);
        self.scratch = scratch;
        outcome
    }

    fn mistreat_with(
        &mut self,
        datagram: &Outgoing<'_>,
        verdict: Verdict,
        scratch: &mut Vec<u8>,
    ) -> Result<bool, DeviceError> {
        let mut first = *datagram;
        if let Some(bit) = verdict.corrupt.filter(|_| !datagram.is_empty()) {
            first = corrupted(datagram, bit, scratch);
        }
        match verdict.delay {
            Some(delay) => {
                let due = (self.clock)() + delay;
                self.held.hold(&first, due);
                self.counters.delayed += 1;
            }
            None if self.inner.transmit(&[first])? == 0 => return Ok(false),
            None => {}
        }
        self.counters.corrupted += u64::from(verdict.corrupt.is_some() && !datagram.is_empty());
        // Without room for the second one there is just the first.
        if verdict.duplicate && self.inner.transmit(&[*datagram])? == 1 {
            self.counters.duplicated += 1;
        }
        Ok(true)
    }

    fn is_black_holed(&self, outgoing: &Outgoing<'_>) -> bool {
        let paths = self.inner.capabilities().paths;
        let path = u16::from(outgoing.path) % paths;
        // Below 256, because the path is.
        self.handle.is_black_hole(path as u8)
    }
}

impl<D: Device> Device for FaultDevice<D> {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn local_address(&self) -> Address {
        self.inner.local_address()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        self.inner.resolve(address)
    }

    fn resolve_source(&mut self, source: SourceId, locator: u16) -> Result<RouteId, DeviceError> {
        self.inner.resolve_source(source, locator)
    }

    fn known_source(&mut self, source: SourceId, locator: u16) -> Option<RouteId> {
        self.inner.known_source(source, locator)
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        self.inner.address_of(route)
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        self.send_due()?;
        while self.verdicts.len() < batch.len() {
            self.verdicts.push_back(self.judge.next());
        }
        let taken = self.execute(batch);
        self.handle.publish(&self.counters);
        taken
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        self.send_due()?;
        self.inner.poll(arrivals)
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        self.inner.bytes(arrival)
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        self.inner.release(arrivals);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        self.send_due()?;
        let timeout = match self.held.next_due() {
            Some(due) => {
                let until_due = due.saturating_duration_since((self.clock)());
                Some(timeout.map_or(until_due, |timeout| timeout.min(until_due)))
            }
            None => timeout,
        };
        self.inner.wait(timeout)?;
        self.send_due()
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }

    fn pin(&mut self, memory: &Bytes) -> Result<(), DeviceError> {
        self.inner.pin(memory)
    }

    fn unpin(&mut self, memory: &[u8]) {
        self.inner.unpin(memory);
    }

    fn lend(&mut self, memory: &Lendable) -> Option<Loan> {
        self.inner.lend(memory)
    }

    fn take_back(&mut self, loan: Loan) -> bool {
        self.inner.take_back(loan)
    }

    fn has_sent_all(&mut self) -> bool {
        self.inner.has_sent_all()
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }

    fn stats(&self) -> DeviceStats {
        self.inner.stats()
    }
}

impl<D: fmt::Debug> fmt::Debug for FaultDevice<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultDevice")
            .field("inner", &self.inner)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// A copy of `datagram` with one bit flipped; it must not be empty.
fn corrupted<'a>(datagram: &Outgoing<'_>, bit: u64, scratch: &'a mut Vec<u8>) -> Outgoing<'a> {
    scratch.clear();
    scratch.extend_from_slice(datagram.header);
    scratch.extend_from_slice(datagram.payload);
    let bit = bit % (8 * scratch.len() as u64);
    scratch[(bit / 8) as usize] ^= 1 << (bit % 8);
    let (header, payload) = scratch.split_at(datagram.header.len());
    Outgoing {
        route: datagram.route,
        path: datagram.path,
        ecn_capable: datagram.ecn_capable,
        header,
        payload,
        memory: None,
    }
}
