//! What goes wrong on a link. Each link draws from a stream of its own, once per packet and kind
//! of fault, and draws nothing for what cannot happen.

use crate::rng::{Chance, Stream};
use crate::scenario::{Direction, Faults};
use crate::time::Time;

/// How likely what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultProfile {
    loss: Chance,
    duplication: Chance,
    reorder: Chance,
    reorder_delay: Time,
}

impl FaultProfile {
    /// What the scenario says about a link: the last entry of its own, or what goes for all.
    pub fn of_link(faults: &Faults, host: u32, direction: Direction) -> Self {
        let own = faults.link.iter().rfind(|own| own.host == host && own.direction == direction);
        match own {
            Some(own) => Self {
                loss: own.loss.into(),
                duplication: own.duplication.into(),
                reorder: own.reorder.into(),
                reorder_delay: own.reorder_delay,
            },
            None => Self {
                loss: faults.loss.into(),
                duplication: faults.duplication.into(),
                reorder: faults.reorder.into(),
                reorder_delay: faults.reorder_delay,
            },
        }
    }
}

/// What happens to one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// It never arrives.
    pub(super) lost: bool,
    /// How much later than it should it arrives.
    pub(super) held_up: Time,
    /// It arrives a second time...
    pub(super) copied: bool,
    /// ...this much later than it should.
    pub(super) copy_held_up: Time,
}

/// A link's luck.
#[derive(Debug)]
pub(super) struct FaultSource {
    profile: FaultProfile,
    rng: Stream,
}

impl FaultSource {
    /// Faults drawn from `rng`.
    pub(super) fn new(profile: FaultProfile, rng: Stream) -> Self {
        Self { profile, rng }
    }

    /// Draws a packet's fate.
    #[inline]
    pub(super) fn judge(&mut self) -> Fate {
        if self.profile == FaultProfile::default() {
            return Fate::default();
        }
        let lost = self.rng.happens(self.profile.loss);
        let copied = self.rng.happens(self.profile.duplication);
        let held_up = self.delay();
        let copy_held_up = if copied { self.delay() } else { Time::ZERO };
        Fate { lost, held_up, copied, copy_held_up }
    }

    fn delay(&mut self) -> Time {
        if !self.rng.happens(self.profile.reorder) {
            return Time::ZERO;
        }
        Time::from_ps(1 + self.rng.below(self.profile.reorder_delay.as_ps()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Component;

    fn source(text: &str, host: u32) -> FaultSource {
        let faults: Faults = toml::from_str(text).unwrap();
        let profile = FaultProfile::of_link(&faults, host, Direction::Up);
        FaultSource::new(profile, Stream::new(1, Component::Faults, host))
    }

    #[test]
    fn faults_come_as_often_as_they_should() {
        let mut source =
            source("loss = 0.1\nduplication = 0.2\nreorder = 0.3\nreorder_delay = \"5us\"", 0);
        let fates: Vec<_> = (0..10_000).map(|_| source.judge()).collect();
        let count = |what: fn(&Fate) -> bool| fates.iter().filter(|fate| what(fate)).count();
        assert!((900..1_100).contains(&count(|fate| fate.lost)));
        assert!((1_850..2_150).contains(&count(|fate| fate.copied)));
        assert!((2_800..3_200).contains(&count(|fate| fate.held_up > Time::ZERO)));
        assert!(fates.iter().all(|fate| fate.held_up <= Time::from_ns(5_000)));
    }

    #[test]
    fn a_link_can_have_faults_of_its_own() {
        let text = "loss = 0\n[[link]]\nhost = 1\ndirection = \"up\"\nloss = 1.0";
        assert!(!source(text, 0).judge().lost);
        assert!(source(text, 1).judge().lost);
    }
}
