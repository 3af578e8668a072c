//! How fast to send: the congestion window, and the spacing of packets inside it.
//!
//! A peer that starts, or starts again after a pause, begins with the controller's initial window, as
//! what it had learned is out of date.

use crate::cc::{AckSample, Breaker, Controller, Pacer};
use crate::config::Config;
use crate::time::Instant;

/// See the module's head.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// The controller's window, as it was left.
    cwnd_bytes: u64,
    /// Bytes per second; zero: not paced.
    rate: u64,
    pacer: Pacer,
    breaker: Breaker,
    controller: Controller,
}

impl Pace {
    pub(crate) fn new(config: &Config) -> Self {
        let controller = Controller::new(&config.cc);
        Self {
            cwnd_bytes: controller.cwnd_bytes(),
            rate: 0,
            pacer: Pacer::new(config.pacing_burst_bytes),
            breaker: Breaker::default(),
            controller,
        }
    }

    fn set_cwnd(&mut self) {
        self.cwnd_bytes = self.breaker.limit(self.controller.cwnd_bytes());
    }

    #[inline]
    pub(super) fn cwnd_bytes(&self) -> u64 {
        self.cwnd_bytes
    }

    /// From when on the next packet may leave.
    #[inline]
    pub(super) fn ready_at(&self) -> Instant {
        if self.rate > 0 { self.pacer.ready_at() } else { Instant::ZERO }
    }

    #[inline]
    pub(super) fn on_send(&mut self, now: Instant, bytes: u64) {
        if self.rate > 0 {
            self.pacer.on_send(now, bytes as u32, self.rate);
        }
    }

    pub(super) fn on_ack(&mut self, now: Instant, sample: &AckSample, config: &Config) {
        self.controller.on_ack(now, sample);
        if sample.acked_bytes > 0 {
            self.breaker.on_progress();
        }
        // Rule C2: a window per round trip, and so much faster that the window is what limits.
        let gain = u64::from(config.pacing_gain_percent);
        self.set_cwnd();
        // In kilobytes per second first, so that 64 bits hold the product.
        let per_rtt = self.cwnd_bytes.min(MOST_PACED_BYTES) * gain.min(MOST_GAIN) / 100;
        self.rate = (per_rtt * 1_000_000 / sample.srtt_ns.max(1)).saturating_mul(1_000);
    }

    pub(super) fn on_loss(&mut self, now: Instant, lost: u64, in_flight: u64) {
        self.controller.on_loss(now, lost, in_flight);
        self.set_cwnd();
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        self.controller.on_timeout(now);
        self.set_cwnd();
    }

    pub(super) fn on_nack(&mut self, now: Instant, bytes: u64) {
        self.controller.on_nack(now, bytes);
        self.breaker.on_trimmed(bytes, self.controller.cwnd_bytes());
        self.set_cwnd();
    }
}

/// Windows above this are not paced more finely: 16 GiB.
const MOST_PACED_BYTES: u64 = 1 << 34;
/// Ten times a window per round trip is no pacing at all.
const MOST_GAIN: u64 = 1000;
const _: () = assert!(MOST_PACED_BYTES.checked_mul(MOST_GAIN / 100 * 1_000_000).is_some());
