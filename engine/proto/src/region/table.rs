//! The regions of one endpoint, and who is using each. Rules T1 and T2.
//!
//! A region is used by every placement into it that is under way and by every operation that still
//! reads or writes it. Revoking it makes its key worthless at once; its memory is given back when
//! the last use has ended:
//!
//! ```text
//!   live --revoke--> revoked, in use --last use ends--> released, the slot is free
//!    \_______________ revoke, not in use _______________/
//! ```

use alloc::boxed::Box;

use slab::Slab;

use super::{Access, MAX_REGION_BYTES, Refusal, RegionAddress, RegionRequest};
use crate::error::RegisterError;
use crate::ids::{BufferId, PeerId};

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Regions(Slab<Region>);

#[derive(Debug)]
struct Region {
    key: u64,
    buffer: BufferId,
    len: u64,
    access: Access,
    /// `None`: every peer that knows the key.
    peers: Option<Box<[PeerId]>>,
    uses: u32,
    revoked: bool,
}

/// Slots are 16 bits on the wire.
const MAX_REGIONS: usize = 1 << 16;

impl Regions {
    /// Enters a region under a key that nobody can have guessed.
    pub(crate) fn register(
        &mut self,
        key: u64,
        request: RegionRequest,
    ) -> Result<RegionAddress, RegisterError> {
        let RegionRequest { buffer, len, access, peers } = request;
        if self.0.len() >= MAX_REGIONS {
            return Err(RegisterError::TooMany { limit: MAX_REGIONS });
        }
        if len >= MAX_REGION_BYTES {
            return Err(RegisterError::TooLong { max_bytes: MAX_REGION_BYTES - 1 });
        }
        let region = Region { key, buffer, len, access, peers, uses: 0, revoked: false };
        Ok(RegionAddress::new(self.0.insert(region) as u16, key, 0))
    }

    /// Makes a key worthless. Returns the memory if nothing uses it; `None` if something does.
    pub(crate) fn revoke(&mut self, address: RegionAddress) -> Result<Option<BufferId>, Refusal> {
        let slot = address.slot();
        self.live(address).ok_or(Refusal::Key)?;
        let region = &mut self.0[slot.into()];
        region.revoked = true;
        Ok(self.free_if_unused(slot))
    }

    /// Where a peer's access to `len` bytes goes, if it is allowed.
    #[inline]
    pub(crate) fn check(
        &self,
        peer: PeerId,
        address: RegionAddress,
        len: u64,
        needs: Access,
    ) -> Result<BufferId, Refusal> {
        let region = self.live(address).ok_or(Refusal::Key)?;
        let allowed = region.peers.as_ref().is_none_or(|peers| peers.contains(&peer));
        if !allowed || !region.access.allows(needs) {
            return Err(Refusal::Denied);
        }
        region.within(address, len)?;
        Ok(region.buffer)
    }

    /// Whether this side may use `len` bytes of its own.
    pub(crate) fn check_local(&self, address: RegionAddress, len: u64) -> Result<(), Refusal> {
        self.live(address).ok_or(Refusal::Key)?.within(address, len)
    }

    /// The memory of a region that is in use, or live.
    #[inline]
    pub(crate) fn buffer(&self, address: RegionAddress) -> BufferId {
        self.0[address.slot().into()].buffer
    }

    /// Something begins to use a region.
    #[inline]
    pub(crate) fn hold(&mut self, slot: u16) {
        self.0[slot.into()].uses += 1;
    }

    /// A use has ended. Returns the memory if it was the last of a revoked region.
    #[inline]
    pub(crate) fn release(&mut self, slot: u16) -> Option<BufferId> {
        self.0[slot.into()].uses -= 1;
        self.free_if_unused(slot)
    }

    /// A peer is gone, and its id may come to mean another.
    pub(crate) fn forget_peer(&mut self, peer: PeerId) {
        for (_, region) in &mut self.0 {
            if let Some(peers) = &mut region.peers
                && peers.contains(&peer)
            {
                *peers = peers.iter().copied().filter(|&it| it != peer).collect();
            }
        }
    }

    /// How many there are, revoked ones that are in use included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn live(&self, address: RegionAddress) -> Option<&Region> {
        let region = self.0.get(address.slot().into())?;
        (region.key == address.key() && !region.revoked).then_some(region)
    }

    #[inline]
    fn free_if_unused(&mut self, slot: u16) -> Option<BufferId> {
        let region = &self.0[slot.into()];
        if !region.revoked || region.uses > 0 {
            return None;
        }
        Some(self.0.remove(slot.into()).buffer)
    }
}

impl Region {
    #[inline]
    fn within(&self, address: RegionAddress, len: u64) -> Result<(), Refusal> {
        let end = address.offset().checked_add(len);
        if end.is_none_or(|end| end > self.len) { Err(Refusal::Bounds) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(3);

    fn request(len: u64, access: Access) -> RegionRequest {
        RegionRequest { buffer: BufferId(9), len, access, peers: None }
    }

    #[test]
    fn key_rights_bounds_and_peer_are_checked() {
        let mut regions = Regions::default();
        let start = regions.register(77, request(100, Access::WRITE)).unwrap();
        let check = |regions: &Regions, at, len, needs| regions.check(PEER, at, len, needs);
        assert_eq!(check(&regions, start, 100, Access::WRITE), Ok(BufferId(9)));
        assert_eq!(check(&regions, start.plus(1), 100, Access::WRITE), Err(Refusal::Bounds));
        assert_eq!(check(&regions, start.plus(u64::MAX), 1, Access::WRITE), Err(Refusal::Bounds));
        assert_eq!(check(&regions, start, u64::MAX, Access::WRITE), Err(Refusal::Bounds));
        assert_eq!(check(&regions, start, 1, Access::READ), Err(Refusal::Denied));
        let forged = RegionAddress::new(start.slot(), 78, 0);
        assert_eq!(check(&regions, forged, 1, Access::WRITE), Err(Refusal::Key));
        let elsewhere = RegionAddress::new(500, 77, 0);
        assert_eq!(check(&regions, elsewhere, 1, Access::WRITE), Err(Refusal::Key));
    }

    #[test]
    fn a_region_can_be_for_some_peers_only() {
        let mut regions = Regions::default();
        let peers = Some([PeerId(1), PEER].into());
        let start =
            regions.register(1, RegionRequest { peers, ..request(8, Access::READ) }).unwrap();
        assert!(regions.check(PEER, start, 8, Access::READ).is_ok());
        assert_eq!(regions.check(PeerId(2), start, 8, Access::READ), Err(Refusal::Denied));
        regions.forget_peer(PEER);
        assert_eq!(regions.check(PEER, start, 8, Access::READ), Err(Refusal::Denied));
        assert!(regions.check(PeerId(1), start, 8, Access::READ).is_ok());
    }

    #[test]
    fn memory_comes_back_after_the_last_use() {
        let mut regions = Regions::default();
        let start = regions.register(1, request(8, Access::ALL)).unwrap();
        regions.hold(start.slot());
        regions.hold(start.slot());
        assert_eq!(regions.revoke(start), Ok(None));
        assert_eq!(regions.revoke(start), Err(Refusal::Key), "once only");
        assert_eq!(regions.check(PEER, start, 8, Access::WRITE), Err(Refusal::Key));
        assert_eq!(regions.release(start.slot()), None);
        assert_eq!(regions.release(start.slot()), Some(BufferId(9)));
        let next = regions.register(2, request(8, Access::ALL)).unwrap();
        assert_eq!(next.slot(), start.slot(), "the slot is used again, the key is not");
        assert_eq!(regions.check(PEER, start, 8, Access::WRITE), Err(Refusal::Key));
        assert_eq!(regions.revoke(next), Ok(Some(BufferId(9))));
    }
}
