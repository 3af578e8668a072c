//! No spurious retransmission: where nothing is lost and every path keeps its order, nothing needs
//! to be sent again, however much the paths differ.
//!
//! With one exception: a round trip that a growing queue makes several times longer cannot be told
//! from a loss by anybody who only has a clock. So where queues grew long, only what was given up
//! for a gap on its path counts: for that there is no excuse.

use usrd_proto::DropReason;

use crate::host::{Host, Transport};
use crate::time::Time;
use crate::world::World;

/// Judges the end of a run whose scenario loses, copies and reorders nothing. Queues may still have
/// dropped, and receivers refused; then a retransmission has its reason.
pub(super) fn check<T: Transport>(world: &World, hosts: &[Host<T>]) -> Result<(), String> {
    if world.fabric.counters().dropped() + world.fabric.counters().trimmed > 0
        || hosts.iter().any(has_refused)
    {
        return Ok(());
    }
    let by_gap: u64 = hosts.iter().map(|host| host.transport().stats().losses_by_path_gap).sum();
    if by_gap > 0 {
        return Err(format!("{by_gap} packets were given up for a gap although none was lost"));
    }
    let again: u64 = world.traffic.flows().iter().map(|flow| flow.retransmissions).sum();
    if again == 0 || longest_wait(world) > PATIENCE {
        return Ok(());
    }
    let sent: u64 = world.traffic.flows().iter().map(|flow| flow.packets).sum();
    Err(format!("{again} of {sent} data packets were sent again although none was lost"))
}

/// How long a packet may have waited in the longest queue that there was.
fn longest_wait(world: &World) -> Time {
    let waits = world.fabric.links().iter().map(|link| {
        let stats = link.stats();
        link.rate().time_for(stats.most_queued_bytes)
    });
    waits.max().unwrap_or_default()
}

/// What a sender's clock has to put up with: less than its least timeout.
const PATIENCE: Time = Time::from_ns(10_000);

fn has_refused<T: Transport>(host: &Host<T>) -> bool {
    let stats = host.transport().stats();
    let count = |reason: DropReason| stats.drops[reason.index()];
    stats.nacks_received + count(DropReason::NoBuffer) + count(DropReason::OutOfWindow) > 0
}
