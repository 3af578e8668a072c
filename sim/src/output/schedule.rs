//! `schedule.toml`: the scenario of a run with all that chance did written out, packet by packet. It
//! gives the same run without any luck, and parts of it can be left out to see what matters.

use std::cell::RefCell;
use std::rc::Rc;

use toml::Value;

use crate::fabric::Fate;
use crate::observe::Recorder;
use crate::scenario::{Document, PacketFault};
use crate::time::Time;
use crate::topology::Network;

/// Writes down the fate of packets.
#[derive(Debug)]
pub struct Schedule {
    links: Vec<String>,
    packets: Rc<RefCell<Vec<PacketFault>>>,
}

impl Schedule {
    /// A schedule of what happens in a network, and where it is going to stand.
    pub fn new(network: &Network) -> (Self, Rc<RefCell<Vec<PacketFault>>>) {
        let links = 0..network.links().len() as u32;
        let links = links.map(|link| network.link_name(link)).collect();
        let packets = Rc::default();
        (Self { links, packets: Rc::clone(&packets) }, packets)
    }
}

impl Recorder for Schedule {
    fn fate(&mut self, _: Time, link: u32, nth: u64, fate: &Fate) {
        self.packets.borrow_mut().push(fate.listed(&self.links[link as usize], nth));
    }
}

/// The scenario with these packets in the place of chance.
pub fn recorded(document: &Document, packets: &[PacketFault]) -> Document {
    let mut document = document.clone();
    let faults =
        document.table_mut().entry("faults").or_insert_with(|| Value::Table(Default::default()));
    if let Value::Table(faults) = faults {
        faults.insert("recorded".into(), Value::Boolean(true));
        let listed = packets.iter().filter_map(|packet| Value::try_from(packet).ok()).collect();
        faults.insert("packet".into(), Value::Array(listed));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Report, Simulation};

    fn run(document: &Document) -> (Report, Vec<PacketFault>) {
        let scenario = document.scenario().unwrap();
        let (schedule, packets) = Schedule::new(scenario.network());
        let simulation = Simulation::new(&scenario, 1).unwrap().recorded_by(Box::new(schedule));
        let report = simulation.run();
        (report, packets.take())
    }

    #[test]
    fn the_schedule_gives_the_same_run_without_chance() {
        let text = include_str!("../../plans/hello.toml").replace(
            "[workload]",
            "jitter = \"300ns\"\ncorruption = \"0.2%\"\n\
             burst = { begin = 0.001, end = 0.3, loss = 0.5 }\n\
             [[faults.event]]\nat = \"10us\"\nuntil = \"50us\"\nkind = \"link-loss\"\n\
             share = 0.1\ntarget = \"host0>switch0\"\n[workload]",
        );
        let document = Document::new(&text, "hello.toml").unwrap();
        let (first, packets) = run(&document);
        assert!(packets.iter().any(|packet| packet.flip.is_some()));
        let explicit = recorded(&document, &packets);
        let (second, again) = run(&explicit);
        assert_eq!((&first.digest, first.simulated_ns), (&second.digest, second.simulated_ns));
        assert_eq!(packets, again);
        // It is the list that counts, not the seed of the links.
        let none = recorded(&document, &[]);
        assert_eq!(run(&none).0.drops.get("network.loss"), None);
    }
}
