//! The loop that joins a device to the protocol core and to the user's queues.
//!
//! ```text
//!              +--------- Driver ---------------------------------------------+
//!              | take: what the user has submitted -> the core                | <-- user
//!   device <-- | transmit: headers from the core, payload from the user       |
//!   device --> | poll: a batch of arrivals                                    |
//!              | handle: arrivals -> the core, payload -> where it belongs    |
//!              | publish: what the core says is over -> completions, events   | --> user
//!              +--------------------------------------------------------------+
//! ```

mod batch;
mod bounce;
mod buffers;
mod clock;
mod close;
mod commands;
mod look_ahead;
mod notifications;
mod parting;
mod publish;
mod receive;
mod regions;
mod routes;
mod shared_buffer;
mod sleep;
mod transfers;

use std::sync::Arc;
use std::time::Duration;

use usrd_device::{Arrival, Device, DeviceError, RouteId};
use usrd_proto::{Endpoint, Instant, PeerId};

use crate::life::Life;
use crate::shared::Shared;
use crate::{CompletionQueue, DriverStats};
use batch::Batch;
use bounce::BouncePool;
use buffers::Buffers;
use clock::Clock;
use close::Closing;
use notifications::PeerQueues;
pub(crate) use parting::Parted;
use parting::Partings;
use regions::Regions;
use routes::Routes;

/// Does an engine's work, one turn at a time, on the thread of whoever calls it.
///
/// [`Builder::manual`](crate::Builder::manual) makes one. Some methods are the same as the engine's:
/// these are for the thread that drives, where the engine's would wait for themselves. Dropping it
/// closes the engine; everything that is pending then completes with an error.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    device: Box<dyn Device>,
    endpoint: Endpoint,
    routes: Routes,
    buffers: Buffers,
    regions: Regions,
    bounce: BouncePool,
    batch: Batch,
    taken: look_ahead::Taken,
    /// The arrivals of one turn; empty between turns.
    arrivals: Vec<Arrival>,
    clock: Clock,
    now: Instant,
    spin: Duration,
    /// Whether completions were queued in the engine's queue that its waiters have not been told of.
    unannounced: bool,
    /// Other queues than the engine's of which the same is true.
    unannounced_to: Vec<CompletionQueue>,
    closing: Option<Closing>,
    partings: Partings,
    peer_queues: PeerQueues,
    /// Routes that nobody needs, unless they have come to be needed again.
    unused_routes: Vec<RouteId>,
    /// Peers that came by themselves, and are to be forgotten.
    parted: Vec<PeerId>,
    stats: DriverStats,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Something was done; there may be more at once.
    Busy,
    /// There was nothing to do.
    Idle,
    /// The engine is closed, for good. Everything has completed.
    Closed,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        device: Box<dyn Device>,
        endpoint: Endpoint,
        spin: Duration,
    ) -> Self {
        let clock = Clock::start();
        Self {
            bounce: BouncePool::new(endpoint.config().bounce_bytes),
            shared,
            device,
            endpoint,
            routes: Routes::default(),
            buffers: Buffers::default(),
            regions: Regions::default(),
            batch: Batch::new(),
            peer_queues: PeerQueues::default(),
            taken: look_ahead::Taken::new(),
            arrivals: Vec::new(),
            now: clock.now(),
            clock,
            spin,
            unannounced: false,
            unannounced_to: Vec::new(),
            closing: None,
            partings: Partings::default(),
            unused_routes: Vec::new(),
            parted: Vec::new(),
            stats: DriverStats::default(),
        }
    }

    /// Does what there is to do, and returns without waiting for more.
    pub fn progress(&mut self) -> Turn {
        if self.shared.life() >= Life::Aborting {
            return self.close();
        }
        match self.turn() {
            Ok(_) if self.is_finished() => self.close(),
            Ok(true) => Turn::Busy,
            Ok(false) => Turn::Idle,
            Err(error) => self.fail(&error),
        }
    }

    /// Out before in: what the user has submitted, and what the last turn's arrivals call for,
    /// leaves at once; then the turn ends with news for the user, who may be waiting to answer it.
    fn turn(&mut self) -> Result<bool, DeviceError> {
        self.stats.turns += 1;
        let mut busy = self.take_submissions();
        self.now = self.clock.now();
        self.run_timers();
        busy |= self.transmit()?;
        if self.regions.are_leaving() {
            self.see_off_regions();
        }
        busy |= self.publish();
        self.forget_strangers();
        self.see_partings();
        self.forget_routes();
        if self.device.poll(&mut self.arrivals)? > 0 {
            // Not before the poll, which can take long: nothing may seem to have come earlier than
            // it did, or round trips seem shorter than they are.
            self.now = self.clock.now();
            busy |= self.handle_arrivals();
            busy |= self.publish();
        }
        Ok(busy)
    }

    /// Drives until the engine is closed: polls while there is something to do, then sleeps.
    pub fn run(&mut self) {
        let mut idle_since = None;
        loop {
            match self.progress() {
                Turn::Closed => return,
                Turn::Busy => idle_since = None,
                Turn::Idle => {
                    let since = *idle_since.get_or_insert(self.now);
                    if self.now.since(since) >= self.spin {
                        self.wait(None);
                    }
                }
            }
        }
    }

    fn run_timers(&mut self) {
        if self.endpoint.poll_timeout().is_some_and(|due| due <= self.now) {
            self.endpoint.handle_timeout(self.now);
        }
    }

    /// Sends one batch. What is left of the last one goes first: the device was full.
    fn transmit(&mut self) -> Result<bool, DeviceError> {
        if self.batch.takes_more() {
            self.collect();
        }
        if self.batch.is_empty() {
            return Ok(false);
        }
        Ok(self.offer()? > 0)
    }

    /// Hands the batch to the device. Returns how many packets it took.
    fn offer(&mut self) -> Result<usize, DeviceError> {
        let taken = self.batch.offer(&mut *self.device, &self.buffers, &self.regions)?;
        self.stats.transmit_batches += 1;
        self.stats.datagrams_sent += taken as u64;
        self.stats.device_full += u64::from(!self.batch.is_empty());
        Ok(taken)
    }

    fn collect(&mut self) {
        while let Some(header) = self.batch.next_header()
            && let Some(transmit) = self.endpoint.poll_transmit(self.now, header)
        {
            // A peer that has just been disconnected has no route any more.
            if let Some(route) = self.routes.route_to(transmit.peer) {
                self.batch.push(route, &transmit);
            }
        }
    }
}
