//! What a host runs: the protocol endpoint, seen through the calls that a driver makes. The real
//! core is one implementation, the baselines are another; [`Stack`](super::Stack) is either. No
//! virtual calls.

use usrd_proto::{
    AddPeerError, BounceCopy, Endpoint, EndpointStats, Event, Handled, HeaderBuffer, Inbound,
    InboundId, Instant, PathStats, PeerId, PeerStats, RecvError, RecvRequest, SendError,
    SendRequest, Transmit,
};

/// A transport endpoint without input, output or clock. The methods mean what they mean for
/// [`Endpoint`].
pub trait Transport {
    /// Whether each flow under way needs a peer of its own: a connection.
    fn opens_per_flow(&self) -> bool {
        false
    }
    /// The protocol core in it, for what only that can do.
    fn core(&self) -> Option<&Endpoint> {
        None
    }
    /// The same, to ask it for something.
    fn core_mut(&mut self) -> Option<&mut Endpoint> {
        None
    }
    /// A new peer.
    fn add_peer(&mut self, now: Instant) -> Result<PeerId, AddPeerError>;
    /// A message to send.
    fn send(&mut self, now: Instant, peer: PeerId, request: SendRequest) -> Result<(), SendError>;
    /// A buffer to receive into.
    fn post_recv(&mut self, now: Instant, request: RecvRequest) -> Result<(), RecvError>;
    /// A datagram has arrived.
    fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled;
    /// Payload is where it belongs.
    fn handle_placed(&mut self, now: Instant, message: InboundId);
    /// A timeout is due.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to send.
    fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit>;
    /// The next copy out of bounce memory.
    fn poll_copy(&mut self) -> Option<BounceCopy>;
    /// The next event.
    fn poll_event(&mut self) -> Option<Event>;
    /// When a timeout is due.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What it has done so far.
    fn stats(&self) -> EndpointStats;
    /// How it stands with a peer.
    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats>;
    /// What it knows of its paths to a peer.
    fn path_stats(&self, peer: PeerId) -> Vec<PathStats>;
    /// Sends not completed.
    fn pending_sends(&self) -> usize;
    /// Receives not completed.
    fn posted_receives(&self) -> usize;
}

impl Transport for Endpoint {
    #[inline]
    fn core(&self) -> Option<&Endpoint> {
        Some(self)
    }

    #[inline]
    fn core_mut(&mut self) -> Option<&mut Endpoint> {
        Some(self)
    }

    #[inline]
    fn add_peer(&mut self, now: Instant) -> Result<PeerId, AddPeerError> {
        Self::add_peer(self, now)
    }

    #[inline]
    fn send(&mut self, now: Instant, to: PeerId, what: SendRequest) -> Result<(), SendError> {
        Self::send(self, now, to, what)
    }

    #[inline]
    fn post_recv(&mut self, now: Instant, request: RecvRequest) -> Result<(), RecvError> {
        Self::post_recv(self, now, request)
    }

    #[inline]
    fn handle_datagram(&mut self, now: Instant, inbound: &Inbound<'_>) -> Handled {
        Self::handle_datagram(self, now, inbound)
    }

    #[inline]
    fn handle_placed(&mut self, now: Instant, message: InboundId) {
        Self::handle_placed(self, now, message);
    }

    #[inline]
    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }

    #[inline]
    fn poll_transmit(&mut self, now: Instant, header: &mut HeaderBuffer) -> Option<Transmit> {
        Self::poll_transmit(self, now, header)
    }

    #[inline]
    fn poll_copy(&mut self) -> Option<BounceCopy> {
        Self::poll_copy(self)
    }

    #[inline]
    fn poll_event(&mut self) -> Option<Event> {
        Self::poll_event(self)
    }

    #[inline]
    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self)
    }

    #[inline]
    fn stats(&self) -> EndpointStats {
        Self::stats(self)
    }

    #[inline]
    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        Self::peer_stats(self, peer)
    }

    fn path_stats(&self, peer: PeerId) -> Vec<PathStats> {
        Self::path_stats(self, peer).unwrap_or_default()
    }

    #[inline]
    fn pending_sends(&self) -> usize {
        Self::pending_sends(self)
    }

    #[inline]
    fn posted_receives(&self) -> usize {
        Self::posted_receives(self)
    }
}
