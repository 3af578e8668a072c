//! What a run leaves behind: a folder with everything about it, for people, for tools and to
//! repeat it.
//!
//! ```text
//!  scenario.toml   what was run, with everything set that the command line set
//!  summary.json    the seed, the totals, the verdict, the digest
//!  flows.csv       a line per flow
//! ```
//! None of it depends on the machine or on how long it took: the same run writes the same bytes.

mod flows;
mod folder;
mod kept;

pub use self::flows::{FlowRow, read_flows, write_flows};
pub use self::folder::{Folder, Origin};
pub use self::kept::Kept;
