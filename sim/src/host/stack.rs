//! The transport that a scenario names: the core, or what it is compared with. One branch per call.

use usrd_proto::{
    AddPeerError, BounceCopy, Config, ConfigError, Endpoint, EndpointStats, Event, Handled,
    HeaderBuffer, Inbound, InboundId, Instant, PathStats, PeerId, PeerStats, RecvError,
    RecvRequest, SendError, SendRequest, Transmit,
};

use super::Transport;
use crate::baseline::Baseline;
use crate::scenario::Scenario;

/// See the module's head.
#[derive(Debug)]
pub enum Stack {
    /// The protocol core.
    Core(Box<Endpoint>),
    /// RC or TCP.
    Baseline(Box<Baseline>),
}

impl Stack {
    /// What a host runs, if this is the configuration of its core.
    pub fn new(scenario: &Scenario, host: u32, config: Config) -> Result<Self, ConfigError> {
        Ok(match scenario.baseline_settings() {
            Some(settings) => Self::Baseline(Box::new(Baseline::new(host, settings, config.seed))),
            None => Self::Core(Box::new(Endpoint::new(config)?)),
        })
    }
}

/// The same call to whichever it is.
macro_rules! either {
    ($stack:expr, $inner:ident => $call:expr) => {
        match $stack {
            Stack::Core($inner) => $call,
            Stack::Baseline($inner) => $call,
        }
    };
}

impl Transport for Stack {
    #[inline]
    fn core(&self) -> Option<&Endpoint> {
        match self {
            Self::Core(core) => Some(core),
            Self::Baseline(_) => None,
        }
    }

    #[inline]
    fn core_mut(&mut self) -> Option<&mut Endpoint> {
        match self {
            Self::Core(core) => Some(core),
            Self::Baseline(_) => None,
        }
    }

    fn opens_per_flow(&self) -> bool {
        either!(self, it => it.opens_per_flow())
    }

    fn add_peer(&mut self, now: Instant) -> Result<PeerId, AddPeerError> {
        either!(self, it => Transport::add_peer(&mut **it, now))
    }

    fn send(&mut self, now: Instant, to: PeerId, what: SendRequest) -> Result<(), SendError> {
        either!(self, it => Transport::send(&mut **it, now, to, what))
    }

    fn post_recv(&mut self, now: Instant, request: RecvRequest) -> Result<(), RecvError> {
        either!(self, it => Transport::post_recv(&mut **it, now, request))
    }

    #[inline]
    fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled {
        either!(self, it => Transport::handle_datagram(&mut **it, now, inbound))
    }

    #[inline]
    fn handle_placed(&mut self, now: Instant, message: InboundId) {
        either!(self, it => Transport::handle_placed(&mut **it, now, message));
    }

    #[inline]
    fn handle_timeout(&mut self, now: Instant) {
        either!(self, it => Transport::handle_timeout(&mut **it, now));
    }

    #[inline]
    fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        either!(self, it => Transport::poll_transmit(&mut **it, now, header))
    }

    #[inline]
    fn poll_copy(&mut self) -> Option<BounceCopy> {
        either!(self, it => Transport::poll_copy(&mut **it))
    }

    #[inline]
    fn poll_event(&mut self) -> Option<Event> {
        either!(self, it => Transport::poll_event(&mut **it))
    }

    #[inline]
    fn poll_timeout(&self) -> Option<Instant> {
        either!(self, it => Transport::poll_timeout(&**it))
    }

    fn stats(&self) -> EndpointStats {
        either!(self, it => Transport::stats(&**it))
    }

    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        either!(self, it => Transport::peer_stats(&**it, peer))
    }

    fn path_stats(&self, peer: PeerId) -> Vec<PathStats> {
        either!(self, it => Transport::path_stats(&**it, peer))
    }

    fn pending_sends(&self) -> usize {
        either!(self, it => Transport::pending_sends(&**it))
    }

    fn posted_receives(&self) -> usize {
        either!(self, it => Transport::posted_receives(&**it))
    }
}
