//! Everything that can be seen of a run passes here: into the fingerprint always, and to a recorder
//! if there is one. Without a recorder a sighting costs one branch.

use std::fmt;

use usrd_proto::{EndpointStats, PathStats, PeerStats};

use crate::digest::{Digest, Kind};
use crate::fabric::{Fabric, Fate, Packet};
use crate::time::Time;
use crate::traffic::{MessageId, Traffic};

/// Watches a run. What it is told it cannot change; every method may be left as it is.
pub trait Recorder {
    /// Something happened to a packet: at a host (sent, arrived), or on a link (all else).
    fn packet(&mut self, _now: Time, _kind: Kind, _place: u32, _packet: &Packet) {}

    /// A packet starts on a link, which takes it until `busy_until`; so many bytes wait behind it.
    fn hop(&mut self, _now: Time, _link: u32, _packet: &Packet, _busy_until: Time, _queued: u64) {}

    /// A host handed a message to its endpoint, was told that one is sent, or received one.
    fn message(&mut self, _now: Time, _kind: Kind, _host: u32, _message: MessageId) {}

    /// A planned fault begins or is over: the number of its step in [`Fabric::fault_plan`].
    fn fault(&mut self, _now: Time, _step: u32) {}

    /// Chance, or a list in its place, does something to the `nth` packet of a link.
    fn fate(&mut self, _now: Time, _link: u32, _nth: u64, _fate: &Fate) {}

    /// The time between two samples; none if it wants none.
    fn sample_every(&self) -> Option<Time> {
        None
    }

    /// A look at everything.
    fn sample(&mut self, _now: Time, _view: &dyn View) {}

    /// The run is over: what was gathered.
    fn finish(&mut self, _now: Time, _view: &dyn View) {}
}

/// What a recorder may look at.
pub trait View {
    /// The network: links, queues, counters.
    fn fabric(&self) -> &Fabric;
    /// The flows and how far they are.
    fn traffic(&self) -> &Traffic;
    /// A host's endpoint.
    fn endpoint(&self, host: u32) -> EndpointStats;
    /// How it stands between two hosts.
    fn peer(&self, host: u32, other: u32) -> Option<PeerStats>;
    /// What a host's endpoint knows of the paths to another host.
    fn paths(&self, host: u32, other: u32) -> Vec<PathStats>;
}

/// The fingerprint, and who else watches.
#[derive(Default)]
pub struct Observer {
    digest: Digest,
    recorder: Option<Box<dyn Recorder>>,
}

impl Observer {
    /// With somebody who watches.
    pub fn recorded_by(recorder: Box<dyn Recorder>) -> Self {
        Self { digest: Digest::default(), recorder: Some(recorder) }
    }

    /// The fingerprint so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who watches.
    pub fn recorder(&mut self) -> Option<&mut (dyn Recorder + 'static)> {
        self.recorder.as_deref_mut()
    }

    /// See [`Recorder::packet`].
    #[inline]
    pub(crate) fn packet(&mut self, now: Time, kind: Kind, place: u32, packet: &Packet) {
        self.digest.event(now, kind, place, packet.fingerprint());
        if let Some(recorder) = &mut self.recorder {
            recorder.packet(now, kind, place, packet);
        }
    }

    /// See [`Recorder::message`].
    #[inline]
    pub(crate) fn message(&mut self, now: Time, kind: Kind, host: u32, message: MessageId) {
        self.digest.event(now, kind, host, message.into());
        if let Some(recorder) = &mut self.recorder {
            recorder.message(now, kind, host, message);
        }
    }

    /// See [`Recorder::fate`].
    pub(crate) fn fate(&mut self, now: Time, link: u32, nth: u64, fate: &Fate) {
        if let Some(recorder) = &mut self.recorder {
            recorder.fate(now, link, nth, fate);
        }
    }

    /// See [`Recorder::fault`].
    pub(crate) fn fault(&mut self, now: Time, step: u32) {
        self.digest.event(now, Kind::Fault, step, 0);
        if let Some(recorder) = &mut self.recorder {
            recorder.fault(now, step);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("digest", &self.digest)
            .field("recorded", &self.recorder.is_some())
            .finish()
    }
}
