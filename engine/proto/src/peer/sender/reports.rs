//! Answers: those that this side waits for (delivery reports, and what one-sided operations bring
//! back), and those that it owes. Rules M6 and T7.

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::lazy::Lazy;

/// See the module's head. Few peers ever need it.
#[derive(Debug, Default)]
pub(super) struct Reports(Lazy<State>);

#[derive(Debug, Default)]
struct State {
    /// What waits for an answer, by the id of the message that asked.
    awaited: HashMap<u32, Awaiting, FixedState>,
    /// Keys of answers to be sent.
    owed: VecDeque<u32>,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
enum Awaiting {
    /// The message with this key, to be reported delivered.
    Message(u32),
    /// The operation with this key.
    Operation(u32),
    /// The message with this key, which was announced: to be pulled.
    Pull(u32),
}

impl Reports {
    pub(super) fn expect(&mut self, id: u32, message: u32) {
        self.0.or_default().awaited.insert(id, Awaiting::Message(message));
    }

    pub(super) fn expect_answer(&mut self, id: u32, operation: u32) {
        self.0.or_default().awaited.insert(id, Awaiting::Operation(operation));
    }

    pub(super) fn expect_pull(&mut self, id: u32, message: u32) {
        self.0.or_default().awaited.insert(id, Awaiting::Pull(message));
    }

    /// The message that a report is about, if it asked for one.
    pub(super) fn take(&mut self, id: u32) -> Option<u32> {
        let awaited = &mut self.0.get_mut()?.awaited;
        let Some(&Awaiting::Message(key)) = awaited.get(&id) else { return None };
        awaited.remove(&id);
        Some(key)
    }

    /// The message that the peer does not take, or not all of it, if one waits for an answer.
    pub(super) fn take_refused(&mut self, id: u32) -> Option<u32> {
        let awaited = &mut self.0.get_mut()?.awaited;
        let (Awaiting::Message(key) | Awaiting::Pull(key)) = *awaited.get(&id)? else {
            return None;
        };
        awaited.remove(&id);
        Some(key)
    }

    /// The operation that an answer is for.
    #[inline]
    pub(super) fn operation(&self, id: u32) -> Option<u32> {
        match *self.0.get()?.awaited.get(&id)? {
            Awaiting::Operation(key) => Some(key),
            Awaiting::Message(_) | Awaiting::Pull(_) => None,
        }
    }

    /// The message that waits to be pulled under this number.
    pub(super) fn announced(&self, id: u32) -> Option<u32> {
        match *self.0.get()?.awaited.get(&id)? {
            Awaiting::Pull(key) => Some(key),
            Awaiting::Message(_) | Awaiting::Operation(_) => None,
        }
    }

    /// Nothing waits for this answer any more.
    pub(super) fn forget(&mut self, id: u32) {
        if let Some(state) = self.0.get_mut() {
            state.awaited.remove(&id);
        }
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
}
