//! A flow begins, and hands its messages over, so many at a time.

use usrd_proto::AddPeerError;

use super::{Host, Transport};
use crate::check::Checker;
use crate::digest::Kind;
use crate::time::Time;
use crate::workload::OperationKey;
use crate::world::World;

impl<T: Transport> Host<T> {
    /// A flow from here begins.
    pub fn start_flow(&mut self, world: &mut World, flow: u32) {
        if self.is_down() {
            return self.miss_start(world, flow);
        }
        self.hand_over(world, flow);
        self.turn(world);
    }

    /// The flow's first messages, or, where it had come to a halt, the next.
    pub(super) fn hand_over(&mut self, world: &mut World, flow: u32) {
        let to = world.traffic.flows()[flow as usize].spec.dst;
        if self.is_closing(to) {
            return;
        }
        if let Err(error) = self.connect(world.now, flow, to) {
            return world.checkers.report(Checker::Host, world.now, error);
        }
        self.submit(world, flow);
    }

    /// Sees to it that a flow has a peer to go to.
    fn connect(&mut self, now: Time, flow: u32, to: u32) -> Result<(), AddPeerError> {
        let per_flow = self.transport.opens_per_flow();
        let known = if per_flow { self.peers.reuse(flow, to) } else { self.peers.of(to).is_some() };
        if !known {
            let peer = self.transport.add_peer(self.clock.reads(now))?;
            self.peers.bind(to, peer);
            if per_flow {
                self.peers.occupy(flow, peer);
            }
        }
        Ok(())
    }

    /// Submits the flow's next messages, as many as may be under way.
    pub(super) fn submit(&mut self, world: &mut World, flow: u32) {
        let state = &world.traffic.flows()[flow as usize];
        let (spec, is_over) = (state.spec, state.completed >= state.spec.messages);
        if is_over {
            return self.peers.release(flow);
        }
        if self.is_closing(spec.dst) {
            return;
        }
        let Some(peer) = self.peers.of_flow(flow, spec.dst) else {
            return;
        };
        while let Some(message) = world.traffic.submit(flow, world.options.outstanding) {
            world.checkers.submitted(&world.traffic, message);
            world.observer.message(world.now, Kind::Submitted, self.id, message);
            let handed = match spec.operation.kind {
                OperationKey::Send => self.send(world, peer, message, &spec),
                OperationKey::Tagged => self.send_tagged(world, peer, message, &spec),
                _ => self.operate(world, peer, message, &spec),
            };
            if let Err(error) = handed {
                return world.checkers.report(Checker::Host, world.now, error);
            }
            self.plan_cancel(world, message);
        }
    }
}
