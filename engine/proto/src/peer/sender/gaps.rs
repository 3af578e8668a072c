//! Packets that later ones on their path have overtaken. Rules L1 and L2.
//!
//! Two things make a loss: the path has delivered something later, and the receiver has said since
//! that this PSN is missing. The first alone proves nothing: the ACK that would have reported the
//! arrival may itself be late or lost, and an ACK says nothing about PSNs outside its blocks.

use super::Sender;
use crate::psn::Psn;
use crate::shared::Shared;
use crate::time::Instant;
use crate::wire::{AckView, MAX_ACK_BLOCKS};

/// Which PSNs an ACK says something about. Rule A3.
pub(super) struct Told {
    edge: u64,
    blocks: [u64; MAX_ACK_BLOCKS],
    count: usize,
}

impl Told {
    pub(super) fn new(cumulative: Psn, ack: AckView<'_>) -> Self {
        let edge = cumulative.block();
        let mut blocks = [0; MAX_ACK_BLOCKS];
        for (number, block) in blocks.iter_mut().zip(ack.blocks()) {
            *number = edge + u64::from(block.offset);
        }
        Self { edge, blocks, count: ack.blocks().len() }
    }

    fn about(&self, psn: Psn) -> bool {
        // Without any block there is no gap: the edge says it all. With some, the block of the edge
        // is left out only if nothing of it has arrived.
        let block = psn.block();
        self.count == 0 || block == self.edge || self.blocks[..self.count].contains(&block)
    }
}

impl Sender {
    /// Looks at the paths on which something has been overtaken, by what this ACK reports or before.
    pub(super) fn find_gaps(
        &mut self,
        now: Instant,
        cumulative: Psn,
        ack: AckView<'_>,
        shared: &mut Shared,
    ) {
        let mut paths = core::mem::take(&mut self.overtaken);
        let told = Told::new(cumulative, ack);
        let mut congested_bytes = 0;
        while let Some(path) = paths.pop_first() {
            congested_bytes += self.find_gaps_on(now, path, &told, shared);
        }
        self.react_to_loss(now, congested_bytes);
    }

    /// Returns the bytes of losses that count as congestion.
    fn find_gaps_on(&mut self, now: Instant, id: u8, told: &Told, shared: &mut Shared) -> u64 {
        let Some(path) = self.paths.get(id) else { return 0 };
        let arrived_end = path.arrived_end;
        let mut next = path.in_flight.first();
        let mut congested_bytes = 0;
        while let Some(psn) = next {
            let Some(&packet) = self.window.get(psn) else { break };
            if packet.seq >= arrived_end {
                break;
            }
            next = self.window.following(psn);
            if told.about(psn) {
                self.window.set_missing(psn);
                let later = arrived_end.since(packet.seq) - 1;
                let due = packet.sent_at.plus_nanos(self.overtaken_wait_ns(id, shared));
                if later >= u64::from(shared.config.loss.gap_packets) || now >= due {
                    congested_bytes += self.lose(psn, &packet, shared);
                    shared.stats.losses_by_path_gap += 1;
                    continue;
                }
                self.recovery.look_at(due);
            }
            self.overtaken.insert(id);
        }
        congested_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Ack, AckBlock, Address, MAX_HEADER_BYTES};

    #[test]
    fn an_ack_tells_of_its_blocks_and_of_the_edge() {
        let cumulative = Psn::new(640);
        let mut ack = Ack::new(Address::default(), cumulative.wire(), 10_000);
        let told = |ack: &Ack, psn| {
            let mut bytes = [0; MAX_HEADER_BYTES];
            let len = ack.encode(&mut bytes);
            let view = AckView::check(&bytes[..len]).expect("a valid ACK");
            Told::new(cumulative, view).about(Psn::new(psn))
        };
        assert!(told(&ack, 640) && told(&ack, 5000), "no gap: all from the edge on is missing");
        ack.push_block(AckBlock { offset: 2, bits: 1 });
        assert!(told(&ack, 640) && told(&ack, 703), "the block of the edge is empty");
        assert!(told(&ack, 770), "listed");
        assert!(!told(&ack, 704) && !told(&ack, 5000), "not listed: no information");
    }
}
