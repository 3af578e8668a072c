//! NSCC: the window algorithm of Ultra Ethernet (network signal-based congestion control).
//!
//! Two signals, and what each pair of them means:
//!
//! ```text
//!                   delay below target               delay at or above target
//!   no mark   a queue may fill: grow in proportion   it drains, or others left: grow by the
//!             to the room; with none at all, fast    same small amount as everybody (fair)
//!   marked    one path is full: hold, and let the    all of it is full: shrink by the average
//!             sprayer avoid it                       excess, once per round trip
//! ```
//!
//! A mark is made early, where the queue begins; delay is the sum over the path, and late. That is
//! why neither alone decides. Growth is gathered in `inc` and applied every 8 MTU or round trip,
//! divided by the window, so that windows converge; and a constant is added each round trip.
//!
//! Under a large incast the average moves too slowly. *Quick adapt* measures instead: when a round
//! trip and a target's delay brought less than an eighth of the largest window, with a loss or a
//! very long delay, the window becomes what was achieved. Marks of packets sent before that say
//! nothing new, and are skipped until as many bytes as were in flight have been accounted for.
//!
//! Where this stands in for what the published algorithm leaves to the sender: growth happens only
//! while the window is the limit; the losses of one round trip are one event, which takes their
//! bytes off the window, at most down to the floor of a decrease; a NACK takes off its own bytes.

mod params;

pub use params::NsccParams;

use alloc::sync::Arc;

use super::{AckSample, CcConfig, nanos_u32};
use crate::time::Instant;

/// The delay and ECN controller; see the [module](self).
#[derive(Clone, Debug)]
pub struct Nscc {
    scaled: Arc<Scaled>,
    cwnd: f64,
    /// Growth not applied yet, in bytes times the window's bytes.
    inc: f64,
    avg_delay_ns: f64,
    /// Bytes since growth was applied.
    adjusting_bytes: u64,
    /// Bytes acknowledged in a row with an empty path.
    empty_path_bytes: u64,
    /// Bytes acknowledged in this period of quick adapt.
    achieved_bytes: u64,
    /// Bytes whose marks are older than the last quick adapt.
    stale_bytes: u64,
    next_adjust: Instant,
    next_decrease: Instant,
    next_loss: Instant,
    /// When the period of quick adapt ends; zero before the first.
    period_end: Instant,
    base_rtt_ns: u32,
    srtt_ns: u32,
    increasing_fast: bool,
    /// A loss in this period.
    lossy: bool,
}

impl Nscc {
    /// Starts with the largest window: an idle network can take it, and quick adapt corrects it
    /// after a round trip where it cannot.
    pub fn new(config: &CcConfig) -> Self {
        let scaled = Arc::new(Scaled::new(config));
        let rtt0_ns = scaled.rtt0_ns;
        Self {
            cwnd: scaled.max_cwnd,
            scaled,
            inc: 0.0,
            avg_delay_ns: 0.0,
            adjusting_bytes: 0,
            empty_path_bytes: 0,
            achieved_bytes: 0,
            stale_bytes: 0,
            next_adjust: Instant::NEVER,
            next_decrease: Instant::ZERO,
            next_loss: Instant::ZERO,
            period_end: Instant::ZERO,
            base_rtt_ns: rtt0_ns,
            srtt_ns: rtt0_ns,
            increasing_fast: false,
            lossy: false,
        }
    }

    /// Bytes were acknowledged.
    pub fn on_ack(&mut self, now: Instant, ack: &AckSample) {
        self.note_round_trips(ack);
        if self.period_end == Instant::ZERO {
            self.restart_periods(now);
        }
        let delay_ns = ack.rtt_ns.map(|rtt_ns| rtt_ns.saturating_sub(u64::from(self.base_rtt_ns)));
        if let Some(delay_ns) = delay_ns {
            self.avg_delay_ns +=
                f64::from(self.scaled.ewma) * (delay_ns as f64 - self.avg_delay_ns);
        }
        self.achieved_bytes = self.achieved_bytes.saturating_add(ack.acked_bytes);
        self.adjusting_bytes = self.adjusting_bytes.saturating_add(ack.acked_bytes);
        let stale = self.stale_bytes > 0 && ack.ce;
        self.stale_bytes = self.stale_bytes.saturating_sub(ack.acked_bytes);
        if stale {
            return self.drop_growth();
        }
        let left_in_flight = ack.in_flight_bytes.saturating_sub(ack.acked_bytes);
        if self.quick_adapt(now, delay_ns, left_in_flight) {
            return;
        }
        if let Some(delay_ns) = delay_ns {
            self.react(now, ack, delay_ns);
        }
        if self.adjusting_bytes >= u64::from(self.scaled.adjust_bytes) || now >= self.next_adjust {
            self.adjust(now, ack.cwnd_limited);
        }
    }

    /// Packets were lost; `in_flight_bytes` are without them.
    pub fn on_loss(&mut self, now: Instant, lost_bytes: u64, in_flight_bytes: u64) {
        self.lossy = true;
        self.stop_fast_increase();
        if now < self.next_loss || self.quick_adapt(now, None, in_flight_bytes) {
            return;
        }
        self.next_loss = now.plus_nanos(u64::from(self.srtt_ns));
        let floor = self.cwnd * f64::from(self.scaled.decrease_floor);
        self.set_cwnd((self.cwnd - lost_bytes as f64).max(floor));
    }

    /// A packet was refused or trimmed. That is one packet too many, exactly, so each counts.
    pub fn on_nack(&mut self, bytes: u64) {
        self.lossy = true;
        self.stop_fast_increase();
        if self.stale_bytes > 0 {
            self.stale_bytes = self.stale_bytes.saturating_sub(bytes);
        } else {
            self.set_cwnd(self.cwnd - bytes as f64);
        }
    }

    /// Nothing was heard for a retransmission timeout: start over from one MTU. If the path turns
    /// out to be empty, fast increase leads back.
    pub fn on_timeout(&mut self, now: Instant) {
        self.cwnd = f64::from(self.scaled.mtu_bytes);
        self.stop_fast_increase();
        self.drop_growth();
        self.avg_delay_ns = 0.0;
        self.stale_bytes = 0;
        self.next_loss = now.plus_nanos(u64::from(self.srtt_ns));
        self.restart_periods(now);
    }

    /// The window.
    pub fn cwnd_bytes(&self) -> u64 {
        self.cwnd as u64
    }

    /// The largest window that there can be.
    pub fn max_cwnd_bytes(&self) -> u64 {
        self.scaled.max_cwnd as u64
    }

    /// The smoothed queueing delay.
    pub fn avg_delay_ns(&self) -> u64 {
        self.avg_delay_ns as u64
    }

    /// The four quadrants.
    fn react(&mut self, now: Instant, ack: &AckSample, delay_ns: u64) {
        let over_target = delay_ns >= u64::from(self.scaled.target_ns);
        match (ack.ce, over_target) {
            (false, false) => self.grow_into_room(ack, delay_ns),
            (false, true) if ack.cwnd_limited => {
                self.inc += self.scaled.fair_gain * ack.acked_bytes as f64;
            }
            (false, true) => {}
            (true, false) => {}
            (true, true) => self.decrease(now),
        }
    }

    fn grow_into_room(&mut self, ack: &AckSample, delay_ns: u64) {
        if !ack.cwnd_limited {
            return self.stop_fast_increase();
        }
        let acked = ack.acked_bytes as f64;
        if delay_ns >= u64::from(self.scaled.fast_delay_ns) {
            self.stop_fast_increase();
        } else {
            self.empty_path_bytes = self.empty_path_bytes.saturating_add(ack.acked_bytes);
            self.increasing_fast |= self.empty_path_bytes as f64 > self.cwnd;
        }
        if self.increasing_fast {
            self.set_cwnd(self.cwnd + f64::from(self.scaled.fast_gain) * acked);
        } else {
            let room_ns = u64::from(self.scaled.target_ns) - delay_ns;
            self.inc += self.scaled.proportional_gain * room_ns as f64 * acked;
        }
    }

    /// By the average excess, and only if the average agrees with this sample.
    fn decrease(&mut self, now: Instant) {
        self.stop_fast_increase();
        let target_ns = f64::from(self.scaled.target_ns);
        if self.avg_delay_ns <= target_ns || now < self.next_decrease {
            return;
        }
        self.next_decrease = now.plus_nanos(u64::from(self.base_rtt_ns));
        let excess = (self.avg_delay_ns - target_ns) / self.avg_delay_ns;
        let left = 1.0 - f64::from(self.scaled.decrease_gain) * excess;
        self.set_cwnd(self.cwnd * left.max(f64::from(self.scaled.decrease_floor)));
    }

    /// Applies the growth gathered so far, and once per round trip the constant part.
    fn adjust(&mut self, now: Instant, cwnd_limited: bool) {
        let mut growth = self.inc / self.cwnd;
        if now >= self.next_adjust {
            self.next_adjust = now.plus_nanos(u64::from(self.scaled.rtt0_ns));
            if cwnd_limited {
                growth += f64::from(self.scaled.eta);
            }
        }
        self.set_cwnd(self.cwnd + growth);
        self.drop_growth();
    }

    /// At the end of a period, sets the window to what was achieved if there is a reason to.
    fn quick_adapt(&mut self, now: Instant, delay_ns: Option<u64>, in_flight_bytes: u64) -> bool {
        if now < self.period_end || self.period_end == Instant::ZERO {
            return false;
        }
        let long_delay = delay_ns.is_some_and(|delay| delay > u64::from(self.scaled.long_delay_ns));
        let achieved = self.achieved_bytes as f64;
        let adapt = (self.lossy || long_delay) && achieved < self.scaled.gate_bytes;
        if adapt {
            self.set_cwnd(achieved.min(self.cwnd));
            self.stale_bytes = in_flight_bytes;
            self.stop_fast_increase();
            self.drop_growth();
        }
        self.restart_quick_adapt(now);
        adapt
    }

    fn restart_periods(&mut self, now: Instant) {
        self.next_adjust = now.plus_nanos(u64::from(self.scaled.rtt0_ns));
        self.restart_quick_adapt(now);
    }

    fn restart_quick_adapt(&mut self, now: Instant) {
        self.achieved_bytes = 0;
        self.lossy = false;
        let period_ns = u64::from(self.base_rtt_ns) + u64::from(self.scaled.target_ns);
        self.period_end = now.plus_nanos(period_ns);
    }

    fn note_round_trips(&mut self, ack: &AckSample) {
        let rtt0_ns = self.scaled.rtt0_ns;
        // Zero stands for not measured.
        let or_rtt0 = |ns: u64| {
            if ns == 0 { rtt0_ns } else { u32::try_from(ns).unwrap_or(u32::MAX) }
        };
        self.base_rtt_ns = or_rtt0(ack.base_rtt_ns);
        self.srtt_ns = or_rtt0(ack.srtt_ns);
    }

    fn stop_fast_increase(&mut self) {
        self.increasing_fast = false;
        self.empty_path_bytes = 0;
    }

    fn drop_growth(&mut self) {
        self.inc = 0.0;
        self.adjusting_bytes = 0;
    }

    fn set_cwnd(&mut self, cwnd: f64) {
        self.cwnd = cwnd.clamp(f64::from(self.scaled.mtu_bytes), self.scaled.max_cwnd);
    }
}

/// The constants, scaled to one network: clones share them.
#[derive(Clone, Debug)]
struct Scaled {
    fair_gain: f64,
    /// Per nanosecond of room below the target.
    proportional_gain: f64,
    max_cwnd: f64,
    gate_bytes: f64,
    eta: f32,
    fast_gain: f32,
    ewma: f32,
    decrease_gain: f32,
    decrease_floor: f32,
    rtt0_ns: u32,
    target_ns: u32,
    long_delay_ns: u32,
    fast_delay_ns: u32,
    adjust_bytes: u32,
    mtu_bytes: u32,
}

impl Scaled {
    fn new(config: &CcConfig) -> Self {
        let params = &config.nscc;
        let (mtu, bdp) = (f64::from(config.mtu_bytes), config.bdp_bytes());
        let rtt0_ns = nanos_u32(config.base_rtt);
        let target_rtt = match config.trimming {
            true => params.target_with_trimming_rtt,
            false => params.target_without_trimming_rtt,
        };
        // At least a nanosecond, as it divides.
        let target_ns = (f64::from(rtt0_ns) * target_rtt).max(1.0);
        let a = bdp / params.reference_bdp_bytes;
        let b = target_ns / f64::from(nanos_u32(params.reference_rtt));
        let max_cwnd = config.max_cwnd_bytes.map_or(params.max_cwnd_bdp * bdp, |max| max as f64);
        let max_cwnd = max_cwnd.max(mtu);
        Self {
            fair_gain: params.fair_gain * mtu * a,
            proportional_gain: params.proportional_gain * mtu * a * b / target_ns,
            max_cwnd,
            gate_bytes: max_cwnd * params.quick_adapt_gate,
            eta: (params.eta_mtu * mtu * a) as f32,
            fast_gain: (params.fast_gain * a) as f32,
            ewma: params.ewma as f32,
            decrease_gain: params.decrease_gain as f32,
            decrease_floor: params.decrease_floor as f32,
            rtt0_ns,
            target_ns: target_ns as u32,
            long_delay_ns: (target_ns * params.quick_adapt_targets) as u32,
            fast_delay_ns: nanos_u32(params.fast_delay),
            adjust_bytes: config.mtu_bytes.saturating_mul(params.adjust_mtu),
            mtu_bytes: config.mtu_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
