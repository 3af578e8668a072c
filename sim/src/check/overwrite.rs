//! Overwrite: what is written in a place stays until something newer is. Each slot of a region is
//! written by one operation after the other; once a newer one has begun to be placed, nothing of an older
//! one may be, however late its last copy arrives.

use crate::memory::Areas;
use crate::traffic::MessageId;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Overwrite {
    /// The newest operation that was placed in each slot, and one: 0 is none.
    newest: Vec<MessageId>,
}

impl Overwrite {
    pub(super) fn new(areas: &Areas) -> Self {
        Self { newest: vec![0; areas.slots() as usize] }
    }

    /// Something of an operation was placed in a slot. Later operations of a flow have higher numbers.
    pub(super) fn placed(&mut self, slot: usize, message: MessageId) -> Result<(), String> {
        let Some(newest) = self.newest.get_mut(slot) else {
            return Err(format!("message {message} was placed in slot {slot}, which nobody has"));
        };
        if *newest > message + 1 {
            let newer = *newest - 1;
            return Err(format!(
                "message {message} was placed over message {newer}, which is newer, in slot {slot}"
            ));
        }
        *newest = message + 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_data_may_come_to_a_slot() {
        let mut overwrite = Overwrite { newest: vec![0; 2] };
        for (slot, message) in [(0, 0), (0, 0), (1, 1), (0, 2), (0, 2)] {
            overwrite.placed(slot, message).unwrap();
        }
        assert!(overwrite.placed(0, 0).unwrap_err().contains("over message 2"));
        overwrite.placed(1, 1).unwrap();
        assert!(overwrite.placed(2, 1).is_err());
    }
}
