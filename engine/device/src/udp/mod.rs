//! UDP sockets as a device.
//!
//! A path is a source port, because that is what a network's hash sees: so each path has a
//! socket. Socket 0, the main one, has the device's address, and everybody sends to that. The
//! others send; all that comes back to them is the rare reply to a datagram's very source, so
//! they are read now and then, and whenever a wait finds them readable.
//!
//! ```text
//!             path 0  [main :4791]  <------------------  all remotes, from all their paths
//!   transmit  path 1  [side :53211] <- - - rare - - - -
//!             path 2  [side :40117] <- - - rare - - - -
//! ```
//! On the way out, neighbouring datagrams leave as trains ([`Capabilities::transmit_offload`]);
//! on the way in, the system may join them again, and an arrival is a part of a slot.

mod config;
mod gso;
mod prefetch;
mod receive;
mod routes;
mod single;
mod slots;
mod socket;
mod train;
mod transmit;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

pub use config::{
    DEFAULT_PATHS, ETHERNET_MTU_BYTES, IPV4_OVERHEAD_BYTES, IPV6_OVERHEAD_BYTES, JUMBO_MTU_BYTES,
    MAX_PATHS, UdpConfig, default_datagram_bytes, overhead_bytes,
};

use crate::readiness::{self, Interest};
use crate::{
    Address, Arrival, Capabilities, Device, DeviceError, DeviceKind, DeviceStats, Outgoing,
    RouteId, SourceId, Waker,
};
use receive::Receiver;
use routes::Routes;
use socket::Socket;
use transmit::{OFFLOAD, Transmitter};

/// A device of UDP sockets.
#[derive(Debug)]
pub struct UdpDevice {
    capabilities: Capabilities,
    /// The main socket, then those of the other paths.
    sockets: Vec<Socket>,
    routes: Routes,
    receiver: Receiver,
    transmitter: Transmitter,
    waker: Waker,
    /// What a wait waits for: each socket, then the waker.
    interests: Vec<Interest>,
    turn: SideTurn,
}

impl UdpDevice {
    /// Binds the sockets.
    pub fn bind(config: &UdpConfig) -> Result<Self, DeviceError> {
        config.validate()?;
        let waker = Waker::new()?;
        let sockets = open_sockets(config)?;
        let receive_capacity_bytes = (sockets[0])
            .enlarge_receive_buffer(config.receive_buffer_bytes)
            .map_err(DeviceError::io("setting the receive buffer's size"))?;
        let capabilities = capabilities(config, &sockets[0], receive_capacity_bytes);
        let descriptors = sockets.iter().map(AsFd::as_fd).chain([waker.as_fd()]);
        Ok(Self {
            routes: Routes::new(config.bind.ip()),
            receiver: Receiver::new(config.receive_slots),
            transmitter: Transmitter::new(
                capabilities.max_datagram_bytes,
                capabilities.transmit_offload.is_some(),
            ),
            interests: descriptors.map(Interest::readable).collect(),
            turn: SideTurn::default(),
            waker,
            sockets,
            capabilities,
        })
    }

    /// What a device at `address` would be able to do, or why there cannot be one.
    pub fn probe(address: IpAddr) -> Result<Capabilities, DeviceError> {
        let config = UdpConfig::new(SocketAddr::new(address, 0));
        Self::bind(&config).map(|device| device.capabilities)
    }

    /// Where the device is bound.
    pub fn socket_address(&self) -> SocketAddr {
        self.sockets[0].address
    }

    fn receive_side(
        &mut self,
        index: usize,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<usize, DeviceError> {
        (self.receiver.receive_side(&self.sockets[index], arrivals))
            .map_err(DeviceError::io("receiving"))
    }
}

impl Device for UdpDevice {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn local_address(&self) -> Address {
        self.socket_address().into()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        self.routes.resolve(address)
    }

    fn resolve_source(&mut self, source: SourceId, locator: u16) -> Result<RouteId, DeviceError> {
        let mut address =
            (self.receiver.source(source)).ok_or(DeviceError::UnknownSource(source))?;
        if locator != 0 {
            address.set_port(locator);
        }
        Ok(self.routes.intern(address))
    }

    fn known_source(&mut self, source: SourceId, locator: u16) -> Option<RouteId> {
        let mut address = self.receiver.source(source)?;
        if locator != 0 {
            address.set_port(locator);
        }
        self.routes.find(address)
    }

    fn forget(&mut self, route: RouteId) {
        self.routes.forget(route);
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        self.routes.get(route).map(|route| route.address.into())
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        (self.transmitter).transmit(batch, &mut self.sockets, &self.routes)
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        self.receiver.begin();
        let mut count = (self.receiver.receive_main(&self.sockets[0], arrivals))
            .map_err(DeviceError::io("receiving"))?;
        if let Some(side) = self.turn.next(&mut self.interests[..self.sockets.len()]) {
            count += self.receive_side(side, arrivals)?;
        }
        Ok(count)
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        let start = arrival.offset as usize;
        let end = start + arrival.len as usize;
        self.receiver.slots.bytes(arrival.slot).get(start..end).unwrap_or_default()
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            self.receiver.slots.release(arrival.slot);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        for (interest, socket) in self.interests.iter_mut().zip(&self.sockets) {
            interest.set_writable(socket.full);
        }
        readiness::wait(&mut self.interests, timeout).map_err(DeviceError::io("waiting"))?;
        let woken = self.interests.last().is_some_and(Interest::is_readable);
        if woken {
            self.waker.clear();
        }
        self.turn.waited(&self.interests[..self.sockets.len()]);
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn stats(&self) -> DeviceStats {
        DeviceStats { unroutable: self.transmitter.unroutable, ..DeviceStats::default() }
    }
}

/// Whose turn it is among the side sockets.
#[derive(Debug, Default)]
struct SideTurn {
    polls: usize,
    /// The side socket read last.
    last: usize,
    /// How many that a wait has found readable are still to be read.
    readable: usize,
}

impl SideTurn {
    /// The side socket that this poll has to read, if any. `interests` are those of all sockets.
    fn next(&mut self, interests: &mut [Interest]) -> Option<usize> {
        self.polls = self.polls.wrapping_add(1);
        if self.readable > 0 {
            self.readable -= 1;
            return (1..interests.len()).find(|&index| interests[index].take_readable());
        }
        if interests.len() == 1 || !self.polls.is_multiple_of(POLLS_PER_SIDE_SOCKET) {
            return None;
        }
        self.last = self.last % (interests.len() - 1) + 1;
        Some(self.last)
    }

    /// Takes notice of what a wait has found.
    fn waited(&mut self, interests: &[Interest]) {
        self.readable = interests[1..].iter().filter(|side| side.is_readable()).count();
    }
}

/// The main socket first: where it is bound, the others go.
fn open_sockets(config: &UdpConfig) -> Result<Vec<Socket>, DeviceError> {
    let main = Socket::open(config.bind, config)?;
    let mut side = main.address;
    side.set_port(0);
    let mut sockets = vec![main];
    for _ in 1..config.paths {
        sockets.push(Socket::open(side, config)?);
    }
    Ok(sockets)
}

fn capabilities(config: &UdpConfig, main: &Socket, receive_capacity_bytes: usize) -> Capabilities {
    let transmit_offload = config.offload && main.segments_on_transmit();
    Capabilities {
        kind: DeviceKind::Udp,
        max_datagram_bytes: config.datagram_bytes(),
        paths: config.paths,
        ecn: true,
        transmit_offload: transmit_offload.then_some(OFFLOAD),
        bundles: false,
        receive_offload: config.offload && main.coalesces_on_receive(),
        receive_capacity_bytes,
        locator: main.address.port(),
        link: None,
    }
}

/// So often is one side socket read: often enough that a reply to one of sixteen waits for less
/// than a thousand polls, well under a millisecond, and seldom enough to cost nothing.
const POLLS_PER_SIDE_SOCKET: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;

    fn readable(descriptor: &impl AsFd) -> Interest {
        let mut interests = [Interest::readable(descriptor.as_fd())];
        readiness::wait(&mut interests, Some(Duration::ZERO)).unwrap();
        interests[0]
    }

    #[test]
    fn side_sockets_take_turns() {
        let waker = Waker::new().unwrap();
        let mut interests = vec![readable(&waker); 4];
        let mut turn = SideTurn::default();
        let read: Vec<_> = (0..64 * 4).filter_map(|_| turn.next(&mut interests)).collect();
        assert_eq!(read, [1, 2, 3, 1]);
    }

    #[test]
    fn side_sockets_found_readable_are_read_at_once() {
        let (idle, busy) = (Waker::new().unwrap(), Waker::new().unwrap());
        busy.wake();
        let mut interests: Vec<_> = [&busy, &idle, &busy, &busy].map(readable).into();
        let mut turn = SideTurn::default();
        turn.waited(&interests);
        let read: Vec<_> = (0..4).map(|_| turn.next(&mut interests)).collect();
        assert_eq!(read, [Some(2), Some(3), None, None]);
    }

    #[test]
    fn offload_that_the_system_refuses_is_given_up_and_nothing_is_lost() {
        let config = UdpConfig::new("127.0.0.1:0".parse().unwrap());
        let mut a = UdpDevice::bind(&config).unwrap();
        let mut b = UdpDevice::bind(&config).unwrap();
        // Linux does not segment what must not have a checksum.
        a.sockets[0].disable_checksums().unwrap();
        let route = a.resolve(&b.local_address()).unwrap();
        let payload = [7; 100];
        let outgoing = Outgoing {
            route,
            path: 0,
            ecn_capable: true,
            header: &[1],
            payload: &payload,
            memory: None,
        };
        let mut arrivals = Vec::new();
        for round in 1..=2 {
            assert_eq!(a.transmit(&[outgoing; 5]).unwrap(), 5);
            while arrivals.len() < 5 * round {
                b.wait(None).unwrap();
                b.poll(&mut arrivals).unwrap();
            }
        }
        assert!(!a.transmitter.offloads());
        assert_eq!(arrivals.len(), 10);
        assert!(arrivals.iter().all(|arrival| b.bytes(arrival).len() == 101));
        let nothing = Arrival { slot: Slot(9999), ..arrivals[0] };
        assert_eq!(b.bytes(&nothing), b"");
    }
}
