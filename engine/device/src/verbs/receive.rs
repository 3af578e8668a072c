//! The way in: completions become arrivals, except for greetings, and for datagrams of strangers,
//! which wait until it is known who they are from.

use super::VerbsDevice;
use super::greeting::{GREETING, Greeting};
use super::routes::Source;
use super::sys::{Done, GRH_BYTES};
use crate::{Arrival, Slot, SourceId};

/// A stranger's datagram.
#[derive(Debug)]
pub(super) struct Stranger {
    source: Source,
    arrival: Arrival,
}

impl VerbsDevice {
    /// [`Device::poll`](crate::Device::poll).
    pub(super) fn receive(&mut self, arrivals: &mut Vec<Arrival>) -> usize {
        let before = arrivals.len();
        arrivals.append(&mut self.ready);
        for rail in 0..self.rails.len() {
            let mut received = std::mem::take(&mut self.received);
            self.rails[rail].collect_received(&mut received);
            for done in received.drain(..) {
                self.sort(rail, &done, arrivals);
            }
            self.received = received;
            self.rails[rail].repost();
        }
        arrivals.len() - before
    }

    fn sort(&mut self, rail: usize, done: &Done, arrivals: &mut Vec<Arrival>) {
        let slot = done.id as u32;
        let len = (done.bytes as usize).saturating_sub(GRH_BYTES);
        let front = self.rails[rail].front(slot);
        let (Some(front), Some(beside)) = (front, done.immediate) else {
            // Of something else that knows the Q_Key.
            self.rails[rail].release(slot);
            return;
        };
        let source = Source { qkey: beside & !GREETING, gid: front.source };
        if beside & GREETING != 0 {
            self.hear(rail, slot, len, &source, done.from);
            self.rails[rail].release(slot);
            return;
        }
        let known = self.routes.source(&source);
        let arrival = Arrival {
            slot: self.slot(rail, slot),
            offset: 0,
            len: len as u32,
            source: SourceId(known.map_or(0, |route| route.0)),
            ce: front.ce,
        };
        match known {
            Some(_) => arrivals.push(arrival),
            None => self.hold_back(rail, Stranger { source, arrival }, done.from),
        }
    }

    /// A greeting.
    fn hear(&mut self, rail: usize, slot: u32, len: usize, source: &Source, queue_pair: u32) {
        let bytes = self.rails[rail].datagram(slot, len);
        match bytes.and_then(Greeting::from_bytes) {
            Some(Greeting::WhoAreYou) => {
                let introduction = self.introduction();
                self.reply(rail, source, queue_pair, &introduction);
            }
            Some(Greeting::IAm(address)) if address.qkey == source.qkey => {
                self.routes.intern(address);
                self.admit_strangers();
            }
            // Late, or not as agreed.
            _ => tracing::debug!(from = %source.gid, "a greeting that makes no sense"),
        }
    }

    /// Keeps a stranger's datagram until it is known who they are, and asks.
    fn hold_back(&mut self, rail: usize, stranger: Stranger, queue_pair: u32) {
        self.reply(rail, &stranger.source, queue_pair, &Greeting::WhoAreYou);
        if self.strangers.len() >= MOST_STRANGERS {
            let oldest = self.strangers.remove(0);
            self.give_back(oldest.arrival.slot);
        }
        self.strangers.push(stranger);
    }

    /// Lets those go on whose sender is known by now.
    fn admit_strangers(&mut self) {
        let Self { strangers, routes, ready, .. } = self;
        strangers.retain(|stranger| {
            let Some(route) = routes.source(&stranger.source) else {
                return true;
            };
            ready.push(Arrival { source: SourceId(route.0), ..stranger.arrival });
            false
        });
    }

    /// The bytes of a slot.
    pub(super) fn slot_bytes(&self, slot: Slot, len: usize) -> &[u8] {
        let (rail, slot) = self.place(slot);
        let rail = self.rails.get(rail);
        rail.and_then(|rail| rail.datagram(slot, len)).unwrap_or_default()
    }

    /// A slot has been read.
    pub(super) fn give_back(&mut self, slot: Slot) {
        let (rail, slot) = self.place(slot);
        self.rails[rail].release(slot);
    }

    const fn slot(&self, rail: usize, slot: u32) -> Slot {
        Slot((rail as u32) << RAIL_SHIFT | slot)
    }

    const fn place(&self, slot: Slot) -> (usize, u32) {
        ((slot.0 >> RAIL_SHIFT) as usize, slot.0 & ((1 << RAIL_SHIFT) - 1))
    }
}

/// A rail's slots are numbered with this many bits.
const RAIL_SHIFT: u32 = 24;
/// A first batch of somebody whose introduction was lost.
const MOST_STRANGERS: usize = 64;
