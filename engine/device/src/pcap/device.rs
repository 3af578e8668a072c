//! The wrapper itself.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::format::{Direction, Writer};
use super::headers::{Headers, shown};
use bytes::Bytes;

use crate::{
    Address, Arrival, Capabilities, Device, DeviceError, DeviceStats, Lendable, Loan, Outgoing,
    RouteId, SourceId, Waker,
};

/// What of the traffic is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcapConfig {
    /// How much of each packet is kept, made-up headers included. What is cut off is counted in
    /// the packet's length all the same.
    pub snap_bytes: usize,
}

impl Default for PcapConfig {
    fn default() -> Self {
        Self { snap_bytes: WHOLE_PACKETS }
    }
}

/// A device whose traffic is written to `W`, both ways.
///
/// Give it a buffered output: there is a small write for each datagram. If writing fails,
/// capturing ends, a warning is logged, [`close`](Self::close) tells why, and traffic goes on.
#[derive(Debug)]
pub struct PcapDevice<D, W> {
    inner: D,
    capture: Capture<W>,
    local: SocketAddr,
    /// Addresses to show, by route, as far as seen.
    shown: Vec<Option<SocketAddr>>,
}

/// Where packets go.
#[derive(Debug)]
enum Capture<W> {
    Running(Writer<W>),
    Failed(io::Error),
}

impl<D: Device, W: Write + Send + std::fmt::Debug> PcapDevice<D, W> {
    /// Wraps `inner` and starts the capture.
    pub fn new(inner: D, output: W, config: &PcapConfig) -> io::Result<Self> {
        let name = format!("{} {}", inner.capabilities().kind.name(), inner.local_address());
        Ok(Self {
            capture: Capture::Running(Writer::new(output, &name, config.snap_bytes)?),
            local: shown(&inner.local_address()),
            shown: Vec::new(),
            inner,
        })
    }

    /// Ends the capture: the device, and the output or what kept it from being complete.
    pub fn close(self) -> (D, io::Result<W>) {
        let output = match self.capture {
            Capture::Running(writer) => writer.finish(),
            Capture::Failed(error) => Err(error),
        };
        (self.inner, output)
    }

    fn is_running(&self) -> bool {
        matches!(self.capture, Capture::Running(_))
    }

    fn capture_outgoing(&mut self, batch: &[Outgoing<'_>]) {
        let time = since_epoch();
        for outgoing in batch {
            let to = self.shown(outgoing.route);
            let ecn = if outgoing.ecn_capable { ECT_0 } else { NOT_ECT };
            let pieces = [outgoing.header, outgoing.payload];
            let headers = Headers::new(self.local, to, ecn, pieces);
            let packet = [headers.as_bytes(), pieces[0], pieces[1]];
            self.capture.packet(time, Direction::Outbound, &packet);
        }
    }

    fn capture_arrivals(&mut self, arrivals: &[Arrival]) {
        let time = since_epoch();
        for arrival in arrivals {
            // The route to the very source, whether or not anyone will use it.
            let route = self.inner.resolve_source(arrival.source, 0);
            let from = route.map_or(UNKNOWN, |route| self.shown(route));
            let ecn = if arrival.ce { CE } else { NOT_ECT };
            let bytes = self.inner.bytes(arrival);
            let headers = Headers::new(from, self.local, ecn, [bytes, &[]]);
            let packet = [headers.as_bytes(), bytes];
            self.capture.packet(time, Direction::Inbound, &packet);
        }
    }

    fn shown(&mut self, route: RouteId) -> SocketAddr {
        let index = route.0 as usize;
        if self.shown.len() <= index {
            self.shown.resize(index + 1, None);
        }
        if self.shown[index].is_none() {
            self.shown[index] = self.inner.address_of(route).map(|address| shown(&address));
        }
        self.shown[index].unwrap_or(UNKNOWN)
    }
}

impl<W: Write> Capture<W> {
    /// Writes a packet, unless writing has failed before.
    fn packet(&mut self, time: Duration, direction: Direction, pieces: &[&[u8]]) {
        let Self::Running(writer) = self else {
            return;
        };
        if let Err(error) = writer.packet(time, direction, pieces) {
            tracing::warn!(%error, "the packet capture ends here; traffic goes on");
            *self = Self::Failed(error);
        }
    }
}

impl<D: Device, W: Write + Send + std::fmt::Debug> Device for PcapDevice<D, W> {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn local_address(&self) -> Address {
        self.inner.local_address()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        self.inner.resolve(address)
    }

    fn resolve_source(&mut self, source: SourceId, locator: u16) -> Result<RouteId, DeviceError> {
        self.inner.resolve_source(source, locator)
    }

    fn known_source(&mut self, source: SourceId, locator: u16) -> Option<RouteId> {
        self.inner.known_source(source, locator)
    }

    fn forget(&mut self, route: RouteId) {
        self.inner.forget(route);
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        self.inner.address_of(route)
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        let taken = self.inner.transmit(batch)?;
        if taken > 0 && self.is_running() {
            self.capture_outgoing(&batch[..taken]);
        }
        Ok(taken)
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        let before = arrivals.len();
        let count = self.inner.poll(arrivals)?;
        if count > 0 && self.is_running() {
            self.capture_arrivals(&arrivals[before..]);
        }
        Ok(count)
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        self.inner.bytes(arrival)
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        self.inner.release(arrivals);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        self.inner.wait(timeout)
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }

    fn pin(&mut self, memory: &Bytes) -> Result<(), DeviceError> {
        self.inner.pin(memory)
    }

    fn unpin(&mut self, memory: &[u8]) {
        self.inner.unpin(memory);
    }

    fn lend(&mut self, memory: &Lendable) -> Option<Loan> {
        self.inner.lend(memory)
    }

    fn take_back(&mut self, loan: Loan) -> bool {
        self.inner.take_back(loan)
    }

    fn has_sent_all(&mut self) -> bool {
        self.inner.has_sent_all()
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }

    fn stats(&self) -> DeviceStats {
        self.inner.stats()
    }
}

fn since_epoch() -> Duration {
    // A clock that stands before 1970 is wrong anyway.
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// More than any packet has.
const WHOLE_PACKETS: usize = 1 << 17;
/// Shown for an endpoint that nothing is known of.
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
// The two low bits of the traffic class (RFC 3168). What arrives shows no more than whether it
// was marked.
const NOT_ECT: u8 = 0b00;
const ECT_0: u8 = 0b10;
const CE: u8 = 0b11;
