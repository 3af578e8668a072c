//! A discrete-event network simulator that runs the real usrd protocol core.
//!
//! A run is one [`Scenario`] and one seed. [`Simulation`] builds the network
//! and a host for every endpoint, takes events in order of picosecond time, and ends in a
//! [`Report`]: what each flow took, what the network did, what the checkers found, and a digest
//! that is the same whenever the same thing happened.
//!
//! ```text
//!  scenario/   the TOML file: shape, units, validation, core options
//!  topology/   nodes and links, which way leads where, names
//!  workload/   who sends what to whom: patterns, and what waits for what
//!  event/      what happens when; two queues
//!  fabric/     packets (arena), links, queues (ECN, trimming), faults, switches
//!  host/       drives one endpoint; `Transport` is what it sees of it
//!  baseline/   RC and TCP, to compare with
//!  traffic     the flows, and how long they would take alone
//!  memory/     what hosts let others operate on
//!  tags        tags, and the receives posted for them
//!  check/      one module per property
//!  digest      the fingerprint of a run
//!  observe     where a recorder can watch
//!  simulation  the loop
//!  report/     results as data, JSON and table
//!  output/     the folder that a run leaves behind
//!  sweep/      many runs: grids, draws, seeds, shards
//!  compare/    two results against each other
//!  experiments/ the published comparison
//!  import/     scenarios out of other simulators' files
//!  search/     random scenarios that fail, made small
//!  stats/      distributions, bootstrap, fairness
//! ```

pub mod baseline;
pub mod check;
pub mod compare;
pub mod digest;
pub mod event;
pub mod experiments;
pub mod fabric;
pub mod host;
pub mod import;
pub mod memory;
pub mod observe;
pub mod output;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod search;
pub mod simulation;
pub mod stats;
pub mod sweep;
pub mod tags;
pub mod time;
pub mod topology;
pub mod traffic;
pub mod units;
pub mod workload;
pub mod world;

pub use report::{Report, Status};
pub use scenario::{Document, Scenario, ScenarioError, value_of};
pub use simulation::Simulation;
