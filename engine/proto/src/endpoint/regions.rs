//! Memory is registered and taken back, and placements into it are counted. Rules T1 and T2.

use rand::RngExt;

use super::Endpoint;
use crate::boundary::{Event, InboundId};
use crate::error::RegisterError;
use crate::message::{Side, Stop};
use crate::region::{Refusal, RegionAddress, RegionRequest};
use crate::time::Instant;

impl Endpoint {
    /// Registers memory, for this side and for peers. Returns the address of its first byte, whose
    /// key is the secret that peers need.
    pub fn register(&mut self, request: RegionRequest) -> Result<RegionAddress, RegisterError> {
        let key = self.rng.random::<u64>();
        self.shared.regions.register(key, request)
    }

    /// Takes memory back: its key is worthless at once. What is being placed in it, and operations
    /// of this side that use it, are waited for; READs of peers are refused. An
    /// [`Event::RegionReleased`] follows.
    pub fn revoke(&mut self, now: Instant, region: RegionAddress) -> Result<(), Refusal> {
        let released = self.shared.regions.revoke(region)?;
        self.shared.events.extend(released.map(|buffer| Event::RegionReleased { buffer }));
        if released.is_some() {
            return Ok(());
        }
        let messages = &self.shared.messages;
        let readers: alloc::vec::Vec<u32> = messages
            .iter()
            .filter(|(_, it)| match self.shared.sides.get(it.side as usize) {
                Some(Side::Response { blocks, .. }) => blocks.uses(region.slot()),
                _ => false,
            })
            .map(|(key, _)| key as u32)
            .collect();
        for key in readers {
            let stop = Stop::Refused(Refusal::Revoked);
            self.stop_reader(now, key, stop, Refusal::Revoked);
        }
        Ok(())
    }

    /// Regions registered; with those that were revoked and are still in use.
    pub fn regions(&self) -> usize {
        self.shared.regions.len()
    }

    /// A placement into a region, or an atomic on it, is done.
    #[inline]
    pub(super) fn release_region(&mut self, slot: u32) {
        if slot != InboundId::NO_REGION {
            let released = self.shared.regions.release(slot as u16);
            self.shared.events.extend(released.map(|buffer| Event::RegionReleased { buffer }));
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// Operations of peers that are being carried out or answered.
    pub(crate) fn served(&self) -> u32 {
        self.shared.served
    }

    /// Peers of which there is more than an idle peer's record.
    pub(crate) fn active_peers(&self) -> usize {
        self.peers.active()
    }

    /// Nothing is left of any operation.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        assert_eq!(self.shared.messages.len(), 0, "messages");
        assert_eq!(self.shared.sides.len(), 0, "sides of messages");
        assert_eq!(self.shared.operations.len(), 0, "operations");
        assert_eq!(self.shared.served, 0, "operations of peers");
        assert_eq!(self.shared.withdrawals.len(), 0, "messages to be taken back");
        assert_eq!(self.inbound.len(), 0, "messages on their way in");
        assert_eq!(self.shared.pending_sends, 0, "operations of this side's");
        assert_eq!(self.shared.envelopes.len(), 0, "envelopes of tagged messages");
        assert_eq!(self.backlogged(), 0, "peers that wait for grants");
        assert_eq!(self.matcher.free_bytes(), self.shared.config.bounce_bytes, "bounce memory");
    }
}
