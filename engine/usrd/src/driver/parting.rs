//! Peers are given up: at once, or with time to finish.
//!
//! ```text
//!   close_peer --> takes no more --> drained, and a moment for the last ACKs --+--> disconnected: report
//!                                \--> deadline ------------------------------/
//! ```

use std::time::Duration;

use usrd_device::{Address, RouteId};
use usrd_proto::{Instant, PeerId};

use super::Driver;
use super::close::LINGER;
use super::commands::answer;
use crate::submission::Answer;
use crate::{CommandError, Peer, PeerReport, UpdateAddressError};

/// What [`Engine::close_peer`](crate::Engine::close_peer) answers.
pub(crate) type Parted = Result<PeerReport, CommandError>;

/// Peers that are being closed. There are few.
#[derive(Debug, Default)]
pub(super) struct Partings(Vec<Parting>);

#[derive(Debug)]
struct Parting {
    peer: Peer,
    began: Instant,
    deadline: Instant,
    /// Since when nothing has been pending.
    drained: Option<Instant>,
    answers: Vec<Answer<Parted>>,
}

impl Parting {
    fn due(&self) -> Instant {
        self.drained.map_or(self.deadline, |at| self.deadline.min(at + LINGER))
    }
}

impl Partings {
    /// When to look again, whatever else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(Parting::due).min()
    }

    fn has(&self, peer: Peer) -> bool {
        self.0.iter().any(|it| it.peer == peer)
    }
}

impl Driver {
    /// [`Engine::disconnect`](crate::Engine::disconnect), for the thread that drives.
    pub fn disconnect(&mut self, peer: Peer) -> Result<(), CommandError> {
        let id = self.routes.lookup(peer).ok_or(CommandError::UnknownPeer)?;
        self.part(id);
        Ok(())
    }

    /// [`Engine::close_peer`](crate::Engine::close_peer), for the thread that drives: drives until the
    /// peer is closed.
    pub fn close_peer(&mut self, peer: Peer, deadline: Duration) -> Parted {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.begin_parting(peer, deadline, sender);
        loop {
            match receiver.try_recv() {
                Ok(parted) => return parted,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    return Err(CommandError::Closed);
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => {
                    let _: super::Turn = self.progress();
                }
            }
        }
    }

    /// [`Engine::update_address`](crate::Engine::update_address), for the thread that drives.
    pub fn update_address(
        &mut self,
        peer: Peer,
        address: impl Into<Address>,
    ) -> Result<(), UpdateAddressError> {
        let id = self.routes.lookup(peer).ok_or(CommandError::UnknownPeer)?;
        let route = self.device.resolve(&address.into()).map_err(UpdateAddressError::Address)?;
        match self.routes.peer_at(route) {
            Some(other) if other == id => return Ok(()),
            Some(other) => {
                return Err(UpdateAddressError::Taken { peer: self.routes.handle(other) });
            }
            None => {}
        }
        self.unused_routes.extend(self.routes.rebind(route, id));
        self.endpoint.address_changed(self.now, id);
        Ok(())
    }

    /// The peer behind a handle, unless it is being closed.
    pub(super) fn open_peer(&self, peer: Peer) -> Option<PeerId> {
        self.routes.lookup(peer).filter(|_| !self.partings.has(peer))
    }

    pub(super) fn begin_parting(&mut self, peer: Peer, patience: Duration, to: Answer<Parted>) {
        if self.routes.lookup(peer).is_none() {
            return answer(&to, Err(CommandError::UnknownPeer));
        }
        let now = self.clock.now();
        let deadline = now + patience;
        match self.partings.0.iter_mut().find(|it| it.peer == peer) {
            Some(parting) => {
                parting.deadline = parting.deadline.min(deadline);
                parting.answers.push(to);
            }
            None => {
                let (began, drained, answers) = (now, None, vec![to]);
                self.partings.0.push(Parting { peer, began, deadline, drained, answers });
            }
        }
    }

    /// Looks after the peers that are being closed.
    pub(super) fn see_partings(&mut self) {
        if self.partings.0.is_empty() {
            return;
        }
        let now = self.clock.now();
        for mut parting in std::mem::take(&mut self.partings.0) {
            let Some(id) = self.routes.lookup(parting.peer) else {
                // Somebody has disconnected it meanwhile.
                let report = PeerReport { aborted: 0, elapsed: now.since(parting.began) };
                parting.answers.iter().for_each(|to| answer(to, Ok(report)));
                continue;
            };
            let pending = self.buffers.pending_with(parting.peer);
            let is_drained = pending == 0 && self.batch.is_empty();
            parting.drained = parting.drained.or(Some(now)).filter(|_| is_drained);
            if now < parting.due() {
                self.partings.0.push(parting);
                continue;
            }
            self.part(id);
            let report = PeerReport { aborted: pending, elapsed: now.since(parting.began) };
            parting.answers.iter().for_each(|to| answer(to, Ok(report)));
        }
    }

    /// Ends everything with a peer, and says good-bye if it has been heard of.
    pub(super) fn part(&mut self, id: PeerId) {
        self.endpoint.remove_peer(self.now, id);
        // While the peer still has its name and its route.
        self.publish();
        self.say_farewells();
        self.forget_peer_queue(id);
        self.unused_routes.extend(self.routes.unbind(id));
    }

    /// Nobody is at the end of this route any more, or was.
    pub(super) fn leave_route(&mut self, route: RouteId) {
        self.unused_routes.push(route);
    }

    /// Forgets peers that came by themselves and were never heard of again, or had nothing to say for
    /// long.
    pub(super) fn forget_strangers(&mut self) {
        while let Some(id) = self.parted.pop() {
            self.part(id);
        }
    }

    /// Lets the device forget routes that nobody needs: what was to be sent along them has left.
    pub(super) fn forget_routes(&mut self) {
        if self.unused_routes.is_empty() || !self.batch.is_empty() {
            return;
        }
        for route in std::mem::take(&mut self.unused_routes) {
            if self.routes.peer_at(route).is_none() {
                self.device.forget(route);
            }
        }
    }
}
