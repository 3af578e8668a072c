//! GIDs: what RDMA ports are addressed by, and which of a port's to use.

use std::fmt;
use std::net::Ipv6Addr;

/// A global identifier: an IPv6 address, or an IPv4 address mapped into one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gid(pub [u8; 16]);

/// A place of a port's table of GIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    /// Where in the table.
    pub index: u8,
    /// What is there.
    pub gid: Gid,
    /// What it is good for.
    pub kind: GidKind,
}

/// What carries datagrams that are addressed with a GID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GidKind {
    /// An InfiniBand fabric.
    InfiniBand,
    /// Ethernet frames of their own type: not routed, and all alike to a network's hash.
    RoceV1,
    /// UDP.
    RoceV2,
}

impl Gid {
    /// The GID of an IPv4 address.
    pub fn from_ipv4(address: [u8; 4]) -> Self {
        Self(std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets())
    }

    /// Whether it is an IPv4 address, mapped.
    pub fn is_ipv4(self) -> bool {
        Ipv6Addr::from(self.0).to_ipv4_mapped().is_some()
    }

    fn is_link_local(self) -> bool {
        Ipv6Addr::from(self.0).is_unicast_link_local()
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ipv6Addr::from(self.0).fmt(f)
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The entry to use unless told otherwise: what is routed and spread over paths by everything on
/// the way, so RoCE v2 before the others, IPv4 before IPv6, global before link-local.
pub(super) fn choose(entries: &[GidEntry]) -> Option<GidEntry> {
    let rank = |entry: &&GidEntry| match entry.kind {
        GidKind::RoceV2 if entry.gid.is_ipv4() => 0,
        GidKind::RoceV2 if !entry.gid.is_link_local() => 1,
        GidKind::RoceV2 => 2,
        GidKind::InfiniBand => 3,
        GidKind::RoceV1 => 4,
    };
    entries.iter().min_by_key(rank).copied()
}

/// What the 40 bytes in front of a datagram say. On RoCE v2 over IPv4 they are not a GRH: the last 20
/// are the IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) source: Gid,
    /// Congestion experienced.
    pub(super) ce: bool,
}

impl Front {
    pub(super) fn read(bytes: &[u8; 40]) -> Self {
        let (grh, ip) = (bytes, &bytes[20..]);
        if ip[0] == 0x45 && (grh[0] >> 4 != 6 || checksum(ip) == 0xffff) {
            let source = [ip[12], ip[13], ip[14], ip[15]];
            return Self { source: Gid::from_ipv4(source), ce: ip[1] & CE == CE };
        }
        let mut source = [0; 16];
        source.copy_from_slice(&grh[8..24]);
        // Version (4 bits), traffic class (8), flow label (20).
        let traffic_class = grh[0] << 4 | grh[1] >> 4;
        Self { source: Gid(source), ce: traffic_class & CE == CE }
    }
}

/// The one's complement sum of an IPv4 header: all ones, if it is one.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

/// Both bits of ECN.
pub(super) const CE: u8 = 0b11;
/// ECT(0): the network may mark it.
pub(super) const ECT_0: u8 = 0b10;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u8, text: &str, kind: GidKind) -> GidEntry {
        let address: Ipv6Addr = text.parse().unwrap();
        GidEntry { index, gid: Gid(address.octets()), kind }
    }

    #[test]
    fn routable_gids_come_first() {
        let mut entries = vec![
            entry(0, "fe80::1", GidKind::RoceV1),
            entry(1, "fe80::1", GidKind::RoceV2),
            entry(2, "2001:db8::1", GidKind::RoceV2),
            entry(3, "::ffff:10.0.0.1", GidKind::RoceV1),
            entry(4, "::ffff:10.0.0.1", GidKind::RoceV2),
            entry(5, "::ffff:10.0.0.2", GidKind::RoceV2),
        ];
        for expected in [4, 5, 2, 1, 0, 3] {
            let chosen = choose(&entries).unwrap();
            assert_eq!(chosen.index, expected);
            entries.retain(|&entry| entry != chosen);
        }
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn a_front_is_an_ipv4_header_or_a_grh() {
        let mut v4 = [0; 40];
        // RFC 1071's kind of header: 192.168.0.1 to 192.168.0.199, protocol UDP.
        v4[20..].copy_from_slice(&[
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ]);
        let front = Front::read(&v4);
        assert_eq!((front.source, front.ce), (Gid::from_ipv4([192, 168, 0, 1]), false));
        v4[21] = 0x03;
        assert!(Front::read(&v4).ce);
        // What is in front of it is undefined; the checksum tells.
        v4[21] = 0x00;
        v4[0] = 0x60;
        assert_eq!(Front::read(&v4), front);

        let mut v6 = [0; 40];
        v6[0] = 0x60;
        v6[1] = 0x30;
        v6[8] = 0xfe;
        v6[9] = 0x80;
        v6[23] = 9;
        v6[20] = 0x45;
        let front = Front::read(&v6);
        assert_eq!((front.source.0[0], front.source.0[15], front.ce), (0xfe, 9, true));
    }
}
