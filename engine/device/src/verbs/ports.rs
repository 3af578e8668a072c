//! Remote ports, and the ways there: an address handle for each path.
//!
//! To make a handle the kernel looks up the host's address, which takes a second if there is no such
//! host. So handles are made by a [thread](Errands) of their own, when they are first asked for;
//! meanwhile the first datagrams are held, and then sent or given up.
//!
//! ```text
//!   unasked -- first use --> asked ---- handle ----> there     what was held leaves
//!      ^                       |
//!      +---- no such host -----+   what was held is lost; not asked again for a while
//! ```

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use super::errands::Errands;
use super::gid::{ECT_0, Gid};
use super::sys::Way;
use crate::{DeviceError, Waker};

/// All remote ports, `H` being what leads there.
#[derive(Debug)]
pub(super) struct Ports<H> {
    local: Vec<LocalPort>,
    traffic_class: u8,
    /// Differs from endpoint to endpoint, and so do the flow labels.
    salt: u32,
    ports: Vec<RemotePort<H>>,
    known: HashMap<(usize, Gid), usize>,
    errands: Errands<Question, Answer<H>>,
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

/// A remote port, seen from one rail.
#[derive(Debug)]
struct RemotePort<H> {
    rail: usize,
    gid: Gid,
    lid: u16,
    handles: Vec<Handle<H>>,
    /// There was no way there; until when not to ask again.
    unreachable: Option<Instant>,
    waiting: VecDeque<(usize, Parcel)>,
}

#[derive(Debug)]
enum Handle<H> {
    Unasked,
    Asked,
    There(H),
}

#[derive(Debug)]
struct Question {
    place: Place,
    rail: usize,
    way: Way,
    asked: Instant,
}

#[derive(Debug)]
struct Answer<H> {
    place: Place,
    took: Duration,
    result: Result<H, DeviceError>,
}

impl<H: Send + 'static> Ports<H> {
    /// Ways from `local`; `make` finds one from the rail of that number, and may take long.
    pub(super) fn new(
        local: Vec<LocalPort>,
        traffic_class: u8,
        salt: u32,
        make: impl FnMut(usize, &Way) -> Result<H, DeviceError> + Send + 'static,
        waker: Waker,
    ) -> Result<Self, DeviceError> {
        let errands = Errands::start(answering(make), waker)
            .map_err(DeviceError::io("starting the thread that looks up addresses"))?;
        let (ports, known, held) = (Vec::new(), HashMap::new(), 0);
        Ok(Self { local, traffic_class, salt, ports, known, errands, held })
    }

    /// The number of the port with that GID.
    pub(super) fn at(&mut self, rail: usize, gid: Gid, lid: u16) -> usize {
        *self.known.entry((rail, gid)).or_insert_with(|| {
            self.ports.push(RemotePort {
                rail,
                gid,
                lid,
                handles: Vec::new(),
                unreachable: None,
                waiting: VecDeque::new(),
            });
            self.ports.len() - 1
        })
    }

    /// The way to a port that the paths of this turn take.
    pub(super) const fn place(port: usize, turn: usize, ecn: bool) -> Place {
        Place { port, index: 2 * turn + ecn as usize }
    }

    /// What leads there, if it is known. Otherwise it is asked for.
    pub(super) fn handle(&mut self, place: Place) -> Option<&H> {
        let port = &mut self.ports[place.port];
        if port.handles.len() <= place.index {
            port.handles.resize_with(place.index + 1, || Handle::Unasked);
        }
        if matches!(port.handles[place.index], Handle::Unasked) && port.is_worth_asking() {
            port.handles[place.index] = Handle::Asked;
            let (rail, way) = (port.rail, self.way(place));
            self.errands.ask(Question { place, rail, way, asked: Instant::now() });
        }
        match &self.ports[place.port].handles[place.index] {
            Handle::There(handle) => Some(handle),
            _ => None,
        }
    }

    /// Keeps a datagram until the way is known, if that has been asked for and not too many wait
    /// already. Otherwise it is lost.
    pub(super) fn hold(&mut self, place: Place, parcel: impl FnOnce() -> Parcel) -> bool {
        let port = &mut self.ports[place.port];
        let is_asked = matches!(port.handles.get(place.index), Some(Handle::Asked));
        if !is_asked || port.waiting.len() >= MOST_WAITING {
            return false;
        }
        port.waiting.push_back((place.index, parcel()));
        self.held += 1;
        true
    }

    /// How many are held.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// What has been found out since.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        let Answer { place, took, result } = self.errands.answer()?;
        let port = &mut self.ports[place.port];
        let (waiting, others): (VecDeque<_>, _) = std::mem::take(&mut port.waiting)
            .into_iter()
            .partition(|(index, _)| *index == place.index);
        port.waiting = others;
        self.held -= waiting.len();
        match result {
            Ok(handle) => {
                port.handles[place.index] = Handle::There(handle);
                port.unreachable = None;
                Some(Outcome::Found(place, waiting.into_iter().map(|(_, parcel)| parcel).collect()))
            }
            Err(error) => {
                tracing::debug!(to = %port.gid, %error, "no way there");
                port.handles[place.index] = Handle::Unasked;
                port.unreachable = Some(Instant::now() + LEAST_PAUSE.max(10 * took));
                Some(Outcome::Lost(waiting.len()))
            }
        }
    }

    fn way(&self, place: Place) -> Way {
        let remote = &self.ports[place.port];
        let LocalPort { port, gid_index } = self.local[remote.rail];
        let (turn, ecn) = (place.index / 2, place.index % 2 == 1);
        Way {
            port,
            source_gid_index: gid_index,
            to: remote.gid,
            lid: remote.lid,
            flow_label: flow_label(self.salt, turn as u32),
            traffic_class: self.traffic_class | if ecn { ECT_0 } else { 0 },
        }
    }
}

impl<H> RemotePort<H> {
    fn is_worth_asking(&self) -> bool {
        self.unreachable.is_none_or(|until| Instant::now() >= until)
    }
}

/// Answers questions by `make`; those about a port that were asked before another one about it failed
/// have failed as well: a host that is not there is waited for once, not once for each path.
fn answering<H>(
    mut make: impl FnMut(usize, &Way) -> Result<H, DeviceError>,
) -> impl FnMut(Question) -> Answer<H> {
    let mut failures: HashMap<usize, Instant> = HashMap::new();
    move |Question { place, rail, way, asked }| {
        if failures.get(&place.port).is_some_and(|&failed| failed >= asked) {
            let source = io::Error::other("another path to it has just failed");
            let result =
                Err(DeviceError::Io { operation: "looking up the way to the peer", source });
            return Answer { place, took: Duration::ZERO, result };
        }
        let began = Instant::now();
        let result = make(rail, &way);
        let now = Instant::now();
        match result {
            Ok(_) => failures.remove(&place.port),
            Err(_) => failures.insert(place.port, now),
        };
        Answer { place, took: now.duration_since(began), result }
    }
}

/// 20 bits, not zero: NICs take zero for "none of its own".
fn flow_label(salt: u32, turn: u32) -> u32 {
    // Fibonacci hashing; the labels of one endpoint are all different, as the factor is odd.
    let mixed = (salt.wrapping_add(turn)).wrapping_mul(0x9e37_79b1) >> 12;
    if mixed == 0 { 1 } else { mixed }
}

/// A host, or its interface, that comes back is not kept waiting for longer than this.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// For each port: two of the driver's batches, so that what is sent first is not lost.
const MOST_WAITING: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::mpsc::{self, Receiver, Sender};

    /// Ports whose ways are found when the test says so, and whether there is one.
    struct Lab {
        ports: Ports<u32>,
        verdicts: Sender<bool>,
        asked: Receiver<Way>,
    }

    impl Lab {
        fn new() -> Self {
            let (verdicts, verdict) = mpsc::channel();
            let (asking, asked) = mpsc::channel();
            let make = move |_: usize, way: &Way| {
                asking.send(*way).unwrap();
                match verdict.recv() {
                    Ok(true) => Ok(way.flow_label),
                    _ => Err(DeviceError::Io {
                        operation: "asking",
                        source: io::ErrorKind::HostUnreachable.into(),
                    }),
                }
            };
            let local = vec![LocalPort { port: 1, gid_index: 3 }];
            let ports = Ports::new(local, 0, 7, make, Waker::new().unwrap()).unwrap();
            Self { ports, verdicts, asked }
        }

        fn outcome(&mut self) -> Outcome {
            loop {
                match self.ports.outcome() {
                    Some(outcome) => return outcome,
                    None => std::thread::yield_now(),
                }
            }
        }
    }

    fn gid(last: u8) -> Gid {
        Gid::from_ipv4([10, 0, 0, last])
    }

    fn parcel(n: u8) -> Parcel {
        Parcel { rail: 0, sender: 0, queue_pair: 5, qkey: 6, immediate: 7, bytes: vec![n] }
    }

    #[test]
    fn datagrams_are_held_until_the_way_is_known() {
        let mut lab = Lab::new();
        let port = lab.ports.at(0, gid(1), 0);
        let place = Ports::<u32>::place(port, 4, true);
        // Nothing waits, though nobody has answered.
        assert_eq!(lab.ports.handle(place), None);
        assert!((0..3).all(|n| lab.ports.hold(place, || parcel(n))));
        assert_eq!((lab.ports.held(), lab.ports.outcome()), (3, None));
        let way = lab.asked.recv().unwrap();
        assert_eq!((way.to, way.source_gid_index, way.traffic_class), (gid(1), 3, ECT_0));
        lab.verdicts.send(true).unwrap();
        let found = (0..3).map(parcel).collect();
        assert_eq!(lab.outcome(), Outcome::Found(place, found));
        assert_eq!(lab.ports.handle(place), Some(&way.flow_label));
        assert_eq!(lab.ports.held(), 0);
        // It is known, so nothing has to be held.
        assert!(!lab.ports.hold(place, || parcel(9)));
    }

    #[test]
    fn a_host_that_is_not_there_is_waited_for_once() {
        let mut lab = Lab::new();
        let port = lab.ports.at(0, gid(1), 0);
        let places = [0, 1, 2].map(|turn| Ports::<u32>::place(port, turn, false));
        for place in places {
            assert_eq!(lab.ports.handle(place), None);
            assert!(lab.ports.hold(place, || parcel(1)));
        }
        lab.verdicts.send(false).unwrap();
        // One verdict for all three.
        assert_eq!(places.map(|_| lab.outcome()), [1, 1, 1].map(|_| Outcome::Lost(1)));
        assert_eq!((lab.asked.try_iter().count(), lab.ports.held()), (1, 0));
        // It is not asked again at once, and nothing is held meanwhile.
        assert_eq!(lab.ports.handle(places[0]), None);
        assert!(!lab.ports.hold(places[0], || parcel(1)));
        // After a while it is.
        std::thread::sleep(LEAST_PAUSE);
        lab.verdicts.send(true).unwrap();
        while lab.ports.handle(places[0]).is_none() {
            let _ = lab.ports.outcome();
            std::thread::yield_now();
        }
    }

    #[test]
    fn there_is_a_limit_to_what_is_held_for_each_port() {
        let mut lab = Lab::new();
        for last in 1..3 {
            let port = lab.ports.at(0, gid(last), 0);
            assert_eq!(lab.ports.at(0, gid(last), 0), port);
            let place = Ports::<u32>::place(port, 0, false);
            let _ = lab.ports.handle(place);
            let held = (0..1000).filter(|_| lab.ports.hold(place, || parcel(1))).count();
            assert_eq!(held, MOST_WAITING);
        }
        assert_eq!(lab.ports.held(), 2 * MOST_WAITING);
        // So that the end does not wait for a verdict.
        drop(lab.verdicts);
    }

    #[test]
    fn flow_labels_differ() {
        let labels: HashSet<_> = (0..256).map(|turn| flow_label(77, turn)).collect();
        assert!(labels.len() >= 255 && labels.iter().all(|&label| 0 < label && label < 1 << 20));
    }
}
