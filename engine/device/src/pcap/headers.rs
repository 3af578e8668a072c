//! Made-up IP and UDP headers for a captured datagram.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::Address;

/// IP and UDP header of one datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers {
    bytes: [u8; MAX_BYTES],
    len: usize,
}

impl Headers {
    /// Those of a datagram of `pieces`, with these two low bits of the traffic class.
    pub(super) fn new(from: SocketAddr, to: SocketAddr, ecn: u8, pieces: [&[u8]; 2]) -> Self {
        let mut headers = Self { bytes: [0; MAX_BYTES], len: 0 };
        let udp_bytes = UDP_BYTES + pieces[0].len() + pieces[1].len();
        match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => headers.ipv4(from, to, ecn, udp_bytes),
            (from, to) => headers.ipv6(from, to, ecn, udp_bytes),
        }
        headers.udp(from, to, udp_bytes, pieces);
        headers
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn ipv4(&mut self, from: Ipv4Addr, to: Ipv4Addr, ecn: u8, udp_bytes: usize) {
        let total_bytes = (IPV4_BYTES + udp_bytes) as u16;
        self.push(&[VERSION_4_HEADER_5_WORDS, ecn]);
        self.push(&total_bytes.to_be_bytes());
        self.push(&[0, 0]);
        self.push(&DONT_FRAGMENT.to_be_bytes());
        self.push(&[HOPS, PROTOCOL_UDP, 0, 0]);
        self.push(&from.octets());
        self.push(&to.octets());
        let sum = Checksum::default().add(self.as_bytes()).finish();
        self.bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    fn ipv6(&mut self, from: IpAddr, to: IpAddr, ecn: u8, udp_bytes: usize) {
        self.push(&[VERSION_6, ecn << 4, 0, 0]);
        self.push(&(udp_bytes as u16).to_be_bytes());
        self.push(&[PROTOCOL_UDP, HOPS]);
        for address in [from, to] {
            let octets = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            self.push(&octets);
        }
    }

    /// The UDP header behind the IP header.
    fn udp(&mut self, from: SocketAddr, to: SocketAddr, udp_bytes: usize, pieces: [&[u8]; 2]) {
        let address_bytes = if self.len == IPV4_BYTES { 8 } else { 32 };
        let addresses = self.len - address_bytes..self.len;
        let udp = self.len;
        let len = (udp_bytes as u16).to_be_bytes();
        self.push(&from.port().to_be_bytes());
        self.push(&to.port().to_be_bytes());
        self.push(&len);
        self.push(&[0, 0]);
        // A pseudo header of addresses, protocol and length is part of the sum.
        let sum = Checksum::default()
            .add(&self.bytes[addresses])
            .add(&[0, PROTOCOL_UDP])
            .add(&len)
            .add(&self.bytes[udp..self.len])
            .add(pieces[0])
            .add(pieces[1])
            .finish();
        // Zero would mean that there is no checksum.
        let sum = if sum == 0 { u16::MAX } else { sum };
        self.bytes[udp + 6..udp + 8].copy_from_slice(&sum.to_be_bytes());
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// An address to show for a device's: its own, if it is one of IP.
pub(super) fn shown(address: &Address) -> SocketAddr {
    if let Ok(address) = address.as_str().parse() {
        return address;
    }
    let digits = address.as_str().rsplit(':').next().unwrap_or_default();
    let number: u32 = digits.parse().unwrap_or(0);
    let host = LOOPBACK_NET | (number.wrapping_add(1) & LOOPBACK_HOSTS);
    SocketAddr::new(Ipv4Addr::from_bits(host).into(), SHOWN_PORT)
}

/// The Internet checksum (RFC 1071), of pieces that may be odd in length.
#[derive(Clone, Copy, Debug, Default)]
struct Checksum {
    sum: u64,
    odd: bool,
}

impl Checksum {
    fn add(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            let shift = if self.odd { 0 } else { 8 };
            self.sum += u64::from(byte) << shift;
            self.odd = !self.odd;
        }
        self
    }

    fn finish(self) -> u16 {
        let mut sum = self.sum;
        while sum > u64::from(u16::MAX) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// IPv6 header and UDP header.
const MAX_BYTES: usize = 48;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const VERSION_4_HEADER_5_WORDS: u8 = 0x45;
const VERSION_6: u8 = 0x60;
const DONT_FRAGMENT: u16 = 0x4000;
const PROTOCOL_UDP: u8 = 17;
/// The usual number to start with; made up like the rest.
const HOPS: u8 = 64;
/// 127.0.0.0/8, for addresses that are not of IP.
const LOOPBACK_NET: u32 = 127 << 24;
const LOOPBACK_HOSTS: u32 = 0x00ff_ffff;
/// A port for addresses that have none.
const SHOWN_PORT: u16 = 4791;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(from: &str, to: &str, pieces: [&[u8]; 2]) -> Headers {
        Headers::new(from.parse().unwrap(), to.parse().unwrap(), 2, pieces)
    }

    /// Over correct data the sum with the checksum in it is zero.
    fn udp_sum(packet: &Headers, addresses: std::ops::Range<usize>, pieces: [&[u8]; 2]) -> u16 {
        let udp = &packet.as_bytes()[addresses.end..];
        Checksum::default()
            .add(&packet.as_bytes()[addresses])
            .add(&[0, 17])
            .add(&udp[4..6])
            .add(udp)
            .add(pieces[0])
            .add(pieces[1])
            .finish()
    }

    #[test]
    fn ipv4_headers_are_correct() {
        let pieces = [&b"abc"[..], &b"defg"[..]];
        let packet = headers("192.0.2.1:4791", "198.51.100.2:80", pieces);
        let bytes = packet.as_bytes();
        assert_eq!(bytes.len(), 28);
        assert_eq!(bytes[..10], [0x45, 2, 0, 35, 0, 0, 0x40, 0, 64, 17]);
        assert_eq!(bytes[12..20], [192, 0, 2, 1, 198, 51, 100, 2]);
        assert_eq!(bytes[20..26], [0x12, 0xb7, 0, 80, 0, 15]);
        assert_eq!(Checksum::default().add(&bytes[..20]).finish(), 0);
        assert_eq!(udp_sum(&packet, 12..20, pieces), 0);
    }

    #[test]
    fn ipv6_headers_are_correct() {
        let pieces = [&b""[..], &b"abcde"[..]];
        let packet = headers("[2001:db8::1]:4791", "[2001:db8::2]:80", pieces);
        let bytes = packet.as_bytes();
        assert_eq!(bytes.len(), 48);
        assert_eq!(bytes[..8], [0x60, 0x20, 0, 0, 0, 13, 17, 64]);
        assert_eq!((bytes[23], bytes[39]), (1, 2));
        assert_eq!(bytes[40..46], [0x12, 0xb7, 0, 80, 0, 13]);
        assert_eq!(udp_sum(&packet, 8..40, pieces), 0);
    }

    #[test]
    fn the_checksum_is_the_one_of_the_rfc() {
        // The worked example of RFC 1071, section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Checksum::default().add(&bytes).finish(), !0xddf2);
        assert_eq!(Checksum::default().add(&bytes[..3]).add(&bytes[3..]).finish(), !0xddf2);
    }

    #[test]
    fn other_addresses_show_as_hosts_of_the_loopback_net() {
        for (address, expected) in [
            ("192.0.2.1:5", "192.0.2.1:5"),
            ("loopback:0", "127.0.0.1:4791"),
            ("loopback:511", "127.0.2.0:4791"),
            ("elsewhere", "127.0.0.1:4791"),
        ] {
            assert_eq!(shown(&address.into()).to_string(), expected);
        }
    }
}
