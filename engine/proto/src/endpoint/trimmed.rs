//! A full switch cut a packet's payload off and sent the header on: the surest news of a loss there
//! is, an instant after it. The sender is told at once. Rule L7.

use super::Endpoint;
use super::receive::{Outcome, find};
use crate::boundary::Inbound;
use crate::drop_reason::DropReason;
use crate::ids::{PeerId, Service};
use crate::peer::receiver::Arrival;
use crate::time::Instant;
use crate::wire::{DataFlags, DataView, DecodeError, Kind, NackReason, Op};

impl Endpoint {
    /// Takes in what is left of a packet.
    #[cold]
    pub(super) fn on_trimmed(
        &mut self,
        now: Instant,
        inbound: &Inbound<'_>,
        accepted: &mut Option<PeerId>,
    ) -> Outcome {
        // Nothing else has a payload that could be cut off.
        if Kind::of(inbound.head)? != Kind::Data {
            return Err(DecodeError::Length.into());
        }
        let data = DataView::check_trimmed(inbound.head, inbound.len)?;
        let index = if data.flags().has(DataFlags::OPEN) {
            self.open_with_data(now, inbound, data, accepted)?
        } else {
            match find(&mut self.peers, data.address()) {
                Some((_, peer)) if !peer.context.is_established() => {
                    return Err(DropReason::UnknownContext);
                }
                Some((index, _)) => index,
                None => return self.turn_away(now, data.address(), data.transmission()),
            }
        };
        self.heard(now, index);
        if data.service() == Service::Ud {
            return Err(DropReason::Trimmed);
        }
        let peer = &mut self.peers[index as usize];
        match peer.receiver.admit_trimmed(now, data) {
            Arrival::New(_) => {
                // Rule C5: what else there is needs no credit.
                if data.op() == Op::Send {
                    self.credit_announcement(index, data.total_len());
                }
                self.tell_refusal(index, data, NackReason::Trimmed, 0)?;
            }
            // An ACK says that it is here already.
            Arrival::Duplicate => {}
            Arrival::OutOfWindow => return Err(DropReason::OutOfWindow),
        }
        Err(DropReason::Trimmed)
    }
}
