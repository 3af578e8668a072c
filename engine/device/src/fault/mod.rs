//! A bad network in front of a good device.
//!
//! [`FaultDevice`] wraps any device and mistreats what is transmitted through it: datagrams are
//! lost, duplicated, corrupted, delayed past later ones, or swallowed by paths that have turned
//! into black holes. What it does to the n-th datagram follows from the seed and n alone.
//! What arrives is left alone: wrap the other end, too.
//!
//! ```text
//!   transmit -- verdict --+-- none: straight on, in runs, so that trains stay trains
//!                         +-- corrupt: a copy with one bit flipped
//!                         +-- delay: a copy, held -- due --> straight on
//!                         +-- duplicate: once more, intact, at once
//!                         +-- lose, or path is a black hole: gone
//! ```

mod config;
mod device;
mod handle;
mod held;
mod verdict;

pub use config::FaultConfig;
pub use device::{Clock, FaultDevice};
pub use handle::{FaultCounters, FaultHandle};
