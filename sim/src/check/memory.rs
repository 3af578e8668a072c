//! Memory: what a host has to set aside for messages that came before their receive stays within
//! what its endpoint was given for that, however many come.

use crate::scenario::Scenario;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Memory {
    most_bytes: u64,
}

impl Memory {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { most_bytes: scenario.core_config().bounce_bytes }
    }

    /// A host holds so many bytes of bounce buffers now.
    pub(super) fn check(&self, host: u32, held_bytes: u64) -> Result<(), String> {
        if held_bytes <= self.most_bytes {
            return Ok(());
        }
        let most = self.most_bytes;
        Err(format!("host {host} holds {held_bytes} bytes of bounce buffers; {most} are allowed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_the_scenarios() {
        let text = include_str!("../../plans/hello.toml");
        let mut scenario = Scenario::parse(text, "hello").unwrap();
        scenario.core.bounce = Some(crate::units::Bytes(1_000));
        let memory = Memory::new(&scenario);
        memory.check(0, 1_000).unwrap();
        assert!(memory.check(0, 1_001).unwrap_err().contains("1000 are allowed"));
    }
}
