//! `fuzz`: random scenarios until time is up.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use usrd_sim::search::{Failure as Found, Fuzz, judge};

use super::args::FuzzArgs;
use super::failure::{Failure, VIOLATION};
use super::live::live_count;
use super::out::say_line;
use super::sweep::in_threads;

pub(crate) fn run(args: &FuzzArgs) -> Result<ExitCode, Failure> {
    let fuzz = Fuzz {
        root_seed: args.root_seed,
        time: Duration::from_secs(args.seconds),
        runs: args.runs,
    };
    let bar = live_count(args.quiet);
    let error = Mutex::new(None);
    let quiet_panics = std::panic::take_hook();
    // A panic is a finding, told below with its seed; its backtrace would only bury the others.
    std::panic::set_hook(Box::new(|_| {}));
    let summary = in_threads(args.threads, || {
        fuzz.search(
            |scenario, seed| {
                bar.inc(1);
                judge(scenario, seed)
            },
            |found| {
                let kept = bar.suspend(|| keep(args, &found));
                if let Err(failure) = kept {
                    *error.lock().unwrap() = Some(failure);
                }
            },
        )
    })?;
    std::panic::set_hook(quiet_panics);
    bar.finish_and_clear();
    if let Some(failure) = error.into_inner().unwrap() {
        return Err(failure);
    }
    say_line!(
        "{} runs from root seed {}, {} failed",
        summary.runs,
        args.root_seed,
        summary.failures
    );
    Ok(ExitCode::from(if summary.failures == 0 { 0 } else { VIOLATION }))
}

/// Writes a failing scenario, with what was wrong at its head. It holds its own seed.
fn keep(args: &FuzzArgs, found: &Found) -> Result<(), Failure> {
    let path = args.out.join(format!("{}-{}.toml", found.finding.sort, found.seed));
    say_line!("seed {}: {}: {}", found.seed, found.finding.sort, found.finding.detail);
    say_line!("  usrd-sim shrink {}", path.display());
    let text = format!(
        "# {}: {}\n{}",
        found.finding.sort,
        found.finding.detail.replace('\n', " "),
        found.document.to_toml()
    );
    let write = || {
        std::fs::create_dir_all(&args.out)?;
        std::fs::write(&path, &text)
    };
    write().map_err(Failure::writing(&path))
}
