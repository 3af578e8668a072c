//! The way out: a batch is spread over the rails' queue pairs, each one's part in one chain.
//!
//! Neighbours in the batch that go the same way are looked at together, as a *run*: the way is looked
//! up once, and those of them that are small share a datagram ([`bundle`](crate::bundle)).

use super::VerbsDevice;
use super::greeting::{Greeting, OWN};
use super::ports::{Outcome, Parcel, Place};
use super::registry::{COPY_BYTES, Registry};
use super::routes::{Hop, Source, Target};
use super::sender::Sender;
use super::sys::{InPlace, Label, QueuePair};
use crate::bundle;
use crate::{DeviceError, DeviceStats, Memory, Outgoing, RouteId};

/// What became of a run.
enum Pushed {
    /// So many are on their way, or lost.
    Taken(usize),
    /// There is no room for any now.
    Full(Hop),
}

impl VerbsDevice {
    /// [`Device::transmit`](crate::Device::transmit).
    pub(super) fn transmit_batch(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        self.collect_sent();
        self.collect_ways();
        let mut taken = 0;
        self.full = None;
        while let Some(run) = first_run(&batch[taken..]) {
            match self.push_run(run) {
                Ok(Pushed::Taken(count)) => taken += count,
                Ok(Pushed::Full(hop)) => {
                    self.full = Some(hop);
                    break;
                }
                Err(error) if taken == 0 => return Err(error),
                // Reported when it is first in the batch.
                Err(_) => break,
            }
        }
        self.rails.iter_mut().for_each(super::rail::Rail::post);
        Ok(taken)
    }

    fn push_run(&mut self, run: &[Outgoing<'_>]) -> Result<Pushed, DeviceError> {
        let (first, max_bytes) = (&run[0], self.capabilities.max_datagram_bytes);
        let fitting = run.iter().take_while(|outgoing| outgoing.len() <= max_bytes).count();
        if fitting == 0 {
            return Err(DeviceError::TooLarge { bytes: first.len(), max_bytes });
        }
        let hop = self.routes.hop(first.path);
        let Some(target) = self.routes.target(first.route, hop, first.ecn_capable) else {
            tracing::debug!(route = first.route.0, fitting, "dropped: there is no such route");
            self.stats.unroutable += fitting as u64;
            return Ok(Pushed::Taken(fitting));
        };
        // A path that leads nowhere loses what is sent along it, as any other path may; what is above
        // notices, and takes others.
        let Some(sender) = self.rails[hop.rail].sender(hop.sender) else {
            self.stats.unroutable += fitting as u64;
            return Ok(Pushed::Taken(fitting));
        };
        let room = sender.queue_pair.room();
        if room == 0 {
            return Ok(Pushed::Full(hop));
        }
        let Some(handle) = self.routes.ports.handle(target.place) else {
            self.hold(hop, target, &run[..fitting]);
            return Ok(Pushed::Taken(fitting));
        };
        let bundles = self.bundles && target.bundles;
        let mut way = Way {
            queue_pair: &mut sender.queue_pair,
            label: target.label(handle, self.qkey),
            rail: hop.rail,
            registry: &mut self.registry,
        };
        // However they are joined, they fit.
        let run = &run[..fitting.min(room)];
        if bundles && run.len() > 1 {
            self.planner.plan(run.len(), |index| size_in_bundle(&run[index]));
            for group in self.planner.groups() {
                way.push_group(run, group, &mut self.stats);
            }
        } else {
            run.iter().for_each(|outgoing| way.push(outgoing));
        }
        Ok(Pushed::Taken(run.len()))
    }

    /// Keeps datagrams until it is known where they go.
    fn hold(&mut self, hop: Hop, target: Target, run: &[Outgoing<'_>]) {
        for outgoing in run {
            let bytes = || [outgoing.header, outgoing.payload].concat();
            self.hold_bytes((hop.rail, hop.sender), target, self.qkey, bytes);
        }
    }

    fn hold_bytes(
        &mut self,
        (rail, sender): (usize, usize),
        Target { place, queue_pair, qkey, .. }: Target,
        immediate: u32,
        bytes: impl FnOnce() -> Vec<u8>,
    ) {
        let parcel = || Parcel { rail, sender, queue_pair, qkey, immediate, bytes: bytes() };
        self.stats.unroutable += u64::from(!self.routes.ports.hold(place, parcel));
    }

    /// Sends what was held, as far as it is known by now where it goes.
    pub(super) fn collect_ways(&mut self) {
        let mut are_found = false;
        while let Some(outcome) = self.routes.ports.outcome() {
            match outcome {
                Outcome::Found(place, parcels) => {
                    parcels.iter().for_each(|parcel| self.push_held(place, parcel));
                    are_found = true;
                }
                Outcome::Lost(count) => self.stats.unroutable += count as u64,
            }
        }
        if are_found {
            self.rails.iter_mut().for_each(super::rail::Rail::post);
        }
    }

    fn push_held(&mut self, place: Place, parcel: &Parcel) {
        let &Parcel { queue_pair, qkey, immediate, ref bytes, .. } = parcel;
        let sender = self.rails[parcel.rail].sender(parcel.sender);
        match (self.routes.ports.handle(place), sender) {
            (Some(to), Some(sender)) if sender.queue_pair.room() > 0 => {
                let label = Label { to, queue_pair, qkey, immediate };
                sender.queue_pair.push(label, |to| copy(to, bytes), None);
            }
            _ => self.stats.unroutable += 1,
        }
    }

    pub(super) fn collect_sent(&mut self) {
        self.rails.iter_mut().for_each(super::rail::Rail::collect_sent);
    }

    /// Tells an endpoint who this one is, along every rail.
    pub(super) fn introduce(&mut self, route: RouteId) {
        let greeting = self.introduction();
        for rail in 0..self.rails.len() {
            let hop = self.routes.hop(rail as u8);
            if let Some(target) = self.routes.target(route, hop, false) {
                self.say((hop.rail, hop.sender), target, &greeting);
            }
        }
    }

    /// Says something to the queue pair that a datagram is from.
    pub(super) fn reply(&mut self, rail: usize, to: &Source, queue_pair: u32, greeting: &Greeting) {
        if let Some(target) = self.routes.direct(rail, to, queue_pair) {
            self.say((rail, 0), target, greeting);
        }
    }

    fn say(&mut self, (rail, sender): (usize, usize), target: Target, greeting: &Greeting) {
        let immediate = self.qkey | OWN;
        match self.routes.ports.handle(target.place) {
            Some(handle) => {
                if let Some(sender) = self.rails[rail].sender(sender) {
                    greet(sender, target.label(handle, immediate), &greeting.to_bytes());
                }
            }
            None => self.hold_bytes((rail, sender), target, immediate, || greeting.to_bytes()),
        }
    }

    pub(super) fn introduction(&self) -> Greeting {
        Greeting::IAm(self.address.clone())
    }
}

/// What a run goes through.
struct Way<'a> {
    queue_pair: &'a mut QueuePair,
    label: Label<'a>,
    rail: usize,
    registry: &'a mut Registry,
}

impl Way<'_> {
    fn push_group(&mut self, run: &[Outgoing<'_>], group: &[u16], stats: &mut DeviceStats) {
        if let [single] = *group {
            return self.push(&run[usize::from(single)]);
        }
        let parts = group.iter().map(|&index| {
            let outgoing = &run[usize::from(index)];
            [outgoing.header, outgoing.payload]
        });
        let label = Label { immediate: self.label.immediate | OWN, ..self.label };
        self.queue_pair.push(label, |to| bundle::write(to, parts), None);
        stats.bundles_sent += 1;
        stats.bundled_sent += group.len() as u64;
    }

    fn push(&mut self, outgoing: &Outgoing<'_>) {
        let Outgoing { header, payload, .. } = *outgoing;
        let in_place = outgoing.memory.and_then(|memory| {
            let region = self.registry.find(self.rail, memory, payload)?;
            let owner = match memory {
                Memory::Shared(owner) => Some(owner),
                Memory::Lent(_) => None,
            };
            Some(InPlace { payload, owner, region })
        });
        let copied: &[u8] = if in_place.is_some() { &[] } else { payload };
        let fill = |to: &mut [u8]| {
            let front = copy(to, header);
            front + copy(&mut to[front..], copied)
        };
        self.queue_pair.push(self.label, fill, in_place);
    }
}

/// The neighbours that go the same way as the first.
fn first_run<'b, 'a>(batch: &'b [Outgoing<'a>]) -> Option<&'b [Outgoing<'a>]> {
    let way = |outgoing: &Outgoing<'_>| (outgoing.route, outgoing.path, outgoing.ecn_capable);
    let first = way(batch.first()?);
    let count = batch.iter().take_while(|outgoing| way(outgoing) == first).count();
    Some(&batch[..count])
}

/// How long a datagram is, if it is to share one with others: if its payload is copied anyway.
fn size_in_bundle(outgoing: &Outgoing<'_>) -> Option<usize> {
    (outgoing.payload.len() < COPY_BYTES && !outgoing.is_empty()).then_some(outgoing.len())
}

/// Sends a greeting, if that can be done now: who misses it will ask.
pub(super) fn greet(sender: &mut Sender, label: Label<'_>, greeting: &[u8]) {
    if sender.queue_pair.room() == 0 {
        return;
    }
    sender.queue_pair.push(label, |to| copy(to, greeting), None);
    if let Err((_, error)) = sender.queue_pair.post() {
        sender.fail(error);
    }
}

fn copy(to: &mut [u8], bytes: &[u8]) -> usize {
    to[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}
