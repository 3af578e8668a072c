//! No spurious retransmission: where nothing is lost and every path keeps its order, nothing needs
//! to be sent again, however much the paths differ.

use usrd_proto::DropReason;

use crate::host::{Host, Transport};
use crate::world::World;

/// Judges the end of a run whose scenario loses, copies and reorders nothing. Queues may still have
/// dropped, and receivers refused; then a retransmission has its reason.
pub(super) fn check<T: Transport>(world: &World, hosts: &[Host<T>]) -> Result<(), String> {
    if world.fabric.counters().dropped() + world.fabric.counters().trimmed > 0
        || hosts.iter().any(has_refused)
    {
        return Ok(());
    }
    let again: u64 = world.traffic.flows().iter().map(|flow| flow.retransmissions).sum();
    if again == 0 {
        return Ok(());
    }
    let sent: u64 = world.traffic.flows().iter().map(|flow| flow.packets).sum();
    Err(format!("{again} of {sent} data packets were sent again although none was lost"))
}

fn has_refused<T: Transport>(host: &Host<T>) -> bool {
    let stats = host.transport().stats();
    let count = |reason: DropReason| stats.drops[reason.index()];
    stats.nacks_received + count(DropReason::NoBuffer) + count(DropReason::OutOfWindow) > 0
}
