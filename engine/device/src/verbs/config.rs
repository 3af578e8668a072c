//! Settings of a verbs device.

use std::fmt;
use std::str::FromStr;

use crate::DeviceError;

/// Settings of a [`VerbsDevice`](super::VerbsDevice). Start from [`VerbsConfig::new`], or from text:
/// `rxe0`, or `mlx5_0,mlx5_1:2@3` for two rails, the second one at port 2 with GID 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerbsConfig {
    /// The ports to use, side by side; one at least. Both ends list theirs in the same order: the
    /// first talks to the first.
    pub rails: Vec<RailConfig>,
    /// Queue pairs of each rail. Their numbers are what some NICs spread datagrams by.
    pub queue_pairs: u16,
    /// How many paths: combinations of rail, queue pair and flow label, 1 to 256.
    pub paths: u16,
    /// Datagrams under way from each queue pair at most.
    pub send_depth: usize,
    /// Receive buffers of each rail; twice as many as may be held at a time. By default what the
    /// link delivers while its host is busy with something else.
    pub receive_slots: Option<usize>,
    /// Whether the queue pairs of a rail share its receive buffers, if the device lets them; otherwise each
    /// has its part of them, which is the first to run out if much arrives at one.
    pub shared_receives: bool,
    /// The upper six bits of the traffic class (DSCP), for a class that the network treats apart.
    pub dscp: u8,
    /// Messages of at least this many bytes are sent from where they are, their memory registered on
    /// first use; others are copied, unless their memory was pinned.
    pub register_bytes: usize,
    /// Whether small datagrams share one ([`bundle`](crate::bundle)), here and in what peers send here.
    pub bundles: bool,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RailConfig {
    /// The device, as `ibv_devices` lists it.
    pub device: String,
    /// The port; the first one is 1.
    pub port: u8,
    /// The place in the port's table of GIDs; by default a RoCE v2 one, of an IPv4 address if there
    /// is one.
    pub gid_index: Option<u8>,
}

impl VerbsConfig {
    /// The defaults, on these rails.
    pub const fn new(rails: Vec<RailConfig>) -> Self {
        Self {
            rails,
            queue_pairs: DEFAULT_QUEUE_PAIRS,
            paths: DEFAULT_PATHS,
            send_depth: DEFAULT_SEND_DEPTH,
            receive_slots: None,
            shared_receives: true,
            dscp: 0,
            register_bytes: DEFAULT_REGISTER_BYTES,
            bundles: true,
        }
    }

    pub(super) fn validate(&self) -> Result<(), DeviceError> {
        let rails = self.rails.len();
        check("rails", (1..=MAX_RAILS).contains(&rails), || {
            format!("{rails} is outside of 1 to {MAX_RAILS}")
        })?;
        check("paths", (1..=256).contains(&self.paths), || {
            format!("{} is outside of 1 to 256", self.paths)
        })?;
        check("queue_pairs", (1..=MAX_QUEUE_PAIRS).contains(&self.queue_pairs), || {
            format!("{} is outside of 1 to {MAX_QUEUE_PAIRS}", self.queue_pairs)
        })?;
        check("send_depth", (1..=MAX_DEPTH).contains(&self.send_depth), || {
            format!("{} is outside of 1 to {MAX_DEPTH}", self.send_depth)
        })?;
        let slots = self.receive_slots.unwrap_or(MIN_RECEIVE_SLOTS);
        check("receive_slots", (2..=MAX_DEPTH).contains(&slots), || {
            format!("{slots} is outside of 2 to {MAX_DEPTH}")
        })?;
        check("dscp", self.dscp < 64, || format!("{} is outside of 0 to 63", self.dscp))
    }

    /// Receive buffers for a link of that speed.
    pub(super) fn receive_slots(&self, link_bps: u64, datagram_bytes: usize) -> usize {
        self.receive_slots.unwrap_or_else(|| {
            let bytes = link_bps / 8 * ABSENCE_US / 1_000_000;
            let slots = 2 * bytes as usize / datagram_bytes;
            slots.clamp(MIN_RECEIVE_SLOTS, MAX_DEFAULT_RECEIVE_SLOTS)
        })
    }
}

impl FromStr for VerbsConfig {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        Ok(Self::new(text.split(',').map(RailConfig::from_str).collect::<Result<_, _>>()?))
    }
}

impl FromStr for RailConfig {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let bad = || DeviceError::BadSetting {
            setting: "device",
            problem: format!(
                "`{text}` is not DEVICE[:PORT][@GID_INDEX], such as mlx5_0 or rxe0:1@3"
            ),
        };
        let (rest, gid_index) = match text.split_once('@') {
            Some((rest, index)) => (rest, Some(index.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (device, port) = match rest.split_once(':') {
            Some((device, port)) => (device, port.parse().map_err(|_| bad())?),
            None => (rest, 1),
        };
        if device.is_empty() || port == 0 {
            return Err(bad());
        }
        Ok(Self { device: device.to_owned(), port, gid_index })
    }
}

impl fmt::Display for RailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.port)?;
        self.gid_index.map_or(Ok(()), |index| write!(f, "@{index}"))
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
    Err(DeviceError::BadSetting { setting, problem: problem() })
}

/// Paths, unless told otherwise: more than any network has parallel links between two hosts, so that
/// they hash onto most of them.
const DEFAULT_PATHS: u16 = 128;
/// Enough for NICs that spread by queue pair, and few enough to stay in a NIC's cache.
const DEFAULT_QUEUE_PAIRS: u16 = 4;
/// Some batches of the driver's on each queue pair; 4 MiB at the largest MTU.
const DEFAULT_SEND_DEPTH: usize = 512;
/// Registering takes about as long as copying this much, and it need not be done again.
const DEFAULT_REGISTER_BYTES: usize = 256 << 10;
/// How long a busy host may leave a driver off the processor, in which nothing is reposted.
const ABSENCE_US: u64 = 500;
/// For small messages, of which many fit into few bytes.
const MIN_RECEIVE_SLOTS: usize = 2048;
/// 64 MiB of each rail, at the largest MTU.
const MAX_DEFAULT_RECEIVE_SLOTS: usize = 16 << 10;
const MAX_RAILS: usize = 16;
const MAX_QUEUE_PAIRS: u16 = 64;
/// Most NICs take no more.
const MAX_DEPTH: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rails_are_read_from_text() {
        let config: VerbsConfig = "rxe0,mlx5_1:2@3,bnxt@0".parse().unwrap();
        let rail =
            |device: &str, port, gid_index| RailConfig { device: device.into(), port, gid_index };
        let expected =
            [rail("rxe0", 1, None), rail("mlx5_1", 2, Some(3)), rail("bnxt", 1, Some(0))];
        assert_eq!(config.rails, expected);
        assert_eq!(config.rails[1].to_string(), "mlx5_1:2@3");
        for text in ["", ",", "rxe0,", "rxe0:0", "rxe0:x", "rxe0@-1", ":1", "rxe0@256"] {
            assert!(text.parse::<VerbsConfig>().is_err(), "{text}");
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let good: VerbsConfig = "rxe0".parse().unwrap();
        good.validate().unwrap();
        for (name, config) in [
            ("rails", VerbsConfig { rails: vec![], ..good.clone() }),
            ("paths", VerbsConfig { paths: 0, ..good.clone() }),
            ("queue_pairs", VerbsConfig { queue_pairs: 65, ..good.clone() }),
            ("send_depth", VerbsConfig { send_depth: 0, ..good.clone() }),
            ("receive_slots", VerbsConfig { receive_slots: Some(1), ..good.clone() }),
            ("dscp", VerbsConfig { dscp: 64, ..good.clone() }),
        ] {
            let text = config.validate().unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn faster_links_get_more_receive_buffers() {
        let config: VerbsConfig = "rxe0".parse().unwrap();
        let slots =
            [1, 100, 400, 3200].map(|gbps| config.receive_slots(gbps * 1_000_000_000, 4096));
        assert_eq!(slots, [2048, 3051, 12_207, 16_384]);
    }
}
