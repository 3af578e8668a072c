//! What a run leaves behind: a folder with everything about it, for people, for tools and to
//! repeat it.
//!
//! ```text
//!  scenario.toml   what was run, with everything set that the command line set
//!  summary.json    the seed, the totals, the verdict, the digest
//!  flows.csv       a line per flow
//!  series.csv      queues, windows, paths and links over time
//!  schedule.toml   the scenario, with all that chance did to packets written out
//!  faults.csv      what went wrong, as it came to pass
//!  report.html     all of it as a page
//!  events.jsonl    every event, if asked for
//!  packets.pcapng  every packet on every link, if asked for
//! ```
//! None of it depends on the machine or on how long it took: the same run writes the same bytes.

mod events;
mod faults;
mod flows;
mod folder;
mod kept;
mod pcapng;
mod recording;
mod schedule;
mod series;
mod sink;
mod tape;

pub use self::events::EventLog;
pub use self::faults::FaultLog;
pub use self::flows::{FlowRow, read_flows, write_flows};
pub use self::folder::{Folder, Origin};
pub use self::kept::Kept;
pub use self::pcapng::PacketCapture;
pub use self::recording::{Recording, Sampler, Step, Window};
pub use self::schedule::{Schedule, recorded};
pub use self::series::write_series;
pub use self::sink::{Sink, SinkError};
pub use self::tape::Tape;
