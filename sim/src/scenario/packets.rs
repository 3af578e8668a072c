//! What chance did to single packets, written out: `[[faults.packet]]`. With it a run can be
//! repeated without chance, and what matters of it be found by leaving the rest out.

use serde::{Deserialize, Serialize};

use super::Scenario;
use super::load::Fault;
use crate::time::Time;
use crate::topology::LinkId;

/// What happens to one packet on one link.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PacketFault {
    /// Which link, by name.
    pub link: String,
    /// Which packet: the first that starts on the link is 1.
    pub nth: u64,
    /// It never arrives.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub loss: bool,
    /// This bit of it is turned over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<u64>,
    /// It arrives a second time, this much too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<Time>,
    /// It is held up so long, and overtaken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Time>,
    /// It is so late, with all behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Time>,
}

impl Scenario {
    /// The packets to which something happens on a link.
    pub(crate) fn packet_faults(&self, link: LinkId) -> impl Iterator<Item = &PacketFault> {
        let name = self.network().link_name(link);
        self.faults.packet.iter().filter(move |fault| fault.link == name)
    }

    pub(super) fn check_packet_faults(&self) -> Result<(), Fault> {
        for (nth, fault) in self.faults.packet.iter().enumerate() {
            let problem = |key: &str, message: String| {
                Err(Fault { key: format!("faults.packet[{nth}].{key}"), message })
            };
            let links = match self.network().links_named(&fault.link) {
                Ok(links) => links,
                Err(error) => return problem("link", error.to_string()),
            };
            if links.iter().all(|&link| self.network().link_name(link) != fault.link) {
                return problem("link", "name one direction, such as \"host0>switch0\"".into());
            }
            if fault.nth == 0 {
                return problem("nth", "packets are counted from 1".into());
            }
            let nothing =
                PacketFault { link: fault.link.clone(), nth: fault.nth, ..Default::default() };
            if *fault == nothing {
                return problem("link", "needs loss, flip, copy, hold or jitter".into());
            }
        }
        if !self.faults.packet.is_empty() && !self.faults.recorded {
            let message = "needs faults.recorded = true: chance is out then".into();
            return Err(Fault { key: "faults.packet".into(), message });
        }
        Ok(())
    }
}
