//! Reliable datagrams over unreliable datagram devices, spread over many network paths.
//!
//! An [`Engine`] sends whole messages to peers and receives them into buffers that were posted for
//! them. Messages are delivered exactly once ([`Service::Srd`], in any order, and [`Service::Rd`],
//! in order) or at most once ([`Service::Ud`]). Nothing is connected and nothing blocks: operations
//! are submitted, and complete.
//!
//! ```
#![doc = include_str!("../examples/hello.rs")]
//! ```
//!
//! # Who owns which bytes
//! * What is sent is a [`Bytes`], of which the engine keeps a clone until the send completes.
//! * A posted [`BytesMut`] belongs to the engine until the receive's completion hands it back.
//!   Payload is copied from the device straight into it.
//! * A message that no receive is posted for waits in memory of the engine's, at most
//!   [`Config::bounce_bytes`], and is copied when there is one. Without room its sender waits.
//!
//! # Two ways to drive
//! [`Builder::spawn`] gives the engine a thread, which sleeps when there is nothing to do.
//! [`Builder::manual`] hands the [`Driver`] to the caller, who calls [`Driver::progress`] as often
//! as suits: no hand-over between threads, so the lowest latency.
//!
//! # Events
//! The engine reports through [`tracing`]: peers coming and going, paths changing, and, at the
//! levels `debug` and `trace`, every datagram that changed nothing, with its reason.

mod builder;
mod completion;
mod defaults;
mod doorbell;
mod driver;
mod engine;
mod error;
mod event;
mod options;
mod peer;
mod shared;
mod stats;
mod submission;
mod waiters;

pub use builder::Builder;
pub use completion::{
    Completion, Received, RecvCompletion, RecvFailure, SendCompletion, SendFailure,
};
pub use driver::{Driver, Turn};
pub use engine::Engine;
pub use error::{BuildError, CommandError, ConnectError, Rejected, SubmitError};
pub use event::Event;
pub use options::SendOptions;
pub use peer::Peer;
pub use stats::{DriverStats, EngineInfo, EngineStats, PeerSnapshot, ShutdownReport};

pub use bytes::{Bytes, BytesMut};
pub use usrd_device as device;
pub use usrd_device::{Address, Capabilities, Device, DeviceKind};
pub use usrd_proto as proto;
pub use usrd_proto::{
    AckConfig, CompletionLevel, Config, EndpointStats, LossConfig, PathConfig, PathId, PathState,
    PathStats, PeerFailure, PeerStats, Service, SprayPolicy, cc,
};
