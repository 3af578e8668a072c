//! Conservation: packets neither vanish nor appear. Counted in two ways that know nothing of each
//! other: over the whole network against the arena, and link by link against the queues.

use crate::fabric::{Fabric, Link};

/// Judges a network in which hosts hold `held` packets for placements.
pub(super) fn check(fabric: &Fabric, held: usize) -> Result<(), String> {
    let by_count = fabric.counters().in_network();
    let by_arena = (fabric.packets.live() - held) as u64;
    if by_count != by_arena {
        return Err(format!("{by_count} packets should be in the network, {by_arena} are"));
    }
    fabric
        .links()
        .iter()
        .enumerate()
        .try_for_each(|(number, link)| check_link(fabric, number, link))
}

fn check_link(fabric: &Fabric, number: usize, link: &Link) -> Result<(), String> {
    let (data, urgent) = link.queued_bytes();
    let (stats, queued) = (link.stats(), (link.queued_packets().into(), data + urgent));
    let walked = link.walk(&fabric.packets);
    if queued != walked {
        return Err(format!("link {number}: queue holds {walked:?}, counted {queued:?}"));
    }
    if stats.offered != stats.started + stats.dropped + queued.0 {
        return Err(format!("link {number}: {stats:?} with {} queued", queued.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn a_packet_from_nowhere_is_noticed() {
        let text = include_str!("../../plans/hello.toml");
        let scenario = Scenario::parse(text, "hello").unwrap();
        let mut fabric = Fabric::new(&scenario, 1);
        check(&fabric, 0).unwrap();
        fabric.packets.allocate();
        assert!(check(&fabric, 0).unwrap_err().contains("0 packets should be"));
        check(&fabric, 1).unwrap();
    }
}
