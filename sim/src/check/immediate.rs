//! Immediates: the destination of an operation is told of it once, when all its bytes are in place, and not
//! if the operation was refused.

use std::collections::BTreeSet;

use crate::traffic::MessageId;
use crate::workload::FlowSpec;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Immediates {
    told: BTreeSet<MessageId>,
    /// What failed in a way that lets nobody be told.
    void: BTreeSet<MessageId>,
}

impl Immediates {
    /// The host `at` was told of an operation of `from`, of so many bytes; `is_whole` if they are placed.
    pub(super) fn told(
        &mut self,
        spec: &FlowSpec,
        message: MessageId,
        (from, at, len): (u32, u32, u64),
        is_whole: bool,
    ) -> Result<(), String> {
        let expected = if spec.pulls() { 0 } else { spec.payload_bytes() };
        if !spec.operation.immediate || (from, at, len) != (spec.src, spec.dst, expected) {
            return Err(format!(
                "message {message}, {} -> {}, {expected} bytes, was told as {from} -> {at}, {len} bytes",
                spec.src, spec.dst
            ));
        }
        if !self.told.insert(message) {
            return Err(format!("message {message} was told again"));
        }
        if self.void.contains(&message) {
            return Err(format!("message {message} was told after it had been refused"));
        }
        if !is_whole {
            return Err(format!("message {message} was told before all of it was in place"));
        }
        Ok(())
    }

    /// An operation was refused: nobody may be told.
    pub(super) fn refused(&mut self, message: MessageId) -> Result<(), String> {
        self.void.insert(message);
        match self.told.contains(&message) {
            true => Err(format!("message {message} was told, and then refused")),
            false => Ok(()),
        }
    }

    /// An operation is complete, which says that its destination has been told.
    pub(super) fn promised(&self, spec: &FlowSpec, message: MessageId) -> Result<(), String> {
        match spec.operation.immediate && !self.told.contains(&message) {
            true => Err(format!("message {message} is complete, and its destination was not told")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ServiceKey;
    use crate::time::Time;
    use crate::workload::{Operation, OperationKey};

    fn spec(kind: OperationKey, immediate: bool) -> FlowSpec {
        let operation = Operation { kind, vector: 1, immediate };
        let (service, start) = (ServiceKey::Srd, Time::ZERO);
        FlowSpec { src: 0, dst: 1, messages: 9, size: 10, service, operation, start }
    }

    #[test]
    fn each_operation_is_told_once_and_truly() {
        let (write, read) = (spec(OperationKey::Write, true), spec(OperationKey::Read, true));
        let mut immediates = Immediates::default();
        assert!(immediates.promised(&write, 3).is_err());
        immediates.told(&write, 3, (0, 1, 10), true).unwrap();
        immediates.promised(&write, 3).unwrap();
        immediates.told(&read, 4, (0, 1, 0), true).unwrap();
        assert!(immediates.told(&write, 3, (0, 1, 10), true).unwrap_err().contains("again"));
        assert!(immediates.told(&write, 5, (0, 1, 10), false).unwrap_err().contains("before"));
        assert!(immediates.told(&write, 6, (0, 1, 9), true).is_err());
        assert!(immediates.told(&spec(OperationKey::Write, false), 7, (0, 1, 10), true).is_err());
        assert!(immediates.refused(3).is_err());
        immediates.refused(8).unwrap();
        assert!(immediates.told(&write, 8, (0, 1, 10), true).unwrap_err().contains("refused"));
    }
}
