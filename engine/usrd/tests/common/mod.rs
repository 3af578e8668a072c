//! What the tests share: engines on every kind of device, patterned messages, patience.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::time::{Duration, Instant};

use usrd::device::fault::{FaultConfig, FaultDevice, FaultHandle};
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::device::udp::{UdpConfig, UdpDevice};
use usrd::{
    Builder, BytesMut, Completion, Device, Engine, Peer, RecvCompletion, SendCompletion,
    SendOptions,
};

/// Long enough for the slowest machine; nothing that works takes it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The devices that everything has to work on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Net {
    Loopback,
    UdpV4,
    UdpV6,
    /// The rails that [`VERBS`] names, both ends at the same ones.
    #[cfg(feature = "verbs")]
    Verbs,
}

/// Names rails, such as `rxe0,rxe1`: the tests then run over these, instead of what every host has.
#[cfg(feature = "verbs")]
const VERBS: &str = "USRD_VERBS";

impl Net {
    pub(crate) fn all() -> Vec<Self> {
        #[cfg(feature = "verbs")]
        if std::env::var_os(VERBS).is_some() {
            return vec![Self::Verbs];
        }
        vec![Self::Loopback, Self::UdpV4, Self::UdpV6]
    }

    /// Builders of two engines that can reach each other.
    pub(crate) fn pair(self) -> [Builder; 2] {
        self.faulty_pair(None)
    }

    /// The same, with faults in both directions.
    pub(crate) fn faulty_pair(self, faults: Option<FaultConfig>) -> [Builder; 2] {
        let fabric = Fabric::new();
        [0, 1].map(|side| {
            let device = wrap(self.device(&fabric), faults.as_ref(), side);
            Engine::builder().device(device).seed(100 + side)
        })
    }

    /// The same, with handles to change the faults.
    pub(crate) fn fault_handles(self, faults: FaultConfig) -> [(Builder, FaultHandle); 2] {
        let fabric = Fabric::new();
        [0, 1].map(|side| {
            let faults = FaultConfig { seed: faults.seed * 2 + side, ..faults.clone() };
            let device = self.device(&fabric);
            let device = FaultDevice::new(device, faults).unwrap();
            let handle = device.handle();
            (Engine::builder().device(Box::new(device)).seed(100 + side), handle)
        })
    }

    fn device(self, fabric: &Fabric) -> Box<dyn Device> {
        match self {
            Self::Loopback => Box::new(fabric.device(LoopbackConfig::default()).unwrap()),
            Self::UdpV4 => Box::new(udp("127.0.0.1:0")),
            Self::UdpV6 => Box::new(udp("[::1]:0")),
            #[cfg(feature = "verbs")]
            Self::Verbs => Box::new(verbs()),
        }
    }

    /// Two running engines, and the second as the first one's peer.
    pub(crate) fn engines(self) -> (Engine, Engine, Peer) {
        connect(self.pair())
    }
}

/// Runs a pair and connects the first to the second.
pub(crate) fn connect([a, b]: [Builder; 2]) -> (Engine, Engine, Peer) {
    let (a, b) = (a.spawn().unwrap(), b.spawn().unwrap());
    let peer = a.connect(b.local_address()).unwrap();
    (a, b, peer)
}

pub(crate) fn udp(address: &str) -> UdpDevice {
    UdpDevice::bind(&UdpConfig::new(address.parse().unwrap())).unwrap()
}

#[cfg(feature = "verbs")]
fn verbs() -> usrd::device::verbs::VerbsDevice {
    let rails = std::env::var(VERBS).unwrap();
    usrd::device::verbs::VerbsDevice::open(&rails.parse().unwrap()).unwrap()
}

fn wrap(device: Box<dyn Device>, faults: Option<&FaultConfig>, side: u64) -> Box<dyn Device> {
    match faults {
        None => device,
        Some(faults) => {
            let faults = FaultConfig { seed: faults.seed * 2 + side, ..faults.clone() };
            Box::new(FaultDevice::new(device, faults).unwrap())
        }
    }
}

/// A message whose every byte depends on its place and on the message.
pub(crate) fn pattern(len: usize, tag: u64) -> Vec<u8> {
    let mut state = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Whether two messages agree; says where they do not, instead of printing megabytes.
#[track_caller]
pub(crate) fn assert_same(got: &[u8], expected: &[u8]) {
    assert_eq!(got.len(), expected.len());
    let differs = got.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(differs, None, "first difference of {} bytes", got.len());
}

/// The completions of `count` operations.
#[track_caller]
pub(crate) fn collect(engine: &Engine, count: usize) -> Vec<Completion> {
    let mut completions = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while completions.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        let max = count - completions.len();
        if engine.wait(&mut completions, max, left) == 0 {
            let got = completions.len();
            panic!("{got} of {count} completions came; {:?}", engine.stats());
        }
    }
    completions
}

/// The completion of one send.
#[track_caller]
pub(crate) fn sent(engine: &Engine) -> SendCompletion {
    collect(engine, 1).remove(0).into_send().expect("a send completes")
}

/// The completion of one receive.
#[track_caller]
pub(crate) fn received(engine: &Engine) -> RecvCompletion {
    collect(engine, 1).remove(0).into_recv().expect("a receive completes")
}

/// Sends one message into a buffer that is posted for it, and checks both ends.
#[track_caller]
pub(crate) fn exchange(from: &Engine, to: &Engine, peer: Peer, len: usize, options: SendOptions) {
    let message = pattern(len, options.context);
    to.recv(BytesMut::zeroed(len), 7).unwrap();
    from.send(peer, message.clone(), options).unwrap();
    let arrived = received(to);
    let got = arrived.result.unwrap();
    assert_eq!((arrived.context, got.service, got.len), (7, options.service, len));
    assert_eq!((got.tag, got.immediate), (options.tag, options.immediate));
    assert_same(arrived.message(), &message);
    let done = sent(from);
    assert_eq!((done.context, done.peer, done.result), (options.context, peer, Ok(())));
}
