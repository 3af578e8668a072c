//! `packets.pcapng`: every packet on every link, for Wireshark and its kind. Each link is an
//! interface of its own, with its name; a packet that was dropped, trimmed or marked says so in a
//! comment.
//!
//! A packet gets made-up IP and UDP headers: host h is 10.x.y.z with h in the lower 24 bits, its
//! path is the source port. Payload is not simulated, so only the protocol's header follows; the
//! original length counts the payload.
//!
//! Format: section header, interface descriptions, enhanced packets; little endian, picoseconds.

use std::collections::HashSet;
use std::io::Write;

use super::sink::Sink;
use crate::digest::Kind;
use crate::fabric::Packet;
use crate::observe::{Recorder, View};
use crate::time::Time;
use crate::topology::Network;

/// Writes packets as they start on links.
#[derive(Debug)]
pub struct PacketCapture<W> {
    out: Sink<W>,
    /// Links that stand in the file already, in order.
    names: Vec<String>,
    interfaces: HashSet<u32>,
    numbers: Vec<u32>,
    /// The mark that belongs to the packet which starts next on this link.
    marked: Option<u32>,
}

impl<W: Write> PacketCapture<W> {
    /// A capture of a network.
    pub fn new(mut out: Sink<W>, network: &Network) -> Self {
        out.write(&section_header());
        let links = network.links().len() as u32;
        Self {
            out,
            names: (0..links).map(|link| network.link_name(link)).collect(),
            interfaces: HashSet::new(),
            numbers: vec![0; links as usize],
            marked: None,
        }
    }

    /// The interface of a link; described when it is first needed.
    fn interface(&mut self, link: u32) -> u32 {
        if self.interfaces.insert(link) {
            self.numbers[link as usize] = self.interfaces.len() as u32 - 1;
            self.out.write(&interface_description(&self.names[link as usize]));
        }
        self.numbers[link as usize]
    }

    fn write(&mut self, now: Time, link: u32, packet: &Packet, comment: Option<&str>) {
        let interface = self.interface(link);
        self.out.write(&enhanced_packet(interface, now, packet, comment));
    }
}

impl<W: Write> Recorder for PacketCapture<W> {
    fn packet(&mut self, now: Time, kind: Kind, place: u32, packet: &Packet) {
        let comment = match kind {
            Kind::TailDrop => "dropped: the queue was full",
            Kind::Loss => "lost on the link",
            Kind::Down => "dropped: the link was down",
            Kind::Corrupt => "dropped: the frame check was wrong",
            Kind::Trim => "trimmed: the queue was full",
            Kind::Mark => {
                self.marked = Some(place);
                return;
            }
            _ => return,
        };
        self.write(now, place, packet, Some(comment));
    }

    fn hop(&mut self, now: Time, link: u32, packet: &Packet, _: Time, _: u64) {
        let marked = self.marked.take() == Some(link);
        self.write(now, link, packet, marked.then_some("marked: congestion experienced"));
    }

    fn finish(&mut self, _: Time, _: &dyn View) {
        self.out.finish();
    }
}

fn section_header() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend_from_slice(&[1, 0, 0, 0]);
    body.extend_from_slice(&u64::MAX.to_le_bytes());
    block(SECTION_HEADER, &body)
}

fn interface_description(name: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&LINK_TYPE_RAW_IP.to_le_bytes());
    body.extend_from_slice(&[0; 6]);
    option(&mut body, OPTION_INTERFACE_NAME, name.as_bytes());
    option(&mut body, OPTION_TIME_RESOLUTION, &[PICOSECONDS]);
    option(&mut body, OPTION_END, &[]);
    block(INTERFACE_DESCRIPTION, &body)
}

fn enhanced_packet(interface: u32, now: Time, packet: &Packet, comment: Option<&str>) -> Vec<u8> {
    let mut captured = headers(packet);
    captured.extend_from_slice(packet.head());
    let original = HEADERS_BYTES as u32 + packet.len;
    let time = now.as_ps();
    let mut body = Vec::with_capacity(64 + captured.len());
    for word in [interface, (time >> 32) as u32, time as u32, captured.len() as u32, original] {
        body.extend_from_slice(&word.to_le_bytes());
    }
    body.extend_from_slice(&captured);
    pad(&mut body);
    if let Some(comment) = comment {
        option(&mut body, OPTION_COMMENT, comment.as_bytes());
        option(&mut body, OPTION_END, &[]);
    }
    block(ENHANCED_PACKET, &body)
}

/// IPv4 and UDP headers, as far as a reader wants them. No checksums: 0 means none for UDP, and
/// readers do not check IP's by default.
fn headers(packet: &Packet) -> Vec<u8> {
    let ecn = match (packet.ce, packet.ecn_capable) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 0,
    };
    let total = (HEADERS_BYTES as u32 + packet.len).min(u16::MAX.into()) as u16;
    let mut bytes = vec![0x45, ecn];
    bytes.extend_from_slice(&total.to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    for host in [packet.source(), packet.destination] {
        bytes.extend_from_slice(&(0x0a00_0000 | host).to_be_bytes());
    }
    bytes.extend_from_slice(&(FIRST_PORT + u16::from(packet.path)).to_be_bytes());
    bytes.extend_from_slice(&SERVICE_PORT.to_be_bytes());
    bytes.extend_from_slice(&(total - IPV4_BYTES).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len() + 12) as u32;
    let mut block = Vec::with_capacity(len as usize);
    block.extend_from_slice(&kind.to_le_bytes());
    block.extend_from_slice(&len.to_le_bytes());
    block.extend_from_slice(body);
    block.extend_from_slice(&len.to_le_bytes());
    block
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

/// Everything begins at a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINK_TYPE_RAW_IP: u16 = 101;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_INTERFACE_NAME: u16 = 2;
const OPTION_TIME_RESOLUTION: u16 = 9;
/// Ten to the minus twelve.
const PICOSECONDS: u8 = 12;
const IPV4_BYTES: u16 = 20;
const HEADERS_BYTES: usize = 28;
/// Ports that no well-known protocol claims.
const FIRST_PORT: u16 = 49_152;
const SERVICE_PORT: u16 = 48_879;
