//! The section `[baseline]`: options of RC and TCP. And which other keys mean nothing to them.

use serde::Deserialize;

use super::{ControllerKey, Fault, Scenario};
use crate::baseline::{Kind, Settings};
use crate::time::Time;
use crate::workload::CompletionKey;

/// Options of the transports `rc`, `rc-sr` and `tcp`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineOptions {
    /// `tcp`: least retransmission timeout; `rc`, `rc-sr`: the timeout. By default 1 ms.
    pub min_rto: Option<Time>,
    /// `tcp`: the first window in packets, by default 10.
    pub initial_window: Option<u32>,
}

impl Scenario {
    /// What the hosts run, if it is not the core.
    pub fn baseline_settings(&self) -> Option<Settings> {
        Some(Settings {
            kind: self.transport.baseline()?,
            mtu_bytes: self.core.mtu.0,
            paths: self.core.paths,
            link_bps: self.links.rate.bps,
            min_rto_ns: self.baseline.min_rto.unwrap_or(DEFAULT_MIN_RTO).as_ns(),
            initial_window: self.baseline.initial_window.unwrap_or(DEFAULT_WINDOW),
        })
    }

    pub(super) fn check_baseline(&self) -> Result<(), Fault> {
        let fault = |(key, message): (&str, String)| Fault { key: key.to_owned(), message };
        match self.transport.baseline() {
            Some(kind) => self.check_for_baseline(kind).map_err(fault),
            None => self.check_for_core().map_err(fault),
        }
    }

    fn check_for_baseline(&self, kind: Kind) -> Result<(), (&'static str, String)> {
        let name = self.transport.name();
        if let Some((key, _)) = self.keys_of_the_core().into_iter().find(|&(_, given)| given) {
            return Err((key, format!("means nothing to transport \"{name}\"")));
        }
        let own = &self.baseline;
        if own.initial_window.is_some() && kind != Kind::Tcp {
            let message = format!("\"{name}\" has a rate, and no window");
            return Err(("baseline.initial_window", message));
        }
        if own.initial_window == Some(0) {
            return Err(("baseline.initial_window", "must be at least 1".into()));
        }
        if own.min_rto.is_some_and(|rto| rto < LEAST_MIN_RTO) {
            return Err(("baseline.min_rto", format!("must be at least {LEAST_MIN_RTO}")));
        }
        Ok(())
    }

    fn check_for_core(&self) -> Result<(), (&'static str, String)> {
        let own = &self.baseline;
        let keys = [
            ("baseline.min_rto", own.min_rto.is_some()),
            ("baseline.initial_window", own.initial_window.is_some()),
        ];
        match keys.into_iter().find(|&(_, given)| given) {
            Some((key, _)) => {
                let name = self.transport.name();
                Err((key, format!("means nothing to \"{name}\", only to rc, rc-sr and tcp")))
            }
            None => Ok(()),
        }
    }

    /// Keys that only the core knows, and whether they are used.
    fn keys_of_the_core(&self) -> [(&'static str, bool); 23] {
        let core = &self.core;
        [
            ("core.spray", core.spray.is_some()),
            ("core.controller", core.controller != ControllerKey::default()),
            ("core.window", core.window.is_some()),
            ("core.max_window", core.max_window.is_some()),
            ("core.base_rtt", core.base_rtt.is_some()),
            ("core.ack_packets", core.ack_packets.is_some()),
            ("core.ack_bytes", core.ack_bytes.is_some()),
            ("core.ack_delay", core.ack_delay.is_some()),
            ("core.recv_window_packets", core.recv_window_packets.is_some()),
            ("core.bounce", core.bounce.is_some()),
            ("core.pacing_percent", core.pacing_percent.is_some()),
            ("core.receiver_credits", core.receiver_credits),
            ("core.min_rto", core.min_rto.is_some()),
            ("core.min_probe", core.min_probe.is_some()),
            ("core.first_probe", core.first_probe.is_some()),
            // Nobody would answer a packet whose payload was cut off.
            ("links.trimming", self.links.trimming),
            ("workload.completion", self.workload.completion != CompletionKey::default()),
            ("workload.pairs", self.workload.names_services()),
            ("core.expire_after", core.expire_after.is_some()),
            ("workload.many", self.workload.many.is_some()),
            ("workload.note", self.workload.note.is_some()),
            ("workload.cancel", self.workload.cancel.is_some()),
            ("workload.operation", !self.workload.operation().kind.is_message()),
        ]
    }
}

const DEFAULT_MIN_RTO: Time = Time::from_ns(1_000_000);
/// Below a clock tick of anybody's.
const LEAST_MIN_RTO: Time = Time::from_ns(1_000);
/// RFC 6928.
const DEFAULT_WINDOW: u32 = 10;
