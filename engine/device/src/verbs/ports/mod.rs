//! Remote ports, and the ways there: an address handle for each path.
//!
//! To make a handle the kernel looks up the host's address, which takes a second if there is no such
//! host. So handles are made by [threads](Errands) of their own, when they are first asked for;
//! meanwhile the first datagrams are held, and then sent or given up. Those to one port are made one
//! after the other: a host that is not there is waited for once, and holds up one thread.
//!
//! ```text
//!   unasked -- first use --> asked ---- handle ----> there     what was held leaves
//!      ^                       |
//!      +---- no such host -----+   what was held is lost; not asked again for a while
//! ```
//! A port that no route leads to is kept for a while, as one may again, and then forgotten: of those the
//! ones that were used last are kept. Its handles are to be kept until no NIC uses them any more.

mod lookup;
mod remote;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::errands::Errands;
use super::gid::{ECT_0, Gid};
use super::sys::Way;
use crate::{DeviceError, Waker};
use lookup::{Answer, Errand, flow_label};
use remote::RemotePort;

/// All remote ports, `H` being what leads there.
#[derive(Debug)]
pub(super) struct Ports<H> {
    local: Vec<LocalPort>,
    traffic_class: u8,
    /// Differs from endpoint to endpoint, and so do the flow labels.
    salt: u32,
    ports: Vec<Option<RemotePort<H>>>,
    /// Numbers of ports that were forgotten.
    free: Vec<usize>,
    known: HashMap<(usize, Gid), usize>,
    /// Ports that no route leads to, the one of which that has been true for longest first.
    unused: VecDeque<usize>,
    /// By rail, ways to ports that were forgotten.
    left: Vec<(usize, Vec<H>)>,
    errands: Errands<Errand<H>, Answer<H>>,
    /// Ports that an errand is under way for.
    busy: usize,
    held: usize,
}

/// Where one of our rails is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalPort {
    pub(super) port: u8,
    pub(super) gid_index: u8,
}

/// A way to a remote port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    port: usize,
    /// Of the path's turn, and of whether the network may mark.
    index: usize,
}

/// A datagram whose way is not known yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) rail: usize,
    pub(super) sender: usize,
    pub(super) queue_pair: u32,
    pub(super) qkey: u32,
    pub(super) immediate: u32,
    pub(super) bytes: Vec<u8>,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The way is known, and these can go.
    Found(Place, Vec<Parcel>),
    /// There is no way; so many are lost.
    Lost(usize),
}

impl<H: Send + 'static> Ports<H> {
    /// Ways from `local`; `make` finds one from the rail of that number, and may take long.
    pub(super) fn new(
        local: Vec<LocalPort>,
        traffic_class: u8,
        salt: u32,
        make: impl Fn(usize, &Way) -> Result<H, DeviceError> + Send + Sync + 'static,
        waker: Waker,
    ) -> Result<Self, DeviceError> {
        let work = move |errand, answer: &dyn Fn(_)| lookup::run(errand, &make, answer);
        let errands = Errands::start(THREADS, work, waker)
            .map_err(DeviceError::io("starting the threads that look up addresses"))?;
        Ok(Self {
            local,
            traffic_class,
            salt,
            ports: Vec::new(),
            free: Vec::new(),
            known: HashMap::new(),
            unused: VecDeque::new(),
            left: Vec::new(),
            errands,
            busy: 0,
            held: 0,
        })
    }

    /// The number of the port with that GID, which a route leads to from now on.
    pub(super) fn claim(&mut self, rail: usize, gid: Gid, lid: u16) -> usize {
        let number = self.at(rail, gid, lid);
        if let Some(port) = self.get(number) {
            port.users += 1;
            if port.users == 1 {
                self.unused.retain(|&unused| unused != number);
            }
        }
        number
    }

    /// A route leads there no longer.
    pub(super) fn leave(&mut self, number: usize) {
        let Some(port) = self.get(number) else { return };
        port.users -= 1;
        if port.users == 0 {
            self.unused.push_back(number);
            self.forget_unused();
        }
    }

    /// The number of the port with that GID, which is used just now. None if too many of that kind are
    /// being asked for.
    pub(super) fn visit(&mut self, rail: usize, gid: Gid, lid: u16) -> Option<usize> {
        self.forget_unused();
        let is_known = self.known.contains_key(&(rail, gid));
        (is_known || self.unused.len() <= MOST_UNUSED).then(|| self.at(rail, gid, lid))
    }

    /// Ports there are room for.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    fn at(&mut self, rail: usize, gid: Gid, lid: u16) -> usize {
        if let Some(&number) = self.known.get(&(rail, gid)) {
            return number;
        }
        let port = Some(RemotePort::new(rail, gid, lid));
        let number = self.free.pop().unwrap_or(self.ports.len());
        match self.ports.get_mut(number) {
            Some(place) => *place = port,
            None => self.ports.push(port),
        }
        self.known.insert((rail, gid), number);
        self.unused.push_back(number);
        number
    }

    fn get(&mut self, number: usize) -> Option<&mut RemotePort<H>> {
        self.ports.get_mut(number)?.as_mut()
    }

    /// Forgets unused ports beyond those that are kept, but for those that an answer is still to come
    /// for.
    fn forget_unused(&mut self) {
        while self.unused.len() > MOST_UNUSED {
            let is_quiet =
                |&number: &usize| self.ports[number].as_ref().is_none_or(|port| !port.is_asked);
            let Some(index) = self.unused.iter().position(is_quiet) else { return };
            let number = self.unused.remove(index).expect("its position has just been found");
            if let Some(port) = self.ports[number].take() {
                self.known.remove(&(port.rail, port.gid));
                self.left.push((port.rail, port.into_handles()));
            }
            self.free.push(number);
        }
    }

    /// By rail, ways that nothing more is sent along. What was sent may still need them.
    pub(super) fn take_left(&mut self) -> Vec<(usize, Vec<H>)> {
        std::mem::take(&mut self.left)
    }

    /// Gives ways up that nobody needs any more.
    pub(super) fn give_up(&mut self, ways: Vec<H>) {
        self.errands.tell(Errand::GiveUp(ways));
    }

    /// The way to a port that the paths of this turn take.
    pub(super) const fn place(port: usize, turn: usize, ecn: bool) -> Place {
        Place { port, index: 2 * turn + ecn as usize }
    }

    /// What leads there, if it is known. Otherwise it is asked for.
    pub(super) fn handle(&mut self, place: Place) -> Option<&H> {
        let port = self.get(place.port)?;
        if port.handle(place.index).is_none() {
            self.ask(place.port);
        }
        self.get(place.port)?.handle(place.index)
    }

    /// Asks for what is queued, unless the answers of the last time are still to come.
    fn ask(&mut self, number: usize) {
        let Some(port) = self.ports.get_mut(number).and_then(Option::as_mut) else { return };
        if port.is_asked || port.queued.is_empty() {
            return;
        }
        let LocalPort { port: local, gid_index } = self.local[port.rail];
        let way = |index: usize| Way {
            port: local,
            source_gid_index: gid_index,
            to: port.gid,
            lid: port.lid,
            flow_label: flow_label(self.salt, index as u32 / 2),
            traffic_class: self.traffic_class | if index % 2 == 1 { ECT_0 } else { 0 },
        };
        let queued = std::mem::take(&mut port.queued);
        let ways = queued.into_iter().map(|index| (index, way(index))).collect();
        let rail = port.rail;
        port.is_asked = true;
        self.busy += 1;
        self.errands.tell(Errand::Find { rail, port: number, ways });
    }

    /// Keeps a datagram until the way is known, if that has been asked for and not too many wait
    /// already. Otherwise it is lost.
    pub(super) fn hold(&mut self, place: Place, parcel: impl FnOnce() -> Parcel) -> bool {
        let is_held = self.get(place.port).is_some_and(|port| port.hold(place.index, parcel));
        self.held += usize::from(is_held);
        is_held
    }

    /// How many are held.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// What has been found out since.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        if self.busy == 0 {
            return None;
        }
        match self.errands.answer()? {
            Answer::Found(place, handle) => {
                let port = self.get(place.port)?;
                port.unreachable = None;
                let parcels = port.answer(place.index, Some(handle));
                self.held -= parcels.len();
                Some(Outcome::Found(place, parcels))
            }
            Answer::Done { port: number, mut lost, error } => {
                self.busy -= 1;
                let port = self.get(number)?;
                port.is_asked = false;
                if let Some((error, took)) = error {
                    tracing::info!(to = %port.gid, %error, ?took, "no way there");
                    port.unreachable = Some(Instant::now() + LEAST_PAUSE.max(took));
                    lost.append(&mut port.queued);
                }
                let count = lost.iter().map(|&index| port.answer(index, None).len()).sum();
                self.held -= count;
                self.ask(number);
                Some(Outcome::Lost(count))
            }
        }
    }
}

/// Hosts that are not there each hold one up, and the others go on.
const THREADS: usize = 4;
/// A host, or its interface, that comes back is not kept waiting for longer than this.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// Some hosts whose processes are replaced by others.
const MOST_UNUSED: usize = 64;
