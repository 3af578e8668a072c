//! One end: an engine, and whoever drives it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use usrd::{
    Access, Address, Bytes, BytesMut, Completion, Driver, Engine, Peer, PeerSnapshot, RecvOptions,
    Region, SendOptions, Turn,
};

use super::control::Counters;
use crate::failure::Failure;

/// An engine, driven by this thread or by its own.
#[derive(Debug)]
pub(crate) struct End {
    engine: Engine,
    /// Present if this thread drives.
    driver: Option<Driver>,
    /// How long to poll in vain before sleeping.
    spin: Duration,
    /// Empty between calls.
    batch: Vec<Completion>,
    /// What messages are sent from, as the device knows it.
    pinned: Bytes,
}

impl End {
    pub(crate) const fn new(engine: Engine, driver: Option<Driver>, spin: Duration) -> Self {
        Self { engine, driver, spin, batch: Vec::new(), pinned: Bytes::new() }
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn connect(&mut self, address: Address) -> Result<Peer, Failure> {
        match &mut self.driver {
            Some(driver) => driver.connect(address),
            None => self.engine.connect(address),
        }
        .map_err(Failure::usage)
    }

    pub(crate) fn send(
        &self,
        peer: Peer,
        data: Bytes,
        options: SendOptions,
    ) -> Result<(), Failure> {
        self.engine.send(peer, data, options).map_err(Failure::run)
    }

    pub(crate) fn recv(&self, buffer: BytesMut, options: RecvOptions) -> Result<(), Failure> {
        self.engine.recv(buffer, options).map_err(Failure::run)
    }

    /// Lets what was just submitted leave before this thread does something else.
    pub(crate) fn push(&mut self) {
        if let Some(driver) = &mut self.driver {
            let _: Turn = driver.progress();
        }
    }

    /// Appends completions to `queue`, waiting up to `patience` for the first. Returns whether
    /// there were any.
    pub(crate) fn wait(
        &mut self,
        queue: &mut VecDeque<Completion>,
        patience: Duration,
    ) -> Result<bool, Failure> {
        match &mut self.driver {
            Some(driver) => {
                drive(&self.engine, driver, self.spin, &mut self.batch, patience);
            }
            None => {
                self.engine.wait(&mut self.batch, BATCH, patience);
            }
        }
        if self.batch.is_empty() && self.engine.is_closed() {
            let reason = self.engine.failure().unwrap_or_else(|| "the engine is closed".to_owned());
            return Err(Failure::Run(reason));
        }
        let any = !self.batch.is_empty();
        queue.extend(self.batch.drain(..));
        Ok(any)
    }

    /// Like [`wait`](Self::wait), but sleeps at once when there is nothing to do.
    pub(crate) fn rest(
        &mut self,
        queue: &mut VecDeque<Completion>,
        patience: Duration,
    ) -> Result<(), Failure> {
        let spin = std::mem::replace(&mut self.spin, Duration::ZERO);
        let result = self.wait(queue, patience);
        self.spin = spin;
        result.map(drop)
    }

    /// From now on messages are sent from `memory`.
    pub(crate) fn pin(&mut self, memory: &Bytes) -> Result<(), Failure> {
        let before = std::mem::replace(&mut self.pinned, memory.clone());
        match &mut self.driver {
            Some(driver) => {
                driver.unpin(&before);
                driver.pin(memory).map_err(Failure::run)
            }
            None => {
                self.engine.unpin(&before).map_err(Failure::run)?;
                self.engine.pin(memory).map_err(Failure::run)
            }
        }
    }

    pub(crate) fn peer_stats(&mut self, peer: Peer) -> Result<PeerSnapshot, Failure> {
        match &mut self.driver {
            Some(driver) => driver.peer_stats(peer),
            None => self.engine.peer_stats(peer),
        }
        .map_err(Failure::run)
    }

    pub(crate) fn counters(&mut self) -> Result<Counters, Failure> {
        let stats = match &mut self.driver {
            Some(driver) => driver.stats(),
            None => self.engine.stats().map_err(Failure::run)?,
        };
        Ok(Counters {
            packets: stats.endpoint.data_packets_sent,
            retransmissions: stats.endpoint.retransmissions,
            spurious_retransmissions: stats.endpoint.spurious_retransmissions,
            ce_marks: stats.endpoint.ce_marks_received,
        })
    }

    pub(crate) fn register(&mut self, memory: BytesMut, access: Access) -> Result<Region, Failure> {
        match &mut self.driver {
            Some(driver) => driver.register(memory, access),
            None => self.engine.register(memory, access),
        }
        .map_err(Failure::run)
    }

    /// The front of a region of this end's. Peers are answered meanwhile: on a busy host this can
    /// take longer than they are patient.
    pub(crate) fn copy_from(&mut self, region: Region, len: usize) -> Result<Vec<u8>, Failure> {
        let mut memory = Vec::with_capacity(len);
        while memory.len() < len {
            let (offset, more) = (memory.len() as u64, COPY_BYTES.min(len - memory.len()));
            let piece = match &mut self.driver {
                Some(driver) => driver.copy_from(region, offset, more),
                None => self.engine.copy_from(region, offset, more),
            };
            memory.extend_from_slice(&piece.map_err(Failure::run)?);
            self.push();
        }
        Ok(memory)
    }

    /// Changes the front of a region of this end's, in the same way.
    pub(crate) fn copy_into(&mut self, region: Region, data: &Bytes) -> Result<(), Failure> {
        for start in (0..data.len()).step_by(COPY_BYTES) {
            let piece = data.slice(start..data.len().min(start + COPY_BYTES));
            match &mut self.driver {
                Some(driver) => driver.copy_into(region, start as u64, &piece),
                None => self.engine.copy_into(region, start as u64, piece),
            }
            .map_err(Failure::run)?;
            self.push();
        }
        Ok(())
    }

    /// Lets what is pending leave, and closes the engine.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        match &mut self.driver {
            Some(driver) => {
                driver.shutdown(CLOSE_PATIENCE);
                Ok(())
            }
            None => self.engine.shutdown(CLOSE_PATIENCE).map(drop).map_err(Failure::run),
        }
    }
}

/// Drives until there are completions or patience is over; polls for `spin`, then sleeps.
fn drive(
    engine: &Engine,
    driver: &mut Driver,
    spin: Duration,
    batch: &mut Vec<Completion>,
    patience: Duration,
) {
    let mut idle_since: Option<Instant> = None;
    loop {
        let turn = driver.progress();
        if engine.poll(batch, BATCH) > 0 || turn == Turn::Closed {
            return;
        }
        if turn == Turn::Busy {
            idle_since = None;
            continue;
        }
        let idle = idle_since.get_or_insert_with(Instant::now).elapsed();
        if idle >= patience {
            return;
        }
        if idle >= spin {
            driver.wait(Some(patience - idle));
        }
    }
}

/// What is copied between two turns: far less than a millisecond's worth.
const COPY_BYTES: usize = 1 << 20;
/// Completions taken at a time.
const BATCH: usize = 256;
/// The last message and its acknowledgement, with losses.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
