//! The one timer event of a host that counts.

use crate::time::Time;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Timer {
    rings_at: Time,
    generation: u32,
}

impl Default for Timer {
    fn default() -> Self {
        Self { rings_at: Time::NEVER, generation: 0 }
    }
}

impl Timer {
    /// The generation to schedule, if `due` is sooner than what is scheduled.
    pub(super) fn set(&mut self, due: Time) -> Option<u32> {
        if due >= self.rings_at {
            return None;
        }
        self.rings_at = due;
        self.generation = self.generation.wrapping_add(1);
        Some(self.generation)
    }

    /// Nothing rings any more.
    pub(super) fn cancel(&mut self) {
        self.rings_at = Time::NEVER;
        self.generation = self.generation.wrapping_add(1);
    }

    pub(super) fn rings(&mut self, generation: u32) -> bool {
        let current = generation == self.generation;
        if current {
            self.rings_at = Time::NEVER;
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_soonest_setting_rings() {
        let mut timer = Timer::default();
        let first = timer.set(Time::from_ns(10)).unwrap();
        assert_eq!(timer.set(Time::from_ns(11)), None);
        let second = timer.set(Time::from_ns(5)).unwrap();
        assert!(!timer.rings(first));
        assert!(timer.rings(second));
        assert!(timer.set(Time::from_ns(20)).is_some());
    }
}
