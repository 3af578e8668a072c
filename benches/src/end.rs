//! One end: an endpoint, and the least that a driver does for it.

use usrd_proto::{
    BufferId, BufferRange, CompletionLevel, Config, Disposition, Endpoint, Event, Inbound, Instant,
    PeerId, RecvRequest, SendRequest, Service, Token, wire,
};

use crate::link::Link;

/// An endpoint whose peer number `n` is the other end's peer number `n`.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) endpoint: Endpoint,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) failed: u64,
    /// The peers whose messages have completed, one entry each.
    pub(crate) completed: Vec<PeerId>,
}

impl End {
    pub(crate) fn new(config: Config, peers: u32) -> Self {
        let mut endpoint = Endpoint::new(config).expect("a configuration that can work");
        for _ in 0..peers {
            endpoint.add_peer(Instant::ZERO).expect("room for the peers");
        }
        Self { endpoint, sent: 0, received: 0, failed: 0, completed: Vec::with_capacity(COMPLETED) }
    }

    pub(crate) fn post(&mut self, now: Instant, len: u64) {
        let request = RecvRequest { token: Token(0), buffer: BufferId(0), len };
        self.endpoint.post_recv(now, request).expect("room for receives");
    }

    pub(crate) fn send(&mut self, now: Instant, peer: PeerId, len: u64) {
        let request = SendRequest {
            token: Token(0),
            service: Service::Srd,
            range: BufferRange { buffer: BufferId(0), offset: 0, len },
            level: CompletionLevel::Acknowledged,
            immediate: None,
        };
        self.endpoint.send(now, peer, request).expect("room for messages");
    }

    /// Messages to these peers follow.
    pub(crate) fn look_ahead_to(&self, peers: impl Iterator<Item = PeerId> + Clone) {
        self.endpoint.look_ahead_to(peers, prefetch);
    }

    /// Takes in what has arrived. Placing takes no time.
    pub(crate) fn take_in(&mut self, now: Instant, link: &mut Link) {
        self.endpoint.look_ahead(link.arrived(now), prefetch);
        link.arrivals(now, |flight| {
            let head = &flight.header[..flight.header_len];
            let origin = wire::origin_locator(head).map(|_| PeerId(flight.route));
            let inbound = Inbound { head, len: flight.len, ce: flight.ce, trimmed: false, origin };
            let handled = self.endpoint.handle_datagram(now, &inbound);
            if let Disposition::Place(placement) = handled.disposition {
                self.endpoint.handle_placed(now, placement.message);
            }
        });
    }

    /// Runs timers, and sends what there is to send.
    pub(crate) fn put_out(&mut self, now: Instant, link: &mut Link) {
        while let Some(copy) = self.endpoint.poll_copy() {
            self.endpoint.handle_placed(now, copy.message);
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        while let Some(transmit) = self.endpoint.poll_transmit(now, link.next_header()) {
            link.send(now, &transmit);
        }
    }

    /// Takes the events. A completed receive is posted again with `len`.
    pub(crate) fn take_events(&mut self, now: Instant, len: u64) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::SendCompleted { peer, result, .. } => {
                    self.sent += 1;
                    self.completed.push(peer);
                    self.failed += u64::from(result.is_err());
                }
                Event::RecvCompleted { result, .. } => {
                    self.received += 1;
                    self.failed += u64::from(result.is_err());
                    self.post(now, len);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn wakes_at(&self) -> Instant {
        self.endpoint.poll_timeout().unwrap_or(Instant::NEVER)
    }
}

/// Asks for memory, as the engine's driver does.
#[cfg(target_arch = "x86_64")]
fn prefetch(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint; nothing is read.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

/// There is no stable way to ask elsewhere.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_address: *const u8) {}

/// More than complete in one turn.
const COMPLETED: usize = 1 << 10;
