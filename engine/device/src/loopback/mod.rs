//! An in-process network: devices that hand datagrams to each other through memory.
//!
//! ```text
//!   LoopbackDevice 0 --\                          /--> [inbox 2: full queues drop, as a NIC does]
//!                       >-- Fabric: who is where --
//!   LoopbackDevice 1 --/                          \--> [inbox 3]
//! ```
//! A sender copies a datagram once, into a buffer from its receiver's stock, and puts it into the
//! receiver's queue; no lock is taken on the way. As in any network, what goes to an address
//! where nobody is, is lost.

mod device;
mod fabric;
mod inbox;

pub use device::LoopbackDevice;
pub use fabric::{Fabric, LoopbackConfig};
