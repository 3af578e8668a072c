//! Several recorders at once: the simulation knows only one.

use crate::digest::Kind;
use crate::fabric::{Fate, Packet};
use crate::observe::{Recorder, View};
use crate::time::Time;
use crate::traffic::MessageId;

/// Shows everything to each of its recorders.
#[derive(Default)]
pub struct Tape {
    recorders: Vec<Box<dyn Recorder>>,
}

impl Tape {
    /// Adds a recorder.
    pub fn add(&mut self, recorder: impl Recorder + 'static) {
        self.recorders.push(Box::new(recorder));
    }
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("recorders", &self.recorders.len()).finish()
    }
}

impl Recorder for Tape {
    fn packet(&mut self, now: Time, kind: Kind, place: u32, packet: &Packet) {
        self.recorders.iter_mut().for_each(|it| it.packet(now, kind, place, packet));
    }

    fn hop(&mut self, now: Time, link: u32, packet: &Packet, busy_until: Time, queued: u64) {
        self.recorders.iter_mut().for_each(|it| it.hop(now, link, packet, busy_until, queued));
    }

    fn message(&mut self, now: Time, kind: Kind, host: u32, message: MessageId) {
        self.recorders.iter_mut().for_each(|it| it.message(now, kind, host, message));
    }

    fn fault(&mut self, now: Time, step: u32) {
        self.recorders.iter_mut().for_each(|it| it.fault(now, step));
    }

    fn fate(&mut self, now: Time, link: u32, nth: u64, fate: &Fate) {
        self.recorders.iter_mut().for_each(|it| it.fate(now, link, nth, fate));
    }

    fn sample_every(&self) -> Option<Time> {
        self.recorders.iter().filter_map(|it| it.sample_every()).min()
    }

    fn sample(&mut self, now: Time, view: &dyn View) {
        self.recorders.iter_mut().for_each(|it| it.sample(now, view));
    }

    fn finish(&mut self, now: Time, view: &dyn View) {
        self.recorders.iter_mut().for_each(|it| it.finish(now, view));
    }
}
