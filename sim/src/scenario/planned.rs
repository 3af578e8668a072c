//! Planned faults: what goes wrong at which time, to whom.

use serde::{Deserialize, Serialize};

use super::Scenario;
use crate::rng::Chance;
use crate::time::Time;
use crate::topology::{LinkId, Network, Node};
use crate::units::{Probability, Rate};

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
    /// `peer-close`: the other host, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// `peer-close`: how long what is under way may take to end well; absent: it is cut off at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<Time>,
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
    /// A host closes another as its peer: it begins nothing more, and once all is done or its patience is
    /// over it forgets the other. Afterwards, or at `until`, it goes on with it.
    PeerClose,
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
    /// A host closes a peer, with so much patience.
    Close(u32, u32, Time),
    /// The same, and does not go on with it before [`Reopen`](Self::Reopen).
    Suspend(u32, u32, Time),
    /// A host goes on with a peer that it had closed.
    Reopen(u32, u32),
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
}

/// The key at fault, and what is wrong with it.
pub(super) type KeyError = (&'static str, String);

impl FaultEvent {
    /// What its begin and its end bring about.
    pub(super) fn actions(
        &self,
        network: &Network,
    ) -> Result<(Vec<FaultAction>, Vec<FaultAction>), KeyError> {
        self.check_keys()?;
        let links =
            || network.links_named(&self.target).map_err(|error| ("target", error.to_string()));
        let node =
            || network.node_named(&self.target).map_err(|error| ("target", error.to_string()));
        let host = || self.host(network, "target", &self.target);
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
            FaultKind::PeerClose => {
                let name = self.peer.as_deref().unwrap_or_default();
                let (host, peer) = (host()?, self.host(network, "peer", name)?);
                if host == peer {
                    return Err(("peer", "a host is no peer of its own".into()));
                }
                let patience = self.patience.unwrap_or_default();
                match self.until {
                    None => (vec![FaultAction::Close(host, peer, patience)], vec![]),
                    Some(_) => (
                        vec![FaultAction::Suspend(host, peer, patience)],
                        vec![FaultAction::Reopen(host, peer)],
                    ),
                }
            }
            FaultKind::ClockDrift => {
                let host = host()?;
                let begin = FaultAction::Drift(host, self.ppm.unwrap_or(0));
                (vec![begin], vec![FaultAction::Drift(host, 0)])
            }
        })
    }

    fn host(&self, network: &Network, key: &'static str, name: &str) -> Result<u32, KeyError> {
        match network.node_named(name).map_err(|error| (key, error.to_string()))? {
            Node::Host(host) => Ok(host),
            Node::Switch(_) => Err((key, format!("{:?} needs a host", self.kind))),
        }
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
        if self.patience.is_some() && self.kind != FaultKind::PeerClose {
            return Err(("patience", "means nothing to this kind".into()));
        }
        let keys = [
            ("rate", self.rate.is_some(), self.kind == FaultKind::LinkRate),
            ("share", self.share.is_some(), shares),
            ("ppm", self.ppm.is_some(), self.kind == FaultKind::ClockDrift),
            ("peer", self.peer.is_some(), self.kind == FaultKind::PeerClose),
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
