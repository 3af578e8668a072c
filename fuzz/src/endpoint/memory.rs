//! The memory that a driver has, and what may happen to it.

use std::collections::BTreeMap;

use usrd_proto::{BounceCopy, BounceId, BufferId, Destination, Placement};

/// A stretch of memory with placements under way.
#[derive(Debug, Default)]
pub(crate) struct Area {
    pub(crate) bytes: Vec<u8>,
    writing: u32,
}

impl Area {
    fn new(len: usize) -> Self {
        Self { bytes: vec![0; len], writing: 0 }
    }
}

/// The place that a placement under way writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Posted(BufferId),
    Bounce(BounceId),
}

/// Posted buffers, by their number, and bounce memory.
#[derive(Debug)]
pub(crate) struct Memory {
    posted: BTreeMap<u32, Area>,
    bounces: BTreeMap<u32, Area>,
    bounce_limit: u64,
}

impl Memory {
    pub(crate) fn new(bounce_limit: u64) -> Self {
        Self { posted: BTreeMap::new(), bounces: BTreeMap::new(), bounce_limit }
    }

    pub(crate) fn post(&mut self, buffer: u32, len: usize) {
        self.posted.insert(buffer, Area::new(len));
    }

    pub(crate) fn posted(&self) -> impl Iterator<Item = u32> {
        self.posted.keys().copied()
    }

    pub(crate) fn posted_count(&self) -> usize {
        self.posted.len()
    }

    /// Takes a buffer back that the core has given back.
    pub(crate) fn take(&mut self, buffer: u32) -> Area {
        let area = self.posted.remove(&buffer).expect("a receive ends once");
        assert_eq!(area.writing, 0, "a receive ends after its placements");
        area
    }

    pub(crate) fn free_bounce(&mut self, id: BounceId) {
        let area = self.bounces.remove(&id.0).expect("bounce memory is freed once");
        assert_eq!(area.writing, 0, "bounce memory is freed after its placements");
    }

    /// Begins a placement: its bytes are written, and it is not done yet.
    pub(crate) fn place(&mut self, placement: &Placement, payload: &[u8]) -> Place {
        let (place, area) = match placement.destination {
            Destination::Posted(buffer) => {
                let area = self.posted.get_mut(&buffer.0);
                (Place::Posted(buffer), area.expect("the buffer is posted"))
            }
            Destination::Memory(_) => unreachable!("no region is registered"),
            Destination::Bounce { id, total_len } => {
                assert!(total_len <= self.bounce_limit, "a message larger than the bounce pool");
                let area =
                    self.bounces.entry(id.0).or_insert_with(|| Area::new(total_len as usize));
                assert_eq!(area.bytes.len() as u64, total_len, "a message has one length");
                (Place::Bounce(id), area)
            }
        };
        assert!(placement.len <= payload.len(), "no more than has arrived");
        let end = placement.offset.checked_add(placement.len as u64).expect("an end");
        assert!(end <= area.bytes.len() as u64, "inside the buffer");
        area.bytes[placement.offset as usize..end as usize]
            .copy_from_slice(&payload[..placement.len]);
        area.writing += 1;
        place
    }

    /// Begins to copy an unexpected message to its receive.
    pub(crate) fn copy(&mut self, copy: &BounceCopy) -> Place {
        let empty = Area::default();
        let from = self.bounces.get(&copy.bounce.0).unwrap_or(&empty);
        assert_eq!(from.writing, 0, "a message is copied once it is whole");
        assert!(copy.len <= from.bytes.len() as u64, "inside the bounce memory");
        let bytes = from.bytes[..copy.len as usize].to_vec();
        let to = self.posted.get_mut(&copy.buffer.0).expect("the buffer is posted");
        assert!(bytes.len() <= to.bytes.len(), "inside the buffer");
        to.bytes[..bytes.len()].copy_from_slice(&bytes);
        to.writing += 1;
        Place::Posted(copy.buffer)
    }

    pub(crate) fn done(&mut self, place: Place) {
        let area = match place {
            Place::Posted(buffer) => self.posted.get_mut(&buffer.0),
            Place::Bounce(id) => self.bounces.get_mut(&id.0),
        };
        area.expect("memory outlives what is written to it").writing -= 1;
    }

    /// To be asked once the driver has heard what was freed.
    pub(crate) fn check_bounces(&self) {
        let used: usize = self.bounces.values().map(|area| area.bytes.len()).sum();
        assert!(used as u64 <= self.bounce_limit, "{used} bytes of bounce memory");
    }
}
