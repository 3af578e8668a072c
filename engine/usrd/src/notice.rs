//! What is said to a peer's user beside messages: with a transfer, or alone.

use bytes::Bytes;

use crate::Peer;

/// What a peer's user is to be told: 64 bits, and perhaps a few bytes. It needs no receive there.
///
/// ```
/// use usrd::Notice;
///
/// let number = Notice::from(7);
/// let name = Notice::from("request 12 is here");
/// let both = Notice::from(7).with_note("request 12 is here");
/// # assert_eq!((number.note.len(), name.immediate, both.immediate), (0, 0, 7));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// 64 bits of the caller's choosing.
    pub immediate: u64,
    /// Bytes to go with them: none, or at most [`MAX_NOTE_BYTES`](crate::MAX_NOTE_BYTES).
    pub note: Bytes,
}

impl Notice {
    /// Adds bytes, at most [`MAX_NOTE_BYTES`](crate::MAX_NOTE_BYTES). They are not copied on this side.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<Bytes>) -> Self {
        self.note = note.into();
        self
    }
}

impl From<u64> for Notice {
    fn from(immediate: u64) -> Self {
        Self { immediate, note: Bytes::new() }
    }
}

/// Bytes, with an immediate of zero.
macro_rules! impl_from_bytes {
    ($($bytes:ty),+) => {$(
        impl From<$bytes> for Notice {
            fn from(note: $bytes) -> Self {
                Self::default().with_note(note)
            }
        }
    )+};
}

impl_from_bytes!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

/// A peer has said something: its transfer is in place, or it says only this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The id of its engine, as [`Builder::id`](crate::Builder::id) has set it.
    pub engine: u32,
    /// Whose it was.
    pub peer: Peer,
    /// What the peer says.
    pub immediate: u64,
    /// What else it says; empty if nothing.
    pub note: Bytes,
    /// How much was written here, in bytes; zero if the peer has read, or only says this.
    pub bytes: u64,
}
