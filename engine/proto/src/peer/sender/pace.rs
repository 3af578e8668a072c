//! How fast to send: the congestion window, and the spacing of packets inside it.
//!
//! Only a busy peer has a state; one that starts, or starts again after a pause, begins with the
//! controller's initial window, as what it had learned is out of date.

use alloc::boxed::Box;

use crate::cc::{AckSample, Controller, Pacer};
use crate::config::Config;
use crate::time::Instant;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Box<State>>);

#[derive(Debug)]
struct State {
    controller: Controller,
    pacer: Pacer,
    /// Bytes per second; zero: not paced.
    rate: u64,
}

impl Pace {
    #[inline]
    fn state(&mut self, config: &Config) -> &mut State {
        self.0.get_or_insert_with(|| {
            Box::new(State {
                controller: Controller::new(&config.cc),
                pacer: Pacer::new(config.pacing_burst_bytes),
                rate: 0,
            })
        })
    }

    #[inline]
    pub(super) fn cwnd_bytes(&mut self, config: &Config) -> u64 {
        self.state(config).controller.cwnd_bytes()
    }

    /// The window of a busy peer; zero for one that is idle.
    pub(super) fn current_cwnd_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |state| state.controller.cwnd_bytes())
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
        // Rule C2: a window per round trip, and so much faster that the window is what limits.
        let gain = u64::from(config.pacing_gain_percent);
        let per_rtt = state.controller.cwnd_bytes().saturating_mul(gain) / 100;
        let rate = u128::from(per_rtt) * 1_000_000_000 / u128::from(sample.srtt_ns.max(1));
        state.rate = u64::try_from(rate).unwrap_or(u64::MAX);
    }

    pub(super) fn on_loss(&mut self, now: Instant, lost: u64, in_flight: u64, config: &Config) {
        self.state(config).controller.on_loss(now, lost, in_flight);
    }

    pub(super) fn on_timeout(&mut self, now: Instant, config: &Config) {
        self.state(config).controller.on_timeout(now);
    }

    pub(super) fn on_nack(&mut self, now: Instant, bytes: u64, config: &Config) {
        self.state(config).controller.on_nack(now, bytes);
    }

    pub(super) fn release_idle(&mut self) {
        self.0 = None;
    }
}
