//! The client: asks the server for measurements, and takes them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use usrd::{Address, BytesMut, Peer, PeerSnapshot};

use super::control::{CONTROL_BYTES, Control, Counters, Kind, Level, Outcome, Trial};
use super::cpu;
use super::pattern::Pattern;
use super::session::{Incoming, Session};
use super::tally::{Checker, Tally};
use crate::failure::Failure;

/// An end that measures to one server.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) session: Session,
    pub(super) peer: Peer,
    /// Of the READ that completed last.
    pub(super) read_buffer: Option<BytesMut>,
    /// Of the atomic that completed last.
    pub(super) value: u64,
}

/// When a measurement is long enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    Count(u64),
    For(Duration),
}

/// What came of round trips.
#[derive(Debug)]
pub(crate) struct RoundTrips {
    pub(crate) times_ns: Histogram<u64>,
    /// Round trips that were given up; unreliable ones only.
    pub(crate) lost: u64,
    pub(crate) tally: Tally,
    pub(crate) counters: Counters,
}

/// What came of sending as fast as it goes.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub(crate) elapsed: Duration,
    pub(crate) tally: Tally,
    pub(crate) counters: Counters,
    /// Processor time of both ends' measuring threads.
    pub(crate) cpu_ns: u64,
}

impl Client {
    pub(crate) fn new(mut session: Session, server: Address) -> Result<Self, Failure> {
        let peer = session.end.connect(server)?;
        session.talk_to(Some(peer));
        session.post(CONTROL_RECEIVES, CONTROL_BYTES)?;
        Ok(Self { session, peer, read_buffer: None, value: 0 })
    }

    /// The largest message that one packet carries. Known once there has been an exchange.
    pub(crate) fn max_packet_bytes(&mut self) -> Result<usize, Failure> {
        Ok(self.peer_stats()?.stats.mtu_bytes as usize)
    }

    pub(crate) fn peer_stats(&mut self) -> Result<PeerSnapshot, Failure> {
        self.session.end.peer_stats(self.peer)
    }

    /// Measures nothing until `over`, but stays alive.
    pub(crate) fn rest(&mut self, over: &AtomicBool) -> Result<(), Failure> {
        while !over.load(Ordering::Relaxed) {
            self.session.rest()?;
        }
        Ok(())
    }

    /// Takes leave of the server.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        self.session.say(&Control::Bye)?;
        self.session.end.close()
    }

    /// Round trips of single messages.
    pub(crate) fn ping_pong(
        &mut self,
        trial: &Trial,
        extent: Extent,
        mut progress: impl FnMut(f64),
    ) -> Result<RoundTrips, Failure> {
        let before = self.begin(trial, PONG_RECEIVES, trial.size)?;
        let pattern = Pattern::new(trial.key, trial.size);
        self.session.end.pin(pattern.memory())?;
        let ordered = trial.service == Level::Rd;
        let mut checker = Checker::new(trial.answer_key(), trial.size, ordered, trial.verify_every);
        let options = trial.service.options();
        let mut times_ns = Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(Failure::run)?;
        let warm_up = extent.warm_up(trial.size);
        let (mut number, mut lost) = (0, 0);
        let start = Instant::now();
        // At least one, however long it takes.
        while !extent.reached(number, start) || number <= warm_up {
            let sent = Instant::now();
            self.session.send(pattern.message(number), options)?;
            match self.answer(trial, &mut checker, number)? {
                Some(received) if number >= warm_up => {
                    let time_ns = received.duration_since(sent).as_nanos() as u64;
                    times_ns.saturating_record(time_ns);
                }
                Some(_) => {}
                None => lost += 1,
            }
            number += 1;
            if number.is_multiple_of(PROGRESS_EVERY) || trial.size >= LARGE_BYTES {
                progress(extent.fraction(number, start));
            }
        }
        let outcome = self.finish(number)?;
        let mut tally = checker.tally().clone();
        tally.merge(&outcome.tally);
        let counters = self.counters_since(&before, &outcome)?;
        Ok(RoundTrips { times_ns, lost, tally, counters })
    }

    /// Waits for the answer to a message, and returns when it came; none if it seems lost.
    fn answer(
        &mut self,
        trial: &Trial,
        checker: &mut Checker,
        number: u64,
    ) -> Result<Option<Instant>, Failure> {
        loop {
            match self.session.next()? {
                Incoming::Message(message) => {
                    let received = Instant::now();
                    let answered = checker.number(message.bytes());
                    checker.take(message.bytes());
                    self.session.repost(message)?;
                    // An answer that had been given up is not this one.
                    if answered == number || trial.service.is_reliable() {
                        return Ok(Some(received));
                    }
                }
                Incoming::Silence if !trial.service.is_reliable() => return Ok(None),
                Incoming::Control(_, control) => unexpected(&control)?,
                _ => {}
            }
        }
    }

    /// Many messages under way, all in one direction.
    pub(crate) fn bulk(
        &mut self,
        trial: &Trial,
        extent: Extent,
        mut progress: impl FnMut(f64),
    ) -> Result<Bulk, Failure> {
        let before = self.begin(trial, CONTROL_RECEIVES, CONTROL_BYTES)?;
        let pattern = Pattern::new(trial.key, trial.size);
        self.session.end.pin(pattern.memory())?;
        let options = trial.service.options();
        let limit = u64::from(trial.in_flight);
        let (mut sent, mut completed, mut over) = (0, 0, false);
        let cpu_start = cpu::thread_ns();
        let start = Instant::now();
        while !over || completed < sent {
            while sent - completed < limit && !over {
                self.session.send(pattern.message(sent), options)?;
                sent += 1;
                over = match extent {
                    // The clock is not looked at for each small message.
                    Extent::For(_) if !sent.is_multiple_of(clock_every(trial.size)) => false,
                    _ => extent.reached(sent, start),
                };
                if sent.is_multiple_of(PROGRESS_EVERY) || trial.size >= LARGE_BYTES {
                    progress(extent.fraction(sent, start));
                }
            }
            match self.session.next()? {
                Incoming::Sent => completed += 1,
                Incoming::Message(message) => self.session.repost(message)?,
                Incoming::Control(_, control) => unexpected(&control)?,
                _ => {}
            }
        }
        let elapsed = start.elapsed();
        let cpu_ns = cpu::thread_ns() - cpu_start;
        let outcome = self.finish(sent)?;
        let counters = self.counters_since(&before, &outcome)?;
        let cpu_ns = cpu_ns + outcome.cpu_ns;
        Ok(Bulk { elapsed, tally: outcome.tally, counters, cpu_ns })
    }

    /// Asks for a measurement, and waits until the server is ready. Returns the counters then.
    fn begin(&mut self, trial: &Trial, count: u32, size: usize) -> Result<Counters, Failure> {
        self.session.post_for(trial.service, count, size)?;
        let before = self.session.end.counters()?;
        self.session.say(&Control::Begin(trial.clone()))?;
        loop {
            match self.session.next()? {
                Incoming::Control(_, Control::Ready) => return Ok(before),
                Incoming::Control(_, control) => unexpected(&control)?,
                Incoming::Message(message) => self.session.repost(message)?,
                _ => {}
            }
        }
    }

    /// Tells the server how many messages there were, and waits for what it has to say.
    fn finish(&mut self, messages: u64) -> Result<Outcome, Failure> {
        self.session.say(&Control::End { messages })?;
        loop {
            match self.session.next()? {
                Incoming::Control(_, Control::Done(outcome)) => return Ok(outcome),
                Incoming::Control(_, control) => unexpected(&control)?,
                // An answer that had been given up.
                Incoming::Message(message) => self.session.repost(message)?,
                _ => {}
            }
        }
    }

    /// Waits for something that the server says.
    pub(super) fn hear<T>(
        &mut self,
        mut wanted: impl FnMut(Control) -> Option<T>,
    ) -> Result<T, Failure> {
        loop {
            match self.session.next()? {
                Incoming::Control(_, control) => {
                    unexpected(&control)?;
                    if let Some(it) = wanted(control) {
                        return Ok(it);
                    }
                }
                Incoming::Message(message) => self.session.repost(message)?,
                _ => {}
            }
        }
    }

    fn counters_since(
        &mut self,
        before: &Counters,
        outcome: &Outcome,
    ) -> Result<Counters, Failure> {
        let mut counters = self.session.end.counters()?.since(before);
        counters.add(&outcome.counters);
        Ok(counters)
    }
}

impl Extent {
    pub(super) fn reached(self, messages: u64, start: Instant) -> bool {
        match self {
            Self::Count(count) => messages >= count,
            Self::For(duration) => start.elapsed() >= duration,
        }
    }

    fn fraction(self, messages: u64, start: Instant) -> f64 {
        match self {
            Self::Count(count) => messages as f64 / count as f64,
            Self::For(duration) => start.elapsed().as_secs_f64() / duration.as_secs_f64(),
        }
    }

    /// Round trips that are not recorded.
    const fn warm_up(self, size: usize) -> u64 {
        match self {
            // Who names a number gets that number.
            Self::Count(_) => 0,
            Self::For(_) if size >= LARGE_BYTES => 1,
            Self::For(_) => WARM_UP,
        }
    }
}

impl Trial {
    /// Whether the trial can be carried with one packet a message, where that is needed.
    pub(crate) const fn fits(&self, max_packet_bytes: usize) -> bool {
        self.service.is_reliable() || self.size <= max_packet_bytes
    }

    /// What is measured, in a word.
    pub(crate) const fn name(&self) -> &'static str {
        match self.kind {
            Kind::PingPong => "latency",
            Kind::Bulk => "bandwidth",
            Kind::Memory { .. } => "memory",
        }
    }
}

fn unexpected(control: &Control) -> Result<(), Failure> {
    match control {
        Control::Refused { reason } => Err(Failure::Usage(format!("the server refuses: {reason}"))),
        // Of a measurement before.
        _ => Ok(()),
    }
}

/// How many messages pass between two looks at the clock: about 64 KiB of them.
const fn clock_every(size: usize) -> u64 {
    let messages = (64 << 10) / if size == 0 { 1 } else { size };
    if messages == 0 {
        1
    } else if messages > 64 {
        64
    } else {
        messages as u64
    }
}

/// Ready, Done, and the server asking whether this end is there.
const CONTROL_RECEIVES: u32 = 4;
/// An answer, a control message, and one to spare.
const PONG_RECEIVES: u32 = 3;
/// Round trips that are not recorded: contexts open, caches fill.
const WARM_UP: u64 = 4;
/// Longer than an engine waits before it gives a peer up.
const LONGEST_NS: u64 = 60_000_000_000;
/// How often progress is shown.
const PROGRESS_EVERY: u64 = 4096;
/// From here on progress is shown for each message.
const LARGE_BYTES: usize = 1 << 20;
