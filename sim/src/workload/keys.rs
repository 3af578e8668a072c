//! What a scenario file says about its traffic. Which keys mean something depends on the kind.

use std::num::NonZeroU32;

use serde::Deserialize;
use usrd_proto::CompletionLevel;

use super::{FlowSpec, Operation, OperationKey, SizesKey};
use crate::scenario::ServiceKey;
use crate::time::Time;
use crate::units::{Bytes, Probability};

/// The traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The pattern.
    pub kind: WorkloadKind,
    /// How messages are carried: the scenario's transport.
    #[serde(skip)]
    pub service: ServiceKey,
    /// When a send counts as done.
    #[serde(default)]
    pub completion: CompletionKey,
    /// Messages of one flow that are under way at a time.
    #[serde(default = "default_outstanding")]
    pub outstanding: u32,
    /// Receives posted ahead, per flow that comes in; by default twice `outstanding`.
    pub posted_receives: Option<u32>,
    /// For how many messages each posted receive is, which share its buffer; by default each is for one.
    pub many: Option<NonZeroU32>,
    /// What the pattern's flows do.
    pub operation: Option<OperationKey>,
    /// In how many blocks the bytes of an operation lie; by default one.
    pub vector: Option<u32>,
    /// Whether the destination of an operation is told of it; by default not.
    pub immediate: Option<bool>,
    /// How long a note comes with the immediate of an operation; by default none does.
    pub note: Option<Bytes>,
    /// How many of all messages and operations are taken back while they are under way.
    pub cancel: Option<Probability>,
    /// Flows one by one: all there are (`pairs`), or besides the pattern's.
    pub pairs: Option<Vec<Pair>>,
    /// Messages of each flow (of each step, for an all-reduce).
    pub messages: Option<u32>,
    /// Bytes of each message; of each rank's whole vector, for an all-reduce.
    pub size: Option<Bytes>,
    /// `incast`: how many send. They are the hosts after the receiver.
    pub senders: Option<u32>,
    /// `incast`: who receives; by default host 0.
    pub receiver: Option<u32>,
    /// How many of the hosts take part in an all-reduce, by default all; flows of each host, for
    /// `bisection`.
    pub ranks: Option<u32>,
    /// All-reduces one after the other; by default one.
    pub rounds: Option<u32>,
    /// `kv-transfer`: how many requests; `rpc`: calls of each client.
    pub requests: Option<u32>,
    /// `kv-transfer`: hosts that send, the first ones; by default half of all.
    pub prefill: Option<u32>,
    /// `kv-transfer`: blocks of a request, at least and at most.
    pub blocks: Option<(u32, u32)>,
    /// `kv-transfer`: bytes of a block, at least and at most; the same for all of a request.
    pub block_size: Option<(Bytes, Bytes)>,
    /// `kv-transfer`: mean time between two requests; by default all come at once.
    pub gap: Option<Time>,
    /// `rpc`: hosts that answer, the first ones.
    pub servers: Option<u32>,
    /// `rpc`: bytes of a response.
    pub response: Option<Bytes>,
    /// `rpc`: calls of a client that are under way at a time; by default one.
    pub concurrency: Option<u32>,
    /// Time between a cause and what follows: service time of a call, computation of a step.
    pub think: Option<Time>,
    /// `poisson`: the distribution of flow sizes.
    pub sizes: Option<SizesKey>,
    /// `poisson`: flows larger than this become this large.
    pub largest: Option<Bytes>,
    /// `poisson`: mean use of the hosts' links.
    pub load: Option<Probability>,
    /// `poisson`: how many flows arrive.
    pub flows: Option<u32>,
    /// `trace`: the file, relative to the scenario's...
    pub file: Option<String>,
    /// ...or what would stand in it.
    pub csv: Option<String>,
    /// The flows of the trace.
    #[serde(skip)]
    pub traced: Vec<Pair>,
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
    /// Each host of the first half sends to hosts of the second half.
    Bisection,
    /// All-reduce around a ring: reduce-scatter, then all-gather.
    RingAllReduce,
    /// All-reduce up a binary tree and down again.
    TreeAllReduce,
    /// Requests whose key-value blocks go from prefill to decode hosts, each with a notification.
    KvTransfer,
    /// Requests and responses.
    Rpc,
    /// Flows that arrive at random, between random hosts, with sizes from a distribution.
    Poisson,
    /// Flows from a file, or from a table in the scenario.
    Trace,
}

impl WorkloadKind {
    /// As scenario files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Permutation => "permutation",
            Self::Incast => "incast",
            Self::AllToAll => "all-to-all",
            Self::Bisection => "bisection",
            Self::RingAllReduce => "ring-all-reduce",
            Self::TreeAllReduce => "tree-all-reduce",
            Self::KvTransfer => "kv-transfer",
            Self::Rpc => "rpc",
            Self::Poisson => "poisson",
            Self::Trace => "trace",
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
    #[serde(default = "default_messages")]
    pub messages: u32,
    /// How long each is.
    pub size: Bytes,
    /// How they are carried, if not as the workload says.
    pub service: Option<ServiceKey>,
    /// What they are: messages, or operations on the destination's memory.
    #[serde(default)]
    pub operation: OperationKey,
    /// In how many blocks the bytes of an operation lie.
    #[serde(default = "default_vector")]
    pub vector: u32,
    /// Whether the destination of an operation is told of it.
    #[serde(default)]
    pub immediate: bool,
    /// When the flow begins; how long after the last of `after`, if there are any.
    #[serde(default)]
    pub start: Time,
    /// Flows of the list that must be done before: by their place in it, from 0, earlier ones only.
    #[serde(default)]
    pub after: Vec<u32>,
    /// Flows with the same number are judged together.
    pub job: Option<u32>,
}

impl Pair {
    /// What its messages are.
    pub fn operation(&self) -> Operation {
        Operation::new(self.operation, self.vector, self.immediate)
    }
}

impl Workload {
    /// What the messages of the pattern's flows are.
    pub fn operation(&self) -> Operation {
        let kind = self.operation.unwrap_or_default();
        Operation::new(kind, self.vector.unwrap_or(1), self.immediate.unwrap_or(false))
    }

    /// Receives posted ahead per incoming flow.
    pub fn receives_ahead(&self) -> u32 {
        self.posted_receives.unwrap_or_else(|| self.outstanding.saturating_mul(2))
    }

    /// Whether flows say how they are carried, or are more than messages.
    pub(crate) fn names_services(&self) -> bool {
        let mut listed = self.pairs.iter().flatten().chain(&self.traced);
        listed.any(|pair| pair.service.is_some() || !pair.operation.is_message())
    }

    /// A flow of the pattern: messages, size, service and operation as the workload says.
    pub(super) fn uniform(&self, src: u32, dst: u32) -> FlowSpec {
        FlowSpec {
            src,
            dst,
            messages: self.messages.unwrap_or(1),
            size: self.size.map_or(0, |size| size.0),
            service: self.service,
            operation: self.operation(),
            start: Time::ZERO,
        }
    }

    /// The hosts that take part in an all-reduce.
    pub(super) fn ranks(&self, hosts: u32) -> u32 {
        self.ranks.unwrap_or(hosts)
    }

    /// How many hosts prefill.
    pub(super) fn prefill(&self, hosts: u32) -> u32 {
        self.prefill.unwrap_or(hosts / 2)
    }
}

/// Enough to keep a link busy with messages of a few packets.
fn default_outstanding() -> u32 {
    8
}

fn default_messages() -> u32 {
    1
}

fn default_vector() -> u32 {
    1
}
