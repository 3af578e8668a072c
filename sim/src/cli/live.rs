//! The live line: where a run is, how fast it goes and when it will be done. Only on a terminal.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant as WallClock};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use usrd_sim::host::Transport;
use usrd_sim::{Scenario, Simulation};

/// Shows where a run is.
pub(crate) struct LiveRun {
    bar: ProgressBar,
    /// Data packets that the run needs if nothing is sent twice.
    packets: u64,
    began: WallClock,
    shown: WallClock,
}

impl LiveRun {
    pub(crate) fn new(quiet: bool, scenario: &Scenario, seed: u64) -> Self {
        let mtu = scenario.core.mtu.0;
        let flows = scenario.traffic_plan(seed).flows;
        let packets = flows.iter().map(|it| u64::from(it.messages) * it.size.div_ceil(mtu)).sum();
        let bar = if is_shown(quiet) { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_style(style("{spinner} {msg}"));
        Self { bar, packets, began: WallClock::now(), shown: WallClock::now() }
    }

    /// Takes the line away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl LiveRun {
    /// Draws the line anew, if it is time.
    pub(crate) fn watch<T: Transport>(&mut self, simulation: &Simulation<T>) -> ControlFlow<()> {
        if !self.bar.is_hidden() && self.shown.elapsed() >= REDRAW {
            self.shown = WallClock::now();
            let elapsed = self.began.elapsed();
            let line = Line::of(simulation, self.packets);
            self.bar.set_message(line.text(elapsed));
            self.bar.tick();
        }
        ControlFlow::Continue(())
    }
}

/// What the live line shows of a run.
struct Line {
    simulated_us: f64,
    hops: u64,
    flows_done: usize,
    flows: usize,
    /// The share of all data packets that have been sent.
    done: f64,
}

impl Line {
    fn of<T: Transport>(simulation: &Simulation<T>, packets: u64) -> Self {
        let world = simulation.world();
        let flows = world.traffic.flows();
        let sent: u64 = flows.iter().map(|flow| flow.packets - flow.retransmissions).sum();
        Self {
            simulated_us: world.now.as_us(),
            hops: world.fabric.counters().hops,
            flows_done: flows.iter().filter(|flow| flow.is_done()).count(),
            flows: flows.len(),
            done: (sent as f64 / packets.max(1) as f64).min(1.0),
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let left = if self.done > 0.01 {
            format!("{:.0} s left", seconds / self.done * (1.0 - self.done))
        } else {
            "? s left".to_owned()
        };
        format!(
            "{:.1} us, {:.2} M hops/s, {} of {} flows, {left}",
            self.simulated_us,
            self.hops as f64 / seconds.max(f64::MIN_POSITIVE) / 1e6,
            self.flows_done,
            self.flows
        )
    }
}

/// A bar over a known number of runs.
pub(crate) fn live_runs(runs: u64, quiet: bool) -> ProgressBar {
    let target =
        if is_shown(quiet) { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    bar.set_style(style("{bar:30} {pos} of {len} runs, {per_sec}, {eta} left {msg}"));
    bar
}

/// A line that counts runs for as long as it takes.
pub(crate) fn live_count(quiet: bool) -> ProgressBar {
    let bar = if is_shown(quiet) { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(style("{spinner} {pos} runs in {elapsed}, {per_sec} {msg}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant")
}

fn is_shown(quiet: bool) -> bool {
    !quiet && std::io::stderr().is_terminal()
}

const REDRAW: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_long_it_will_take() {
        let line =
            Line { simulated_us: 12.34, hops: 3_000_000, flows_done: 1, flows: 4, done: 0.25 };
        let text = line.text(Duration::from_secs(2));
        assert_eq!(text, "12.3 us, 1.50 M hops/s, 1 of 4 flows, 6 s left");
        let early = Line { done: 0.0, ..line };
        assert!(early.text(Duration::ZERO).ends_with("? s left"));
    }
}
