//! Paths to a peer: what is known of each, and which the next packet takes.

mod reorder;
mod sprayer;
mod state;
mod table;

pub(crate) use sprayer::{SprayPosition, Sprayer};
pub use state::PathState;
pub(crate) use table::{Path, PathTable, ProbeAction, probe_timeout_ns};
