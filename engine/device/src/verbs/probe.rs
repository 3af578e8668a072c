//! Whether marks of congestion can be seen: a datagram to oneself, marked from the start.
//!
//! A NIC shows the network's header in front of a datagram, and with it the mark; whether it really
//! does, and whether it lets us ask for marks, is best seen by trying.

use std::time::{Duration, Instant};

use super::VerbsDevice;
use super::gid::CE;
use super::greeting::{Greeting, OWN};
use super::rail::Rail;
use super::sys::{AddressHandle, Label, Way};
use super::transmit::greet;

impl VerbsDevice {
    /// Whether every rail shows marks.
    pub(super) fn shows_marks(&mut self) -> bool {
        let qkey = self.qkey;
        self.rails.iter_mut().all(|rail| shows_marks(rail, qkey))
    }
}

fn shows_marks(rail: &mut Rail, qkey: u32) -> bool {
    let way = Way {
        port: rail.port.number,
        source_gid_index: rail.gid.index,
        to: rail.gid.gid,
        lid: rail.port.lid,
        flow_label: 1,
        traffic_class: CE,
    };
    let Ok(handle) = AddressHandle::new(&rail.domain, &way) else {
        return false;
    };
    let Some(sender) = rail.sender(0) else {
        return false;
    };
    let queue_pair = sender.queue_pair.number();
    let label = Label { to: &handle, queue_pair, qkey, immediate: qkey | OWN };
    greet(sender, label, &Greeting::Probe.to_bytes());
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(marked) = probe_arrived(rail) {
            return marked;
        }
        std::thread::yield_now();
    }
    false
}

/// Whether the probe's mark is to be seen, once it has arrived.
fn probe_arrived(rail: &mut Rail) -> Option<bool> {
    let mut received = Vec::new();
    rail.collect_sent();
    rail.collect_received(&mut received);
    let mut marked = None;
    for done in received {
        let slot = done.id as u32;
        let bytes = rail.incoming.datagram(slot, 1);
        let is_probe = bytes.and_then(Greeting::from_bytes) == Some(Greeting::Probe);
        if is_probe && rail.incoming.front(slot).is_some_and(|front| front.source == rail.gid.gid) {
            marked = rail.incoming.front(slot).map(|front| front.ce);
        }
        rail.incoming.release(slot);
    }
    marked
}

/// Within a host it takes microseconds; a host that plays the NIC may be busy.
const PATIENCE: Duration = Duration::from_millis(100);
