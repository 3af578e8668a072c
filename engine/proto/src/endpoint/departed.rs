//! Incarnations of peers that were removed: a late first packet of one must not make it a peer again, and
//! what it brings be taken twice. Rule O5.

use alloc::collections::VecDeque;

/// The last of them, in the order in which they were removed.
#[derive(Debug, Default)]
pub(super) struct Departed(VecDeque<u64>);

impl Departed {
    pub(super) fn remember(&mut self, incarnations: impl Iterator<Item = u64>) {
        for incarnation in incarnations {
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back(incarnation);
        }
    }

    /// Looked through only for who would open a context.
    pub(super) fn has(&self, incarnation: u64) -> bool {
        self.0.contains(&incarnation)
    }
}

/// All that can be removed while a packet is on its way, unless peers are removed by the thousand; 8 KiB.
const MOST: usize = 1_024;
