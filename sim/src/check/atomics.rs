//! Atomics: each is performed at most once, as it was asked for, and exactly once if it completes; and what
//! it is told to have found is what was there. So the words hold the sum of what was added, and no two
//! additions find the same value.

use std::collections::BTreeMap;

use usrd_proto::AtomicOp;

use crate::memory::message_of_operand;
use crate::traffic::MessageId;
use crate::workload::WORD_BYTES;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Atomics {
    /// What the words of each host have to be, by host and offset.
    words: BTreeMap<(u32, u64), u64>,
    asked: BTreeMap<MessageId, Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    op: AtomicOp,
    /// What was there before, if it has been performed.
    found: Option<u64>,
    /// Whether its end says that it never will be.
    is_void: bool,
}

impl Atomics {
    pub(super) fn asked(&mut self, message: MessageId, op: AtomicOp) {
        self.asked.insert(message, Asked { op, found: None, is_void: false });
    }

    /// A host has performed an atomic, and found `old`; says which it was.
    pub(super) fn performed(
        &mut self,
        host: u32,
        (offset, op, old): (u64, AtomicOp, u64),
    ) -> Result<MessageId, String> {
        let (AtomicOp::FetchAdd(operand) | AtomicOp::CompareSwap { new: operand, .. }) = op;
        let message = message_of_operand(operand);
        let word = self.words.entry((host, offset / WORD_BYTES)).or_default();
        let expected = std::mem::replace(word, op.apply(*word));
        let asked = message.and_then(|message| self.asked.get_mut(&message));
        let (Some(message), Some(asked)) = (message, asked) else {
            return Err(format!("host {host}: {op:?} was performed, and never asked for"));
        };
        let before = asked.found.replace(old);
        if before.is_some() || asked.is_void || asked.op != op {
            return Err(format!("message {message}: {op:?} was performed; {asked:?}, {before:?}"));
        }
        if old != expected {
            return Err(format!("message {message} found {old} where {expected} should be"));
        }
        Ok(message)
    }

    /// An atomic is complete, and its asker was told this value.
    pub(super) fn completed(&self, message: MessageId, value: u64) -> Result<(), String> {
        let found = self.asked.get(&message).and_then(|asked| asked.found);
        match found == Some(value) {
            true => Ok(()),
            false => Err(format!("message {message} was told {value}, and found {found:?}")),
        }
    }

    /// An atomic has failed in a way that says that it is not performed.
    pub(super) fn refused(&mut self, message: MessageId) -> Result<(), String> {
        let Some(asked) = self.asked.get_mut(&message) else { return Ok(()) };
        asked.is_void = true;
        match asked.found {
            Some(_) => Err(format!("message {message} was performed, and then refused")),
            None => Ok(()),
        }
    }

    /// A host has lost its memory.
    pub(super) fn lost(&mut self, host: u32) {
        self.words.retain(|&(owner, _), _| owner != host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::operand_of;

    fn add(message: MessageId) -> AtomicOp {
        AtomicOp::FetchAdd(operand_of(message))
    }

    #[test]
    fn each_is_performed_once_on_what_the_others_left() {
        let mut atomics = Atomics::default();
        for message in 0..6 {
            atomics.asked(message, add(message));
        }
        assert_eq!(atomics.performed(1, (0, add(1), 0)), Ok(1));
        assert_eq!(atomics.performed(1, (0, add(0), 2)), Ok(0));
        atomics.completed(0, 2).unwrap();
        assert!(atomics.completed(1, 2).is_err() && atomics.completed(2, 3).is_err());
        assert!(atomics.performed(1, (0, add(0), 3)).unwrap_err().contains("was performed"));
        assert!(atomics.performed(1, (0, add(2), 3)).unwrap_err().contains("4 should be"));
        assert!(atomics.performed(1, (0, add(9), 7)).unwrap_err().contains("never asked"));
        assert!(atomics.refused(2).is_err());
        atomics.refused(3).unwrap();
        assert!(atomics.performed(1, (0, add(3), 17)).is_err());
        atomics.lost(1);
        assert_eq!(atomics.performed(1, (0, add(4), 0)), Ok(4));
    }
}
