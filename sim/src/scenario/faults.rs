//! The section `[faults]`: what goes wrong, by chance; what is planned is in `planned`.

use serde::Deserialize;

use super::load::Fault;
use super::planned::{FaultEvent, FaultKind, KeyError};
use super::{PacketFault, Scenario};
use crate::time::Time;
use crate::topology::{LinkId, Network};
use crate::units::Probability;

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

impl Scenario {
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
                FaultKind::PeerClose => "has connections that stay",
                _ => continue,
            };
            if self.transport.baseline().is_some() {
                return Err(fault(("kind", format!("\"{name}\" {message}"))));
            }
        }
        Ok(())
    }
}

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
