//! From the command line to an engine.

use std::fs::File;
use std::io::BufWriter;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::Duration;

use usrd::cc::Algorithm;
use usrd::device::fault::{FaultConfig, FaultDevice};
use usrd::device::pcap::{PcapConfig, PcapDevice};
use usrd::device::udp::{UdpConfig, UdpDevice, overhead_bytes};
use usrd::{Device, Engine};

use super::damage::Damage;
use super::end::End;
use super::pattern::mix;
use super::session::Session;
use crate::args::{CcArg, DeviceArg, FaultArgs, Mode, PerfArgs};
use crate::failure::Failure;

/// How to make an end.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    args: &'a PerfArgs,
    /// Where packets are captured.
    pub(crate) pcap: Option<&'a Path>,
    /// Whether paths are black holes, as asked for.
    pub(crate) black_holes: bool,
    /// Whether the end never sleeps.
    pub(crate) busy_poll: bool,
    /// Tells apart the randomness of several ends.
    pub(crate) number: u64,
}

impl<'a> Setup<'a> {
    pub(crate) const fn new(args: &'a PerfArgs, number: u64) -> Self {
        Self { args, pcap: None, black_holes: true, busy_poll: args.busy_poll, number }
    }

    /// A session of an end at this address.
    pub(crate) fn session(&self, bind: SocketAddr) -> Result<Session, Failure> {
        Ok(Session::new(self.end(bind)?, Damage::new(self.args.faults.corrupt, self.seed())))
    }

    /// An end at this address.
    pub(crate) fn end(&self, bind: SocketAddr) -> Result<End, Failure> {
        let device = self.device(bind)?;
        let spin = if self.busy_poll { Duration::MAX } else { SPIN };
        let mut builder = Engine::builder()
            .device(device)
            .spin(spin)
            .submission_capacity(SUBMISSIONS)
            .max_outstanding(2 * SUBMISSIONS);
        if let Some(cc) = self.args.cc {
            builder = builder.config(move |config| config.cc.algorithm = cc.algorithm());
        }
        let (engine, driver) = match self.args.mode {
            Mode::Thread => (builder.spawn().map_err(Failure::usage)?, None),
            Mode::Inline => {
                let (engine, driver) = builder.manual().map_err(Failure::usage)?;
                (engine, Some(driver))
            }
        };
        Ok(End::new(engine, driver, spin))
    }

    fn device(&self, bind: SocketAddr) -> Result<Box<dyn Device>, Failure> {
        let device = match &self.args.device {
            DeviceArg::Udp => Box::new(self.udp(bind)?),
            DeviceArg::Verbs(rails) => self.verbs(rails)?,
        };
        let device: Box<dyn Device> = match self.pcap {
            Some(path) => Box::new(capture(device, path)?),
            None => device,
        };
        // Above the capture, which so shows what is really sent.
        self.mistreat(device)
    }

    fn udp(&self, bind: SocketAddr) -> Result<UdpDevice, Failure> {
        let mut config = UdpConfig::new(bind);
        config.paths = self.args.paths();
        if let Some(mtu) = self.args.mtu {
            config.max_datagram_bytes = Some(usize::from(mtu) - overhead_bytes(bind.ip()));
        }
        UdpDevice::bind(&config).map_err(Failure::usage)
    }

    #[cfg(feature = "verbs")]
    fn verbs(&self, rails: &str) -> Result<Box<dyn Device>, Failure> {
        use usrd::device::verbs::{VerbsConfig, VerbsDevice};
        if self.args.mtu.is_some() {
            return Err(Failure::Usage("--mtu: over verbs, the port knows it".to_owned()));
        }
        let mut config: VerbsConfig = rails.parse().map_err(Failure::usage)?;
        config.paths = self.args.paths();
        Ok(Box::new(VerbsDevice::open(&config).map_err(Failure::usage)?))
    }

    #[cfg(not(feature = "verbs"))]
    fn verbs(&self, _rails: &str) -> Result<Box<dyn Device>, Failure> {
        let problem = "--device verbs: this usrd was built without: cargo build --features verbs";
        Err(Failure::Usage(problem.to_owned()))
    }

    /// Of this end's faults.
    const fn seed(&self) -> u64 {
        mix(self.args.seed ^ self.number << 32)
    }

    fn mistreat(&self, device: Box<dyn Device>) -> Result<Box<dyn Device>, Failure> {
        let faults = &self.args.faults;
        if !faults.any() {
            return Ok(device);
        }
        let device =
            FaultDevice::new(device, faults.config(self.seed())).map_err(Failure::usage)?;
        if self.black_holes {
            for &path in &faults.blackhole {
                device.handle().black_hole(path);
            }
        }
        Ok(Box::new(device))
    }
}

impl FaultArgs {
    fn any(&self) -> bool {
        let chances = [self.loss, self.reorder, self.duplicate];
        chances.iter().any(|&p| p > 0.0) || !self.blackhole.is_empty()
    }

    fn config(&self, seed: u64) -> FaultConfig {
        FaultConfig {
            seed,
            loss: self.loss,
            duplicate: self.duplicate,
            delay: self.reorder,
            ..FaultConfig::default()
        }
    }
}

impl CcArg {
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Nscc => Algorithm::Nscc,
            Self::Swift => Algorithm::Swift,
            Self::Fixed => Algorithm::Fixed,
        }
    }
}

fn capture(
    device: Box<dyn Device>,
    path: &Path,
) -> Result<PcapDevice<Box<dyn Device>, BufWriter<File>>, Failure> {
    let cannot = |error| Failure::Usage(format!("cannot write {}: {error}", path.display()));
    let file = BufWriter::new(File::create(path).map_err(cannot)?);
    PcapDevice::new(device, file, &PcapConfig { snap_bytes: SNAP_BYTES }).map_err(cannot)
}

/// Reads an address, names included.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, Failure> {
    let expected = "expected IP:PORT, such as 127.0.0.1:4800 or [::1]:4800";
    (text.to_socket_addrs())
        .map_err(|error| Failure::Usage(format!("bad address `{text}`: {error}; {expected}")))?
        .next()
        .ok_or_else(|| Failure::Usage(format!("bad address `{text}`: it has no IP; {expected}")))
}

/// The address of this host from which `remote` is reached.
pub(crate) fn local_address_to(remote: SocketAddr) -> Result<IpAddr, Failure> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    // Connecting a UDP socket sends nothing: the system only looks up the way.
    let socket = UdpSocket::bind((any, 0)).map_err(Failure::run)?;
    (socket.connect(remote))
        .and_then(|()| socket.local_addr())
        .map(|local| local.ip())
        .map_err(|error| Failure::Usage(format!("no way to {remote}: {error}")))
}

/// An answer that comes at once finds its receiver awake, and an idle end costs nothing.
const SPIN: Duration = Duration::from_micros(50);
/// Room for the most messages under way, twice as many receives, and control messages.
const SUBMISSIONS: usize = 1 << 14;
/// Headers, and the front of the payload. Whole packets at full speed would fill a disk in minutes.
const SNAP_BYTES: usize = 256;
