//! The way in: completions become arrivals, those of a bundle several. Greetings do not, and datagrams
//! of strangers wait until it is known who they are from.

use super::VerbsDevice;
use super::greeting::{Greeting, OWN};
use super::routes::Source;
use super::sys::{Done, GRH_BYTES};
use crate::bundle;
use crate::{Arrival, RouteId, Slot, SourceId};

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
            let mut last = None;
            for done in received.drain(..) {
                self.sort(rail, &done, &mut last, arrivals);
            }
            self.received = received;
            self.rails[rail].repost();
        }
        arrivals.len() - before
    }

    /// `last` is whom the one before was from, and the route there.
    fn sort(
        &mut self,
        rail: usize,
        done: &Done,
        last: &mut Option<(Source, RouteId)>,
        arrivals: &mut Vec<Arrival>,
    ) {
        let slot = done.id as u32;
        let len = (done.bytes as usize).saturating_sub(GRH_BYTES);
        let front = self.rails[rail].incoming.front(slot);
        let (Some(front), Some(beside)) = (front, done.immediate) else {
            // Of something else that knows the Q_Key.
            self.stats.malformed += 1;
            self.rails[rail].incoming.release(slot);
            return;
        };
        let source = Source { qkey: beside & !OWN, gid: front.source };
        let known = match *last {
            Some((before, route)) if before == source => Some(route),
            _ => self.routes.source(&source),
        };
        *last = known.map(|route| (source, route));
        let whole = Arrival {
            slot: self.slot(rail, slot),
            offset: 0,
            len: len as u32,
            source: SourceId(known.map_or(0, |route| route.0)),
            ce: front.ce,
        };
        let is_bundle = beside & OWN != 0 && self.slot_bytes(&whole).first() == Some(&bundle::MARK);
        if beside & OWN != 0 && !is_bundle {
            self.hear(rail, slot, len, &source, done.from);
            *last = None;
            self.rails[rail].incoming.release(slot);
            return;
        }
        match known {
            Some(_) if !is_bundle => arrivals.push(whole),
            Some(_) => self.unpack(whole, is_bundle, arrivals),
            None => {
                let mut pieces = std::mem::take(&mut self.pieces);
                self.unpack(whole, is_bundle, &mut pieces);
                self.hold_back(rail, &source, &mut pieces, done.from);
                self.pieces = pieces;
            }
        }
    }

    /// What has arrived in one slot: one datagram, or a bundle of them, which then share it.
    fn unpack(&mut self, whole: Arrival, is_bundle: bool, arrivals: &mut Vec<Arrival>) {
        if !is_bundle {
            return arrivals.push(whole);
        }
        let (rail, slot) = self.place(whole.slot);
        let before = arrivals.len();
        let bytes =
            self.rails[rail].incoming.datagram(slot, whole.len as usize).unwrap_or_default();
        match bundle::split(bytes) {
            Ok(pieces) => arrivals.extend(pieces.map(|piece| Arrival {
                offset: piece.start as u32,
                len: piece.len() as u32,
                ..whole
            })),
            Err(why) => {
                tracing::debug!(%why, "a datagram was dropped");
                self.stats.malformed += 1;
                return self.rails[rail].incoming.release(slot);
            }
        }
        let count = arrivals.len() - before;
        self.rails[rail].incoming.share(slot, count as u16 - 1);
        self.stats.bundles_received += 1;
        self.stats.bundled_received += count as u64;
    }

    /// A greeting.
    fn hear(&mut self, rail: usize, slot: u32, len: usize, source: &Source, queue_pair: u32) {
        let bytes = self.rails[rail].incoming.datagram(slot, len);
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
            _ => {
                tracing::debug!(from = %source.gid, "a greeting that makes no sense");
                self.stats.malformed += 1;
            }
        }
    }

    /// Keeps a stranger's datagrams until it is known who they are, and asks.
    fn hold_back(
        &mut self,
        rail: usize,
        source: &Source,
        pieces: &mut Vec<Arrival>,
        queue_pair: u32,
    ) {
        if pieces.is_empty() {
            return;
        }
        self.reply(rail, source, queue_pair, &Greeting::WhoAreYou);
        for arrival in pieces.drain(..) {
            if self.strangers.len() >= MOST_STRANGERS {
                let oldest = self.strangers.remove(0);
                self.give_back(oldest.arrival.slot);
            }
            self.strangers.push(Stranger { source: *source, arrival });
        }
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

    /// The bytes of an arrival.
    pub(super) fn slot_bytes(&self, arrival: &Arrival) -> &[u8] {
        let (rail, slot) = self.place(arrival.slot);
        let (start, end) = (arrival.offset as usize, (arrival.offset + arrival.len) as usize);
        let datagram = self.rails.get(rail).and_then(|rail| rail.incoming.datagram(slot, end));
        datagram.and_then(|datagram| datagram.get(start..)).unwrap_or_default()
    }

    /// An arrival has been read.
    pub(super) fn give_back(&mut self, slot: Slot) {
        let (rail, slot) = self.place(slot);
        self.rails[rail].incoming.release(slot);
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
