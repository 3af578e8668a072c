//! The memory that a driver has, and what may happen to it.

use std::collections::BTreeMap;

use usrd_proto::{
    Atomic, BounceCopy, BounceId, BufferId, Destination, MULTI_RECV_ALIGN_BYTES, Placement,
};

/// A stretch of memory with placements under way.
#[derive(Debug, Default)]
pub(crate) struct Area {
    pub(crate) bytes: Vec<u8>,
    writing: u32,
    /// The ranges of the messages that have completed in it, if several may.
    shares: Option<Vec<(usize, usize)>>,
}

impl Area {
    fn new(len: usize) -> Self {
        Self { bytes: vec![0; len], ..Self::default() }
    }
}

/// The place that a placement under way writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Posted(BufferId),
    Bounce(BounceId),
    /// A region, or the buffer of a READ.
    Memory(BufferId),
    /// Eight bytes of a region, and their value before.
    Atomic(BufferId, u64),
}

/// Posted buffers, by their number, and bounce memory.
#[derive(Debug)]
pub(crate) struct Memory {
    posted: BTreeMap<u32, Area>,
    bounces: BTreeMap<u32, Area>,
    /// Regions, and buffers of READs.
    opened: BTreeMap<u32, Area>,
    bounce_limit: u64,
}

impl Memory {
    pub(crate) fn new(bounce_limit: u64) -> Self {
        Self {
            posted: BTreeMap::new(),
            bounces: BTreeMap::new(),
            opened: BTreeMap::new(),
            bounce_limit,
        }
    }

    pub(crate) fn post(&mut self, buffer: u32, len: usize) {
        self.posted.insert(buffer, Area::new(len));
    }

    /// A buffer for several messages.
    pub(crate) fn post_shared(&mut self, buffer: u32, len: usize) {
        self.posted.insert(buffer, Area { shares: Some(Vec::new()), ..Area::new(len) });
    }

    /// What a message that is complete has of its buffer; an ordinary receive is over with it.
    pub(crate) fn received(&mut self, buffer: u32, offset: u64, len: u64) -> Area {
        let area = self.posted.get_mut(&buffer).expect("a receive that is not over");
        let Some(shares) = &mut area.shares else {
            assert_eq!(offset, 0, "the message has the buffer to itself");
            return self.take(buffer);
        };
        let (start, end) = (offset as usize, (offset + len) as usize);
        assert!(start % MULTI_RECV_ALIGN_BYTES as usize == 0, "aligned");
        let is_apart = |&(from, to): &(usize, usize)| end <= from || to <= start;
        assert!(len == 0 || shares.iter().all(is_apart), "no byte belongs to two");
        shares.push((start, end));
        Area { bytes: area.bytes[start..end].to_vec(), ..Area::default() }
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
        // What only a record was kept for has no memory here.
        let Some(area) = self.bounces.remove(&id.0) else { return };
        assert_eq!(area.writing, 0, "bounce memory is freed after its placements");
    }

    pub(crate) fn open(&mut self, buffer: u32, len: usize) {
        self.opened.insert(buffer, Area::new(len));
    }

    /// A region that the core has given back.
    pub(crate) fn close(&mut self, buffer: u32) {
        let area = self.opened.remove(&buffer).expect("a region is released once");
        assert_eq!(area.writing, 0, "a region is released after its placements");
    }

    /// The buffer of an operation that is over, if it had one.
    pub(crate) fn abandon(&mut self, buffer: u32) {
        if let Some(area) = self.opened.remove(&buffer) {
            assert_eq!(area.writing, 0, "a READ ends after its placements");
        }
    }

    /// The bytes of a region that is still there.
    pub(crate) fn opened(&self, buffer: u32) -> &[u8] {
        &self.opened.get(&buffer).expect("a region that was not given back").bytes
    }

    pub(crate) fn bounced(&self, id: BounceId, len: u64) -> &[u8] {
        let area = self.bounces.get(&id.0).expect("bounce memory that was not freed");
        assert_eq!(area.writing, 0, "a list is read once it is whole");
        &area.bytes[..len as usize]
    }

    /// Performs an atomic. Returns the value before.
    pub(crate) fn atomic(&mut self, atomic: &Atomic) -> u64 {
        let area = self.opened.get_mut(&atomic.buffer.0).expect("a region not given back");
        area.writing += 1;
        let bytes = &mut area.bytes[atomic.offset as usize..][..8];
        let old = u64::from_ne_bytes((*bytes).try_into().expect("eight bytes"));
        bytes.copy_from_slice(&atomic.op.apply(old).to_ne_bytes());
        old
    }

    /// Begins a placement: its bytes are written, and it is not done yet.
    pub(crate) fn place(&mut self, placement: &Placement, payload: &[u8]) -> Place {
        let (place, area) = match placement.destination {
            Destination::Posted(buffer) => {
                let area = self.posted.get_mut(&buffer.0);
                (Place::Posted(buffer), area.expect("the buffer is posted"))
            }
            Destination::Memory(buffer) => {
                let area = self.opened.get_mut(&buffer.0);
                (Place::Memory(buffer), area.expect("memory that was not given back"))
            }
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
        let start = copy.offset as usize;
        assert!(start + bytes.len() <= to.bytes.len(), "inside the buffer");
        to.bytes[start..start + bytes.len()].copy_from_slice(&bytes);
        to.writing += 1;
        Place::Posted(copy.buffer)
    }

    pub(crate) fn done(&mut self, place: Place) {
        let area = match place {
            Place::Posted(buffer) => self.posted.get_mut(&buffer.0),
            Place::Bounce(id) => self.bounces.get_mut(&id.0),
            Place::Memory(buffer) | Place::Atomic(buffer, _) => self.opened.get_mut(&buffer.0),
        };
        area.expect("memory outlives what is written to it").writing -= 1;
    }

    /// To be asked once the driver has heard what was freed.
    pub(crate) fn check_bounces(&self) {
        let used: usize = self.bounces.values().map(|area| area.bytes.len()).sum();
        assert!(used as u64 <= self.bounce_limit, "{used} bytes of bounce memory");
    }
}
