//! Where in its destination's region each operation works.
//!
//! ```text
//!   region of a host   | words | flow 3: slot 0 | slot 1 | flow 7: slot 0 | slot 1 | slot 2 |
//! ```
//! The operations of a flow take its slots in turn, so that WRITEs come back to a slot as soon as the
//! last one there is complete. A READ has a slot of its own, with contents that never change. Atomics
//! of all flows work on the same words.

use crate::traffic::MessageId;
use crate::workload::{FlowSpec, OperationKey, Plan, WORD_BYTES};

use super::Scatter;

/// See the module's head. Without any such operation it is empty.
#[derive(Clone, Debug, Default)]
pub struct Areas {
    of_flow: Vec<Area>,
    /// The flows with an area at each host, in order.
    at_host: Vec<Vec<u32>>,
    /// How long each host's region is, in bytes; 0: it needs none.
    lengths: Vec<u64>,
    slots: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Area {
    base: u64,
    /// Bytes of a slot.
    room: u64,
    slots: u32,
    /// The number of the first of its slots, over all hosts.
    first_slot: u32,
}

/// A place in a host's region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Of which flow.
    pub flow: u32,
    /// Which of its slots.
    pub slot: u32,
    /// Where in it, in bytes.
    pub at: u64,
}

impl Areas {
    /// For flows of which `outstanding` operations may be under way at a time.
    pub fn new(plan: &Plan, hosts: u32, outstanding: u32) -> Self {
        if !plan.flows.iter().any(|flow| flow.operation.kind.works_on_memory()) {
            return Self::default();
        }
        let mut areas = Self {
            of_flow: vec![Area::default(); plan.flows.len()],
            at_host: vec![Vec::new(); hosts as usize],
            lengths: vec![0; hosts as usize],
            slots: 0,
        };
        for (number, spec) in (0..).zip(&plan.flows) {
            areas.add(number, spec, outstanding);
        }
        areas
    }

    fn add(&mut self, number: u32, spec: &FlowSpec, outstanding: u32) {
        if !spec.operation.kind.works_on_memory() {
            return;
        }
        let len = &mut self.lengths[spec.dst as usize];
        *len = (*len).max(WORDS_BYTES);
        if !spec.operation.kind.is_transfer() {
            return;
        }
        let room = Scatter::new(spec, 0).room().next_multiple_of(WORD_BYTES);
        let slots = if spec.pulls() { spec.messages } else { outstanding.min(spec.messages) };
        self.of_flow[number as usize] = Area { base: *len, room, slots, first_slot: self.slots };
        self.slots += slots;
        *len = len.saturating_add(room.saturating_mul(slots.into()));
        self.at_host[spec.dst as usize].push(number);
    }

    /// Whether every region can be as long as it has to be.
    pub fn fit(&self) -> bool {
        self.lengths.iter().all(|&len| len < usrd_proto::region::MAX_REGION_BYTES)
    }

    /// How long a host's region is, in bytes; 0: it has none.
    pub fn len_of(&self, host: u32) -> u64 {
        self.lengths.get(host as usize).copied().unwrap_or(0)
    }

    /// Slots at all hosts.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The numbers of a host's slots.
    pub fn slots_of(&self, host: u32) -> impl Iterator<Item = u32> + '_ {
        let flows = self.at_host.get(host as usize).into_iter().flatten();
        flows.flat_map(|&flow| {
            let area = self.of_flow[flow as usize];
            (area.first_slot..).take(area.slots as usize)
        })
    }

    /// Where byte `at` of the room of a flow's operation lies.
    #[inline]
    pub fn spot(&self, flow: u32, index: u32, at: u64) -> Spot {
        let slots = self.of_flow.get(flow as usize).map_or(1, |area| area.slots.max(1));
        Spot { flow, slot: index % slots, at }
    }

    /// Where in the region that is, in bytes.
    pub fn offset(&self, spot: Spot) -> u64 {
        let area = &self.of_flow[spot.flow as usize];
        area.base + u64::from(spot.slot) * area.room + spot.at
    }

    /// The number of a spot's slot, over all hosts.
    pub fn slot_number(&self, spot: Spot) -> usize {
        (self.of_flow[spot.flow as usize].first_slot + spot.slot) as usize
    }

    /// What lies at an offset of a host's region; `None` if no slot does.
    pub fn find(&self, host: u32, offset: u64) -> Option<Spot> {
        let flows = self.at_host.get(host as usize)?;
        let after = flows.partition_point(|&flow| self.of_flow[flow as usize].base <= offset);
        let flow = flows[after.checked_sub(1)?];
        let area = &self.of_flow[flow as usize];
        let slot = (offset - area.base) / area.room;
        let is_inside = slot < area.slots.into();
        let at = (offset - area.base) % area.room;
        is_inside.then_some(Spot { flow, slot: slot as u32, at })
    }

    /// Where in the region the atomics of a kind work.
    pub const fn word(kind: OperationKey) -> u64 {
        match kind {
            OperationKey::Cas => WORD_BYTES,
            _ => 0,
        }
    }
}

/// An atomic says by its operand which one it is: 0 is nobody's.
pub(crate) const fn operand_of(message: MessageId) -> u64 {
    message as u64 + 1
}

/// Which atomic has this operand.
pub(crate) fn message_of_operand(operand: u64) -> Option<MessageId> {
    MessageId::try_from(operand.checked_sub(1)?).ok()
}

/// One to add to, one to replace.
const WORDS_BYTES: u64 = 2 * WORD_BYTES;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;
    use crate::workload::Operation;

    fn flow(dst: u32, kind: OperationKey, messages: u32, size: u64) -> FlowSpec {
        let operation = Operation { kind, vector: 1, immediate: false };
        let (service, start) = (ServiceKey::Srd, Time::ZERO);
        FlowSpec { src: 0, dst, messages, size, service, operation, start }
    }

    #[test]
    fn operations_find_their_slots_and_the_other_way_round() {
        let plan = Plan::of(&[
            flow(1, OperationKey::Write, 9, 100),
            flow(1, OperationKey::Send, 9, 100),
            flow(2, OperationKey::Fadd, 9, 8),
            flow(1, OperationKey::Read, 5, 60),
        ]);
        let areas = Areas::new(&plan, 3, 4);
        assert_eq!(areas.len_of(0), 0);
        assert_eq!(areas.len_of(1), 16 + 4 * 104 + 5 * 64);
        assert_eq!(areas.len_of(2), 16);
        assert_eq!((areas.slots(), areas.slots_of(1).count()), (9, 9));
        for spot in [areas.spot(0, 8, 99), areas.spot(0, 3, 0), areas.spot(3, 4, 59)] {
            assert_eq!(areas.find(1, areas.offset(spot)), Some(spot));
        }
        assert_eq!((areas.spot(0, 8, 0).slot, areas.spot(3, 4, 0).slot), (0, 4));
        assert_eq!(areas.find(1, areas.len_of(1)), None);
        assert_eq!((areas.find(1, 8), areas.find(2, 16)), (None, None));
    }

    #[test]
    fn operands_tell_whose_they_are() {
        assert_eq!(message_of_operand(operand_of(0)), Some(0));
        assert_eq!((message_of_operand(0), message_of_operand(u64::MAX)), (None, None));
    }
}
