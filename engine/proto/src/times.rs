//! The configuration's durations, in the nanoseconds that the packet path counts in.

use crate::config::Config;
use crate::time::nanos;

/// Converted once: a [`Duration`](core::time::Duration) is seconds and nanoseconds, and adding one
/// to an instant costs more than much of what is done per packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub ack_delay_ns: u64,
    pub message_end_ns: u64,
    pub min_probe_ns: u64,
    /// No packet is overdue earlier after it was sent, unless it was overtaken. Rule L4.
    pub least_timeout_ns: u64,
    pub min_rto_ns: u64,
    pub max_rto_ns: u64,
    pub peer_dead_ns: u64,
    pub idle_after_ns: u64,
    /// Never, if peers do not expire.
    pub expire_after_ns: u64,
    /// How often a peer is looked at that may be idle, or gone.
    pub look_after_ns: u64,
}

impl Times {
    pub(crate) fn new(config: &Config) -> Self {
        let peer_dead_ns = nanos(config.loss.peer_dead_after);
        let idle_after_ns = nanos(config.idle_after);
        Self {
            ack_delay_ns: nanos(config.ack.max_delay),
            message_end_ns: nanos(config.ack.message_end_delay),
            min_probe_ns: min_probe_ns(config),
            least_timeout_ns: min_probe_ns(config) + nanos(config.ack.max_delay),
            min_rto_ns: nanos(config.loss.min_rto),
            max_rto_ns: nanos(config.loss.max_rto),
            peer_dead_ns,
            idle_after_ns,
            expire_after_ns: match nanos(config.expire_after) {
                0 => u64::MAX,
                after_ns => after_ns,
            },
            // A gone peer is to be asked a few times before it is given up.
            look_after_ns: idle_after_ns.min(peer_dead_ns / 4).max(1),
        }
    }
}

/// Where switches trim, what a full queue drops is told at once: silence is a long queue more often
/// than a loss, and can be borne for longer. Rule L4.
fn min_probe_ns(config: &Config) -> u64 {
    let least = config.loss.min_probe;
    nanos(if config.cc.trimming { least.max(config.loss.min_rto) } else { least })
}
