//! A host loses everything that it held, and comes back as a new incarnation that knows of nothing.
//! Its program goes on with the messages that it had not handed over; those under way are lost to
//! it, and may arrive or not.

use usrd_proto::{PeerFailure, SendFailure};

use super::memory::{Bounces, Receives};
use super::peers::Peers;
use super::regions::Registrations;
use super::{Host, Transport};
use crate::digest::Kind;
use crate::time::Time;
use crate::traffic::MessageId;
use crate::world::World;

impl<T: Transport> Host<T> {
    /// It is down now. `successor` is the endpoint that it will have; `comes_back` says whether it
    /// ever will.
    pub fn crash(&mut self, world: &mut World, successor: T, comes_back: bool) {
        self.downs += 1;
        self.gone |= !comes_back;
        if self.downs == 1 {
            let lost = std::mem::replace(&mut self.transport, successor);
            self.past.push(lost.stats());
            self.incarnation += 1;
            self.forget(world);
            world.exposed.lost(self.id);
            world.checkers.memory_lost(self.id);
            self.expect_again(world);
            self.give_up_messages(world);
        }
        if self.gone {
            for flow in self.flows_begun(world) {
                self.abandon(world, flow);
            }
        }
    }

    /// It is up again, unless something else keeps it down.
    pub fn restart(&mut self, world: &mut World) {
        self.downs = self.downs.saturating_sub(1);
        if self.is_down() {
            return;
        }
        world.checkers.restarted(self.id);
        self.expect_tagged_again(world);
        self.start(world);
        for flow in self.flows_begun(world) {
            self.start_flow(world, flow);
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.downs > 0 || self.gone
    }

    /// A flow from here should begin while it is down: it will, or it is lost.
    pub(super) fn miss_start(&mut self, world: &mut World, flow: u32) {
        if self.gone {
            self.abandon(world, flow);
        }
    }

    /// Everything that it knew is gone.
    fn forget(&mut self, world: &mut World) {
        for packet in self.paused.iter_mut().flat_map(std::mem::take) {
            world.fabric.packets.release(packet);
        }
        let unreceived = self.receives.unposted + self.receives.open_ahead;
        self.receives = Receives::new(self.receives.len, unreceived);
        self.peers = Peers::default();
        self.bounces = Bounces::default();
        self.registrations = Registrations::default();
        self.seen.clear();
        self.exact.clear();
        self.closings.clear();
        self.blocked = false;
        self.timer.cancel();
    }

    /// What has been delivered here and not acknowledged may come again, and needs a receive.
    fn expect_again(&mut self, world: &World) {
        let traffic = &world.traffic;
        let again = traffic.under_way(self.id).into_iter().filter(|&message| {
            let spec = traffic.spec_of(message);
            let is_message = spec.operation.kind.is_message();
            is_message && spec.dst == self.id && traffic.is_delivered(message)
        });
        self.receives.unposted += again.count() as u64;
    }

    /// What was under way from or to it is excused; what it was sending has no one to complete it.
    fn give_up_messages(&self, world: &mut World) {
        let hosts = world.fabric.network().hosts();
        world.checkers.crashed(self.id, hosts, &world.traffic);
        for message in world.traffic.under_way(self.id) {
            world.excuse(message);
            if world.traffic.spec_of(message).src == self.id && !world.traffic.is_completed(message)
            {
                self.lose(world, message);
            }
        }
    }

    /// Its sends end, though nobody tells it so.
    fn lose(&self, world: &mut World, message: MessageId) {
        let failure = Err(SendFailure::Unknown(PeerFailure::Closed));
        world.observer.message(world.now, Kind::Sent, self.id, message);
        world.checkers.sent(world.now, message, failure, true);
        world.checkers.forgotten(message);
        world.exposed.lists.remove(&message);
        world.exposed.sinks.remove(&message);
        world.message_sent(message, false);
    }

    /// The rest of a flow will never be sent.
    fn abandon(&self, world: &mut World, flow: u32) {
        while let Some(message) = world.traffic.submit(flow, u32::MAX) {
            world.checkers.submitted(&world.traffic, message);
            world.excuse(message);
            self.lose(world, message);
        }
    }

    /// Flows from here that have begun and are not all handed over.
    pub(super) fn flows_begun(&self, world: &World) -> Vec<u32> {
        let flows = (0..).zip(world.traffic.flows());
        let begun = flows.filter(|(_, flow)| {
            flow.spec.src == self.id
                && flow.began_at <= world.now
                && flow.began_at < Time::NEVER
                && flow.submitted < flow.spec.messages
        });
        begun.map(|(number, _)| number).collect()
    }
}
