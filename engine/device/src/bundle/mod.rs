//! Bundles: small datagrams to the same place that share one.
//!
//! What a datagram costs a NIC, a kernel and a network hardly depends on its length. So where several
//! small ones leave for the same endpoint along the same path at the same time, a device can put them
//! into one, and the device at the other end takes them out again. Above the devices nothing is to be
//! seen of it: the same datagrams arrive, each by itself.
//!
//! ```text
//!   a batch     [ large ] [ 100 B ] [ large ] [ 80 B ]      along one path
//!   plan        [ large ] [ large ] [ 100 B | 80 B ]        nothing waits for what is not there yet
//! ```
//! [`Planner`] decides who goes with whom, `frame` is how they lie in a datagram: both are pure, and
//! know no device. Whether the other end understands bundles, and which datagram is one, is for
//! devices to know.

mod frame;
mod plan;

pub use frame::{BUNDLE_BYTES, BadBundle, MARK, MAX_PIECES, PIECE_BYTES, Pieces, split, write};
pub use plan::{OVERTAKING_DISTANCE, Planner};
