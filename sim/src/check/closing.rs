//! Closing: when a host has closed a peer, all that it had under way with it has ended, and the peer is
//! forgotten. And nobody is told that a peer was closed on his side, or has left, unless it was so.

use std::collections::BTreeSet;

use usrd_proto::PeerFailure;

use crate::traffic::MessageId;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Closing {
    /// Who is closing whom just now.
    parting: Option<(u32, u32)>,
    /// Who has ever closed whom.
    ever: BTreeSet<(u32, u32)>,
    /// What ends only when all that had come for it is in place.
    late: BTreeSet<MessageId>,
}

impl Closing {
    pub(super) fn parts(&mut self, host: u32, other: u32) {
        self.parting = Some((host, other));
        self.ever.insert((host, other));
    }

    /// A host has closed another: what is `left` of its operations has not ended, and has no reason not
    /// to have; what is `late` has.
    pub(super) fn parted(
        &mut self,
        (host, other): (u32, u32),
        left: &[MessageId],
        late: Vec<MessageId>,
    ) -> Result<(), String> {
        self.parting = None;
        self.late.extend(late);
        match left {
            [] => Ok(()),
            [first, ..] => Err(format!(
                "host {host} has closed {other}, and {} operations have not ended, the first is {first}",
                left.len()
            )),
        }
    }

    /// An operation of a host with another has failed for this reason.
    pub(super) fn failed(
        &mut self,
        message: MessageId,
        (host, other): (u32, u32),
        reason: PeerFailure,
    ) -> Result<(), String> {
        let is_so = match reason {
            PeerFailure::Closed => {
                self.parting == Some((host, other)) || self.late.remove(&message)
            }
            PeerFailure::Left => self.ever.contains(&(other, host)),
            _ => true,
        };
        match is_so {
            true => Ok(()),
            false => Err(format!("message {message} of {host} to {other} failed: {reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_closed_peers_has_to_be_true() {
        let mut closing = Closing::default();
        assert!(closing.failed(1, (0, 2), PeerFailure::Closed).is_err());
        assert!(closing.failed(1, (2, 0), PeerFailure::Left).is_err());
        closing.failed(1, (0, 2), PeerFailure::Unreachable).unwrap();
        closing.parts(0, 2);
        closing.failed(1, (0, 2), PeerFailure::Closed).unwrap();
        closing.parted((0, 2), &[], vec![5]).unwrap();
        assert!(closing.failed(1, (0, 2), PeerFailure::Closed).is_err());
        closing.failed(5, (0, 2), PeerFailure::Closed).unwrap();
        assert!(closing.failed(5, (0, 2), PeerFailure::Closed).is_err(), "once");
        closing.failed(1, (2, 0), PeerFailure::Left).unwrap();
        assert!(closing.parted((0, 2), &[7], vec![]).is_err());
    }
}
