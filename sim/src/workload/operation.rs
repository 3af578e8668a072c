//! What a flow does to its destination: it sends messages, or works on memory there by itself.

use serde::Deserialize;

use super::{FlowSpec, WorkloadKind};
use crate::scenario::{Check, Scenario, ServiceKey, require};

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

    /// As a scenario says it: a notification is its immediate.
    pub(super) const fn new(kind: OperationKey, vector: u32, immediate: bool) -> Self {
        Self { kind, vector, immediate: immediate || matches!(kind, OperationKey::Notify) }
    }
}

/// An operation, as scenario files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKey {
    /// A message for a posted receive.
    #[default]
    Send,
    /// A message with a tag, for a receive that it fits.
    Tagged,
    /// Bytes go to the destination's memory.
    Write,
    /// Bytes come from the destination's memory.
    Read,
    /// A number in the destination's memory grows, and its old value comes back.
    Fadd,
    /// A number in the destination's memory is replaced, if it is what it was last seen to be.
    Cas,
    /// Nothing but an immediate, which the destination is told.
    Notify,
}

impl OperationKey {
    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Tagged => "tagged",
            Self::Write => "write",
            Self::Read => "read",
            Self::Fadd => "fadd",
            Self::Cas => "cas",
            Self::Notify => "notify",
        }
    }

    /// Whether it is a message for the next receive that the destination has posted.
    pub const fn is_message(self) -> bool {
        matches!(self, Self::Send)
    }

    /// Whether it needs no receive at its destination.
    pub const fn is_one_sided(self) -> bool {
        self.works_on_memory() || matches!(self, Self::Notify)
    }

    /// Whether it works on the destination's memory.
    pub const fn works_on_memory(self) -> bool {
        self.is_atomic() || self.is_transfer()
    }

    /// Whether all that it says is in headers, in eight bytes of them.
    pub const fn is_in_header(self) -> bool {
        self.is_atomic() || matches!(self, Self::Notify)
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

    /// How much payload each message has, in bytes.
    pub const fn payload_bytes(&self) -> u64 {
        if self.operation.kind.is_in_header() { 0 } else { self.size }
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
        !self.operation.kind.is_one_sided() || self.operation.immediate
    }
}

impl Scenario {
    /// What the pattern's flows do makes sense.
    pub(super) fn check_pattern_operation(&self) -> Check {
        let workload = &self.workload;
        let (kind, operation) = (workload.kind, workload.operation());
        let key = |name: &str| format!("workload.{name}");
        if matches!(kind, WorkloadKind::Pairs | WorkloadKind::Trace) {
            return Ok(());
        }
        let size = workload.size.map_or(0, |size| size.0);
        self.check_operation(&key, operation, size, workload.service)?;
        let name = operation.kind.name();
        let serves = operation.kind.is_message() || operation.kind.is_transfer();
        require(serves || kind != WorkloadKind::KvTransfer, "workload.operation", || {
            format!("\"{name}\" moves no blocks; there are send, write and read")
        })?;
        let told = !operation.kind.is_one_sided() || operation.immediate;
        let waits = workload.waits() && kind != WorkloadKind::KvTransfer;
        require(told || !waits, "workload.operation", || {
            format!(
                "\"{}\" waits for what arrives, and nobody learns of a \"{name}\" that has no \
                 immediate",
                kind.name()
            )
        })
    }

    /// An operation that its transport can carry, and of a size that it can have.
    pub(super) fn check_operation(
        &self,
        key: &dyn Fn(&str) -> String,
        operation: Operation,
        size: u64,
        service: ServiceKey,
    ) -> Check {
        let Operation { kind, vector, immediate } = operation;
        let name = kind.name();
        let carried = kind.is_message() || matches!(service, ServiceKey::Srd | ServiceKey::Rd);
        require(carried, &key("operation"), || {
            format!("\"{}\" has no operation \"{name}\", only srd and rd have", service.name())
        })?;
        require(vector > 0, &key("vector"), || "must be at least 1".into())?;
        require(vector == 1 || kind.is_transfer(), &key("vector"), || {
            format!("means nothing to \"{name}\"")
        })?;
        let is_ours = matches!(service, ServiceKey::Ud | ServiceKey::Srd | ServiceKey::Rd);
        let has_immediate = is_ours && !kind.is_atomic();
        require(!immediate || has_immediate, &key("immediate"), || {
            format!("means nothing to \"{name}\"")
        })?;
        require(!kind.is_in_header() || size == WORD_BYTES, &key("size"), || {
            format!("\"{name}\" has {WORD_BYTES} bytes")
        })
    }
}

/// What an atomic works on, and a notification says, in bytes.
pub const WORD_BYTES: u64 = 8;
