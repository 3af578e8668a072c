//! The headers of the baselines. As long as the core's data header, so that everybody pays the same
//! for a packet; what tells packets apart lies in the first 32 bytes, which digests look at.
//!
//! ```text
//!        0      1       2..4   4..8     8..12        12..16     16..24   24..32    32..64
//!  DATA  kind   flags   -      source   connection   message    PSN      sent at   offset, length, -
//!  ACK   kind   flags   -      source   connection   ranges     next     echo      3 x (start, length)
//!  CNP   kind   -       -      source   connection   -          -        -         -
//! ```
//! A connection is named by its sender's number for it. The ranges of an ACK start so many packets
//! behind the one that is expected next.

use usrd_proto::HeaderBuffer;
use usrd_proto::wire::{DATA_HEADER_BYTES, DataFlags};

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Data(Data),
    Ack(Ack),
    /// Congestion notification: a packet came marked.
    Cnp {
        /// Who received it.
        source: u32,
        connection: u32,
    },
}

/// Part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// The host that sends.
    pub(super) source: u32,
    pub(super) connection: u32,
    /// The number of the message in its connection.
    pub(super) message: u32,
    pub(super) psn: u64,
    /// When it left, in nanoseconds, by the sender's clock.
    pub(super) sent_at_ns: u64,
    /// Where in the message it belongs, in bytes.
    pub(super) offset: u64,
    /// How long the message is, in bytes.
    pub(super) total_len: u64,
    /// Whether it was sent before. The flag lies where the core has its own.
    pub(super) again: bool,
}

/// What has arrived of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ack {
    /// The host that received.
    pub(super) source: u32,
    pub(super) connection: u32,
    /// All packets before this one are there.
    pub(super) next: u64,
    /// `next` is missing: a later one came.
    pub(super) nak: bool,
    /// When the packet had left that this ACK answers.
    pub(super) echo_ns: u64,
    /// Packets beyond a gap that are there too: from, up to. Unused ones are empty.
    pub(super) ranges: [(u64, u64); ACK_RANGES],
}

/// As many as TCP has room for besides its timestamps.
pub(super) const ACK_RANGES: usize = 3;

impl Ack {
    /// Whether something is missing that later packets overtook.
    pub(super) fn has_gap(&self) -> bool {
        self.ranges[0].1 > self.ranges[0].0
    }
}

impl Packet {
    /// Writes the header.
    pub(super) fn encode(&self, header: &mut HeaderBuffer) {
        header[..HEADER_BYTES].fill(0);
        let mut out = Fields(header);
        match *self {
            Self::Data(data) => {
                let flags = DataFlags(0).with(DataFlags::RETRANSMISSION, data.again);
                out.start(DATA, flags.0, (data.source, data.connection), data.message);
                out.long(16, data.psn);
                out.long(24, data.sent_at_ns);
                out.long(32, data.offset);
                out.long(40, data.total_len);
            }
            Self::Ack(ack) => {
                out.start(ACK, u8::from(ack.nak), (ack.source, ack.connection), 0);
                out.long(16, ack.next);
                out.long(24, ack.echo_ns);
                for (number, &(from, to)) in ack.ranges.iter().enumerate() {
                    let ahead = from.saturating_sub(ack.next) as u32;
                    out.short(32 + 8 * number, ahead);
                    out.short(36 + 8 * number, to.saturating_sub(from) as u32);
                }
                // What is known beyond the gap tells ACKs apart.
                let sum = ack.ranges.iter().fold(0, |sum: u64, range| sum.wrapping_add(range.1));
                out.short(12, sum as u32);
            }
            Self::Cnp { source, connection } => out.start(CNP, 0, (source, connection), 0),
        }
    }

    /// Reads a header; nothing if it is none of these.
    pub(super) fn decode(header: &[u8]) -> Option<Self> {
        let input: &[u8; HEADER_BYTES] = header.first_chunk()?;
        let (source, connection) = (short(input, 4), short(input, 8));
        Some(match input[0] {
            DATA => Self::Data(Data {
                source,
                connection,
                message: short(input, 12),
                psn: long(input, 16),
                sent_at_ns: long(input, 24),
                offset: long(input, 32),
                total_len: long(input, 40),
                again: DataFlags(input[1]).has(DataFlags::RETRANSMISSION),
            }),
            ACK => {
                let next = long(input, 16);
                let range = |number: usize| {
                    let from = next + u64::from(short(input, 32 + 8 * number));
                    (from, from + u64::from(short(input, 36 + 8 * number)))
                };
                let ranges = [0, 1, 2].map(range);
                let (nak, echo_ns) = (input[1] != 0, long(input, 24));
                Self::Ack(Ack { source, connection, next, nak, echo_ns, ranges })
            }
            CNP => Self::Cnp { source, connection },
            _ => return None,
        })
    }
}

struct Fields<'a>(&'a mut HeaderBuffer);

impl Fields<'_> {
    fn start(&mut self, kind: u8, flags: u8, (source, connection): (u32, u32), number: u32) {
        (self.0[0], self.0[1]) = (kind, flags);
        self.short(4, source);
        self.short(8, connection);
        self.short(12, number);
    }

    fn short(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    fn long(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_be_bytes());
    }
}

fn short(input: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_be_bytes([input[at], input[at + 1], input[at + 2], input[at + 3]])
}

fn long(input: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from(short(input, at)) << 32 | u64::from(short(input, at + 4))
}

pub(super) const HEADER_BYTES: usize = DATA_HEADER_BYTES;
/// No version of the core's format starts like this.
const DATA: u8 = 0xd0;
const ACK: u8 = 0xd1;
const CNP: u8 = 0xd2;

#[cfg(test)]
mod tests {
    use usrd_proto::wire::MAX_HEADER_BYTES;

    use super::*;

    fn round_trip(packet: Packet) {
        let mut header = [0xff; MAX_HEADER_BYTES];
        packet.encode(&mut header);
        assert_eq!(Packet::decode(&header[..HEADER_BYTES]), Some(packet));
        assert_eq!(Packet::decode(&header[..HEADER_BYTES - 1]), None);
    }

    #[test]
    fn headers_say_what_was_written() {
        round_trip(Packet::Data(Data {
            source: 1,
            connection: 2,
            message: 3,
            psn: 1 << 40,
            sent_at_ns: 5,
            offset: 6,
            total_len: 7,
            again: true,
        }));
        let ranges = [(12, 14), (20, 30), (10, 10)];
        let ack = Ack { source: 1, connection: 2, next: 10, nak: true, echo_ns: 4, ranges };
        round_trip(Packet::Ack(ack));
        round_trip(Packet::Cnp { source: 8, connection: 9 });
        assert_eq!(Packet::decode(&[0; HEADER_BYTES]), None);
    }
}
