//! Whose bytes a buffer holds is told by its number, so that every payload range says where it is from.

use usrd_proto::BufferId;

use crate::traffic::MessageId;

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A message, or the bytes of an operation on the side that asked for it.
    Message(MessageId),
    /// The list of blocks that an operation asks for.
    List(MessageId),
    /// What the destination of an operation is told besides its immediate.
    Note(MessageId),
    /// What a host exposes, under this registration.
    Region(u32),
}

impl Name {
    #[inline]
    pub(crate) const fn of(buffer: BufferId) -> Self {
        match buffer.0 {
            number if number & REGION > 0 => Self::Region(number & !REGION),
            number if number & NOTE > 0 => Self::Note(number & !NOTE),
            number if number & LIST > 0 => Self::List(number & !LIST),
            message => Self::Message(message),
        }
    }
}

pub(crate) const fn message_buffer(message: MessageId) -> BufferId {
    BufferId(message)
}

pub(crate) const fn list_buffer(message: MessageId) -> BufferId {
    BufferId(message | LIST)
}

pub(crate) const fn note_buffer(message: MessageId) -> BufferId {
    BufferId(message | NOTE)
}

pub(crate) const fn region_buffer(registration: u32) -> BufferId {
    BufferId(registration | REGION)
}

/// What the destination of an operation is told.
pub(crate) const fn immediate_of(message: MessageId) -> u64 {
    IMMEDIATE | message as u64
}

/// Of which operation this tells, if of any.
pub(crate) fn message_of_immediate(immediate: u64) -> Option<MessageId> {
    MessageId::try_from(immediate ^ IMMEDIATE).ok()
}

/// Messages are fewer than that.
const NOTE: u32 = 1 << 29;
const LIST: u32 = 1 << 30;
const REGION: u32 = 1 << 31;
/// No number that anything else has.
const IMMEDIATE: u64 = 0x1dea_0000_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_what_they_name() {
        assert_eq!(Name::of(message_buffer(7)), Name::Message(7));
        assert_eq!(Name::of(list_buffer(7)), Name::List(7));
        assert_eq!(Name::of(note_buffer(7)), Name::Note(7));
        assert_eq!(Name::of(region_buffer(7)), Name::Region(7));
        assert_eq!(message_of_immediate(immediate_of(7)), Some(7));
        assert_eq!(message_of_immediate(7), None);
    }
}
