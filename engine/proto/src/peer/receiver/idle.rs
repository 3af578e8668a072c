//! What a receiver goes on from after a pause.

use super::acknowledger::{Acknowledger, Totals};
use super::arrivals::PathArrivals;
use super::order::{OrderStage, Places};
use super::{Lazy, Receiver};
use crate::config::Config;
use crate::psn::Psn;
use crate::recv_window::RecvWindow;

/// See the module's head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdleReceiver {
    next_expected: Psn,
    totals: Totals,
    places: Places,
}

impl Receiver {
    pub(crate) fn wake(idle: &IdleReceiver, config: &Config) -> Self {
        let width_packets = config.recv_window_packets.into();
        Self {
            window: RecvWindow::starting_at(idle.next_expected, width_packets),
            paths: PathArrivals::default(),
            acknowledger: Acknowledger::new(idle.totals),
            messages: Lazy::default(),
            last: None,
            order: OrderStage::new(idle.places),
            crowd: Lazy::default(),
            sent_in: 0,
            nacks: Lazy::default(),
        }
    }

    /// What is to be kept of a receiver that [`may_rest`](Self::may_rest).
    pub(crate) fn rest(&self) -> IdleReceiver {
        IdleReceiver {
            next_expected: self.window.next_expected(),
            totals: self.acknowledger.totals(),
            places: self.order.places(),
        }
    }

    /// Whether nothing is missing, or owed, or waited for.
    pub(crate) fn may_rest(&self) -> bool {
        self.is_idle() && self.crowd.get().is_none_or(super::Crowd::is_done)
    }
}
