//! The exchange with one peer: what comes in, one thing at a time, and noticing that it is gone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use usrd::{
    BytesMut, Completion, Peer, RecvCompletion, RecvFailure, SendCompletion, SendFailure,
    SendOptions, TransferCompletion,
};

use super::control::{CONTROL_BYTES, Control, Level, Trial};
use super::damage::Damage;
use super::end::End;
use super::receives::Receives;
use crate::failure::Failure;

/// An end, and what it is doing.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) end: End,
    damage: Damage,
    receives: Receives,
    queue: VecDeque<Completion>,
    /// Whom the end is talking to.
    peer: Option<Peer>,
    /// Measurements that others have asked for meanwhile.
    pub(crate) waiting: VecDeque<(Peer, Trial)>,
    /// Sends that are not complete.
    sending: u64,
}

/// Something that has come in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A measured message is sent, or, if unreliable, given up.
    Sent,
    /// A message of the measurement. Its buffer must be given back with [`Session::repost`].
    Message(Message),
    /// A one-sided operation is over.
    Transferred(TransferCompletion),
    /// The peer says something.
    Control(Peer, Control),
    /// Nothing, for [`SILENCE`].
    Silence,
}

/// A message of the measurement.
#[derive(Debug)]
pub(crate) struct Message {
    receive: RecvCompletion,
}

impl Message {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.receive.message()
    }
}

impl Session {
    pub(crate) fn new(end: End, damage: Damage) -> Self {
        Self {
            end,
            damage,
            receives: Receives::default(),
            queue: VecDeque::new(),
            peer: None,
            waiting: VecDeque::new(),
            sending: 0,
        }
    }

    /// From now on the end talks to `peer`.
    pub(crate) const fn talk_to(&mut self, peer: Option<Peer>) {
        self.peer = peer;
    }

    /// Posts `count` receives with room for `size` bytes and for control messages, instead of
    /// those before.
    pub(crate) fn post(&mut self, count: u32, size: usize) -> Result<(), Failure> {
        self.post_for(Level::Srd, count, size)
    }

    /// The same for messages that are sent this way. Where those have a tag, there are as many
    /// receives for them, and others for control messages.
    pub(crate) fn post_for(
        &mut self,
        level: Level,
        count: u32,
        size: usize,
    ) -> Result<(), Failure> {
        self.receives.replace(&self.end, count, (size, CONTROL_BYTES), level.tag())?;
        // What has come meanwhile keeps its place.
        let mut kept = VecDeque::new();
        let start = Instant::now();
        while !self.receives.is_settled() {
            if start.elapsed() > SETTLE_PATIENCE {
                return Err(Failure::Run("posted receives were not given back".to_owned()));
            }
            if self.queue.is_empty() {
                self.end.wait(&mut self.queue, SILENCE)?;
            }
            for completion in std::mem::take(&mut self.queue) {
                match completion {
                    Completion::Recv(RecvCompletion {
                        result: Err(RecvFailure::Cancelled),
                        ..
                    }) => self.receives.cancelled(),
                    Completion::Recv(mut receive) => {
                        // Its buffer is not needed: copy what is in it out, and settle.
                        let buffer = BytesMut::from(receive.message());
                        let old = std::mem::replace(&mut receive.buffer, buffer);
                        // What was copied out before is not counted again.
                        self.repost_buffer(old, receive.context)?;
                        kept.push_back(Completion::Recv(RecvCompletion {
                            context: COPIED,
                            ..receive
                        }));
                    }
                    other => kept.push_back(other),
                }
            }
        }
        self.queue = kept;
        Ok(())
    }

    /// Gives a message's buffer back.
    pub(crate) fn repost(&mut self, message: Message) -> Result<(), Failure> {
        let RecvCompletion { context, buffer, .. } = message.receive;
        self.repost_buffer(buffer, context)
    }

    /// Sends a message of the measurement.
    pub(crate) fn send(&mut self, data: usrd::Bytes, options: SendOptions) -> Result<(), Failure> {
        let Some(peer) = self.peer else {
            return Err(Failure::Run("there is no peer to send to".to_owned()));
        };
        self.end.send(peer, data, options)?;
        self.sending += 1;
        Ok(())
    }

    /// Tells `peer` something.
    pub(crate) fn tell(&mut self, peer: Peer, control: &Control) -> Result<(), Failure> {
        self.end.send(peer, control.encode(), SendOptions::new(CONTROL))?;
        self.sending += 1;
        Ok(())
    }

    /// Tells the peer something.
    pub(crate) fn say(&mut self, control: &Control) -> Result<(), Failure> {
        match self.peer {
            Some(peer) => self.tell(peer, control),
            None => Ok(()),
        }
    }

    /// The next thing that comes in. Fails if the peer is gone.
    pub(crate) fn next(&mut self) -> Result<Incoming, Failure> {
        loop {
            let Some(completion) = self.queue.pop_front() else {
                if self.end.wait(&mut self.queue, SILENCE)? {
                    continue;
                }
                if self.sending == 0 {
                    self.say(&Control::Alive)?;
                }
                return Ok(Incoming::Silence);
            };
            let incoming = match completion {
                Completion::Send(send) => self.sent(&send)?,
                Completion::Recv(receive) => self.received(receive)?,
                Completion::Transfer(transfer) => Some(Incoming::Transferred(transfer)),
                // Memory that was deregistered; nobody notifies.
                Completion::RecvOver(_) | Completion::Deregistered(_) | Completion::Notified(_) => {
                    None
                }
            };
            if let Some(incoming) = incoming {
                return Ok(incoming);
            }
        }
    }

    /// Lets the engine do what it has to, for a while. What comes in is kept for later.
    pub(crate) fn rest(&mut self) -> Result<(), Failure> {
        self.end.rest(&mut self.queue, REST)
    }

    fn sent(&mut self, send: &SendCompletion) -> Result<Option<Incoming>, Failure> {
        self.sending -= 1;
        match send.result {
            Ok(()) if send.context == CONTROL => Ok(None),
            Ok(()) => Ok(Some(Incoming::Sent)),
            Err(failure) if Some(send.peer) == self.peer => Err(self.lost(failure)),
            // To somebody who has been given up already.
            Err(_) => Ok(None),
        }
    }

    /// The peer is gone: what else is pending with it has failed, too.
    fn lost(&mut self, failure: SendFailure) -> Failure {
        let mut failed = 1;
        loop {
            let before = self.queue.len();
            // What else has come in is still to be looked at.
            self.queue.retain(|completion| matches!(completion, Completion::Recv(_)));
            let sends = (before - self.queue.len()) as u64;
            self.sending -= sends;
            failed += sends;
            if self.sending == 0
                || !matches!(self.end.wait(&mut self.queue, FAIL_PATIENCE), Ok(true))
            {
                break;
            }
        }
        let operations = if failed == 1 { "operation" } else { "operations" };
        Failure::Run(format!("{failure} ({failed} pending {operations} completed with this error)"))
    }

    fn received(&mut self, mut receive: RecvCompletion) -> Result<Option<Incoming>, Failure> {
        let from = match receive.result {
            Ok(received) | Err(RecvFailure::Truncated { received, .. }) => received.peer,
            Err(RecvFailure::Cancelled) => {
                self.receives.cancelled();
                return Ok(None);
            }
            Err(RecvFailure::Aborted { peer, reason }) => {
                self.repost_buffer(receive.buffer, receive.context)?;
                if Some(peer) == self.peer {
                    return Err(Failure::Run(format!("a receive was aborted: {reason}")));
                }
                return Ok(None);
            }
            Err(failure) => return Err(Failure::run(failure)),
        };
        match Control::decode(receive.message()) {
            Some(control) => {
                self.repost_buffer(receive.buffer, receive.context)?;
                Ok(self.heard(from, control))
            }
            None if Some(from) == self.peer => {
                let len = receive.message().len();
                self.damage.strike(&mut receive.buffer[..len]);
                Ok(Some(Incoming::Message(Message { receive })))
            }
            None => {
                self.repost_buffer(receive.buffer, receive.context)?;
                Ok(None)
            }
        }
    }

    /// The peer's words are for whoever waits for them. Those of others have to wait.
    fn heard(&mut self, from: Peer, control: Control) -> Option<Incoming> {
        match control {
            Control::Alive => None,
            Control::Begin(trial) if self.peer.is_some_and(|peer| peer != from) => {
                self.waiting.push_back((from, trial));
                None
            }
            control if self.peer.is_none_or(|peer| peer == from) => {
                Some(Incoming::Control(from, control))
            }
            _ => None,
        }
    }

    fn repost_buffer(&mut self, buffer: BytesMut, context: u64) -> Result<(), Failure> {
        if context == COPIED {
            return Ok(());
        }
        self.receives.repost(&self.end, buffer, context)
    }
}

/// So long nothing comes before the peer is asked whether it is there. With the two seconds after
/// which an engine gives a peer up, its end is noticed well within three.
const SILENCE: Duration = Duration::from_millis(250);
/// So long an idle end sleeps before it looks whether it still is.
const REST: Duration = Duration::from_millis(10);
/// Cancelled receives come back within a turn of the driver; a large message that has begun to
/// arrive in one can take longer.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// What fails with a peer fails at once.
const FAIL_PATIENCE: Duration = Duration::from_millis(50);
/// The context of sends that are not measured.
const CONTROL: u64 = u64::MAX;
/// The context of a message that was copied out of a receive that is no longer posted.
const COPIED: u64 = u64::MAX;
