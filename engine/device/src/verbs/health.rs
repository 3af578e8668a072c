//! How the device is doing: what its NICs report, what has failed, and what is mended.

use std::os::fd::AsFd;
use std::time::Duration;

use super::VerbsDevice;
use super::rail::Rail;
use super::sys::AddressHandle;
use crate::readiness::Interest;
use crate::{DeviceError, DeviceStats, Waker};

impl VerbsDevice {
    /// Now and then: what devices report, what is to be mended, and memory that nobody has any more.
    pub(super) fn look_around(&mut self) -> Result<(), DeviceError> {
        self.rails.iter_mut().for_each(|rail| {
            rail.collect_events();
            rail.mend();
        });
        self.registry.sweep();
        // What has arrived may still be asked about.
        if self.ready.is_empty() {
            self.routes.forget_unclaimed();
        }
        self.give_up_ways();
        if self.rails.iter().all(|rail| rail.dead) {
            let source = std::io::Error::other("every rail has failed; the log says why");
            return Err(DeviceError::Io { operation: "using the RDMA device", source });
        }
        Ok(())
    }

    /// Gives up the ways to ports that were forgotten, once the NICs are done with what was sent there:
    /// some look a way up as late as when they send.
    fn give_up_ways(&mut self) {
        for (rail, ways) in self.routes.ports.take_left() {
            self.left.push(Left { rail, sent: self.rails[rail].sent_so_far(), ways });
        }
        let Self { left, rails, routes, .. } = self;
        for left in left.extract_if(.., |left| rails[left.rail].is_past(&left.sent)) {
            routes.ports.give_up(left.ways);
        }
    }

    /// When to [look around](Self::look_around) at the latest.
    pub(super) fn look_again_after(&self) -> Option<Duration> {
        let mend_after = self.rails.iter().filter_map(Rail::mend_after).min();
        [mend_after, self.registry.sweep_after()].into_iter().flatten().min()
    }

    /// Leaves rails that have failed out of what is waited for: a device that is gone would always have
    /// something to say. Returns whether there is any other.
    pub(super) fn watch_rails(&mut self) -> bool {
        let alive = self.rails.iter().filter(|rail| !rail.dead).count();
        if self.interests.len() != INTERESTS_PER_RAIL * alive + 1 {
            self.interests = interests(&self.rails, &self.waker);
        }
        alive > 0
    }

    /// [`Device::stats`](crate::Device::stats).
    pub(super) fn counted(&self) -> DeviceStats {
        let count =
            |is: fn(&Rail) -> bool| self.rails.iter().filter(|&rail| is(rail)).count() as u64;
        let (mut queue_pairs_failed, mut queue_pairs_rebuilt) = (0, 0);
        for [failures, rebuilds] in self.rails.iter().map(Rail::failures_and_rebuilds) {
            queue_pairs_failed += failures;
            queue_pairs_rebuilt += rebuilds;
        }
        DeviceStats {
            held: self.routes.ports.held() as u64,
            queue_pairs_failed,
            queue_pairs_rebuilt,
            rails_failed: count(|rail| rail.dead),
            ports_down: count(|rail| !rail.dead && !rail.port.active),
            ..self.stats
        }
    }
}

/// Ways that nothing more is sent along.
#[derive(Debug)]
pub(super) struct Left {
    rail: usize,
    /// What had been sent along them at most.
    sent: Vec<u64>,
    ways: Vec<AddressHandle>,
}

/// What a wait waits for: of each rail that works, the channel and the context; then the waker.
pub(super) fn interests(rails: &[Rail], waker: &Waker) -> Vec<Interest> {
    let rails = rails.iter().filter(|rail| !rail.dead);
    let devices = rails.flat_map(|rail| -> [_; INTERESTS_PER_RAIL] {
        [rail.channel.as_fd(), rail.context.as_fd()]
    });
    devices.chain([waker.as_fd()]).map(Interest::readable).collect()
}

const INTERESTS_PER_RAIL: usize = 2;
