//! Two engines, the network between them, and a second life of one of them.

use usrd::device::fault::{FaultConfig, FaultDevice, FaultHandle};
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::{Builder, Completion, Device, Engine, Peer};

use super::common::{Net, PATIENCE, udp};

/// Who asks, and whom.
pub(crate) struct Ends {
    pub(crate) a: Engine,
    pub(crate) b: Engine,
    /// The second one, to the first.
    pub(crate) peer: Peer,
    again: Box<dyn Fn() -> Engine>,
}

impl Ends {
    pub(crate) fn with_faults(net: Net, faults: FaultConfig) -> (Self, [FaultHandle; 2]) {
        let fabric = Fabric::new();
        let [(a, a_handle), (b, b_handle)] = match net.has_places() {
            false => net.fault_handles(faults),
            true => [1, 2].map(|number| {
                let device = at_a_place(net, &fabric, number, None);
                let faults = FaultConfig { seed: faults.seed * 2 + number, ..faults.clone() };
                let device = FaultDevice::new(device, faults).unwrap();
                let handle = device.handle();
                (Engine::builder().device(Box::new(device)).seed(100 + number), handle)
            }),
        };
        let (a, b) = (roomy(a).spawn().unwrap(), roomy(b).spawn().unwrap());
        let peer = a.connect(b.local_address()).unwrap();
        let address = b.local_address().to_string();
        let again = Box::new(move || {
            let device = at_a_place(net, &fabric, 2, Some(&address));
            roomy(Engine::builder().device(device).seed(200)).spawn().unwrap()
        });
        (Self { a, b, peer, again }, [a_handle, b_handle])
    }

    pub(crate) fn paths(&self) -> u8 {
        self.a.info().capabilities.paths as u8
    }

    /// From now on nothing arrives, either way.
    pub(crate) fn cut(&self, handles: &[FaultHandle; 2]) {
        for handle in handles {
            (0..self.paths()).for_each(|path| handle.black_hole(path));
        }
    }

    /// The second one goes, and comes back at its address.
    pub(crate) fn restart(self, handles: &[FaultHandle; 2]) -> Self {
        let Self { a, b, peer, again } = self;
        drop(b);
        let b = again();
        handles[0].heal_all();
        Self { a, b, peer, again }
    }

    /// Until something arrives at the second one: the first one may have to find out that it is another.
    pub(crate) fn reach(&self) {
        loop {
            self.a.notify(self.peer, 0, 0).unwrap();
            let told = self.a.wait_one(PATIENCE).expect("it ends").into_transfer().unwrap();
            if told.result.is_ok() {
                break;
            }
        }
        drop(self.b.wait_one(PATIENCE).expect("a notification"));
        drop(drain(&self.b));
    }
}

impl Net {
    /// Whether a device can be opened where another one was.
    pub(crate) fn has_places(self) -> bool {
        matches!(self, Self::Loopback | Self::UdpV4 | Self::UdpV6)
    }
}

/// What there is to take.
pub(crate) fn drain(engine: &Engine) -> Vec<Completion> {
    let mut completions = Vec::new();
    engine.poll(&mut completions, usize::MAX);
    completions
}

fn at_a_place(net: Net, fabric: &Fabric, number: u64, address: Option<&str>) -> Box<dyn Device> {
    match net {
        Net::Loopback => {
            let device = fabric.device_at(number as u32, LoopbackConfig::default());
            Box::new(device.unwrap())
        }
        Net::UdpV4 => Box::new(udp(address.unwrap_or("127.0.0.1:0"))),
        _ => Box::new(udp(address.unwrap_or("[::1]:0"))),
    }
}

/// Everything is asked for at once.
fn roomy(builder: Builder) -> Builder {
    builder.max_outstanding(4096)
}
