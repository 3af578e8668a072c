//! Unreliable datagram devices: what usrd runs its reliable datagrams over.
//!
//! A [`Device`] sends and receives datagrams, each a protocol header and a payload, to a remote
//! endpoint (a [`RouteId`]) along one of several network paths. It promises nothing about loss,
//! order or duplication. It knows nothing of the protocol above it, not even what a header means.
//!
//! | module | what it is |
//! |---|---|
//! | [`udp`] | UDP sockets; a path is a source port; segmentation offload both ways |
//! | `verbs` | RDMA NICs: unreliable-datagram queue pairs (with the feature `verbs`) |
//! | [`loopback`] | an in-process fabric, for tests and for embedding |
//! | [`fault`] | a wrapper around any device: loss, duplication, reordering, black-holed paths |
//! | [`pcap`] | a wrapper around any device: pcapng capture |
//! | [`bundle`] | small datagrams that share one, for devices to use |
//!
//! # Who owns which bytes
//! * Outgoing header and payload are borrowed for the duration of [`Device::transmit`] only. The
//!   device has copied them, or handed them to the kernel, when it returns; or else it keeps a
//!   reference to the payload's [owner](Outgoing::memory) until it is done, or was [lent](Device::lend)
//!   the memory that it reads from.
//! * An arrival's bytes belong to the device. They stay readable through [`Device::bytes`] until
//!   the arrival is given back with [`Device::release`].

#[cfg(not(target_os = "linux"))]
compile_error!("usrd-device drives Linux sockets; other systems are not supported yet");

pub mod bundle;
pub mod fault;
pub mod loopback;
pub mod pcap;
pub mod udp;
#[cfg(feature = "verbs")]
pub mod verbs;

mod address;
mod capabilities;
mod device;
mod error;
mod memory;
mod readiness;
mod stats;
mod waker;

pub use address::Address;
pub use capabilities::{Capabilities, DeviceKind, Link, Offload};
pub use device::{Arrival, Device, Outgoing, RouteId, Slot, SourceId};
pub use error::DeviceError;
pub use memory::{Lendable, Loan, Memory};
pub use stats::DeviceStats;
pub use waker::Waker;
