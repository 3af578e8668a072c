//! A host's memory for what it receives: the posted buffers, and bounce buffers for messages
//! without one. What counts is which message each holds; bytes are there only if they are carried.

use usrd_proto::Token;

use super::shared::Shares;
use crate::traffic::MessageId;

/// One buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer {
    /// Whose payload it holds.
    pub(super) message: Option<MessageId>,
    /// Whose it holds, and where, if several messages share it.
    shares: Option<Shares>,
    /// Its contents, if bytes are carried.
    pub(super) bytes: Vec<u8>,
    /// Whether a receive is posted with it.
    posted: bool,
    /// Whether that is one of those posted ahead.
    ahead: bool,
    /// How much of a note was placed in it, in bytes.
    pub(super) noted: u64,
    /// Bytes set aside, of a bounce buffer.
    reserved: u64,
}

impl Buffer {
    /// Where a message begins in it of which a piece from `position` on is placed at `offset`.
    pub(super) fn base_of(&self, offset: u64, position: u64) -> u64 {
        if self.shares.is_some() { offset.wrapping_sub(position) } else { 0 }
    }

    /// Whose message begins there.
    pub(super) fn message_at(&self, base: u64) -> Option<MessageId> {
        self.shares.as_ref().map_or(self.message, |shares| shares.message_at(base))
    }

    /// It holds something of a message that begins at `base`: for which receive, if others can share the
    /// buffer and this is its first.
    pub(super) fn hold(&mut self, base: u64, message: MessageId) -> Option<Token> {
        self.message = Some(message);
        let shares = self.shares.as_mut()?;
        shares.begin(base, message).then(|| shares.token())
    }

    /// Copies a piece of payload in.
    pub(super) fn write(&mut self, offset: u64, piece: &[u8]) {
        let (start, end) = (offset as usize, offset as usize + piece.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(piece);
    }
}

/// Posted buffers, all of one size. The number of a buffer is also its receive's token.
#[derive(Debug)]
pub(super) struct Receives {
    buffers: Vec<Buffer>,
    free: Vec<u32>,
    /// What each can hold, in bytes: the largest message that comes.
    pub(super) len: u64,
    /// Receives still to be posted, over all messages that will come.
    pub(super) unposted: u64,
    /// Of those posted ahead, how many are not completed.
    pub(super) open_ahead: u64,
}

impl Receives {
    pub(super) fn new(len: u64, unposted: u64) -> Self {
        Self { buffers: Vec::new(), free: Vec::new(), len, unposted, open_ahead: 0 }
    }

    /// Receives posted and not completed.
    pub(super) fn open(&self) -> usize {
        self.buffers.len() - self.free.len()
    }

    /// An empty buffer for the next receive.
    pub(super) fn post(&mut self) -> u32 {
        self.unposted -= 1;
        self.open_ahead += 1;
        let number = self.open_one();
        self.buffers[number as usize].ahead = true;
        number
    }

    /// The same for a receive that is for a message by name.
    pub(super) fn open_one(&mut self) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Buffer::default());
            (self.buffers.len() - 1) as u32
        });
        let buffer = &mut self.buffers[number as usize];
        (buffer.message, buffer.shares, buffer.posted) = (None, None, true);
        number
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut Buffer> {
        self.buffers.get_mut(number as usize)
    }

    /// It is for several messages.
    pub(super) fn share(&mut self, number: u32, token: Token) {
        self.buffers[number as usize].shares = Some(Shares::new(token));
    }

    /// What the receive of a buffer is called.
    pub(super) fn token(&self, number: u32) -> Token {
        let buffer = self.buffers.get(number as usize).filter(|buffer| buffer.posted);
        let shares = buffer.and_then(|buffer| buffer.shares.as_ref());
        shares.map_or_else(|| Token(number.into()), Shares::token)
    }

    /// Whose message begins there.
    pub(super) fn message_at(&self, number: u32, base: u64) -> Option<MessageId> {
        self.buffers.get(number as usize)?.message_at(base)
    }

    /// A message is complete, if its receive was open: which, and its bytes. Unless others share it, the
    /// receive is, too.
    pub(super) fn complete(
        &mut self,
        token: Token,
        base: u64,
    ) -> Option<(Option<MessageId>, &[u8])> {
        let number = token.0 as u32;
        let message = self.message_at(number, base);
        if self.buffers.get(number as usize)?.shares.is_none() {
            return self.close(number).map(|buffer| (message, &buffer.bytes[..]));
        }
        let is_open = self.token(number) == token;
        let buffer = &mut self.buffers[number as usize];
        buffer.shares.as_mut().filter(|_| is_open)?.tell(base);
        Some((message, buffer.bytes.get(base as usize..).unwrap_or_default()))
    }

    /// The receive is complete, if it was open; its buffer can be looked at, and then posted again.
    pub(super) fn close(&mut self, number: u32) -> Option<&Buffer> {
        let buffer = self.buffers.get_mut(number as usize)?;
        if !std::mem::take(&mut buffer.posted) {
            return None;
        }
        self.open_ahead -= u64::from(std::mem::take(&mut buffer.ahead));
        self.free.push(number);
        Some(buffer)
    }
}

/// Bounce buffers, by the core's numbers for them.
#[derive(Debug, Default)]
pub(super) struct Bounces {
    buffers: Vec<Buffer>,
    /// Those that are set aside.
    pub(super) open: usize,
    /// Bytes set aside for them.
    bytes: u64,
}

impl Bounces {
    /// Sets `len` bytes aside, unless that was done before; says how many are, in all.
    pub(super) fn open(&mut self, number: u32, len: u64) -> u64 {
        let index = number as usize;
        if self.buffers.len() <= index {
            self.buffers.resize(index + 1, Buffer::default());
        }
        let buffer = &mut self.buffers[index];
        if buffer.reserved == 0 {
            self.open += 1;
            buffer.reserved = len;
            self.bytes += len;
        }
        self.bytes
    }

    /// One that is open.
    pub(super) fn get(&mut self, number: u32) -> &mut Buffer {
        &mut self.buffers[number as usize]
    }

    pub(super) fn free(&mut self, number: u32) {
        let Some(buffer) = self.buffers.get_mut(number as usize) else { return };
        (buffer.message, buffer.noted) = (None, 0);
        if buffer.reserved > 0 {
            self.open -= 1;
            self.bytes -= std::mem::take(&mut buffer.reserved);
        }
    }

    /// Takes a buffer out to copy from it; [`put`](Self::put) brings it back.
    pub(super) fn take(&mut self, number: u32) -> Buffer {
        self.buffers.get_mut(number as usize).map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn put(&mut self, number: u32, buffer: Buffer) {
        if let Some(place) = self.buffers.get_mut(number as usize) {
            *place = buffer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_posted_again_and_start_empty() {
        let mut receives = Receives::new(100, 3);
        let first = receives.post();
        receives.get(first).unwrap().message = Some(7);
        assert_eq!(receives.close(first).unwrap().message, Some(7));
        assert!(receives.close(first).is_none());
        assert_eq!(receives.post(), first);
        assert_eq!(receives.get(first).unwrap().message, None);
        assert_eq!((receives.open(), receives.unposted), (1, 1));
    }

    #[test]
    fn bounce_buffers_are_counted_while_they_hold_something() {
        let mut bounces = Bounces::default();
        assert_eq!(bounces.open(2, 3), 3);
        bounces.get(2).message = Some(1);
        bounces.get(2).write(1, b"xy");
        assert_eq!((bounces.open(2, 3), bounces.open), (3, 1));
        let taken = bounces.take(2);
        assert_eq!(taken.bytes, [0, b'x', b'y']);
        bounces.put(2, taken);
        bounces.free(2);
        bounces.free(2);
        assert_eq!((bounces.open, bounces.bytes), (0, 0));
    }
}
