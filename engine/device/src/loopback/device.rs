//! One endpoint of the in-process network.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::fabric::{Fabric, LoopbackConfig, MAX_DEVICES};
use super::inbox::Inbox;
use crate::{
    Address, Arrival, Capabilities, Device, DeviceError, DeviceKind, DeviceStats, Outgoing,
    RouteId, Slot, SourceId, Waker,
};

/// A device of a [`Fabric`], addressed `loopback:<number>`. It is gone when it is dropped.
#[derive(Debug)]
pub struct LoopbackDevice {
    fabric: Fabric,
    number: u32,
    capabilities: Capabilities,
    inbox: Arc<Inbox>,
    routes: Vec<Route>,
    known: HashMap<u32, RouteId>,
    /// Polled datagrams, by slot; `None` is a free slot.
    held: Vec<Option<Vec<u8>>>,
    free: Vec<Slot>,
    /// Datagrams for nobody.
    unroutable: u64,
}

/// The way to one device.
#[derive(Debug)]
struct Route {
    number: u32,
    /// Its inbox when last looked up.
    inbox: Option<Arc<Inbox>>,
}

impl LoopbackDevice {
    pub(super) fn new(
        fabric: Fabric,
        number: u32,
        inbox: Arc<Inbox>,
        config: &LoopbackConfig,
    ) -> Self {
        let capacity = inbox.capacity();
        Self {
            fabric,
            number,
            capabilities: Capabilities {
                kind: DeviceKind::Loopback,
                max_datagram_bytes: config.max_datagram_bytes,
                paths: config.paths,
                ecn: false,
                transmit_offload: None,
                bundles: false,
                receive_offload: false,
                receive_capacity_bytes: capacity * config.max_datagram_bytes,
                locator: 0,
                link: None,
            },
            inbox,
            routes: Vec::new(),
            known: HashMap::new(),
            held: vec![None; capacity],
            free: (0..capacity as u32).rev().map(Slot).collect(),
            unroutable: 0,
        }
    }

    /// How many datagrams to this device were dropped because its queue was full.
    pub fn dropped_datagrams(&self) -> u64 {
        self.inbox.dropped()
    }

    fn route_to(&mut self, number: u32) -> RouteId {
        *self.known.entry(number).or_insert_with(|| {
            let inbox = None;
            self.routes.push(Route { number, inbox });
            RouteId(self.routes.len() as u32 - 1)
        })
    }

    fn check(&self, outgoing: &Outgoing<'_>) -> Result<(), DeviceError> {
        let (bytes, max_bytes) = (outgoing.len(), self.capabilities.max_datagram_bytes);
        if bytes > max_bytes {
            return Err(DeviceError::TooLarge { bytes, max_bytes });
        }
        Ok(())
    }

    fn source(&self, outgoing: &Outgoing<'_>) -> SourceId {
        let path = u32::from(u16::from(outgoing.path) % self.capabilities.paths);
        SourceId(self.number << PATH_BITS | path)
    }
}

impl Route {
    /// Where the other device takes datagrams now, if it exists. Locks only to look anew.
    fn inbox(&mut self, fabric: &Fabric) -> Option<&Inbox> {
        if self.inbox.as_ref().is_none_or(|inbox| inbox.is_closed()) {
            self.inbox = fabric.inbox(self.number);
        }
        self.inbox.as_deref()
    }
}

impl Device for LoopbackDevice {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn local_address(&self) -> Address {
        address(self.number)
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        let number = (address.as_str().strip_prefix(PREFIX))
            .and_then(|number| number.parse().ok())
            .filter(|&number| number < MAX_DEVICES);
        let number = number.ok_or_else(|| DeviceError::BadAddress {
            address: address.clone(),
            expected: "loopback:NUMBER, such as loopback:3",
        })?;
        Ok(self.route_to(number))
    }

    fn resolve_source(&mut self, source: SourceId, _locator: u16) -> Result<RouteId, DeviceError> {
        Ok(self.route_to(source.0 >> PATH_BITS))
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        let route = self.routes.get(route.0 as usize)?;
        Some(address(route.number))
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        for (index, outgoing) in batch.iter().enumerate() {
            match self.check(outgoing) {
                // Reported when it is first in the batch.
                Err(_) if index > 0 => return Ok(index),
                result => result?,
            }
            let source = self.source(outgoing);
            let route = self.routes.get_mut(outgoing.route.0 as usize);
            let Some(inbox) = route.and_then(|route| route.inbox(&self.fabric)) else {
                self.unroutable += 1;
                continue;
            };
            inbox.deliver(source, outgoing);
            // The last of a run to the same device wakes it for all of them.
            if batch.get(index + 1).is_none_or(|next| next.route != outgoing.route) {
                inbox.ring();
            }
        }
        Ok(batch.len())
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        let mut count = 0;
        while count < POLL_BATCH
            && let Some(&slot) = self.free.last()
            && let Some(parcel) = self.inbox.take()
        {
            self.free.pop();
            arrivals.push(Arrival {
                slot,
                offset: 0,
                len: parcel.bytes.len() as u32,
                source: parcel.source,
                ce: false,
            });
            self.held[slot.0 as usize] = Some(parcel.bytes);
            count += 1;
        }
        Ok(count)
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        let held = self.held.get(arrival.slot.0 as usize);
        held.and_then(|held| held.as_deref()).unwrap_or_default()
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            let held = self.held.get_mut(arrival.slot.0 as usize);
            let bytes = held.and_then(Option::take);
            debug_assert!(bytes.is_some(), "{:?} is released once too often", arrival.slot);
            if let Some(bytes) = bytes {
                self.inbox.restock(bytes);
                self.free.push(arrival.slot);
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        self.inbox.sleep(timeout)
    }

    fn waker(&self) -> Waker {
        self.inbox.waker().clone()
    }

    fn stats(&self) -> DeviceStats {
        DeviceStats { unroutable: self.unroutable, ..DeviceStats::default() }
    }
}

impl Drop for LoopbackDevice {
    fn drop(&mut self) {
        self.fabric.remove(self.number);
    }
}

fn address(number: u32) -> Address {
    Address::new(format!("{PREFIX}{number}"))
}

const PREFIX: &str = "loopback:";
/// A source is a device's number and below it the path.
const PATH_BITS: u32 = 8;
/// Arrivals per poll: enough to spread the cost of a turn, few enough to stay in the cache.
const POLL_BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn say<'a>(route: RouteId, payload: &'a [u8]) -> Outgoing<'a> {
        Outgoing { route, path: 0, ecn_capable: false, header: &[], payload, memory: None }
    }

    #[test]
    fn an_overrun_queue_drops_the_newest() {
        let fabric = Fabric::new();
        let config = LoopbackConfig { receive_capacity: 2, ..LoopbackConfig::default() };
        let mut a = fabric.device(config.clone()).unwrap();
        let mut b = fabric.device(config).unwrap();
        let route = a.resolve(&b.local_address()).unwrap();
        let batch = [say(route, b"1"), say(route, b"2"), say(route, b"3")];
        assert_eq!(a.transmit(&batch).unwrap(), 3);
        let mut arrivals = Vec::new();
        assert_eq!(b.poll(&mut arrivals).unwrap(), 2);
        assert_eq!(b.dropped_datagrams(), 1);
    }

    #[test]
    fn a_device_that_comes_back_is_found_again() {
        let fabric = Fabric::new();
        let mut a = fabric.device(LoopbackConfig::default()).unwrap();
        let route = a.resolve(&"loopback:7".into()).unwrap();
        let mut arrivals = Vec::new();
        assert_eq!(a.transmit(&[say(route, b"to nobody")]).unwrap(), 1);
        for life in [b"1", b"2"] {
            let mut b = fabric.device_at(7, LoopbackConfig::default()).unwrap();
            assert_eq!(a.transmit(&[say(route, life)]).unwrap(), 1);
            arrivals.clear();
            assert_eq!(b.poll(&mut arrivals).unwrap(), 1);
            assert_eq!(b.bytes(&arrivals[0]), life);
        }
        assert_eq!(a.transmit(&[say(route, b"to nobody")]).unwrap(), 1);
    }
}
