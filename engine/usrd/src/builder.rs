//! How an engine comes to be.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use usrd_device::Device;
use usrd_device::udp::{UdpConfig, UdpDevice};
#[cfg(feature = "verbs")]
use usrd_device::verbs::{VerbsConfig, VerbsDevice};
use usrd_proto::wire::DATA_HEADER_BYTES;
use usrd_proto::{Config, Endpoint};

use crate::defaults::{config_for, max_payload_bytes};
use crate::places::AnyReturned;
use crate::shared::{Capacities, Shared};
use crate::{BuildError, CompletionQueue, Driver, Engine, EngineInfo};

/// Describes an engine. Only a device is needed: [`udp`](Self::udp) or [`device`](Self::device).
#[derive(Debug)]
pub struct Builder {
    device: DeviceChoice,
    adjustments: Adjustments,
    id: u32,
    seed: Option<u64>,
    spin: Duration,
    capacities: Capacities,
    queue: Option<CompletionQueue>,
    thread_name: String,
}

#[derive(Debug)]
enum DeviceChoice {
    None,
    UdpAddress(String),
    Udp(UdpConfig),
    #[cfg(feature = "verbs")]
    Verbs(VerbsConfig),
    Ready(Box<dyn Device>),
}

/// What the user changes in the configuration once the device is known.
#[derive(Default)]
struct Adjustments(Vec<Adjustment>);

type Adjustment = Box<dyn FnOnce(&mut Config) + Send>;

impl Default for Builder {
    fn default() -> Self {
        Self {
            device: DeviceChoice::None,
            adjustments: Adjustments::default(),
            id: 0,
            seed: None,
            spin: SPIN,
            capacities: Capacities {
                submissions: SUBMISSIONS,
                outstanding: OUTSTANDING,
                events: EVENTS,
            },
            queue: None,
            thread_name: "usrd".to_owned(),
        }
    }
}

impl Builder {
    /// Uses UDP sockets, bound to `address` (`IP:PORT`; port 0 lets the system choose).
    #[must_use]
    pub fn udp(mut self, address: impl Into<String>) -> Self {
        self.device = DeviceChoice::UdpAddress(address.into());
        self
    }

    /// Uses UDP sockets with these settings.
    #[must_use]
    pub fn udp_config(mut self, config: UdpConfig) -> Self {
        self.device = DeviceChoice::Udp(config);
        self
    }

    /// Uses RDMA NICs; a text such as `rxe0` or `mlx5_0,mlx5_1` makes settings.
    #[cfg(feature = "verbs")]
    #[must_use]
    pub fn verbs(mut self, config: VerbsConfig) -> Self {
        self.device = DeviceChoice::Verbs(config);
        self
    }

    /// Uses any device.
    #[must_use]
    pub fn device(mut self, device: Box<dyn Device>) -> Self {
        self.device = DeviceChoice::Ready(device);
        self
    }

    /// Changes the protocol's configuration. `adjust` finds in it what suits the device, and can
    /// replace any of it. Later calls see what earlier ones did.
    #[must_use]
    pub fn config(mut self, adjust: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.adjustments.0.push(Box::new(adjust));
        self
    }

    /// The seed of the engine's randomness. By default it comes from the operating system; a fixed
    /// one is for tests, since a restarted engine must not look like the one before it.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long an idle driver thread keeps polling before it sleeps. [`Duration::MAX`] never
    /// sleeps: the lowest latency, for a processor of its own.
    #[must_use]
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// How many operations can wait for the driver to take them.
    #[must_use]
    pub fn submission_capacity(mut self, operations: usize) -> Self {
        self.capacities.submissions = operations;
        self
    }

    /// Reports to this queue, and not to one of the engine's own: completions of all operations that
    /// are submitted through the engine itself, and notifications. So several engines can
    /// have one queue; give each of them an [`id`](Self::id), by which to tell whose a completion is.
    #[must_use]
    pub fn completion_queue(mut self, queue: &CompletionQueue) -> Self {
        self.queue = Some(queue.clone());
        self
    }

    /// What completions call this engine ([`Completion::engine`](crate::Completion)); 0 by default.
    #[must_use]
    pub fn id(mut self, id: u32) -> Self {
        self.id = id;
        self
    }

    /// How many operations can be submitted without their completion having been taken, if the
    /// engine has a queue of its own.
    #[must_use]
    pub fn max_outstanding(mut self, operations: usize) -> Self {
        self.capacities.outstanding = operations;
        self
    }

    /// How many events can wait to be taken before more are dropped.
    #[must_use]
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.capacities.events = events;
        self
    }

    /// The name of the driver's thread.
    #[must_use]
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Builds an engine with a thread of its own for the driver.
    pub fn spawn(mut self) -> Result<Engine, BuildError> {
        let name = std::mem::take(&mut self.thread_name);
        let (shared, mut driver) = self.build()?;
        let thread = thread::Builder::new()
            .name(name)
            .spawn(move || driver.run())
            .map_err(BuildError::Thread)?;
        Ok(Engine::new(shared, Some(thread)))
    }

    /// Builds an engine whose driver the caller drives.
    pub fn manual(self) -> Result<(Engine, Driver), BuildError> {
        let (shared, driver) = self.build()?;
        Ok((Engine::new(shared, None), driver))
    }

    fn build(self) -> Result<(Arc<Shared>, Driver), BuildError> {
        self.capacities.validate()?;
        let device = self.device.open()?;
        let capabilities = device.capabilities().clone();
        let max_bytes = capabilities.max_datagram_bytes;
        if max_bytes <= DATA_HEADER_BYTES {
            let header_bytes = DATA_HEADER_BYTES;
            return Err(BuildError::DatagramTooSmall { max_bytes, header_bytes });
        }
        let mut config = config_for(&capabilities);
        config.seed = self.seed.map_or_else(system_seed, Ok)?;
        for adjust in self.adjustments.0 {
            adjust(&mut config);
        }
        check_mtu(&config, max_payload_bytes(&capabilities))?;
        let endpoint = Endpoint::new(config.clone())?;
        let queue = self.queue.unwrap_or_else(|| {
            let notifications = config.max_notifications as usize;
            CompletionQueue::new(self.capacities.outstanding.saturating_add(notifications))
        });
        let places = config.max_notifications as usize;
        let notices = queue
            .reserve_notices(places, Arc::new(AnyReturned::new()))
            .ok_or_else(|| BuildError::CompletionQueue { needed: places, limit: queue.limit() })?;
        let local_address = device.local_address();
        let info = EngineInfo { id: self.id, local_address, capabilities, config };
        let queues = (queue, notices);
        let shared = Arc::new(Shared::new(info, device.waker(), self.capacities, queues));
        let driver = Driver::new(shared.clone(), device, endpoint, self.spin);
        Ok((shared, driver))
    }
}

impl DeviceChoice {
    fn open(self) -> Result<Box<dyn Device>, BuildError> {
        let config = match self {
            Self::None => return Err(BuildError::NoDevice),
            Self::Ready(device) => return Ok(device),
            Self::Udp(config) => config,
            #[cfg(feature = "verbs")]
            Self::Verbs(config) => return Ok(Box::new(VerbsDevice::open(&config)?)),
            Self::UdpAddress(text) => {
                let bind: SocketAddr = text.parse().map_err(|_| BuildError::BadAddress(text))?;
                UdpConfig::new(bind)
            }
        };
        Ok(Box::new(UdpDevice::bind(&config)?))
    }
}

impl Capacities {
    fn validate(&self) -> Result<(), BuildError> {
        let queues = [
            ("submission_capacity", self.submissions),
            ("max_outstanding", self.outstanding),
            ("event_capacity", self.events),
        ];
        match queues.into_iter().find(|&(_, capacity)| capacity == 0) {
            Some((name, _)) => Err(BuildError::TooSmall { name, least: 1 }),
            None => Ok(()),
        }
    }
}

fn check_mtu(config: &Config, max_bytes: usize) -> Result<(), BuildError> {
    let mtu_bytes = config.mtu_bytes.max(config.open_mtu_bytes);
    if usize::from(mtu_bytes) > max_bytes {
        return Err(BuildError::Mtu { mtu_bytes, max_bytes });
    }
    Ok(())
}

fn system_seed() -> Result<u64, BuildError> {
    SysRng.try_next_u64().map_err(|error| BuildError::Seed(error.to_string()))
}

impl fmt::Debug for Adjustments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} adjustments", self.0.len())
    }
}

/// A few round trips between two engines on one host: an answer that comes at once finds the driver
/// awake, and an idle engine costs nothing.
const SPIN: Duration = Duration::from_micros(50);
/// More than a thread submits between two turns of the driver, in some 300 KB.
const SUBMISSIONS: usize = 4096;
/// Twice that, so that a full submission queue and what it led to have room; about 1 MB.
const OUTSTANDING: usize = 8192;
/// A change of every path of a few peers.
const EVENTS: usize = 1024;
