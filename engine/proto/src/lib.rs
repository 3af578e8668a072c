//! The sans-I/O core of usrd: reliable, unordered, multipath datagrams.
//!
//! [`Endpoint`] is the protocol's state machine. It reads no clock, opens no socket, and never sees
//! a byte of payload: it is told what has arrived and what time it is, and answers what to send and
//! where to place. So the same code runs under a UDP socket, a queue pair and a simulator, and a
//! run can be repeated exactly.
//!
//! | module | what it is |
//! |---|---|
//! | [`endpoint`] | the state machine, by verb: commands, receive, transmit, timeout |
//! | [`boundary`] | what crosses between it and its driver |
//! | [`region`], [`transfer`] | registered memory, and the one-sided operations on it |
//! | [`wire`] | the wire format |
//! | `peer` | one remote endpoint: context, sender, receiver |
//! | `message` | messages: segmentation, reassembly, matching with receives |
//! | `send_window`, [`recv_window`], [`psn`] | sequence numbers and what is known of them |
//! | [`loss`], [`cc`], [`path`] | round-trip times, congestion control, paths |
//! | [`timer`] | deadlines of a hundred thousand peers |
//!
//! The rules that comments cite (such as *rule L2*) are those of docs/PROTOCOL.md.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod boundary;
pub mod cancelled;
pub mod cc;
pub mod config;
pub mod drop_reason;
pub mod endpoint;
pub mod error;
pub mod ids;
pub mod loss;
pub mod path;
pub mod psn;
pub mod recv_window;
pub mod region;
pub mod stats;
pub mod time;
pub mod timer;
pub mod transfer;
pub mod wire;

mod lazy;
mod lines;
mod message;
mod peer;
mod send_window;
mod set256;
mod shared;
#[cfg(test)]
mod tests;
mod times;

pub use boundary::{
    Atomic, BounceCopy, Destination, Disposition, Event, Handled, HeaderBuffer, Inbound, InboundId,
    Note, Peeked, PeerFailure, Placement, RecvFailure, Reply, SendFailure, Transmit,
};
pub use cancelled::Cancelled;
pub use config::{AckConfig, Config, ConfigError, LossConfig, PathConfig, SprayPolicy};
pub use drop_reason::DropReason;
pub use endpoint::{Endpoint, MultiRecvRequest, RecvRequest, SendRequest, TaggedRecv, TaggedSend};
pub use error::{AddPeerError, RecvError, RegisterError, SendError, TransferError};
pub use ids::{
    BounceId, BufferId, BufferRange, CompletionLevel, PathId, PeerId, Service, TagFilter, Token,
};
pub use message::MULTI_RECV_ALIGN_BYTES;
pub use path::PathState;
pub use region::{Access, Refusal, RegionAddress, RegionRequest};
pub use stats::{EndpointStats, PathStats, PeerStats};
pub use time::Instant;
pub use transfer::{
    AtomicOp, AtomicRequest, Block, Layout, MAX_NOTE_BYTES, Notice, ReadRequest, TransferFailure,
    WriteRequest,
};
