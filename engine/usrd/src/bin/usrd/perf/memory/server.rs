//! The server's side: it has the memory, and looks at it when it is asked to.

use std::sync::atomic::AtomicBool;

use usrd::{Access, Region};

use super::layout::Layout;
use super::page_aligned;
use crate::failure::Failure;
use crate::perf::control::{Control, Outcome, Trial};
use crate::perf::pattern::Pattern;
use crate::perf::server::{begun_anew, give_way};
use crate::perf::session::{Incoming, Session};
use crate::perf::tally::Tally;

/// Serves one measurement.
pub(crate) fn serve(
    session: &mut Session,
    trial: &Trial,
    stop: &AtomicBool,
) -> Result<Outcome, Failure> {
    let before = session.end.counters()?;
    let region = session.end.register(page_aligned(trial.size), Access::ALL)?;
    let result = serve_region(session, trial, region, stop);
    // However it went. Nobody waits for the memory.
    session.end.engine().deregister(region, 0).map_err(Failure::run)?;
    let tally = result?;
    let counters = session.end.counters()?.since(&before);
    Ok(Outcome { tally, counters, cpu_ns: 0 })
}

fn serve_region(
    session: &mut Session,
    trial: &Trial,
    region: Region,
    stop: &AtomicBool,
) -> Result<Tally, Failure> {
    let pattern = Pattern::new(trial.key, trial.size);
    let mut tally = Tally::default();
    session.say(&Control::Memory { handle: region.remote().to_bytes().to_vec() })?;
    loop {
        match session.next()? {
            Incoming::Control(_, Control::Fill { number }) => {
                session.end.copy_into(region, &pattern.message(number))?;
                session.say(&Control::Seen { fine: true })?;
            }
            Incoming::Control(_, Control::Look { number, block }) => {
                let memory = session.end.copy_from(region, trial.size)?;
                let layout = Layout::new(trial.size, Some(block.clamp(1, trial.size)));
                let fine = layout.is_moved(&pattern.message(number), &memory, false);
                tally.messages += 1;
                tally.bytes += trial.size as u64;
                tally.contents_checked += 1;
                if !fine {
                    tally.wrong += 1;
                    let what = || format!("the contents of round {number}");
                    tally.first_wrong.get_or_insert_with(what);
                }
                session.say(&Control::Seen { fine })?;
            }
            Incoming::Control(_, Control::End { .. }) => return Ok(tally),
            Incoming::Control(_, Control::Begin(_) | Control::Bye) => return Err(begun_anew()),
            Incoming::Message(message) => session.repost(message)?,
            Incoming::Silence => give_way(stop)?,
            _ => {}
        }
    }
}
