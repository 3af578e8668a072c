//! Two devices of one backend that know each other's address.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::time::{Duration, Instant};

use usrd_device::fault::{FaultConfig, FaultDevice};
use usrd_device::loopback::{Fabric, LoopbackConfig};
use usrd_device::pcap::{PcapConfig, PcapDevice};
use usrd_device::udp::{UdpConfig, UdpDevice};
use usrd_device::{Address, Arrival, Device, DeviceKind, Outgoing, RouteId};

/// How to make a device.
#[derive(Clone, Copy)]
pub(crate) enum Backend {
    Udp {
        ip: &'static str,
        offload: bool,
    },
    Loopback,
    /// The first RDMA device there is, or those that the environment names.
    #[cfg(feature = "verbs")]
    Verbs,
    /// Within wrappers that are set to change nothing.
    Wrapped(&'static Self),
}

pub(crate) struct Bench {
    pub(crate) a: End,
    pub(crate) b: End,
    pub(crate) to_a: RouteId,
    pub(crate) to_b: RouteId,
    pub(crate) kind: DeviceKind,
}

/// A device, and the patience to wait for what is on its way.
pub(crate) struct End {
    pub(crate) device: Box<dyn Device>,
    /// What has arrived before it was waited for.
    early: Vec<Arrival>,
}

/// A datagram that has no destination yet.
#[derive(Clone, Copy)]
pub(crate) struct Traffic<'a>(Outgoing<'a>);

impl Bench {
    pub(crate) fn new(backend: Backend) -> Self {
        let fabric = Fabric::new();
        let mut a = backend.device(&fabric);
        let mut b = backend.device(&fabric);
        Self {
            to_b: a.resolve(&b.local_address()).unwrap(),
            to_a: b.resolve(&a.local_address()).unwrap(),
            kind: a.capabilities().kind,
            a: End::new(a),
            b: End::new(b),
        }
    }

    /// An address where there is no device.
    pub(crate) fn vacant_address(&self) -> Address {
        let own = self.a.device.local_address();
        #[cfg(feature = "verbs")]
        if self.kind == DeviceKind::Verbs {
            return verbs::vacant_address(&own);
        }
        let (host, _) = own.as_str().rsplit_once(':').unwrap();
        // Below all ports that are given to who asks for any, and above all loopback devices.
        Address::new(format!("{host}:{VACANT}"))
    }
}

impl Backend {
    fn device(self, fabric: &Fabric) -> Box<dyn Device> {
        match self {
            Self::Udp { ip, offload } => {
                let config = UdpConfig {
                    paths: PATHS,
                    receive_slots: RECEIVE_SLOTS,
                    offload,
                    ..UdpConfig::new((ip.parse::<std::net::IpAddr>().unwrap(), 0).into())
                };
                Box::new(UdpDevice::bind(&config).expect("sockets on the loopback interface"))
            }
            Self::Loopback => {
                let config = LoopbackConfig {
                    paths: PATHS,
                    receive_capacity: RECEIVE_SLOTS,
                    ..LoopbackConfig::default()
                };
                Box::new(fabric.device(config).unwrap())
            }
            #[cfg(feature = "verbs")]
            Self::Verbs => Box::new(verbs::device()),
            Self::Wrapped(inner) => {
                let inner = inner.device(fabric);
                let faulty = FaultDevice::new(inner, FaultConfig::default()).unwrap();
                let output = std::io::sink();
                Box::new(PcapDevice::new(faulty, output, &PcapConfig::default()).unwrap())
            }
        }
    }
}

impl End {
    pub(crate) fn new(device: Box<dyn Device>) -> Self {
        Self { device, early: Vec::new() }
    }

    /// Until everything has left that waits for its way to be known.
    pub(crate) fn settle(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while self.device.stats().held > 0 {
            self.device.poll(&mut self.early).unwrap();
            std::thread::yield_now();
            assert!(Instant::now() < deadline, "{:?}", self.device.stats());
        }
    }

    /// Sends everything, however often the device is full.
    pub(crate) fn send(&mut self, route: RouteId, batch: &[Traffic<'_>]) {
        let batch: Vec<_> = batch.iter().map(|traffic| traffic.to(route)).collect();
        let deadline = Instant::now() + DEADLINE;
        let mut sent = 0;
        while sent < batch.len() {
            sent += self.device.transmit(&batch[sent..]).unwrap();
            assert!(Instant::now() < deadline, "only {sent} of {} were taken", batch.len());
        }
        self.settle();
    }

    /// The next `count` datagrams, exactly.
    pub(crate) fn receive(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        while received.len() < count {
            let arrivals = self.arrivals_at_least(1);
            received.extend(arrivals.iter().map(|a| self.device.bytes(a).to_vec()));
            self.device.release(&arrivals);
        }
        assert_eq!(received.len(), count, "more arrived than was sent");
        received
    }

    /// The next `count` arrivals, exactly, for the caller to release.
    pub(crate) fn arrivals(&mut self, count: usize) -> Vec<Arrival> {
        let arrivals = self.arrivals_at_least(count);
        assert_eq!(arrivals.len(), count);
        arrivals
    }

    /// At least `least` arrivals.
    pub(crate) fn arrivals_at_least(&mut self, least: usize) -> Vec<Arrival> {
        let deadline = Instant::now() + DEADLINE;
        let mut arrivals = std::mem::take(&mut self.early);
        while arrivals.len() < least {
            if self.device.poll(&mut arrivals).unwrap() == 0 {
                self.device.wait(Some(Duration::from_millis(10))).unwrap();
            }
            assert!(Instant::now() < deadline, "nothing more arrives");
        }
        arrivals
    }
}

impl<'a> Traffic<'a> {
    pub(crate) fn new(header: &'a [u8], payload: &'a [u8]) -> Self {
        Self(Outgoing {
            route: RouteId(0),
            path: 0,
            ecn_capable: true,
            header,
            payload,
            memory: None,
        })
    }

    pub(crate) fn along(mut self, path: u8) -> Self {
        self.0.path = path;
        self
    }

    pub(crate) fn ecn_capable(mut self, capable: bool) -> Self {
        self.0.ecn_capable = capable;
        self
    }

    pub(crate) fn to(self, route: RouteId) -> Outgoing<'a> {
        Outgoing { route, ..self.0 }
    }
}

#[cfg(feature = "verbs")]
pub(crate) mod verbs {
    use usrd_device::Address;
    use usrd_device::verbs::{EndpointAddress, VerbsConfig, VerbsDevice, ports};

    /// Names the rails, such as `rxe0,rxe1`.
    const VARIABLE: &str = "USRD_VERBS";
    /// Whether queue pairs are to have receive queues of their own, as if the devices knew no others.
    const OWN_RECEIVES: &str = "USRD_VERBS_OWN_RECEIVES";

    pub(crate) fn config() -> VerbsConfig {
        let rails = std::env::var(VARIABLE).unwrap_or_else(|_| {
            let ports = ports().expect("the verbs library, and a device");
            ports.first().expect("an RDMA device").rail.to_string()
        });
        let config: VerbsConfig = rails.parse().unwrap();
        VerbsConfig { shared_receives: std::env::var_os(OWN_RECEIVES).is_none(), ..config }
    }

    /// A small device, with as many paths and slots as the others have.
    pub(crate) fn device() -> VerbsDevice {
        let config = VerbsConfig {
            paths: super::PATHS,
            queue_pairs: 2,
            // Half of them may be held.
            receive_slots: Some(2 * super::RECEIVE_SLOTS),
            ..config()
        };
        VerbsDevice::open(&config).unwrap()
    }

    /// The host, but no endpoint of it.
    pub(crate) fn vacant_address(of: &Address) -> Address {
        let mut address = EndpointAddress::from_address(of).unwrap();
        address.qkey = 1;
        for queue_pair in address.rails.iter_mut().flat_map(|rail| &mut rail.queue_pairs) {
            *queue_pair = 0x00ff_fff0;
        }
        address.to_address()
    }
}

/// Long enough for a host that is busy with something else.
const DEADLINE: Duration = Duration::from_secs(20);
/// Enough for the longest batch of the tests, and quickly used up.
pub(crate) const RECEIVE_SLOTS: usize = 250;
const PATHS: u16 = 4;
const VACANT: u32 = 77;
