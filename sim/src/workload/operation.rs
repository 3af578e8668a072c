//! What a flow does to its destination: it sends messages, or works on memory there by itself.

use serde::Deserialize;

use super::FlowSpec;

/// What each of a flow's messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which operation.
    pub kind: OperationKey,
    /// In how many blocks its bytes lie, scattered over the memory of both sides.
    pub vector: u32,
    /// Whether the destination is told once all is done.
    pub immediate: bool,
}

impl Operation {
    /// A message for a posted receive.
    pub const SEND: Self = Self { kind: OperationKey::Send, vector: 1, immediate: false };
}

/// An operation, as scenario files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKey {
    /// A message for a posted receive.
    #[default]
    Send,
    /// Bytes go to the destination's memory.
    Write,
    /// Bytes come from the destination's memory.
    Read,
    /// A number in the destination's memory grows, and its old value comes back.
    Fadd,
    /// A number in the destination's memory is replaced, if it is what it was last seen to be.
    Cas,
}

impl OperationKey {
    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Write => "write",
            Self::Read => "read",
            Self::Fadd => "fadd",
            Self::Cas => "cas",
        }
    }

    /// Whether the destination posts a receive for it.
    pub const fn is_message(self) -> bool {
        matches!(self, Self::Send)
    }

    /// Whether it works on a single number.
    pub const fn is_atomic(self) -> bool {
        matches!(self, Self::Fadd | Self::Cas)
    }

    /// Whether it moves bytes between registered memory of both sides.
    pub const fn is_transfer(self) -> bool {
        matches!(self, Self::Write | Self::Read)
    }
}

impl FlowSpec {
    /// The host that payload comes from.
    pub const fn payload_from(&self) -> u32 {
        if self.pulls() { self.dst } else { self.src }
    }

    /// The host that payload goes to.
    pub const fn payload_to(&self) -> u32 {
        if self.pulls() { self.src } else { self.dst }
    }

    /// Whether payload goes the other way, from the destination to the source.
    pub const fn pulls(&self) -> bool {
        matches!(self.operation.kind, OperationKey::Read)
    }

    /// Whether the destination's program learns of it.
    pub const fn tells_destination(&self) -> bool {
        self.operation.kind.is_message() || self.operation.immediate
    }
}

/// What an atomic works on, in bytes.
pub const ATOMIC_BYTES: u64 = 8;
