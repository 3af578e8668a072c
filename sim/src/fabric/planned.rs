//! Faults in the fabric: the fate of packets on links that have some, and the planned ones.

use super::*;
use crate::rng::Chance;
use crate::scenario::FaultAction;

impl Fabric {
    /// Gives links the odds that the scenario has for them.
    pub(super) fn set_odds(&mut self, scenario: &Scenario) {
        for link in 0..self.links.len() as LinkId {
            let profile = FaultProfile::new(&scenario.odds_of(link));
            let recorded = scenario.faults.recorded;
            if !profile.is_harmless() || recorded {
                let rng = Stream::new(self.seed, Component::Faults, link);
                let mut source = FaultSource::new(profile, rng);
                if recorded {
                    source = source.scripted(scenario.packet_faults(link));
                }
                self.links[link as usize].faults = Some(Box::new(source));
            }
        }
    }

    /// Does what a step of the plan does to a link; a host's part is the host's.
    pub fn apply_fault(&mut self, cx: &mut Step<'_>, step: u32) {
        cx.observer.fault(cx.now, step);
        match self.fault_plan[step as usize].action {
            FaultAction::Down(link, down) => self.set_down(cx, link, down),
            FaultAction::Rate(link, rate) => {
                let planned = self.network.links()[link as usize].rate;
                self.links[link as usize].set_rate(rate.unwrap_or(planned));
            }
            FaultAction::Loss(link, chance) => self.faulty(link).planned_loss = chance,
            FaultAction::BlackHole(link, below) => self.faulty(link).black_hole = below,
            FaultAction::Pause(..)
            | FaultAction::Drift(..)
            | FaultAction::Crash(..)
            | FaultAction::Restart(..)
            | FaultAction::Revoke(..)
            | FaultAction::Expose(..)
            | FaultAction::Close(..)
            | FaultAction::Suspend(..)
            | FaultAction::Reopen(..) => {}
        }
    }

    /// What waits for a link that goes down is lost; what is on the line arrives.
    fn set_down(&mut self, cx: &mut Step<'_>, link: LinkId, down: bool) {
        let overhead = self.links[link as usize].wire_bytes(0);
        let state = &mut self.links[link as usize];
        state.downs = if down { state.downs + 1 } else { state.downs.saturating_sub(1) };
        if state.downs == 0 {
            return;
        }
        while let Some(packet) = self.links[link as usize].queue.pop(&mut self.packets, overhead) {
            let state = &mut self.links[link as usize];
            if let (Some(owner), false) = (state.owner, self.room.is_empty()) {
                self.room[owner as usize] += state.wire_bytes(self.packets[packet].len);
            }
            state.stats.dropped += 1;
            self.counters.dropped_down += 1;
            self.drop_packet(cx, Kind::Down, link, packet);
        }
    }

    fn faulty(&mut self, link: LinkId) -> &mut FaultSource {
        let seed = self.seed;
        self.links[link as usize].faults.get_or_insert_with(|| {
            let rng = Stream::new(seed, Component::Faults, link);
            Box::new(FaultSource::new(FaultProfile::default(), rng))
        })
    }

    /// A packet leaves on a link that is not to be trusted.
    pub(super) fn start_faulty(
        &mut self,
        cx: &mut Step<'_>,
        link: LinkId,
        id: PacketId,
        mut arrives: Time,
    ) {
        let packet = &self.packets[id];
        let bits = u64::from(packet.header_len) * 8;
        let nth = self.links[link as usize].stats.started;
        let Some(source) = &mut self.links[link as usize].faults else { return };
        let fate = source.judge(packet.entropy, bits, nth);
        if fate != Fate::default() {
            cx.observer.fate(cx.now, link, nth, &fate);
        }
        if source.has_jitter() {
            // It delays, but what is behind stays behind.
            let last = self.links[link as usize].last_arrival();
            arrives = last.max(arrives + fate.jitter);
        }
        if fate.copied {
            leave(&mut self.under_way, &self.packets, id);
            let copy = self.packets.duplicate(id);
            self.counters.copied += 1;
            self.counters.copied_trimmed += u64::from(self.packets[copy].trimmed);
            cx.observer.packet(cx.now, Kind::Copy, link, &self.packets.packet(copy));
            let at = arrives + fate.copy_held_up;
            cx.queue.schedule(at, Event::Straggle { link, packet: copy });
        }
        if fate.lost {
            self.counters.lost += 1;
            return self.drop_packet(cx, Kind::Loss, link, id);
        }
        if let Some(bit) = fate.flipped {
            self.packets.content_mut(id).header[bit as usize / 8] ^= 1 << (bit % 8);
        }
        if fate.held_up > Time::ZERO {
            self.counters.reordered += 1;
            let at = arrives + fate.held_up;
            return cx.queue.schedule(at, Event::Straggle { link, packet: id });
        }
        self.send_off(cx, link, id, arrives);
    }
}

impl Scenario {
    /// Whether any link may turn bits over.
    pub(super) fn corrupts(&self) -> bool {
        let can = |chance: Chance| chance != Chance::default();
        can(self.faults.corruption.into())
            || self.faults.packet.iter().any(|packet| packet.flip.is_some())
            || self.faults.link.iter().any(|entry| can(entry.corruption.into()))
    }
}
