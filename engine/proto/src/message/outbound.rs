//! A message on its way out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Stop;
use crate::boundary::SendFailure;
use crate::cancelled::Cancelled;
use crate::ids::{BufferId, BufferRange, CompletionLevel, PeerId, Service, Token};
use crate::lazy::Lazy;
use crate::wire::Op;

/// A message that was submitted and has not completed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutMessage {
    pub peer: PeerId,
    /// The user's name for it; `None` for messages of the protocol's own.
    pub token: Option<Token>,
    pub service: Service,
    pub op: Op,
    pub range: BufferRange,
    pub level: CompletionLevel,
    /// Of an ordinary message: 64 bits beside its bytes.
    pub immediate: Option<u64>,
    /// Its number among the messages to this peer.
    pub id: u32,
    /// Its number among the RD messages to this peer.
    pub order: u32,
    /// How much has been cut into packets, in bytes.
    pub cut: u64,
    /// Whether the last packet has been cut.
    pub all_cut: bool,
    /// Packets cut and not known to have arrived.
    pub outstanding: u32,
    /// Whether the peer has reported it delivered.
    pub reported: bool,
    /// Key of what else it needs; [`NO_SIDE`] for ordinary messages.
    pub side: u32,
    /// Why no more of it is sent.
    pub stopped: Option<Stop>,
}

/// There is no [`Side`](super::Side).
pub(crate) const NO_SIDE: u32 = u32::MAX;

impl OutMessage {
    /// A message that is not numbered yet.
    pub(crate) fn new(peer: PeerId, token: Option<Token>, service: Service, op: Op) -> Self {
        Self {
            peer,
            token,
            service,
            op,
            range: BufferRange { buffer: BufferId(0), offset: 0, len: 0 },
            level: CompletionLevel::Acknowledged,
            immediate: None,
            id: 0,
            order: 0,
            cut: 0,
            all_cut: false,
            outstanding: 0,
            reported: false,
            side: NO_SIDE,
            stopped: None,
        }
    }

    /// The length of the next piece, in bytes.
    #[inline]
    pub(crate) fn next_len(&self, mtu: u16) -> u16 {
        (self.range.len - self.cut).min(u64::from(mtu)) as u16
    }

    /// The next piece, which is outstanding from now on: its offset and length, in bytes.
    #[inline]
    pub(crate) fn cut(&mut self, mtu: u16) -> (u64, u16) {
        let (offset, len) = (self.cut, self.next_len(mtu));
        self.cut += u64::from(len);
        self.all_cut = self.cut == self.range.len;
        self.outstanding += 1;
        (offset, len)
    }

    /// Whether no piece of it has been sent.
    pub(crate) fn is_untouched(&self) -> bool {
        self.cut == 0 && !self.all_cut
    }

    /// Whether it is complete.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        let acknowledged = self.all_cut && self.outstanding == 0;
        acknowledged && (self.level == CompletionLevel::Acknowledged || self.reported)
    }

    /// No more of it is sent, and no report will come.
    pub(crate) fn stop(&mut self, stop: Stop) {
        self.stopped.get_or_insert(stop);
        self.all_cut = true;
        self.level = CompletionLevel::Acknowledged;
    }

    /// What its cancellation means, as far as it has got.
    pub(crate) fn cancellation(&self) -> Stop {
        match (self.all_cut, self.level) {
            (false, _) => Stop::Partly,
            (true, CompletionLevel::Acknowledged) => Stop::Whole,
            (true, CompletionLevel::Delivered) => Stop::Unsure,
        }
    }

    /// How a message for a receive has ended, given that everything of it has arrived, or why not.
    pub(crate) fn ending(&self, result: Result<(), SendFailure>) -> Result<(), SendFailure> {
        match (self.stopped, result) {
            (Some(Stop::Refused(_)), Ok(())) => Err(SendFailure::Truncated),
            (Some(stop), Ok(())) => stop.cancelled().map_or(Ok(()), Err).map_err(Into::into),
            // Whatever has become of its peer, the rest has never left.
            (Some(Stop::Partly), Err(_)) => Err(Cancelled::Partly.into()),
            (Some(Stop::NotSent), Err(_)) => Err(Cancelled::NotSent.into()),
            (_, result) => result,
        }
    }
}

/// The messages to one peer that still have pieces to cut, by key, in the order of submission. Most
/// peers have one at a time.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    /// None only if there are no others.
    first: Option<u32>,
    others: Lazy<VecDeque<u32>>,
    /// Refused by the receiver for now.
    parked: Lazy<Vec<u32>>,
}

impl SendQueue {
    #[inline]
    pub(crate) fn push(&mut self, message: u32) {
        match self.first {
            None => self.first = Some(message),
            Some(_) => self.others.or_default().push_back(message),
        }
    }

    fn push_front(&mut self, message: u32) {
        if let Some(second) = self.first.replace(message) {
            self.others.or_default().push_front(second);
        }
    }

    /// The message to cut from.
    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        self.first
    }

    /// The first message is cut whole.
    #[inline]
    pub(crate) fn pop(&mut self) {
        self.first = self.others.get_mut().and_then(VecDeque::pop_front);
    }

    /// Sets a message aside until [`unpark`](Self::unpark), if it still has pieces to cut.
    pub(crate) fn park(&mut self, message: u32) {
        if self.take_out(message) {
            self.parked.or_default().push(message);
        }
    }

    /// Puts the parked messages back in front, as they were submitted earlier.
    pub(crate) fn unpark(&mut self) {
        while let Some(message) = self.parked.get_mut().and_then(Vec::pop) {
            self.push_front(message);
        }
    }

    /// Those that wait behind a message that nothing has been cut from.
    pub(crate) fn behind(&self, message: u32) -> impl Iterator<Item = u32> + '_ {
        let others = self.others.get().into_iter().flatten();
        let all = self.first.iter().chain(others).copied();
        all.skip_while(move |&key| key != message).skip(1)
    }

    /// Takes a message out, wherever it is.
    pub(crate) fn remove(&mut self, message: u32) {
        self.take_out(message);
        if let Some(parked) = self.parked.get_mut() {
            parked.retain(|&key| key != message);
        }
    }

    /// Whether it was in the queue.
    fn take_out(&mut self, message: u32) -> bool {
        if self.first == Some(message) {
            self.pop();
            return true;
        }
        let Some(others) = self.others.get_mut() else { return false };
        let at = others.iter().position(|&key| key == message);
        at.and_then(|at| others.remove(at)).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.parked.get().is_none_or(Vec::is_empty)
    }
}
