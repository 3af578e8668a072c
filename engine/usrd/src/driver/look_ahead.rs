//! Memory that a batch will need is asked for before the batch is worked through. The core says which.

use std::collections::VecDeque;

use usrd_device::Arrival;

use super::Driver;
use crate::submission::Submission;

impl Driver {
    pub(super) fn look_ahead_of_arrivals(&self, arrivals: &[Arrival]) {
        let heads = arrivals.iter().map(|arrival| self.device.bytes(arrival));
        self.endpoint.look_ahead(heads, ask_for);
    }

    /// Takes the next of at most so many submissions, from those that were taken before all of them were
    /// looked at.
    pub(super) fn next_submission(&mut self, most: usize) -> Option<Submission> {
        if self.taken.is_empty() {
            let taken = (0..most.min(LOOK_AHEAD)).map_while(|_| self.shared.take_submission());
            self.taken.extend(taken);
            let peers = self.taken.iter().filter_map(|it| it.operation.peer());
            let known = peers.filter_map(|peer| self.routes.lookup(peer));
            self.endpoint.look_ahead_to(known, ask_for);
        }
        self.taken.pop_front()
    }
}

/// Submissions that were taken from their queue, and not begun.
pub(super) type Taken = VecDeque<Submission>;

/// What is known of so many peers fits into the first levels of any cache.
const LOOK_AHEAD: usize = 32;

#[cfg(target_arch = "x86_64")]
fn ask_for(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint; nothing is read.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

/// There is no stable way to ask elsewhere.
#[cfg(not(target_arch = "x86_64"))]
fn ask_for(_address: *const u8) {}
