//! What a device can do, as data.

/// The backend a device belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// UDP sockets.
    Udp,
    /// The in-process fabric.
    Loopback,
    /// Unreliable-datagram queue pairs of RDMA NICs.
    Verbs,
}

impl DeviceKind {
    /// The name used in addresses and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Loopback => "loopback",
            Self::Verbs => "verbs",
        }
    }
}

/// What a device can do. A driver adapts to these instead of asking which device it has.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// The backend.
    pub kind: DeviceKind,
    /// The largest datagram, header and payload, that can be sent and received, in bytes.
    pub max_datagram_bytes: usize,
    /// How many paths this device can tell apart, 1 to 256.
    pub paths: u16,
    /// Whether marks of congestion (ECN) can be sent and seen.
    pub ecn: bool,
    /// Segmentation offload on transmit: what one train may be.
    pub transmit_offload: Option<Offload>,
    /// Whether small datagrams that leave in a row along one path share one, so that many cost little
    /// more than one. Nobody above has to do anything about it, but to keep to a path for a while.
    pub bundles: bool,
    /// Whether arrivals are coalesced below this device, so that one receive yields many.
    pub receive_offload: bool,
    /// How many bytes of arrivals can wait unpolled before the device drops, as far as is known.
    pub receive_capacity_bytes: usize,
    /// What a remote [`Device::resolve_source`](crate::Device::resolve_source) needs to find this
    /// device's main address; 0 where the source of a datagram is enough.
    pub locator: u16,
    /// The link, where the device knows it.
    pub link: Option<Link>,
}

/// The link that a device sends along; the sum of them, where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its rate, in bits per second.
    pub bps: u64,
    /// Whether software plays the NIC, so that the rate says little, and delays are those of
    /// processors.
    pub is_software: bool,
}

/// Limits of one segmentation-offload train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Most datagrams in a train.
    pub max_segments: usize,
    /// Most bytes in a train, headers included.
    pub max_bytes: usize,
}
