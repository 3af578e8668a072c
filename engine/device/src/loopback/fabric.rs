//! Who is where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::LoopbackDevice;
use super::inbox::Inbox;
use crate::{DeviceError, Waker};

/// An in-process network. Clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub struct Fabric {
    state: Arc<Mutex<State>>,
}

/// Settings of a [`LoopbackDevice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopbackConfig {
    /// How many paths, 1 to 256. They differ in nothing but their number.
    pub paths: u16,
    /// The largest datagram, header and payload.
    pub max_datagram_bytes: usize,
    /// How many datagrams can wait for a poll, and how many more can be polled but not released.
    pub receive_capacity: usize,
}

impl Default for LoopbackConfig {
    fn default() -> Self {
        Self {
            paths: DEFAULT_PATHS,
            max_datagram_bytes: DEFAULT_DATAGRAM_BYTES,
            receive_capacity: DEFAULT_RECEIVE_CAPACITY,
        }
    }
}

/// The devices that there are, by number.
#[derive(Debug, Default)]
struct State {
    inboxes: HashMap<u32, Arc<Inbox>>,
    next: u32,
}

impl Fabric {
    /// A network without devices.
    pub fn new() -> Self {
        Self::default()
    }

    /// A device at a new address.
    pub fn device(&self, config: LoopbackConfig) -> Result<LoopbackDevice, DeviceError> {
        config.validate()?;
        let number = self.lock().vacant();
        self.device_at(number, config)
    }

    /// A device at the address `loopback:<number>`, where no other is: also one that takes the
    /// place of a device that was dropped, as a process does that is started again.
    pub fn device_at(
        &self,
        number: u32,
        config: LoopbackConfig,
    ) -> Result<LoopbackDevice, DeviceError> {
        config.validate()?;
        check("number", number < MAX_DEVICES, || format!("{number} is not below {MAX_DEVICES}"))?;
        let inbox = Arc::new(Inbox::new(config.receive_capacity, Waker::new()?));
        let mut state = self.lock();
        check("number", !state.inboxes.contains_key(&number), || {
            format!("another device is at loopback:{number}; drop it first, or take another one")
        })?;
        state.inboxes.insert(number, inbox.clone());
        drop(state);
        Ok(LoopbackDevice::new(self.clone(), number, inbox, &config))
    }

    /// Where datagrams to a device go, if it exists.
    pub(super) fn inbox(&self, number: u32) -> Option<Arc<Inbox>> {
        self.lock().inboxes.get(&number).cloned()
    }

    /// Takes a device out.
    pub(super) fn remove(&self, number: u32) {
        if let Some(inbox) = self.lock().inboxes.remove(&number) {
            inbox.close();
        }
    }

    /// A panic elsewhere leaves the table as good as it was: each change is one call.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A number that no device has. It is not given out twice.
    fn vacant(&mut self) -> u32 {
        while self.inboxes.contains_key(&self.next) {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

impl LoopbackConfig {
    fn validate(&self) -> Result<(), DeviceError> {
        check("paths", (1..=MAX_PATHS).contains(&self.paths), || {
            format!("{} is outside of 1 to {MAX_PATHS}", self.paths)
        })?;
        let bytes = self.max_datagram_bytes;
        check("max_datagram_bytes", (1..=MAX_DATAGRAM_BYTES).contains(&bytes), || {
            format!("{bytes} is outside of 1 to {MAX_DATAGRAM_BYTES}")
        })?;
        check("receive_capacity", self.receive_capacity > 0, || {
            "without room nothing can arrive; use at least 1".to_owned()
        })
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

/// Numbers of devices have 24 bits, so that a number and a path fit a source.
pub(super) const MAX_DEVICES: u32 = 1 << 24;
/// A path's number has 8 bits.
const MAX_PATHS: u16 = 256;
/// As many as a UDP device has.
const DEFAULT_PATHS: u16 = 16;
/// A jumbo frame's worth, as UDP has it on the loopback interface over IPv4.
const DEFAULT_DATAGRAM_BYTES: usize = 8972;
/// As much as UDP over IPv4 carries; buffers are kept, so there has to be some limit.
const MAX_DATAGRAM_BYTES: usize = 65_507;
/// A receive ring as NICs have them.
const DEFAULT_RECEIVE_CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn addresses_are_unique_while_they_are_used() {
        let fabric = Fabric::new();
        let first = fabric.device_at(1, LoopbackConfig::default()).unwrap();
        let numbers = [0, 1].map(|_| fabric.device(LoopbackConfig::default()).unwrap());
        assert_eq!(numbers[0].local_address().as_str(), "loopback:0");
        assert_eq!(numbers[1].local_address().as_str(), "loopback:2");
        assert!(fabric.device_at(1, LoopbackConfig::default()).is_err());
        drop(first);
        fabric.device_at(1, LoopbackConfig::default()).unwrap();
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let good = LoopbackConfig::default();
        for (name, config) in [
            ("paths", LoopbackConfig { paths: 0, ..good.clone() }),
            ("paths", LoopbackConfig { paths: 257, ..good.clone() }),
            ("max_datagram_bytes", LoopbackConfig { max_datagram_bytes: 0, ..good.clone() }),
            ("receive_capacity", LoopbackConfig { receive_capacity: 0, ..good.clone() }),
        ] {
            let text = Fabric::new().device(config).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }
}
