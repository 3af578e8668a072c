//! How a run ended, in one word.

use serde::Serialize;

use crate::check::Checker;
use crate::host::{Host, Transport};
use crate::time::Time;
use crate::world::World;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Everything completed and every property holds.
    Ok,
    /// A property does not hold.
    Violated,
    /// Nothing moved any more, or a message was given up, though it should have completed.
    Liveness,
    /// The end came while messages still completed; all else holds.
    Unfinished,
}

impl Status {
    /// What the process exits with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Violated => 1,
            Self::Unfinished => 3,
            Self::Liveness => 4,
        }
    }

    /// As JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Violated => "violated",
            Self::Unfinished => "unfinished",
            Self::Liveness => "liveness",
        }
    }

    pub(super) fn of<T: Transport>(world: &World, hosts: &[Host<T>]) -> Self {
        let violations = world.checkers.violations();
        if violations.is_empty() {
            return Self::Ok;
        }
        if violations.iter().any(|found| found.checker != Checker::Liveness) {
            return Self::Violated;
        }
        let flows = world.traffic.flows();
        let failed = flows.iter().any(|flow| flow.failed > 0);
        let to_come =
            flows.iter().any(|flow| world.now < flow.began_at && flow.began_at < Time::NEVER);
        let idle = world.fabric.packets.live() == 0
            && hosts.iter().all(|host| host.in_flight_bytes() == 0)
            && !to_come;
        let silence = world.now - world.traffic.progress_at();
        if failed || idle || silence > LONG_SILENCE { Self::Liveness } else { Self::Unfinished }
    }
}

/// Longer than a few retransmission timeouts, backed off: a run that moved since was cut short.
const LONG_SILENCE: Time = Time::from_ns(100_000_000);
