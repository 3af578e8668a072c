//! Immediates: the destination of an operation is told of it once, when all its bytes are in place, and not
//! if the operation was refused. A note that comes with it is the operation's, and whole.

use std::collections::BTreeSet;

use super::{Checker, Checkers, integrity};
use crate::time::Time;
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

/// A note that a host was given.
#[derive(Clone, Copy, Debug)]
pub struct ToldNote<'a> {
    /// How long it is said to be, in bytes.
    pub len: u64,
    /// Whose was placed there.
    pub of: Option<MessageId>,
    /// How much of it was, in bytes.
    pub placed: u64,
    /// What lies there, if bytes are carried.
    pub bytes: Option<&'a [u8]>,
}

/// A note is the operation's, and whole.
fn check_note(message: MessageId, sent_len: u64, note: Option<ToldNote<'_>>) -> Result<(), String> {
    let Some(ToldNote { len, of, placed, bytes }) = note else {
        return match sent_len {
            0 => Ok(()),
            _ => Err(format!("message {message} was told without its note")),
        };
    };
    if sent_len == 0 || (len, of, placed) != (sent_len, Some(message), sent_len) {
        return Err(format!(
            "message {message} has a note of {sent_len} bytes, and was told with {len}, of which \
             {placed} were placed, of message {of:?}"
        ));
    }
    let Some(bytes) = bytes else { return Ok(()) };
    match bytes.get(..len as usize) {
        Some(bytes) => integrity::check_note(message, bytes),
        None => Err(format!("the note of message {message} is cut")),
    }
}

impl Checkers {
    /// What came with the immediate of a message whose note had `sent_len` bytes.
    pub fn told_note(
        &mut self,
        now: Time,
        message: MessageId,
        sent_len: u64,
        note: Option<ToldNote<'_>>,
    ) {
        self.log.verdict(Checker::Immediate, now, check_note(message, sent_len, note));
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
    fn a_note_is_whole_and_of_its_operation() {
        let mut sent = [0; 40];
        super::super::fill_pattern(3, super::super::NOTE_START, &mut sent);
        let note = ToldNote { len: 40, of: Some(3), placed: 40, bytes: Some(&sent) };
        check_note(3, 40, Some(note)).unwrap();
        check_note(3, 0, None).unwrap();
        assert!(check_note(3, 40, None).unwrap_err().contains("without"));
        assert!(check_note(3, 0, Some(note)).is_err());
        let wrong = [
            ToldNote { len: 39, ..note },
            ToldNote { of: Some(4), ..note },
            ToldNote { placed: 20, ..note },
            ToldNote { bytes: Some(&sent[..20]), ..note },
            ToldNote { bytes: Some(&[0; 40]), ..note },
        ];
        assert!(wrong.iter().all(|&note| check_note(3, 40, Some(note)).is_err()));
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
