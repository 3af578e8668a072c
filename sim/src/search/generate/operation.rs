//! Random operations on memory.

use super::dice::Dice;

/// What the flows of a pattern, or a listed flow, do.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) vector: u64,
    pub(super) immediate: bool,
}

impl Operation {
    /// A message, like most.
    pub(super) const SEND: Self = Self { name: "send", vector: 1, immediate: false };

    /// Nothing but an immediate.
    pub(super) const NOTIFY: Self = Self { name: "notify", vector: 1, immediate: true };

    /// Any; `is_told` if the destination has to learn of it.
    pub(super) fn draw(dice: &mut Dice, is_told: bool) -> Self {
        let name = match is_told {
            true => dice.pick(&["send", "tagged", "write"]),
            false => dice.pick(&[
                "send", "tagged", "tagged", "write", "write", "read", "read", "fadd", "cas",
                "notify",
            ]),
        };
        if matches!(name, "send" | "tagged") {
            return Self { name, vector: 1, immediate: dice.maybe() };
        }
        if name == "notify" {
            return Self::NOTIFY;
        }
        if !matches!(name, "write" | "read") {
            return Self { name, ..Self::SEND };
        }
        let vector = if dice.maybe() { dice.between(2, 100) } else { 1 };
        Self { name, vector, immediate: is_told || dice.maybe() }
    }

    /// The size that it has, if it could have this one.
    pub(super) fn size(&self, size: u64) -> u64 {
        if matches!(self.name, "fadd" | "cas" | "notify") { 8 } else { size }
    }

    /// Its keys, with `separator` after each.
    pub(super) fn keys(&self, separator: &str) -> String {
        let Self { name, vector, immediate } = self;
        format!(
            "operation = \"{name}\"{separator}vector = {vector}{separator}immediate = {immediate}{separator}"
        )
    }
}
