//! Many runs of one scenario: over a grid of values, over values drawn at random, over seeds.
//!
//! A sweep is fixed by its scenario, its axes and one root seed, down to every run's seed. So any
//! machine can do any part of it (`shard`), the parts put together are the whole, byte by byte
//! (`merge`), and every run can be repeated alone.

mod axis;
mod merge;
mod plan;
mod record;
mod table;

pub use self::axis::{Axis, Range};
pub use self::merge::{MergeError, merge};
pub use self::plan::{RunSpec, Shard, SweepPlan};
pub use self::record::{Header, Record, Results};
pub use self::table::table;
