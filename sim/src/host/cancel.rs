//! The host's program takes operations back while they are under way.

use usrd_proto::Token;

use super::{Host, Transport};
use crate::event::Event;
use crate::rng::{Component, Stream};
use crate::time::Time;
use crate::traffic::MessageId;
use crate::world::World;

/// Which operations are taken back, and when.
#[derive(Clone, Copy, Debug)]
pub struct Cancels {
    seed: u64,
    share: f64,
    round_trip: Time,
}

impl Cancels {
    /// So many of all, within a few round trips.
    pub fn new(seed: u64, share: f64, round_trip: Time) -> Self {
        Self { seed, share, round_trip }
    }

    /// How long after it was handed over a message is taken back, if it is.
    fn after(&self, message: MessageId) -> Option<Time> {
        if self.share == 0.0 {
            return None;
        }
        let mut stream = Stream::new(self.seed, Component::Cancel, message);
        let most = self.round_trip.as_ps() * [0, 1, 2, 8][stream.below(4) as usize];
        let is_it = stream.unit() < self.share;
        is_it.then(|| Time::from_ps(stream.below(most + 1)))
    }
}

impl<T: Transport> Host<T> {
    /// A message was handed over, and perhaps will be taken back.
    pub(super) fn plan_cancel(&self, world: &mut World, message: MessageId) {
        if let Some(after) = world.options.cancels.after(message) {
            let event = Event::Cancel { host: self.id, message };
            world.queue.schedule(world.now + after, event);
        }
    }

    /// A message is taken back, unless it is over already.
    pub fn cancel(&mut self, world: &mut World, message: MessageId) {
        if self.is_down() || self.is_paused() || world.traffic.is_completed(message) {
            return;
        }
        let (now, token) = (self.clock.reads(world.now), Token(message.into()));
        let kind = world.traffic.spec_of(message).operation.kind;
        let Some(core) = self.transport.core_mut() else { return };
        let is_taken = match kind.is_one_sided() {
            true => core.cancel_transfer(now, token),
            false => core.cancel_send(now, token),
        };
        if is_taken {
            world.checkers.cancelled();
            world.excuse(message);
        }
        self.turn(world);
    }
}
