//! Who sends what to whom. A flow is a number of equal messages from one host to another.

use serde::Deserialize;
use usrd_proto::CompletionLevel;

use super::ServiceKey;
use crate::rng::{Component, Stream};
use crate::time::Time;
use crate::units::Bytes;

/// The traffic. Which keys mean something depends on the kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The pattern.
    pub kind: WorkloadKind,
    /// How messages are carried.
    #[serde(default)]
    pub service: ServiceKey,
    /// When a send counts as done.
    #[serde(default)]
    pub completion: CompletionKey,
    /// Messages of one flow that are under way at a time.
    #[serde(default = "default_outstanding")]
    pub outstanding: u32,
    /// Receives posted ahead, per flow that comes in; by default twice `outstanding`.
    pub posted_receives: Option<u32>,
    /// `pairs`: the flows.
    pub pairs: Option<Vec<Pair>>,
    /// All others: messages of each flow.
    pub messages: Option<u32>,
    /// All others: bytes of each message.
    pub size: Option<Bytes>,
    /// `incast`: how many send. They are the hosts after the receiver.
    pub senders: Option<u32>,
    /// `incast`: who receives; by default host 0.
    pub receiver: Option<u32>,
}

/// A traffic pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// The flows listed.
    Pairs,
    /// Everyone sends to one other, and receives from one other.
    Permutation,
    /// Several send to one.
    Incast,
    /// Everyone sends to everyone.
    AllToAll,
}

impl WorkloadKind {
    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Permutation => "permutation",
            Self::Incast => "incast",
            Self::AllToAll => "all-to-all",
        }
    }
}

/// When a send counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompletionKey {
    /// The receiver's endpoint holds all of it.
    #[default]
    Acknowledged,
    /// The receiver has placed all of it.
    Delivered,
}

impl From<CompletionKey> for CompletionLevel {
    fn from(key: CompletionKey) -> Self {
        match key {
            CompletionKey::Acknowledged => Self::Acknowledged,
            CompletionKey::Delivered => Self::Delivered,
        }
    }
}

/// One flow, as `pairs` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Who sends.
    pub src: u32,
    /// Who receives.
    pub dst: u32,
    /// How many messages.
    pub messages: u32,
    /// How long each is.
    pub size: Bytes,
    /// How they are carried, if not as the workload says.
    pub service: Option<ServiceKey>,
    /// When the flow begins.
    #[serde(default)]
    pub start: Time,
}

/// One flow, with everything about it settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSpec {
    /// Who sends.
    pub src: u32,
    /// Who receives.
    pub dst: u32,
    /// How many messages.
    pub messages: u32,
    /// How long each is.
    pub size: u64,
    /// How they are carried.
    pub service: ServiceKey,
    /// When the flow begins.
    pub start: Time,
}

impl Workload {
    /// All flows, in the order of their numbers. The seed chooses the permutation.
    pub fn flows(&self, hosts: u32, seed: u64) -> Vec<FlowSpec> {
        match self.kind {
            WorkloadKind::Pairs => {
                self.pairs.iter().flatten().map(|pair| self.listed(pair)).collect()
            }
            WorkloadKind::Permutation => permutation(hosts, seed)
                .into_iter()
                .zip(0..)
                .map(|(dst, src)| self.uniform(src, dst))
                .collect(),
            WorkloadKind::Incast => {
                let receiver = self.receiver.unwrap_or(0);
                (1..=self.senders.unwrap_or(0))
                    .map(|nth| self.uniform((receiver + nth) % hosts, receiver))
                    .collect()
            }
            // In turns, so that no receiver is everybody's first.
            WorkloadKind::AllToAll => (1..hosts)
                .flat_map(|turn| (0..hosts).map(move |src| (src, (src + turn) % hosts)))
                .map(|(src, dst)| self.uniform(src, dst))
                .collect(),
        }
    }

    /// Receives posted ahead per incoming flow.
    pub fn receives_ahead(&self) -> u32 {
        self.posted_receives.unwrap_or_else(|| self.outstanding.saturating_mul(2))
    }

    fn listed(&self, pair: &Pair) -> FlowSpec {
        FlowSpec {
            src: pair.src,
            dst: pair.dst,
            messages: pair.messages,
            size: pair.size.0,
            service: pair.service.unwrap_or(self.service),
            start: pair.start,
        }
    }

    fn uniform(&self, src: u32, dst: u32) -> FlowSpec {
        FlowSpec {
            src,
            dst,
            messages: self.messages.unwrap_or(0),
            size: self.size.map_or(0, |size| size.0),
            service: self.service,
            start: Time::ZERO,
        }
    }
}

/// Sattolo's shuffle: one cycle through all hosts, so nobody sends to itself.
fn permutation(hosts: u32, seed: u64) -> Vec<u32> {
    let mut rng = Stream::new(seed, Component::Workload, 0);
    let mut destinations: Vec<u32> = (0..hosts).collect();
    for last in (1..destinations.len()).rev() {
        destinations.swap(last, rng.below(last as u64) as usize);
    }
    destinations
}

/// Enough to keep a link busy with messages of a few packets.
fn default_outstanding() -> u32 {
    8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(kind: &str) -> Workload {
        toml::from_str(&format!("kind = \"{kind}\"\nmessages = 3\nsize = \"1kB\"\nsenders = 2"))
            .unwrap()
    }

    #[test]
    fn a_permutation_is_one_and_depends_on_the_seed() {
        let ends = |seed| -> Vec<_> {
            let flows = uniform("permutation").flows(16, seed);
            flows.iter().map(|flow| (flow.src, flow.dst)).collect()
        };
        let flows = ends(1);
        assert!(flows.iter().all(|(src, dst)| src != dst));
        let mut receivers: Vec<_> = flows.iter().map(|&(_, dst)| dst).collect();
        receivers.sort_unstable();
        assert_eq!(receivers, (0..16).collect::<Vec<_>>());
        assert_eq!(flows, ends(1));
        assert_ne!(flows, ends(2));
    }

    #[test]
    fn patterns_have_the_flows_they_should() {
        let incast = uniform("incast").flows(3, 1);
        assert_eq!(incast.iter().map(|f| (f.src, f.dst)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
        assert_eq!((incast[0].messages, incast[0].size), (3, 1_000));
        let all = uniform("all-to-all").flows(3, 1);
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|flow| flow.src != flow.dst));
    }
}
