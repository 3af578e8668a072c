//! The pcapng blocks that a capture consists of.
//!
//! ```text
//!   | type (4) | total length (4) | body, padded to 4 | total length (4) |
//!   section header, interface description, then one enhanced packet per datagram
//! ```
//! All in this machine's byte order: the section header tells the reader which that is.

use std::io::{self, Write};
use std::time::Duration;

/// Which way a packet went; the low two bits of its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound = 1,
    Outbound = 2,
}

/// Writes a capture.
#[derive(Debug)]
pub(super) struct Writer<W> {
    output: W,
    /// The block being put together.
    block: Vec<u8>,
    snap_bytes: usize,
}

impl<W: Write> Writer<W> {
    /// Starts a capture of one interface; of each packet up to `snap_bytes` are kept.
    pub(super) fn new(output: W, interface: &str, snap_bytes: usize) -> io::Result<Self> {
        let mut writer = Self { output, block: Vec::new(), snap_bytes };
        writer.section_header()?;
        writer.interface_description(interface)?;
        Ok(writer)
    }

    /// Writes a packet that consists of `pieces`.
    pub(super) fn packet(
        &mut self,
        time: Duration,
        direction: Direction,
        pieces: &[&[u8]],
    ) -> io::Result<()> {
        let total_bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let captured_bytes = total_bytes.min(self.snap_bytes);
        let nanos = time.as_nanos() as u64;

        self.begin(ENHANCED_PACKET);
        self.u32(INTERFACE);
        self.u32((nanos >> 32) as u32);
        self.u32(nanos as u32);
        self.u32(captured_bytes as u32);
        self.u32(total_bytes as u32);
        let mut left = captured_bytes;
        for piece in pieces {
            let kept = &piece[..piece.len().min(left)];
            self.block.extend_from_slice(kept);
            left -= kept.len();
        }
        self.pad();
        self.option(PACKET_FLAGS, &(direction as u32).to_ne_bytes());
        self.option(END_OF_OPTIONS, &[]);
        self.end()
    }

    /// Makes sure that everything is written, and gives the output back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }

    fn section_header(&mut self) -> io::Result<()> {
        self.begin(SECTION_HEADER);
        self.u32(BYTE_ORDER_MAGIC);
        self.u16(VERSION_MAJOR);
        self.u16(VERSION_MINOR);
        self.block.extend_from_slice(&UNKNOWN_LENGTH.to_ne_bytes());
        self.option(USER_APPLICATION, b"usrd");
        self.option(END_OF_OPTIONS, &[]);
        self.end()
    }

    fn interface_description(&mut self, name: &str) -> io::Result<()> {
        self.begin(INTERFACE_DESCRIPTION);
        self.u16(LINKTYPE_RAW);
        self.u16(0);
        self.u32(u32::try_from(self.snap_bytes).unwrap_or(u32::MAX));
        self.option(INTERFACE_NAME, name.as_bytes());
        self.option(TIME_RESOLUTION, &[NANOSECONDS]);
        self.option(END_OF_OPTIONS, &[]);
        self.end()
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        // Becomes the total length.
        self.u32(0);
    }

    fn end(&mut self) -> io::Result<()> {
        let total_bytes = (self.block.len() + size_of::<u32>()) as u32;
        self.block[4..8].copy_from_slice(&total_bytes.to_ne_bytes());
        self.u32(total_bytes);
        self.output.write_all(&self.block)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        // Nobody's interface has a name of this length.
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.u16(code);
        self.u16(value.len() as u16);
        self.block.extend_from_slice(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend_from_slice(&value.to_ne_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend_from_slice(&value.to_ne_bytes());
    }
}

// Numbers of the pcapng specification (draft-ietf-opsawg-pcapng).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const VERSION_MAJOR: u16 = 1;
const VERSION_MINOR: u16 = 0;
const UNKNOWN_LENGTH: i64 = -1;
const END_OF_OPTIONS: u16 = 0;
const USER_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const TIME_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
/// Times count in units of 10 to the minus this.
const NANOSECONDS: u8 = 9;
/// Packets start with an IPv4 or IPv6 header.
const LINKTYPE_RAW: u16 = 101;
/// The first and only one described.
const INTERFACE: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// Cuts a capture into types and bodies; fails if the lengths are not consistent.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let len = word(bytes, 4) as usize;
            assert_eq!(len % 4, 0);
            let (block, rest) = bytes.split_at(len);
            assert_eq!(word(block, len - 4) as usize, len);
            blocks.push((word(block, 0), &block[8..len - 4]));
            bytes = rest;
        }
        blocks
    }

    #[test]
    fn a_capture_reads_back() {
        let mut writer = Writer::new(Vec::new(), "udp 127.0.0.1:1", 7).unwrap();
        let time = Duration::new(1_700_000_000, 123_456_789);
        writer.packet(time, Direction::Outbound, &[b"abc", b"de"]).unwrap();
        writer.packet(time, Direction::Inbound, &[b"abcdef", b"", b"ghijk"]).unwrap();
        writer.packet(time, Direction::Inbound, &[]).unwrap();
        let capture = writer.finish().unwrap();

        let blocks = blocks(&capture);
        let kinds: Vec<_> = blocks.iter().map(|block| block.0).collect();
        assert_eq!(kinds, [SECTION_HEADER, INTERFACE_DESCRIPTION, 6, 6, 6]);
        assert_eq!(word(blocks[0].1, 0), BYTE_ORDER_MAGIC);

        let interface = blocks[1].1;
        assert_eq!(interface[..2], LINKTYPE_RAW.to_ne_bytes());
        assert_eq!(word(interface, 4), 7);
        assert_eq!(interface[12..27], *b"udp 127.0.0.1:1");
        // Behind the name, padded: option 9, one byte long.
        assert_eq!(
            interface[28..33],
            [&9_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), &[9]].concat()
        );

        for (block, data, whole, direction) in [
            (2, &b"abcde"[..], 5, Direction::Outbound),
            (3, &b"abcdefg"[..], 11, Direction::Inbound),
            (4, &b""[..], 0, Direction::Inbound),
        ] {
            let body = blocks[block].1;
            let nanos = u64::from(word(body, 4)) << 32 | u64::from(word(body, 8));
            assert_eq!(u128::from(nanos), time.as_nanos());
            assert_eq!((word(body, 12), word(body, 16)), (data.len() as u32, whole));
            assert_eq!(body[20..20 + data.len()], *data);
            let options = 20 + data.len().next_multiple_of(4);
            assert_eq!(body[options..options + 2], PACKET_FLAGS.to_ne_bytes());
            assert_eq!(word(body, options + 4), direction as u32);
            assert_eq!(body.len(), options + 12);
        }
    }
}
