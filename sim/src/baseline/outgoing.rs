//! The messages of a connection as a row of numbered packets, from the first that is not
//! acknowledged. A message begins a new packet.

use std::collections::VecDeque;

use usrd_proto::{BufferRange, Token};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Outgoing {
    mtu_bytes: u64,
    messages: VecDeque<Message>,
    /// The number of the front message in its connection.
    first_message: u32,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    token: Token,
    range: BufferRange,
    first_psn: u64,
    end_psn: u64,
}

/// One packet of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of the message in its connection.
    pub(super) message: u32,
    /// Where it begins in the message, in bytes.
    pub(super) offset: u64,
    /// How long the message is, in bytes.
    pub(super) total_len: u64,
    /// Where it lies in the sender's memory.
    pub(super) payload: BufferRange,
}

impl Outgoing {
    pub(super) fn new(mtu_bytes: u64) -> Self {
        Self { mtu_bytes, messages: VecDeque::new(), first_message: 0, end: 0 }
    }

    pub(super) fn push(&mut self, token: Token, range: BufferRange) {
        let first_psn = self.end;
        self.end += packets(range.len, self.mtu_bytes);
        self.messages.push_back(Message { token, range, first_psn, end_psn: self.end });
    }

    /// The number behind the last packet.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Messages that are not acknowledged.
    pub(super) fn pending(&self) -> usize {
        self.messages.len()
    }

    /// What a packet carries; nothing if it is acknowledged, or was never submitted.
    pub(super) fn piece(&self, psn: u64) -> Option<Piece> {
        let at = self.messages.partition_point(|message| message.end_psn <= psn);
        let message = self.messages.get(at).filter(|message| message.first_psn <= psn)?;
        let offset = (psn - message.first_psn) * self.mtu_bytes;
        let len = self.mtu_bytes.min(message.range.len - offset);
        Some(Piece {
            message: self.first_message.wrapping_add(at as u32),
            offset,
            total_len: message.range.len,
            payload: BufferRange { offset: message.range.offset + offset, len, ..message.range },
        })
    }

    /// Takes out a message of which all packets are before `next`.
    pub(super) fn pop_acknowledged(&mut self, next: u64) -> Option<Token> {
        let message = *self.messages.front().filter(|message| message.end_psn <= next)?;
        self.messages.pop_front();
        self.first_message = self.first_message.wrapping_add(1);
        Some(message.token)
    }
}

/// How many packets a message takes.
pub(super) fn packets(len: u64, mtu_bytes: u64) -> u64 {
    len.div_ceil(mtu_bytes).max(1)
}

#[cfg(test)]
mod tests {
    use usrd_proto::BufferId;

    use super::*;

    #[test]
    fn messages_become_packets() {
        let mut outgoing = Outgoing::new(100);
        let range = |buffer, len| BufferRange { buffer: BufferId(buffer), offset: 1_000, len };
        outgoing.push(Token(7), range(7, 250));
        outgoing.push(Token(8), range(8, 100));
        assert_eq!(outgoing.end(), 4);
        let last = outgoing.piece(2).unwrap();
        assert_eq!((last.message, last.offset, last.total_len), (0, 200, 250));
        assert_eq!((last.payload.offset, last.payload.len), (1_200, 50));
        assert_eq!(outgoing.piece(3).unwrap().message, 1);
        assert_eq!(outgoing.piece(4), None);
        assert_eq!(outgoing.pop_acknowledged(2), None);
        assert_eq!(outgoing.pop_acknowledged(3), Some(Token(7)));
        assert_eq!(outgoing.piece(2), None, "acknowledged");
        assert_eq!(outgoing.piece(3).unwrap().message, 1);
        assert_eq!((outgoing.pop_acknowledged(4), outgoing.pending()), (Some(Token(8)), 0));
    }
}
