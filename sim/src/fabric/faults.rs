//! What goes wrong on a link by chance. Each link draws from a stream of its own, once per packet
//! and kind of fault, and draws nothing for what cannot happen.

use std::collections::BTreeMap;

use crate::rng::{Chance, Stream};
use crate::scenario::{Burst, Odds, PacketFault};
use crate::time::Time;

/// How likely what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultProfile {
    loss: Chance,
    burst: Option<BurstChances>,
    corruption: Chance,
    duplication: Chance,
    reorder: Chance,
    reorder_delay: Time,
    jitter: Time,
}

/// Gilbert and Elliott's channel: two states, each with a loss of its own (the good state's is
/// [`FaultProfile::loss`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BurstChances {
    begin: Chance,
    end: Chance,
    loss: Chance,
}

impl FaultProfile {
    /// What the scenario says.
    pub fn new(odds: &Odds) -> Self {
        let burst = |burst: Burst| BurstChances {
            begin: burst.begin.into(),
            end: burst.end.into(),
            loss: burst.loss.into(),
        };
        Self {
            loss: odds.loss.into(),
            burst: odds.burst.map(burst),
            corruption: odds.corruption.into(),
            duplication: odds.duplication.into(),
            reorder: odds.reorder.into(),
            reorder_delay: odds.reorder_delay,
            jitter: odds.jitter,
        }
    }

    /// Whether anything can go wrong.
    pub fn is_harmless(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens to one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It never arrives.
    pub lost: bool,
    /// One bit of it is turned over, this one from its start.
    pub flipped: Option<u64>,
    /// How much later than it should it arrives, overtaken by others.
    pub held_up: Time,
    /// How much later than it should it arrives, with all behind it.
    pub jitter: Time,
    /// It arrives a second time...
    pub copied: bool,
    /// ...this much later than it should.
    pub copy_held_up: Time,
}

impl Fate {
    /// As a scenario lists it: packet `nth` of the link of this name.
    pub fn listed(&self, link: &str, nth: u64) -> PacketFault {
        let late = |time: Time| (time > Time::ZERO).then_some(time);
        PacketFault {
            link: link.to_owned(),
            nth,
            loss: self.lost,
            flip: self.flipped,
            copy: self.copied.then_some(self.copy_held_up),
            hold: late(self.held_up),
            jitter: late(self.jitter),
        }
    }

    fn of(listed: &PacketFault) -> Self {
        Self {
            lost: listed.loss,
            flipped: listed.flip,
            held_up: listed.hold.unwrap_or_default(),
            jitter: listed.jitter.unwrap_or_default(),
            copied: listed.copy.is_some(),
            copy_held_up: listed.copy.unwrap_or_default(),
        }
    }
}

/// A link's luck.
#[derive(Debug)]
pub(super) struct FaultSource {
    profile: FaultProfile,
    rng: Stream,
    in_burst: bool,
    /// Instead of chance: the fate of each packet that has one, by its number.
    script: Option<BTreeMap<u64, Fate>>,
    /// Loss by a planned fault.
    pub(super) planned_loss: Chance,
    /// Ways whose hash is below this are dead, by a planned fault.
    pub(super) black_hole: u32,
}

impl FaultSource {
    /// Faults drawn from `rng`.
    pub(super) fn new(profile: FaultProfile, rng: Stream) -> Self {
        let planned_loss = Chance::default();
        Self { profile, rng, in_burst: false, script: None, planned_loss, black_hole: 0 }
    }

    /// The same with what is listed in the place of chance.
    pub(super) fn scripted<'a>(self, packets: impl Iterator<Item = &'a PacketFault>) -> Self {
        let script = packets.map(|packet| (packet.nth, Fate::of(packet))).collect();
        Self { script: Some(script), ..self }
    }

    /// The fate of the link's `nth` packet, with this entropy and so many bits.
    pub(super) fn judge(&mut self, entropy: u32, bits: u64, nth: u64) -> Fate {
        match &self.script {
            Some(script) => script.get(&nth).copied().unwrap_or_default(),
            None => self.draw(entropy, bits),
        }
    }

    fn draw(&mut self, entropy: u32, bits: u64) -> Fate {
        let swallowed = self.swallows(entropy);
        let lost = self.loses() || swallowed;
        let profile = &self.profile;
        let flipped = self.rng.happens(profile.corruption).then(|| self.rng.below(bits));
        let copied = self.rng.happens(profile.duplication);
        let jitter = match profile.jitter {
            Time::ZERO => Time::ZERO,
            most => Time::from_ps(self.rng.below(most.as_ps() + 1)),
        };
        let held_up = self.delay();
        let copy_held_up = if copied { self.delay() } else { Time::ZERO };
        Fate { lost, flipped, held_up, jitter, copied, copy_held_up }
    }

    /// Whether packets are late without being overtaken.
    pub(super) fn has_jitter(&self) -> bool {
        self.profile.jitter > Time::ZERO
    }

    fn swallows(&self, entropy: u32) -> bool {
        // Not the bits that switches choose by: those are alike for all that come here.
        self.black_hole > 0 && crate::topology::mix(entropy.into()) < self.black_hole
    }

    fn loses(&mut self) -> bool {
        let mut lost = self.rng.happens(self.planned_loss);
        if let Some(burst) = self.profile.burst {
            let turns = if self.in_burst { burst.end } else { burst.begin };
            self.in_burst ^= self.rng.happens(turns);
            lost |= self.in_burst && self.rng.happens(burst.loss);
        }
        lost | (!self.in_burst && self.rng.happens(self.profile.loss))
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
    use crate::scenario::Faults;

    fn fates(odds: &str, count: usize) -> Vec<Fate> {
        let faults: Faults = toml::from_str(odds).unwrap();
        let rng = Stream::new(1, Component::Faults, 0);
        let mut source = FaultSource::new(FaultProfile::new(&faults.odds()), rng);
        (0..count).map(|_| source.judge(0, 512, 1)).collect()
    }

    fn count(fates: &[Fate], what: fn(&Fate) -> bool) -> usize {
        fates.iter().filter(|fate| what(fate)).count()
    }

    #[test]
    fn faults_come_as_often_as_they_should() {
        let fates = fates(
            "loss = 0.1\nduplication = 0.2\nreorder = 0.3\nreorder_delay = \"5us\"\ncorruption = 0.05",
            10_000,
        );
        assert!((900..1_100).contains(&count(&fates, |fate| fate.lost)));
        assert!((1_850..2_150).contains(&count(&fates, |fate| fate.copied)));
        assert!((2_800..3_200).contains(&count(&fates, |fate| fate.held_up > Time::ZERO)));
        assert!((430..570).contains(&count(&fates, |fate| fate.flipped.is_some())));
        assert!(fates.iter().all(|fate| fate.held_up <= Time::from_ns(5_000)));
    }

    #[test]
    fn bursts_are_bursts() {
        let text = "burst = { begin = 0.01, end = 0.1, loss = 1.0 }";
        let fates = fates(text, 100_000);
        let lost = count(&fates, |fate| fate.lost);
        // One in eleven of the time is in a burst, ten packets long on average.
        assert!((8_000..10_200).contains(&lost), "{lost}");
        let begins = fates.windows(2).filter(|pair| !pair[0].lost && pair[1].lost).count();
        assert!((lost / 12..lost / 8).contains(&begins), "{begins} bursts, {lost} lost");
    }

    #[test]
    fn a_black_hole_takes_the_same_ways_again_and_again() {
        let rng = Stream::new(1, Component::Faults, 0);
        let mut source = FaultSource::new(FaultProfile::default(), rng);
        source.black_hole = u32::MAX / 4;
        let mut swallowed = |entropy| source.judge(entropy, 1, 1).lost;
        let first: Vec<_> = (0..1_000).map(&mut swallowed).collect();
        let second: Vec<_> = (0..1_000).map(&mut swallowed).collect();
        assert_eq!(first, second);
        assert!((200..300).contains(&first.iter().filter(|&&lost| lost).count()));
    }

    #[test]
    fn what_is_listed_happens_and_nothing_else() {
        let fate = Fate { lost: true, jitter: Time::from_ns(3), ..Fate::default() };
        let listed = [fate.listed("a>b", 7)];
        let odds: Faults = toml::from_str("loss = 1.0").unwrap();
        let rng = Stream::new(1, Component::Faults, 0);
        let source = FaultSource::new(FaultProfile::new(&odds.odds()), rng);
        let mut source = source.scripted(listed.iter());
        assert_eq!(source.judge(0, 1, 7), fate);
        assert_eq!(source.judge(0, 1, 8), Fate::default());
    }
}
