//! A host's memory that others operate on: registered, taken back, and given back.

use usrd_proto::{Access, AtomicOp, BufferId, RegionRequest};

use super::{Host, Transport};
use crate::check::Checker;
use crate::digest::Kind;
use crate::memory::{Name, region_buffer};
use crate::world::World;

/// Regions by the host's own count: those registered, less those given back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Registrations(pub(super) usize);

impl<T: Transport> Host<T> {
    /// Has its region registered from now on, if others are to operate on it.
    pub fn expose(&mut self, world: &mut World) {
        if !self.is_down() {
            self.register(world);
            self.turn(world);
        }
    }

    /// Takes its region back, if it is registered.
    pub fn revoke(&mut self, world: &mut World) {
        if self.is_down() {
            return;
        }
        let Some((address, registration)) = world.exposed.take_back(self.id) else { return };
        let now = self.clock.reads(world.now);
        let revoked = self.transport.core_mut().map(|core| core.revoke(now, address));
        if let Some(Err(refusal)) = revoked {
            let what = format!("host {}: its region cannot be taken back: {refusal}", self.id);
            world.checkers.report(Checker::Host, world.now, what);
        }
        world.checkers.revoked(registration);
        self.turn(world);
    }

    /// Regions registered and not given back, by the host's own count.
    pub fn regions(&self) -> usize {
        self.registrations.0
    }

    pub(super) fn register(&mut self, world: &mut World) {
        let Some(registration) = world.exposed.to_register(self.id) else { return };
        let Some(core) = self.transport.core_mut() else { return };
        let request = RegionRequest {
            buffer: region_buffer(registration),
            len: world.exposed.areas().len_of(self.id),
            access: Access::ALL,
            peers: None,
        };
        match core.register(request) {
            Ok(address) => {
                self.registrations.0 += 1;
                world.exposed.registered(self.id, address);
                world.checkers.registered(registration, self.id);
            }
            Err(error) => world.checkers.report(Checker::Host, world.now, error),
        }
    }

    /// A region that was taken back is the host's again.
    pub(super) fn released(&mut self, world: &mut World, buffer: BufferId) {
        let Some(left) = self.registrations.0.checked_sub(1) else {
            let what = format!("host {}: {buffer:?} is given back, and was not lent", self.id);
            return world.checkers.report(Checker::Host, world.now, what);
        };
        self.registrations.0 = left;
        if let Name::Region(registration) = Name::of(buffer) {
            world.checkers.released(world.now, registration);
        }
    }

    /// Performs an atomic on its memory; gives the value before.
    pub(super) fn perform(
        &mut self,
        world: &mut World,
        buffer: BufferId,
        offset: u64,
        op: AtomicOp,
    ) -> Option<u64> {
        let Name::Region(registration) = Name::of(buffer) else { return None };
        if world.exposed.owner(registration) != Some(self.id) {
            return None;
        }
        let old = world.exposed.perform(self.id, offset, op)?;
        world.checkers.touched(world.now, registration);
        let now = world.now;
        let performed = world.checkers.performed(now, &world.traffic, self.id, (offset, op, old));
        if let Some(message) = performed {
            world.observer.message(now, Kind::Received, self.id, message);
            world.message_received(message);
        }
        Some(old)
    }
}
