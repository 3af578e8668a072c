//! The way out: a batch is spread over the rails' queue pairs, each one's part in one chain.

use super::VerbsDevice;
use super::greeting::{GREETING, Greeting};
use super::routes::{Hop, Source, Target};
use super::sys::Outbound;
use crate::{DeviceError, Outgoing, RouteId};

/// What became of a datagram.
enum Pushed {
    /// It is on its way, or lost.
    Taken,
    /// There is no room for it now.
    Full(Hop),
}

impl VerbsDevice {
    /// [`Device::transmit`](crate::Device::transmit).
    pub(super) fn transmit_batch(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        self.collect_sent();
        let mut taken = 0;
        self.full = None;
        for outgoing in batch {
            match self.push(outgoing) {
                Ok(Pushed::Taken) => taken += 1,
                Ok(Pushed::Full(hop)) => {
                    self.full = Some(hop);
                    break;
                }
                Err(error) if taken == 0 => return Err(error),
                // Reported when it is first in the batch.
                Err(_) => break,
            }
        }
        self.rails.iter_mut().for_each(super::rail::Rail::post);
        Ok(taken)
    }

    fn push(&mut self, outgoing: &Outgoing<'_>) -> Result<Pushed, DeviceError> {
        let (bytes, max_bytes) = (outgoing.len(), self.capabilities.max_datagram_bytes);
        if bytes > max_bytes {
            return Err(DeviceError::TooLarge { bytes, max_bytes });
        }
        if self.routes.address(outgoing.route).is_none() {
            return Err(DeviceError::UnknownRoute(outgoing.route));
        }
        let hop = self.routes.hop(outgoing.path);
        let rail = &mut self.rails[hop.rail];
        let sender = &mut rail.senders[hop.sender];
        // A path that leads nowhere loses what is sent along it, as any other path may; what is above
        // notices, and takes others.
        if rail.dead || !sender.is_usable() {
            return Ok(Pushed::Taken);
        }
        if !sender.queue_pair.has_room() {
            return Ok(Pushed::Full(hop));
        }
        let Some(Target { handle, queue_pair, qkey }) =
            self.routes.target(outgoing.route, hop, outgoing.ecn_capable)
        else {
            return Ok(Pushed::Taken);
        };
        let registered = (outgoing.memory)
            .and_then(|memory| self.registry.find(hop.rail, memory, outgoing.payload));
        sender.queue_pair.push(&Outbound {
            to: handle,
            queue_pair,
            qkey,
            immediate: self.qkey,
            header: outgoing.header,
            payload: outgoing.payload,
            in_place: outgoing.memory.zip(registered),
        });
        Ok(Pushed::Taken)
    }

    pub(super) fn collect_sent(&mut self) {
        self.rails.iter_mut().for_each(super::rail::Rail::collect_sent);
    }

    /// Tells an endpoint who this one is, along every rail.
    pub(super) fn introduce(&mut self, route: RouteId) {
        let greeting = self.introduction();
        for rail in 0..self.rails.len() {
            let hop = self.routes.hop(rail as u8);
            if let Some(target) = self.routes.target(route, hop, false) {
                let sender = &mut self.rails[hop.rail].senders[hop.sender];
                greet(sender, target, self.qkey, &greeting);
            }
        }
    }

    /// Says something to the queue pair that a datagram is from.
    pub(super) fn reply(&mut self, rail: usize, to: &Source, queue_pair: u32, greeting: &Greeting) {
        if let Some(handle) = self.routes.direct(rail, to.gid) {
            let target = Target { handle, queue_pair, qkey: to.qkey };
            greet(&mut self.rails[rail].senders[0], target, self.qkey, greeting);
        }
    }

    pub(super) fn introduction(&self) -> Greeting {
        Greeting::IAm(self.address.clone())
    }
}

/// Sends a greeting, if that can be done now: who misses it will ask.
pub(super) fn greet(
    sender: &mut super::rail::Sender,
    to: Target<'_>,
    qkey: u32,
    greeting: &Greeting,
) {
    if !sender.is_usable() || !sender.queue_pair.has_room() {
        return;
    }
    sender.queue_pair.push(&Outbound {
        to: to.handle,
        queue_pair: to.queue_pair,
        qkey: to.qkey,
        immediate: qkey | GREETING,
        header: &greeting.to_bytes(),
        payload: &[],
        in_place: None,
    });
    if let Err((_, error)) = sender.queue_pair.post() {
        tracing::debug!(%error, "a greeting was not sent");
    }
}
