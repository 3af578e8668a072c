//! Delivery reports: those that this side waits for, and those that it owes. Rule M6.

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::lazy::Lazy;

/// See the module's head. Few peers ever need it.
#[derive(Debug, Default)]
pub(super) struct Reports(Lazy<State>);

#[derive(Debug, Default)]
struct State {
    /// Keys of the messages that want a report, by their id.
    awaited: HashMap<u32, u32, FixedState>,
    /// Keys of reports to be sent.
    owed: VecDeque<u32>,
}

impl Reports {
    pub(super) fn expect(&mut self, id: u32, message: u32) {
        self.0.or_default().awaited.insert(id, message);
    }

    /// The message that a report is about, if it asked for one.
    pub(super) fn take(&mut self, id: u32) -> Option<u32> {
        self.0.get_mut()?.awaited.remove(&id)
    }

    pub(super) fn owe(&mut self, report: u32) {
        self.0.or_default().owed.push_back(report);
    }

    #[inline]
    pub(super) fn first_owed(&self) -> Option<u32> {
        self.0.get()?.owed.front().copied()
    }

    pub(super) fn pop_owed(&mut self) {
        if let Some(state) = self.0.get_mut() {
            state.owed.pop_front();
        }
    }

    pub(super) fn awaits(&self) -> bool {
        self.0.get().is_some_and(|state| !state.awaited.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|state| state.awaited.is_empty() && state.owed.is_empty())
    }

    pub(super) fn release_idle(&mut self) {
        if self.is_empty() {
            self.0.release();
        }
    }
}
