//! Peers are closed in mid-run, at once or with time to finish, and used again afterwards.
//!
//! ```text
//!   close_peer --> hands nothing more over --> all is done ---------+--> the peer is removed --> go on,
//!                                          \--> patience is over --/                            or wait
//! ```

use std::collections::BTreeMap;

use usrd_proto::wire::MAX_HEADER_BYTES;
use usrd_proto::{HeaderBuffer, PeerId, Transmit};

use super::{Host, Transport};
use crate::check::Checker;
use crate::event::Event;
use crate::time::Time;
use crate::world::World;

/// The hosts that this one does not send to, because they are being closed or have been.
pub(super) type Closings = BTreeMap<u32, Closing>;

/// How far the closing of a peer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    /// When it is cut off, whatever is under way; `None`: it is closed.
    due: Option<Time>,
    after: After,
}

/// What follows once a peer is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is used again at once.
    GoOn,
    /// It is used again when told to.
    Wait,
}

impl<T: Transport> Host<T> {
    /// Begins to close a peer.
    pub fn close_peer(&mut self, world: &mut World, peer: u32, patience: Time, after: After) {
        if self.is_down() || self.is_paused() || self.closings.contains_key(&peer) {
            return;
        }
        let due = world.now + patience;
        self.closings.insert(peer, Closing { due: Some(due), after });
        world.queue.schedule(due, Event::CloseDue { host: self.id });
        self.turn(world);
    }

    /// Patience with a peer may be over.
    pub fn close_due(&mut self, world: &mut World) {
        self.turn(world);
    }

    /// Goes on with a peer: as soon as it is closed, if it is not yet.
    pub fn reopen_peer(&mut self, world: &mut World, peer: u32) {
        match self.closings.get_mut(&peer) {
            Some(closing) if closing.due.is_some() => closing.after = After::GoOn,
            Some(_) => {
                self.go_on_with(world, peer);
                self.turn(world);
            }
            None => {}
        }
    }

    /// Whether nothing is to be handed over to a host.
    pub(super) fn is_closing(&self, peer: u32) -> bool {
        self.closings.contains_key(&peer)
    }

    /// Closes peers that have had their time; says whether there were any.
    pub(super) fn see_closings(&mut self, world: &mut World) -> bool {
        let is_over = |(&peer, closing): (&u32, &Closing)| {
            let is_due = closing.due.is_some_and(|due| due <= world.now);
            let is_drained =
                closing.due.is_some() && world.traffic.open_between(self.id, peer) == 0;
            (is_due || is_drained).then_some((peer, closing.after))
        };
        let over: Vec<(u32, After)> = self.closings.iter().filter_map(is_over).collect();
        for &(peer, after) in &over {
            self.part(world, peer);
            match after {
                After::GoOn => self.go_on_with(world, peer),
                After::Wait => {
                    self.closings.insert(peer, Closing { due: None, after });
                }
            }
        }
        !over.is_empty()
    }

    fn go_on_with(&mut self, world: &mut World, peer: u32) {
        self.closings.remove(&peer);
        for flow in self.flows_begun(world) {
            if world.traffic.flows()[flow as usize].spec.dst == peer {
                self.hand_over(world, flow);
            }
        }
    }

    /// Ends everything with a peer, and says good-bye.
    fn part(&mut self, world: &mut World, other: u32) {
        let Some(peer) = self.peers.of(other) else { return };
        let now = self.clock.reads(world.now);
        let is_heard_of = self.transport.peer_stats(peer).is_some_and(|stats| stats.established);
        world.part(self.id, other);
        let Some(core) = self.transport.core_mut() else { return };
        core.remove_peer(now, peer);
        // While the peer still has its name.
        self.take_events(world);
        self.say_farewells(world, other);
        self.peers.unbind(other);
        self.check_parted(world, peer, other);
        if !is_heard_of {
            world.checkers.parted_unheard(self.id, other);
        }
    }

    fn say_farewells(&mut self, world: &mut World, other: u32) {
        let mut header: HeaderBuffer = [0; MAX_HEADER_BYTES];
        while let Some(core) = self.transport.core_mut()
            && let Some(Transmit { path, header_len, .. }) = core.poll_farewell(&mut header)
        {
            self.send_plain(world, other, &header[..header_len], path.0);
        }
    }

    fn check_parted(&self, world: &mut World, peer: PeerId, other: u32) {
        if self.transport.peer_stats(peer).is_some() {
            let what = format!("host {}: peer {other} was closed, and is still there", self.id);
            world.checkers.report(Checker::Closing, world.now, what);
        }
        world.parted(self.id, other);
    }
}
