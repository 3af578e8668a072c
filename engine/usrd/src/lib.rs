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
//!   A device that reads it by itself (verbs) can keep one longer, see [`Engine::pin`].
//! * A posted [`BytesMut`] belongs to the engine until the receive's completion hands it back.
//!   Payload is copied from the device straight into it.
//! * A message that no receive is posted for waits in memory of the engine's, at most
//!   [`Config::bounce_bytes`], and is copied when there is one. Without room its sender waits.
//!
//! * A registered buffer belongs to the engine until its deregistration hands it back; raw memory
//!   that was registered is the caller's, under the rules of [`Engine::register_raw`]; borrowed memory
//!   is the engine's for as long as [`Engine::with_memory`] takes.
//!
//! # Tags
//! A message can have a tag ([`SendOptions::tag`]), and a receive can ask for one
//! ([`RecvOptions::tag`]) or for several at once, by a mask and a sender ([`Tags`]). Messages of one
//! peer are matched in the order of their submission. Long ones stay at their sender until they are
//! matched, and then go straight into the receive's buffer. [`Engine::peek`] tells what waits.
//!
//! # Memory of peers
//! [`Engine::register`] makes a buffer a [`Region`], whose [`RemoteRegion`] handle is sent to peers
//! in any way. They [`write`](Engine::write) to it, [`read`](Engine::read) from it, or use atomics
//! on it, block by block or thousands of blocks at once
//! ([`write_v`](Engine::write_v), [`read_v`](Engine::read_v)), and no thread of the region's owner
//! has a part in it but its driver. The owner is told only where the peer says so
//! ([`TransferOptions::notify`]), once everything is in place: by a number, a few bytes, or both
//! ([`Notice`]). [`Engine::notify`] says that without a transfer, and
//! [`Engine::notifications_to`] keeps what a peer says apart from what others do.
//!
//! # Completion queues
//! What has ended comes out of a [`CompletionQueue`]: the engine's, or one that several engines share
//! ([`Builder::completion_queue`]), or one of the submitting thread's own
//! ([`Engine::reporting_to`]).
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
mod lease;
mod life;
mod memory;
mod notice;
mod options;
mod peer;
mod places;
mod queue;
mod region;
mod shared;
mod stats;
mod submission;
mod transfer;
mod waiters;

pub use builder::Builder;
pub use completion::{
    Completion, Peeked, Received, RecvCompletion, RecvFailure, RecvOver, SendCompletion,
    SendFailure,
};
pub use driver::{Driver, Turn};
pub use engine::{CopyError, Engine};
pub use error::{
    BuildError, CommandError, ConnectError, NotificationsToError, PinError, RegisterError,
    Rejected, SubmitError, UpdateAddressError,
};
pub use event::Event;
pub use notice::{Notice, Notification};
pub use options::{Many, RecvOptions, SendOptions, Tags};
pub use peer::Peer;
pub use queue::CompletionQueue;
pub use region::{BadRemoteRegion, Region, RegionOptions, RemoteRegion, Unregistered};
pub use stats::{DriverStats, EngineInfo, EngineStats, PeerReport, PeerSnapshot, ShutdownReport};
pub use transfer::{
    NotRegistered, RegionCompletion, TransferCompletion, TransferFailure, TransferOptions,
};

/// The longest [`Notice::note`], in bytes. Notes wait in memory of the peer's engine until its user takes
/// them: they are for names and descriptions, and what is longer is a message.
pub const MAX_NOTE_BYTES: usize = proto::MAX_NOTE_BYTES as usize;

pub use bytes::{Bytes, BytesMut};
pub use usrd_device as device;
pub use usrd_device::{Address, Capabilities, Device, DeviceKind, DeviceStats};
pub use usrd_proto as proto;
pub use usrd_proto::{
    Access, AckConfig, Block, Cancelled, CompletionLevel, Config, EndpointStats, LossConfig,
    PathConfig, PathId, PathState, PathStats, PeerFailure, PeerStats, Refusal, RegionAddress,
    Service, SprayPolicy, TransferError, cc,
};
