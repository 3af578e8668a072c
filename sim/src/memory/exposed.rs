//! The regions that hosts expose, and what lies in them.

use std::collections::BTreeMap;

use usrd_proto::{AtomicOp, RegionAddress};

use super::{Areas, Spot};
use crate::traffic::MessageId;
use crate::workload::{Plan, WORD_BYTES};

/// See the module's head.
#[derive(Debug, Default)]
pub struct Exposed {
    areas: Areas,
    hosts: Vec<Exposure>,
    /// Which host each registration is of.
    registrations: Vec<u32>,
    rooms: Vec<Room>,
    /// The lists of blocks that are being asked for: where bytes are not carried, they are known.
    pub(crate) lists: BTreeMap<MessageId, Vec<u8>>,
    /// What has been read, if bytes are carried.
    pub(crate) sinks: BTreeMap<MessageId, Vec<u8>>,
}

/// What one host exposes.
#[derive(Clone, Copy, Debug, Default)]
struct Exposure {
    /// What others call it, and under which registration. They may still do so when it is revoked.
    told: Option<(RegionAddress, u32)>,
    is_live: bool,
    words: [u64; 2],
}

/// What lies in a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    /// Which operation has last written there.
    message: Option<MessageId>,
    /// How much of it has been, in bytes.
    placed: u64,
    /// The bytes, if they are carried.
    pub(crate) bytes: Vec<u8>,
}

impl Exposed {
    /// Nothing registered yet.
    pub fn new(plan: &Plan, hosts: u32, outstanding: u32) -> Self {
        let areas = Areas::new(plan, hosts, outstanding);
        Self {
            hosts: vec![Exposure::default(); hosts as usize],
            rooms: vec![Room::default(); areas.slots() as usize],
            areas,
            ..Self::default()
        }
    }

    /// Where each operation works.
    #[inline]
    pub fn areas(&self) -> &Areas {
        &self.areas
    }

    /// The number of a host's next registration, if it has something to register and has not.
    pub(crate) fn to_register(&self, host: u32) -> Option<u32> {
        let is_needed = self.areas.len_of(host) > 0 && !self.hosts[host as usize].is_live;
        is_needed.then_some(self.registrations.len() as u32)
    }

    /// A host's region is registered: everybody knows.
    pub(crate) fn registered(&mut self, host: u32, address: RegionAddress) {
        let exposure = &mut self.hosts[host as usize];
        exposure.told = Some((address, self.registrations.len() as u32));
        exposure.is_live = true;
        self.registrations.push(host);
    }

    /// What a host is to take back, if its region is registered.
    pub(crate) fn take_back(&mut self, host: u32) -> Option<(RegionAddress, u32)> {
        let exposure = &mut self.hosts[host as usize];
        exposure.told.filter(|_| std::mem::take(&mut exposure.is_live))
    }

    /// What others call a host's region.
    pub(crate) fn told(&self, host: u32) -> Option<(RegionAddress, u32)> {
        self.hosts[host as usize].told
    }

    /// Which host a registration is of.
    pub(crate) fn owner(&self, registration: u32) -> Option<u32> {
        self.registrations.get(registration as usize).copied()
    }

    /// A host has lost its memory.
    pub(crate) fn lost(&mut self, host: u32) {
        let exposure = &mut self.hosts[host as usize];
        (exposure.is_live, exposure.words) = (false, [0; 2]);
        for slot in self.areas.slots_of(host) {
            self.rooms[slot as usize] = Room::default();
        }
    }

    /// What lies in a slot.
    pub(crate) fn room(&mut self, spot: Spot) -> &mut Room {
        let number = self.areas.slot_number(spot);
        &mut self.rooms[number]
    }

    /// Performs an atomic on a host's memory; gives the value before. `None` if no word is there.
    pub(crate) fn perform(&mut self, host: u32, offset: u64, op: AtomicOp) -> Option<u64> {
        let word = offset / WORD_BYTES;
        let word = self.hosts[host as usize].words.get_mut(word as usize)?;
        let new = op.apply(*word);
        offset.is_multiple_of(WORD_BYTES).then(|| std::mem::replace(word, new))
    }
}

impl Room {
    /// So many bytes of an operation are placed; gives how many are by now.
    pub(crate) fn place(&mut self, message: MessageId, len: u64) -> u64 {
        if self.message != Some(message) {
            (self.message, self.placed) = (Some(message), 0);
        }
        self.placed += len;
        self.placed
    }

    /// Copies bytes in.
    pub(crate) fn write(&mut self, at: u64, piece: &[u8]) {
        write(&mut self.bytes, at, piece);
    }
}

/// Copies bytes into memory that grows as it has to.
pub(crate) fn write(memory: &mut Vec<u8>, at: u64, piece: &[u8]) {
    let (start, end) = (at as usize, at as usize + piece.len());
    if memory.len() < end {
        memory.resize(end, 0);
    }
    memory[start..end].copy_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;
    use crate::workload::{FlowSpec, Operation, OperationKey};

    fn exposed() -> Exposed {
        let operation = Operation { kind: OperationKey::Write, vector: 1, immediate: false };
        let (service, start) = (ServiceKey::Srd, Time::ZERO);
        let flow = FlowSpec { src: 0, dst: 1, messages: 4, size: 9, service, operation, start };
        Exposed::new(&Plan::of(&[flow]), 2, 2)
    }

    #[test]
    fn a_region_is_known_until_a_new_one_is() {
        let mut exposed = exposed();
        assert_eq!((exposed.to_register(0), exposed.to_register(1)), (None, Some(0)));
        let (first, second) = (RegionAddress::new(0, 7, 0), RegionAddress::new(0, 8, 0));
        exposed.registered(1, first);
        assert_eq!((exposed.to_register(1), exposed.told(1)), (None, Some((first, 0))));
        assert_eq!(exposed.take_back(1), Some((first, 0)));
        assert_eq!((exposed.take_back(1), exposed.told(1)), (None, Some((first, 0))));
        assert_eq!(exposed.to_register(1), Some(1));
        exposed.registered(1, second);
        assert_eq!((exposed.told(1), exposed.owner(1)), (Some((second, 1)), Some(1)));
    }

    #[test]
    fn memory_is_lost_with_its_host() {
        let mut exposed = exposed();
        let spot = exposed.areas().spot(0, 3, 0);
        assert_eq!(exposed.room(spot).place(3, 5), 5);
        assert_eq!(exposed.room(spot).place(3, 4), 9);
        assert_eq!(exposed.room(spot).place(1, 4), 4);
        assert_eq!(exposed.perform(1, 0, AtomicOp::FetchAdd(3)), Some(0));
        assert_eq!(exposed.perform(1, 0, AtomicOp::FetchAdd(3)), Some(3));
        assert_eq!(
            (
                exposed.perform(1, 4, AtomicOp::FetchAdd(3)),
                exposed.perform(1, 16, AtomicOp::FetchAdd(3))
            ),
            (None, None)
        );
        exposed.lost(1);
        assert_eq!(exposed.perform(1, 0, AtomicOp::FetchAdd(3)), Some(0));
        assert_eq!(exposed.room(spot).place(1, 4), 4);
    }
}
