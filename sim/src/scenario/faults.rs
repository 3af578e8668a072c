//! The section `[faults]`: what goes wrong, by chance or at planned times.

use serde::{Deserialize, Serialize};

use super::load::Fault;
use super::{PacketFault, Scenario};
use crate::rng::Chance;
use crate::time::Time;
use crate::topology::{LinkId, Network, Node};
use crate::units::{Probability, Rate};

/// A table with the odds among its keys. (Serde can take the keys of one struct into another, but
/// then knows no line, and refuses no unknown key.)
macro_rules! with_odds {
    ($(#[$table:meta])* $name:ident { $($(#[$key:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$table])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$key])* pub $field: $kind,)*
            /// A packet is lost.
            pub loss: Probability,
            /// Losses that come in bursts.
            pub burst: Option<Burst>,
            /// A bit of a packet is turned over.
            pub corruption: Probability,
            /// A packet arrives twice.
            pub duplication: Probability,
            /// A packet is held up, so that later ones overtake it...
            pub reorder: Probability,
            /// ...for so long at most.
            pub reorder_delay: Time,
            /// Every packet is late by up to this, without being overtaken.
            pub jitter: Time,
        }

        impl $name {
            /// How likely what is.
            pub fn odds(&self) -> Odds {
                Odds {
                    loss: self.loss,
                    burst: self.burst,
                    corruption: self.corruption,
                    duplication: self.duplication,
                    reorder: self.reorder,
                    reorder_delay: self.reorder_delay,
                    jitter: self.jitter,
                }
            }
        }
    };
}

with_odds! {
    /// What goes wrong: on all links by chance, on those named, and at planned times.
    Faults {
        /// Links with odds of their own, which replace those of all.
        link: Vec<LinkFaults>,
        /// What is planned.
        event: Vec<FaultEvent>,
        /// Whether all that chance does is listed in `packet`. The odds of links, and the shares of
        /// planned faults, then only tell where the list came from.
        recorded: bool,
        /// What happens to single packets.
        packet: Vec<PacketFault>,
    }
}

with_odds! {
    /// What goes wrong on some links: `link = "leaf0>spine1"`, or `host = 3, direction = "up"`.
    LinkFaults {
        /// Which: see [`Network::links_named`].
        link: Option<String>,
        /// Whose link...
        host: Option<u32>,
        /// ...and which of its two.
        direction: Option<Direction>,
    }
}

/// How likely what is, per packet: see [`Faults`].
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Odds {
    pub loss: Probability,
    pub burst: Option<Burst>,
    pub corruption: Probability,
    pub duplication: Probability,
    pub reorder: Probability,
    pub reorder_delay: Time,
    pub jitter: Time,
}

/// Losses in bursts: Gilbert and Elliott's channel. Outside of a burst `loss` goes on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// A packet begins a burst this often.
    pub begin: Probability,
    /// In a burst, a packet ends it this often.
    pub end: Probability,
    /// In a burst, a packet is lost this often.
    pub loss: Probability,
}

/// One of a host's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the host.
    Up,
    /// To the host.
    Down,
}

/// A planned fault, as plain data: it can be listed, recorded, left out.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultEvent {
    /// When it begins.
    pub at: Time,
    /// When it is over; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// What happens.
    pub kind: FaultKind,
    /// To whom: a link, a switch or a host, by name.
    pub target: String,
    /// `link-rate`: what the link is slowed down to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// `link-loss`: how many packets are lost; `black-hole`: how many ways are dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Probability>,
    /// `clock-drift`: how much too fast the clock runs, in millionths; negative: too slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ppm: Option<i32>,
}

/// What can be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Links carry nothing; what comes to them, and waits for them, is lost.
    LinkDown,
    /// Links are slower.
    LinkRate,
    /// Links lose a share of the packets.
    LinkLoss,
    /// Links lose all packets of a share of the paths.
    BlackHole,
    /// All links of a switch are down.
    SwitchReboot,
    /// A host does nothing; what arrives waits.
    HostPause,
    /// A host loses all that it holds. Afterwards it is there as a new incarnation; without an end it
    /// never is.
    HostCrash,
    /// A host's clock runs too fast or too slow.
    ClockDrift,
    /// A host takes back the region that others operate on. Afterwards it is there under a new key.
    RegionRevoke,
}

/// One step of the plan of faults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultStep {
    /// When.
    pub at: Time,
    /// Which entry of the scenario's list it belongs to.
    pub event: u32,
    /// What.
    pub action: FaultAction,
}

/// What is done in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultAction {
    /// A link is down, or no longer.
    Down(LinkId, bool),
    /// A link has this rate, or its own again.
    Rate(LinkId, Option<Rate>),
    /// A link loses so many.
    Loss(LinkId, Chance),
    /// A link loses ways whose hash is below this.
    BlackHole(LinkId, u32),
    /// A host stands still, or no longer.
    Pause(u32, bool),
    /// A host loses everything; whether it will ever be up again.
    Crash(u32, bool),
    /// A host is up again.
    Restart(u32),
    /// A host's clock is so much too fast, in millionths.
    Drift(u32, i32),
    /// A host takes back its region.
    Revoke(u32),
    /// A host has its region registered, if it is not.
    Expose(u32),
}

impl Scenario {
    /// All planned faults, step by step in order of time.
    pub fn fault_steps(&self) -> Vec<FaultStep> {
        let mut steps = Vec::new();
        for (number, event) in (0..).zip(&self.faults.event) {
            // Only names that have been checked get here.
            let Ok((begin, end)) = event.actions(self.network()) else { continue };
            steps.extend(begin.into_iter().map(|action| (event.at, number, action)));
            let until = event.until;
            steps.extend(until.iter().flat_map(|&at| end.iter().map(move |&it| (at, number, it))));
        }
        steps.sort_by_key(|&(at, event, _)| (at, event));
        steps.into_iter().map(|(at, event, action)| FaultStep { at, event, action }).collect()
    }

    /// The odds on a link: the last entry of its own, or what goes for all.
    pub fn odds_of(&self, link: LinkId) -> Odds {
        let own = |entry: &&LinkFaults| {
            entry.links(self.network()).is_ok_and(|links| links.contains(&link))
        };
        self.faults.link.iter().rfind(own).map_or_else(|| self.faults.odds(), LinkFaults::odds)
    }

    pub(super) fn check_faults(&self) -> Result<(), Fault> {
        self.faults.odds().check("faults")?;
        self.check_packet_faults()?;
        for (nth, entry) in self.faults.link.iter().enumerate() {
            let key = format!("faults.link[{nth}]");
            entry.odds().check(&key)?;
            entry.links(self.network()).map_err(|(name, message)| {
                let key = format!("{key}.{name}");
                Fault { key, message }
            })?;
        }
        for (nth, event) in self.faults.event.iter().enumerate() {
            let fault = |(name, message): KeyError| {
                let key = format!("faults.event[{nth}].{name}");
                Fault { key, message }
            };
            event.actions(self.network()).map_err(fault)?;
            let name = self.transport.name();
            let message = match event.kind {
                FaultKind::HostCrash => "has no incarnations: a connection ends for good",
                FaultKind::RegionRevoke => "has no regions",
                _ => continue,
            };
            if self.transport.baseline().is_some() {
                return Err(fault(("kind", format!("\"{name}\" {message}"))));
            }
        }
        Ok(())
    }
}

/// The key at fault, and what is wrong with it.
type KeyError = (&'static str, String);

impl LinkFaults {
    fn links(&self, network: &Network) -> Result<Vec<LinkId>, KeyError> {
        match (&self.link, self.host, self.direction) {
            (Some(name), None, None) => {
                network.links_named(name).map_err(|error| ("link", error.to_string()))
            }
            (None, Some(host), Some(direction)) => {
                let hosts = network.hosts();
                if host >= hosts {
                    return Err(("host", format!("there are only hosts 0 to {}", hosts - 1)));
                }
                Ok(match direction {
                    Direction::Up => vec![host],
                    Direction::Down if network.switches() == 0 => vec![1 - host],
                    Direction::Down => vec![hosts + host],
                })
            }
            _ => Err(("link", "name a link, or a host and a direction".into())),
        }
    }
}

impl Odds {
    /// Whether nothing can go wrong.
    pub fn is_harmless(&self) -> bool {
        crate::fabric::FaultProfile::new(self).is_harmless()
    }

    fn check(&self, table: &str) -> Result<(), Fault> {
        let (often, long) = (self.reorder.share() > 0.0, self.reorder_delay > Time::ZERO);
        let (key, message) = match (often, long) {
            (true, false) => ("reorder", "needs reorder_delay"),
            (false, true) => ("reorder_delay", "needs reorder"),
            _ => return Ok(()),
        };
        Err(Fault { key: format!("{table}.{key}"), message: message.into() })
    }
}

impl FaultEvent {
    /// What its begin and its end bring about.
    fn actions(&self, network: &Network) -> Result<(Vec<FaultAction>, Vec<FaultAction>), KeyError> {
        self.check_keys()?;
        let links =
            || network.links_named(&self.target).map_err(|error| ("target", error.to_string()));
        let node =
            || network.node_named(&self.target).map_err(|error| ("target", error.to_string()));
        let host = || match node()? {
            Node::Host(host) => Ok(host),
            Node::Switch(_) => Err(("target", format!("{:?} needs a host", self.kind))),
        };
        let share = self.share.unwrap_or_default();
        Ok(match self.kind {
            FaultKind::LinkDown => {
                each(links()?, |l| FaultAction::Down(l, true), |l| FaultAction::Down(l, false))
            }
            FaultKind::SwitchReboot => {
                if matches!(node()?, Node::Host(_)) {
                    return Err(("target", "a reboot needs a switch".into()));
                }
                each(links()?, |l| FaultAction::Down(l, true), |l| FaultAction::Down(l, false))
            }
            FaultKind::LinkRate => {
                each(links()?, |l| FaultAction::Rate(l, self.rate), |l| FaultAction::Rate(l, None))
            }
            FaultKind::LinkLoss => each(
                links()?,
                |l| FaultAction::Loss(l, share.into()),
                |l| FaultAction::Loss(l, Chance::default()),
            ),
            FaultKind::BlackHole => {
                let below = (share.share() * f64::from(u32::MAX)) as u32;
                let begin = move |l| FaultAction::BlackHole(l, below);
                each(links()?, begin, |l| FaultAction::BlackHole(l, 0))
            }
            FaultKind::HostPause => {
                let host = host()?;
                (vec![FaultAction::Pause(host, true)], vec![FaultAction::Pause(host, false)])
            }
            FaultKind::HostCrash => {
                let (host, comes_back) = (host()?, self.until.is_some());
                (vec![FaultAction::Crash(host, comes_back)], vec![FaultAction::Restart(host)])
            }
            FaultKind::RegionRevoke => {
                let host = host()?;
                (vec![FaultAction::Revoke(host)], vec![FaultAction::Expose(host)])
            }
            FaultKind::ClockDrift => {
                let host = host()?;
                let begin = FaultAction::Drift(host, self.ppm.unwrap_or(0));
                (vec![begin], vec![FaultAction::Drift(host, 0)])
            }
        })
    }

    /// Every key of the kind is there, and none of another kind.
    fn check_keys(&self) -> Result<(), KeyError> {
        if self.until.is_some_and(|until| until <= self.at) {
            return Err(("until", "must be after at".into()));
        }
        if self.ppm.is_some_and(|ppm| ppm.abs() > MAX_DRIFT_PPM) {
            return Err(("ppm", format!("no clock is wrong by more than {MAX_DRIFT_PPM}")));
        }
        let shares = matches!(self.kind, FaultKind::LinkLoss | FaultKind::BlackHole);
        let keys = [
            ("rate", self.rate.is_some(), self.kind == FaultKind::LinkRate),
            ("share", self.share.is_some(), shares),
            ("ppm", self.ppm.is_some(), self.kind == FaultKind::ClockDrift),
        ];
        for (name, given, needed) in keys {
            if given != needed {
                let problem = if needed { "is missing" } else { "means nothing to this kind" };
                return Err((name, problem.into()));
            }
        }
        Ok(())
    }
}

/// Begin and end for each of some links.
fn each(
    links: Vec<LinkId>,
    begin: impl Fn(LinkId) -> FaultAction,
    end: impl Fn(LinkId) -> FaultAction,
) -> (Vec<FaultAction>, Vec<FaultAction>) {
    (links.iter().map(|&link| begin(link)).collect(), links.iter().map(|&link| end(link)).collect())
}

/// The worst quartz is a hundred times better.
const MAX_DRIFT_PPM: i32 = 10_000;
