//! Settings of a UDP device.

use std::net::{IpAddr, SocketAddr};

use crate::DeviceError;

/// Settings of a [`UdpDevice`](super::UdpDevice). Start from [`UdpConfig::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// The address that remote endpoints reach this device at; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// How many paths: source ports, so sockets. 1 to 256.
    pub paths: u16,
    /// The largest datagram, header and payload; by default what [`default_datagram_bytes`] says.
    /// Both ends and all that is between them must carry it: nothing is ever fragmented.
    pub max_datagram_bytes: Option<usize>,
    /// How much the system may hold for us between two polls. More than the system's limit
    /// (`net.core.rmem_max`) is granted to a privileged process only.
    pub receive_buffer_bytes: usize,
    /// How much the system may hold of what each path has sent.
    pub send_buffer_bytes: usize,
    /// How many receive buffers of 64 KiB there are. Each takes one datagram, or one train that
    /// receive offload has coalesced.
    pub receive_slots: usize,
    /// Whether to use segmentation offload, where the system has it.
    pub offload: bool,
}

impl UdpConfig {
    /// The defaults, at `bind`.
    pub const fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            paths: DEFAULT_PATHS,
            max_datagram_bytes: None,
            receive_buffer_bytes: DEFAULT_RECEIVE_BUFFER_BYTES,
            send_buffer_bytes: DEFAULT_SEND_BUFFER_BYTES,
            receive_slots: DEFAULT_RECEIVE_SLOTS,
            offload: true,
        }
    }

    /// The largest datagram that these settings ask for.
    pub fn datagram_bytes(&self) -> usize {
        self.max_datagram_bytes.unwrap_or_else(|| default_datagram_bytes(self.bind.ip()))
    }

    pub(super) fn validate(&self) -> Result<(), DeviceError> {
        let limit_bytes = MAX_IP_PACKET_BYTES - overhead_bytes(self.bind.ip());
        let bytes = self.datagram_bytes();
        check("paths", (1..=MAX_PATHS).contains(&self.paths), || {
            format!("{} is outside of 1 to {MAX_PATHS}", self.paths)
        })?;
        check("max_datagram_bytes", (1..=limit_bytes).contains(&bytes), || {
            format!("{bytes} is outside of 1 to {limit_bytes}, what one UDP datagram can carry")
        })?;
        check("receive_slots", self.receive_slots > 0, || {
            "without a receive buffer nothing can arrive; use at least 1".to_owned()
        })
    }
}

/// The largest datagram that fits the packets usual at `address`: those of a jumbo frame on the
/// loopback interface, those of plain Ethernet everywhere else.
pub const fn default_datagram_bytes(address: IpAddr) -> usize {
    let mtu_bytes = if address.is_loopback() { JUMBO_MTU_BYTES } else { ETHERNET_MTU_BYTES };
    mtu_bytes - overhead_bytes(address)
}

/// What IP and UDP put in front of a datagram of `address`'s family, in bytes.
pub const fn overhead_bytes(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => IPV4_OVERHEAD_BYTES,
        IpAddr::V6(_) => IPV6_OVERHEAD_BYTES,
    }
}

fn check(
    setting: &'static str,
    holds: bool,
    problem: impl FnOnce() -> String,
) -> Result<(), DeviceError> {
    if holds {
        return Ok(());
    }
    let problem = problem();
    Err(DeviceError::BadSetting { setting, problem })
}

/// The MTU of Ethernet: what any network carries unless its operator says otherwise.
pub const ETHERNET_MTU_BYTES: usize = 1500;
/// The MTU of jumbo frames, as data-centre networks are set up. The loopback interface carries
/// more, but a device that behaves as on such a network is the better test.
pub const JUMBO_MTU_BYTES: usize = 9000;
/// IPv4 header without options (20) and UDP header (8).
pub const IPV4_OVERHEAD_BYTES: usize = 28;
/// IPv6 header without extensions (40) and UDP header (8).
pub const IPV6_OVERHEAD_BYTES: usize = 48;
/// Paths, unless told otherwise: enough to hash onto most of a network's parallel links, and
/// few enough that sixteen sockets are no burden.
pub const DEFAULT_PATHS: u16 = 16;
/// Most paths: a path's number has 8 bits.
pub const MAX_PATHS: u16 = 256;

/// About a millisecond of a 25 Gb/s link: how long a busy host may leave us off the processor.
const DEFAULT_RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Several offload trains per path; the protocol's window, not this, bounds what is in flight.
const DEFAULT_SEND_BUFFER_BYTES: usize = 1 << 20;
/// Two of the largest receive batches, so that one can be held while the next arrives.
const DEFAULT_RECEIVE_SLOTS: usize = 64;
/// The length field of IP has 16 bits.
const MAX_IP_PACKET_BYTES: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bind: &str) -> UdpConfig {
        UdpConfig::new(bind.parse().unwrap())
    }

    #[test]
    fn datagrams_fit_the_usual_packets() {
        for (bind, bytes) in [
            ("127.0.0.1:0", 8972),
            ("[::1]:0", 8952),
            ("192.0.2.1:0", 1472),
            ("[2001:db8::1]:0", 1452),
            ("0.0.0.0:0", 1472),
        ] {
            assert_eq!(config(bind).datagram_bytes(), bytes, "{bind}");
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let good = config("127.0.0.1:0");
        good.validate().unwrap();
        let bad = [
            ("paths", UdpConfig { paths: 0, ..good.clone() }),
            ("paths", UdpConfig { paths: 257, ..good.clone() }),
            ("max_datagram_bytes", UdpConfig { max_datagram_bytes: Some(0), ..good.clone() }),
            ("max_datagram_bytes", UdpConfig { max_datagram_bytes: Some(65_508), ..good.clone() }),
            ("receive_slots", UdpConfig { receive_slots: 0, ..good.clone() }),
        ];
        for (name, config) in bad {
            let text = config.validate().unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
        UdpConfig { max_datagram_bytes: Some(65_507), ..good }.validate().unwrap();
    }
}
