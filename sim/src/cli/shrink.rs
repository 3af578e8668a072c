//! `shrink`: a failing scenario, made small.

use std::process::ExitCode;
use std::time::Duration;

use usrd_sim::search::{Shrink, Shrunk, judge, schedule};

use super::args::ShrinkArgs;
use super::failure::{Failure, VIOLATION};
use super::out::{say, say_line};
use super::runner::Prepared;

pub(crate) fn run(args: &ShrinkArgs) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(&args.scenario)?;
    let time = Duration::from_secs(args.seconds);
    let Some(shrink) = Shrink::new(prepared.document, prepared.seed, time, judge) else {
        say_line!("nothing is wrong with it under seed {}", prepared.seed);
        return Ok(ExitCode::SUCCESS);
    };
    let shrunk = shrink.run(schedule);
    let text = text_of(&shrunk, prepared.seed);
    match &args.out {
        Some(path) => {
            std::fs::write(path, text).map_err(Failure::writing(path))?;
            say_line!("{} after {} runs: {}", path.display(), shrunk.tries, shrunk.finding.detail);
        }
        None => say!("{text}"),
    }
    Ok(ExitCode::from(VIOLATION))
}

/// The scenario, with its seed in it and what is wrong at its head.
fn text_of(shrunk: &Shrunk, seed: u64) -> String {
    let mut document = shrunk.document.clone();
    document.table_mut().insert("seed".into(), toml::Value::Integer(seed as i64));
    let finding = &shrunk.finding;
    format!("# {}: {}\n{}", finding.sort, finding.detail.replace('\n', " "), document.to_toml())
}
