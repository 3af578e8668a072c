//! How fast to send: the congestion window, and the spacing of packets inside it.
//!
//! Only a busy peer has a state; one that starts, or starts again after a pause, begins with the
//! controller's initial window, as what it had learned is out of date.

use alloc::boxed::Box;

use crate::cc::{AckSample, Breaker, Controller, Pacer};
use crate::config::Config;
use crate::time::Instant;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Box<State>>);

#[derive(Debug)]
struct State {
    controller: Controller,
    pacer: Pacer,
    breaker: Breaker,
    /// The controller's window, as it was left.
    cwnd_bytes: u64,
    /// Bytes per second; zero: not paced.
    rate: u64,
}

impl State {
    #[cold]
    fn new(config: &Config) -> Self {
        let controller = Controller::new(&config.cc);
        Self {
            cwnd_bytes: controller.cwnd_bytes(),
            controller,
            pacer: Pacer::new(config.pacing_burst_bytes),
            breaker: Breaker::default(),
            rate: 0,
        }
    }

    fn set_cwnd(&mut self) {
        self.cwnd_bytes = self.breaker.limit(self.controller.cwnd_bytes());
    }
}

impl Pace {
    #[inline]
    fn state(&mut self, config: &Config) -> &mut State {
        self.0.get_or_insert_with(|| Box::new(State::new(config)))
    }

    #[inline]
    pub(super) fn cwnd_bytes(&mut self, config: &Config) -> u64 {
        self.state(config).cwnd_bytes
    }

    /// The window of a busy peer; zero for one that is idle.
    pub(super) fn current_cwnd_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |state| state.cwnd_bytes)
    }

    /// From when on the next packet may leave.
    #[inline]
    pub(super) fn ready_at(&self) -> Instant {
        match &self.0 {
            Some(state) if state.rate > 0 => state.pacer.ready_at(),
            _ => Instant::ZERO,
        }
    }

    #[inline]
    pub(super) fn on_send(&mut self, now: Instant, bytes: u64) {
        if let Some(state) = self.0.as_mut().filter(|state| state.rate > 0) {
            state.pacer.on_send(now, bytes as u32, state.rate);
        }
    }

    pub(super) fn on_ack(&mut self, now: Instant, sample: &AckSample, config: &Config) {
        let state = self.state(config);
        state.controller.on_ack(now, sample);
        if sample.acked_bytes > 0 {
            state.breaker.on_progress();
        }
        // Rule C2: a window per round trip, and so much faster that the window is what limits.
        let gain = u64::from(config.pacing_gain_percent);
        state.set_cwnd();
        // In kilobytes per second first, so that 64 bits hold the product.
        let per_rtt = state.cwnd_bytes.min(MOST_PACED_BYTES) * gain.min(MOST_GAIN) / 100;
        state.rate = (per_rtt * 1_000_000 / sample.srtt_ns.max(1)).saturating_mul(1_000);
    }

    pub(super) fn on_loss(&mut self, now: Instant, lost: u64, in_flight: u64, config: &Config) {
        let state = self.state(config);
        state.controller.on_loss(now, lost, in_flight);
        state.set_cwnd();
    }

    pub(super) fn on_timeout(&mut self, now: Instant, config: &Config) {
        let state = self.state(config);
        state.controller.on_timeout(now);
        state.set_cwnd();
    }

    pub(super) fn on_nack(&mut self, now: Instant, bytes: u64, config: &Config) {
        let state = self.state(config);
        state.controller.on_nack(now, bytes);
        state.breaker.on_trimmed(bytes, state.controller.cwnd_bytes());
        state.set_cwnd();
    }
}

/// Windows above this are not paced more finely: 16 GiB.
const MOST_PACED_BYTES: u64 = 1 << 34;
/// Ten times a window per round trip is no pacing at all.
const MOST_GAIN: u64 = 1000;
const _: () = assert!(MOST_PACED_BYTES.checked_mul(MOST_GAIN / 100 * 1_000_000).is_some());
