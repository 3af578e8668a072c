//! Conservation: packets neither vanish nor appear. What was sent was delivered or dropped, or is in
//! the network; and of what was trimmed the same holds for itself. Counted in two ways that know
//! nothing of each other: over the whole network against the arena, and link by link against the
//! queues.

use crate::fabric::{Fabric, Link};

/// Judges a network in which hosts hold `held` packets, `held_trimmed` of them trimmed.
pub(super) fn check(fabric: &Fabric, held: usize, held_trimmed: usize) -> Result<(), String> {
    let by_count = fabric.counters().in_network();
    let by_arena = (fabric.packets.live() - held) as u64;
    if by_count != by_arena {
        return Err(format!("{by_count} packets should be in the network, {by_arena} are"));
    }
    let by_count = fabric.counters().trimmed_in_network();
    let by_arena = (fabric.packets.live_trimmed() - held_trimmed) as i64;
    if by_count != by_arena {
        return Err(format!("{by_count} trimmed packets should be in the network, {by_arena} are"));
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
        check(&fabric, 0, 0).unwrap();
        fabric.packets.allocate();
        assert!(check(&fabric, 0, 0).unwrap_err().contains("0 packets should be"));
        check(&fabric, 1, 0).unwrap();
    }

    #[test]
    fn a_payload_cut_off_by_nobody_is_noticed() {
        let text = include_str!("../../plans/hello.toml");
        let scenario = Scenario::parse(text, "hello").unwrap();
        let mut fabric = Fabric::new(&scenario, 1);
        let packet = fabric.packets.allocate();
        fabric.packets[packet].trimmed = true;
        assert!(check(&fabric, 1, 0).unwrap_err().contains("0 trimmed packets should be"));
        check(&fabric, 1, 1).unwrap();
        fabric.packets.release(packet);
        check(&fabric, 0, 0).unwrap();
    }
}
