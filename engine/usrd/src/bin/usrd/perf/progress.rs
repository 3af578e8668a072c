//! A progress bar, for long runs on a terminal.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of a run of several measurements.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: u64,
}

/// The progress of one of them.
#[derive(Debug)]
pub(crate) struct Step {
    bar: ProgressBar,
    number: u64,
}

impl Progress {
    /// For `steps` measurements that take about `each`. Nothing is shown for a short run, or where
    /// nobody watches.
    pub(crate) fn new(steps: u64, each: Duration) -> Self {
        let total = each.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
        let bar = if total >= LONG && stderr().is_terminal() {
            let bar = ProgressBar::new(steps * PARTS);
            // The template is a constant, and a good one.
            let style = ProgressStyle::with_template(TEMPLATE);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, begun: 0 }
    }

    /// Begins the next measurement.
    pub(crate) fn begin(&mut self, what: &str) -> Step {
        self.bar.set_message(what.to_owned());
        let step = Step { bar: self.bar.clone(), number: self.begun };
        step.set(0.0);
        self.begun += 1;
        step
    }

    /// Prints something while the bar is out of the way.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Step {
    /// Says how much of the measurement is done, from 0 to 1.
    pub(crate) fn set(&self, done: f64) {
        let parts = (done.clamp(0.0, 1.0) * PARTS as f64) as u64;
        self.bar.set_position(self.number * PARTS + parts);
    }
}

/// What ends sooner needs no bar.
const LONG: Duration = Duration::from_secs(3);
/// Parts of a measurement that are shown.
const PARTS: u64 = 100;
const TEMPLATE: &str = "{bar:30} {elapsed} of about {duration}: {msg}";
