//! No spurious retransmission: where every path keeps its order, nothing is given up for a gap on its
//! path but what was really lost; and where nothing is lost at all, nothing needs to be sent again,
//! however much the paths differ.
//!
//! With one exception: a round trip that a growing queue makes several times longer cannot be told
//! from a loss by anybody who only has a clock. So where queues grew long, only what was given up
//! for a gap counts: for that there is no excuse.

use usrd_proto::DropReason;

use crate::host::{Host, Transport};
use crate::scenario::{Odds, Routing, Scenario, ServiceKey};
use crate::time::Time;
use crate::world::World;

/// Judges the end of a run.
pub(super) fn check<T: Transport>(
    scenario: &Scenario,
    world: &World,
    hosts: &[Host<T>],
) -> Result<(), String> {
    if !keeps_order(scenario) || !runs_the_core(world) || world.checkers.saw_crashes() {
        return Ok(());
    }
    let counters = world.fabric.counters();
    let refused: u64 = hosts.iter().map(refusals).sum();
    let lost = counters.dropped() + counters.trimmed + refused;
    let by_gap: u64 = hosts.iter().map(|host| host.transport().stats().losses_by_path_gap).sum();
    if by_gap > lost {
        return Err(format!("{by_gap} packets were given up for a gap although {lost} were lost"));
    }
    let again: u64 = world.traffic.flows().iter().map(|flow| flow.retransmissions).sum();
    if again == 0 || lost > 0 || !goes_well(scenario) || longest_wait(scenario, world) > PATIENCE {
        return Ok(());
    }
    let sent: u64 = world.traffic.flows().iter().map(|flow| flow.packets).sum();
    Err(format!("{again} of {sent} data packets were sent again although none was lost"))
}

/// Whether packets of one path stay in order, as far as they arrive.
fn keeps_order(scenario: &Scenario) -> bool {
    let in_order = |odds: &Odds| odds.reorder.share() + odds.duplication.share() == 0.0;
    scenario.links.routing == Routing::Ecmp
        && scenario.faults.packet.is_empty()
        && in_order(&scenario.faults.odds())
        && scenario.faults.link.iter().all(|own| in_order(&own.odds()))
}

/// Whether nothing goes wrong in a scenario by itself.
fn goes_well(scenario: &Scenario) -> bool {
    let faults = &scenario.faults;
    faults.event.is_empty()
        && faults.odds().is_harmless()
        && faults.link.iter().all(|own| own.odds().is_harmless())
}

/// Whether every flow is the core's: a baseline may know no better.
fn runs_the_core(world: &World) -> bool {
    let core = [ServiceKey::Srd, ServiceKey::Rd, ServiceKey::Ud];
    world.traffic.flows().iter().all(|flow| core.contains(&flow.spec.service))
}

/// How long a packet may have waited in the longest queue that there was, and for the packet that was
/// leaving it.
fn longest_wait(scenario: &Scenario, world: &World) -> Time {
    let waits = world.fabric.links().iter().map(|link| {
        let stats = link.stats();
        match stats.most_queued_bytes {
            0 => Time::ZERO,
            bytes => link.rate().time_for(bytes + scenario.packet_bytes()),
        }
    });
    waits.max().unwrap_or_default()
}

/// What a sender's clock has to put up with: less than its least timeout.
const PATIENCE: Time = Time::from_ns(10_000);

/// Packets that reached a host and were refused there, so that they are lost to the sender. A
/// duplicate is not: its path is reported.
fn refusals<T: Transport>(host: &Host<T>) -> u64 {
    let stats = host.transport().stats();
    let dropped: u64 = stats.drops.iter().sum();
    stats.nacks_received + dropped - stats.drops[DropReason::Duplicate.index()]
}
