//! The server: one measurement after the other, for whoever asks, until it is told to end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use usrd::{Peer, SendOptions};

use super::control::{CONTROL_BYTES, Control, Counters, Kind, Outcome, Trial, VERSION};
use super::cpu;
use super::memory;
use super::pattern::Pattern;
use super::session::{Incoming, Message, Session};
use super::tally::Checker;
use crate::failure::Failure;
use crate::units::show_size;

/// Serves measurements.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    session: Session,
    /// Whether to end with the first client.
    once: bool,
    /// Ends the server from outside.
    stop: &'a AtomicBool,
}

/// What a server tells about its work.
#[derive(Debug)]
pub(crate) enum Notice<'a> {
    /// A measurement is over.
    Done(&'a str, &'a Trial, &'a Outcome),
    /// A client was lost.
    Lost(&'a str, &'a Failure),
}

impl<'a> Server<'a> {
    pub(crate) const fn new(session: Session, once: bool, stop: &'a AtomicBool) -> Self {
        Self { session, once, stop }
    }

    /// Serves until the end.
    pub(crate) fn run(mut self, mut notice: impl FnMut(Notice<'_>)) -> Result<(), Failure> {
        self.session.post(IDLE_RECEIVES, CONTROL_BYTES)?;
        while !self.stop.load(Ordering::Relaxed) {
            let (peer, control) = match self.session.waiting.pop_front() {
                Some((peer, trial)) => (peer, Control::Begin(trial)),
                None => match self.session.next()? {
                    Incoming::Control(peer, control) => (peer, control),
                    _ => continue,
                },
            };
            match control {
                Control::Begin(trial) => self.serve(peer, &trial, &mut notice)?,
                Control::Bye if self.once => break,
                _ => {}
            }
        }
        self.session.end.close()
    }

    /// One measurement. It fails only if this end cannot go on.
    fn serve(
        &mut self,
        peer: Peer,
        trial: &Trial,
        notice: &mut impl FnMut(Notice<'_>),
    ) -> Result<(), Failure> {
        if let Err(reason) = acceptable(trial) {
            return self.session.tell(peer, &Control::Refused { reason });
        }
        let name = match self.session.end.peer_stats(peer) {
            Ok(snapshot) => snapshot.address.to_string(),
            // It has gone again.
            Err(_) => return Ok(()),
        };
        self.session.talk_to(Some(peer));
        let result = measure(&mut self.session, trial, self.stop);
        self.session.talk_to(None);
        self.session.post(IDLE_RECEIVES, CONTROL_BYTES)?;
        match result {
            Ok(outcome) => {
                notice(Notice::Done(&name, trial, &outcome));
                self.session.tell(peer, &Control::Done(outcome))
            }
            Err(failure) if self.session.end.engine().is_closed() => Err(failure),
            Err(failure) => {
                notice(Notice::Lost(&name, &failure));
                // A lost client is the first client, too.
                if self.once { Err(failure) } else { Ok(()) }
            }
        }
    }
}

/// Whether this server can do that.
fn acceptable(trial: &Trial) -> Result<(), String> {
    if trial.version != VERSION {
        return Err(format!(
            "the server speaks version {VERSION} of the measurement, the client {}: use the same \
             usrd on both",
            trial.version
        ));
    }
    let bytes = u64::from(receives(trial)).saturating_mul(trial.size as u64);
    if bytes > MAX_RECEIVE_BYTES {
        return Err(format!(
            "{} messages of {} under way need more receive memory than the server's limit of {}: \
             use a smaller --in-flight",
            trial.in_flight,
            show_size(trial.size),
            show_size(MAX_RECEIVE_BYTES as usize)
        ));
    }
    Ok(())
}

/// As many as are under way, and as many again that are being looked at.
fn receives(trial: &Trial) -> u32 {
    match trial.kind {
        Kind::PingPong => PING_RECEIVES,
        Kind::Bulk => trial.in_flight.saturating_mul(2).saturating_add(1),
        // Of memory, one is enough.
        Kind::Memory { .. } => 1,
    }
}

fn measure(session: &mut Session, trial: &Trial, stop: &AtomicBool) -> Result<Outcome, Failure> {
    if let Kind::Memory { .. } = trial.kind {
        return memory::serve(session, trial, stop);
    }
    session.post_for(trial.service, receives(trial), trial.size)?;
    let before = session.end.counters()?;
    let ordered = trial.service == super::control::Level::Rd;
    let mut checker = Checker::new(trial.key, trial.size, ordered, trial.verify_every);
    let answers = (trial.kind == Kind::PingPong)
        .then(|| Answers::new(Pattern::new(trial.answer_key(), trial.size), trial));
    if let Some(answers) = &answers {
        session.end.pin(answers.pattern.memory())?;
    }
    session.say(&Control::Ready)?;
    let cpu_ns = match answers {
        Some(answers) => answers.run(session, &mut checker, stop)?,
        None => collect(session, &mut checker, trial, stop)?,
    };
    Ok(Outcome {
        tally: checker.tally().clone(),
        counters: Counters::since(&session.end.counters()?, &before),
        cpu_ns,
    })
}

/// Takes in messages until all have come. Returns the processor time that it took.
fn collect(
    session: &mut Session,
    checker: &mut Checker,
    trial: &Trial,
    stop: &AtomicBool,
) -> Result<u64, Failure> {
    let mut announced = None;
    let mut first = None;
    let mut last = 0;
    let mut last_arrival = Instant::now();
    loop {
        let arrived = checker.tally().messages;
        match announced {
            Some(messages) if arrived >= messages => break,
            // What was lost does not come any more.
            Some(_) if !trial.service.is_reliable() && last_arrival.elapsed() > UD_QUIET => break,
            _ => {}
        }
        match session.next()? {
            Incoming::Message(message) => {
                first.get_or_insert_with(cpu::thread_ns);
                checker.take(message.bytes());
                session.repost(message)?;
                last_arrival = Instant::now();
            }
            Incoming::Control(_, Control::End { messages }) => announced = Some(messages),
            Incoming::Control(_, Control::Begin(_) | Control::Bye) => return Err(begun_anew()),
            Incoming::Silence => give_way(stop)?,
            _ => {}
        }
        if announced.is_some() || checker.tally().messages.is_multiple_of(CPU_EVERY) {
            last = cpu::thread_ns();
        }
    }
    Ok(last.saturating_sub(first.unwrap_or(last)))
}

/// Answers messages one by one. They are checked while the answer travels.
#[derive(Debug)]
struct Answers {
    pattern: Pattern,
    options: SendOptions,
    /// Answered, and not yet checked.
    unchecked: VecDeque<Message>,
}

impl Answers {
    fn new(pattern: Pattern, trial: &Trial) -> Self {
        let options = trial.service.options();
        Self { pattern, options, unchecked: VecDeque::new() }
    }

    fn run(
        mut self,
        session: &mut Session,
        checker: &mut Checker,
        stop: &AtomicBool,
    ) -> Result<u64, Failure> {
        let start = cpu::thread_ns();
        let result = self.answer_all(session, checker, stop);
        // However it went: their buffers are to go back.
        while !self.unchecked.is_empty() {
            self.check(session, checker)?;
        }
        result.map(|()| cpu::thread_ns() - start)
    }

    fn answer_all(
        &mut self,
        session: &mut Session,
        checker: &mut Checker,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        loop {
            match session.next()? {
                Incoming::Message(message) => {
                    let number = checker.number(message.bytes());
                    session.send(self.pattern.message(number), self.options)?;
                    self.unchecked.push_back(message);
                    if self.unchecked.len() >= PING_RECEIVES as usize / 2 {
                        session.end.push();
                        self.check(session, checker)?;
                    }
                }
                Incoming::Sent => self.check(session, checker)?,
                Incoming::Control(_, Control::End { .. }) => return Ok(()),
                Incoming::Control(_, Control::Begin(_) | Control::Bye) => return Err(begun_anew()),
                Incoming::Silence => give_way(stop)?,
                _ => {}
            }
        }
    }

    fn check(&mut self, session: &mut Session, checker: &mut Checker) -> Result<(), Failure> {
        let Some(message) = self.unchecked.pop_front() else {
            return Ok(());
        };
        checker.take(message.bytes());
        session.repost(message)
    }
}

/// The client has left this measurement behind.
pub(super) fn begun_anew() -> Failure {
    Failure::Run("the client gave this measurement up".to_owned())
}

pub(super) fn give_way(stop: &AtomicBool) -> Result<(), Failure> {
    if stop.load(Ordering::Relaxed) {
        return Err(Failure::Run("stopped".to_owned()));
    }
    Ok(())
}

/// For the first words of several clients at once.
const IDLE_RECEIVES: u32 = 16;
/// A ping, the one after it, a control message, and one to spare.
const PING_RECEIVES: u32 = 4;
/// What a client may make the server allocate.
const MAX_RECEIVE_BYTES: u64 = 4 << 30;
/// After this long without one, no more unreliable messages are under way.
const UD_QUIET: Duration = Duration::from_millis(100);
/// How often the processor time is looked up before the end is announced: a system call.
const CPU_EVERY: u64 = 64;
