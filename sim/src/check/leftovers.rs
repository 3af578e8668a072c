//! Nothing left over: when everything is done, no packet, placement, send, receive, bounce buffer,
//! operation, region or closed peer is held any more, and no endpoint believes that bytes are in flight.

use crate::host::{Host, Transport};
use crate::world::World;

/// Judges the end of a run that is done.
pub(super) fn check<T: Transport>(world: &World, hosts: &[Host<T>]) -> Result<(), String> {
    let (packets, placements) = (world.fabric.packets.live(), world.placements.len());
    if (packets, placements) != (0, 0) {
        return Err(format!("{packets} packets and {placements} placements are left"));
    }
    let (lists, sinks) = (world.exposed.lists.len(), world.exposed.sinks.len());
    if (lists, sinks) != (0, 0) {
        return Err(format!("{lists} lists of blocks and {sinks} reads are left"));
    }
    hosts.iter().enumerate().try_for_each(|(id, host)| check_host(id, host))
}

fn check_host<T: Transport>(id: usize, host: &Host<T>) -> Result<(), String> {
    let sends = host.transport().pending_sends();
    let (receives, expected) = (host.transport().posted_receives(), host.open_receives());
    let (bounces, in_flight) = (host.open_bounces(), host.in_flight_bytes());
    if (sends, receives, bounces, in_flight) == (0, expected, 0, 0) {
        return check_memory(id, host);
    }
    Err(format!(
        "host {id}: {sends} sends pending, {receives} receives posted ({expected} expected), \
         {bounces} bounce buffers held, {in_flight} bytes in flight"
    ))
}

/// A host has its one region registered, or none; its operations are over.
fn check_memory<T: Transport>(id: usize, host: &Host<T>) -> Result<(), String> {
    let Some(core) = host.transport().core() else { return Ok(()) };
    let (peers, known) = (core.peers().count(), host.known_peers());
    if peers != known {
        return Err(format!("host {id}: {peers} peers, it knows {known}"));
    }
    let (regions, expected, awaited) = (core.regions(), host.regions(), core.awaited_answers());
    if regions == expected && expected <= 1 && awaited == 0 {
        return Ok(());
    }
    Err(format!(
        "host {id}: {regions} regions ({expected} by its own count, at most 1 should be left), \
         {awaited} answers awaited"
    ))
}
