//! `check-determinism`: the same run twice, and once more over the other event queue.

use std::process::ExitCode;

use usrd_sim::event::QueueKind;

use super::args::ScenarioArgs;
use super::failure::{Failure, VIOLATION};
use super::out::say_line;
use super::runner::Prepared;

pub(crate) fn run(args: &ScenarioArgs) -> Result<ExitCode, Failure> {
    let mut prepared = Prepared::new(args)?;
    let mut digests = vec![prepared.run()?.digest, prepared.run()?.digest];
    prepared.scenario.event_queue = match prepared.scenario.event_queue {
        QueueKind::Radix => QueueKind::Binary,
        QueueKind::Binary => QueueKind::Radix,
    };
    digests.push(prepared.run()?.digest);
    let same = digests.iter().all(|digest| *digest == digests[0]);
    say_line!("{} {}", digests.join(" "), if same { "same" } else { "DIFFERENT" });
    Ok(ExitCode::from(if same { 0 } else { VIOLATION }))
}
