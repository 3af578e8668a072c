//! A message on its way in.

use crate::boundary::{Destination, InboundId, PeerFailure, Placement};
use crate::ids::{BounceId, PeerId, Service};
use crate::message::PostedRecv;
use crate::wire::DataView;

/// A message of which a packet has arrived and which has not been delivered.
///
/// Each packet is placed as it comes, whatever its order; since a PSN is accepted once, counting
/// bytes is enough to know that all are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMessage {
    pub peer: PeerId,
    pub service: Service,
    /// The sender's number for it.
    pub id: u32,
    /// RD: its place in the order of submission.
    pub order: u32,
    pub total_len: u64,
    /// Whether the sender wants to know when it is placed.
    pub report: bool,
    pub binding: Binding,
    /// Its context has ended before it had arrived; it goes once nothing is being placed.
    pub ended: Option<PeerFailure>,
    /// Its context has ended; it had arrived, and is delivered on its own.
    pub detached: bool,
    /// Bytes that have arrived.
    received: u64,
    /// Whether a packet has arrived: an empty message has no bytes to count.
    started: bool,
    /// Placements handed out and not yet reported done.
    placing: u32,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Binding {
    /// To a posted receive.
    Posted(PostedRecv),
    /// To bounce memory, until a receive claims it.
    Bounce { id: BounceId, claimed: Option<PostedRecv> },
    /// From bounce memory to the receive that claimed it.
    Copying { id: BounceId, to: PostedRecv },
}

impl InMessage {
    pub(crate) fn new(
        peer: PeerId,
        service: Service,
        (id, order): (u32, u32),
        total_len: u64,
        report: bool,
        binding: Binding,
    ) -> Self {
        Self {
            peer,
            service,
            id,
            order,
            total_len,
            report,
            binding,
            ended: None,
            detached: false,
            received: 0,
            started: false,
            placing: 0,
        }
    }

    /// Takes up a packet's payload and says where it goes.
    #[inline]
    pub(crate) fn place(&mut self, key: u32, data: DataView<'_>) -> Placement {
        let len = u64::from(data.payload_len());
        self.received += len;
        self.started = true;
        self.placing += 1;
        let (destination, capacity) = match self.binding {
            Binding::Posted(recv) => (Destination::Posted(recv.buffer), recv.len),
            Binding::Bounce { id, .. } | Binding::Copying { id, .. } => {
                (Destination::Bounce { id, total_len: self.total_len }, self.total_len)
            }
        };
        // What does not fit into the receiver's buffer is cut off, as its completion will tell.
        let offset = data.offset().min(capacity);
        let len = len.min(capacity - offset) as usize;
        Placement { message: InboundId(key), destination, offset, len }
    }

    /// A placement, or the copy out of bounce memory, is done. `false` if none was under way.
    #[inline]
    pub(crate) fn placed(&mut self) -> bool {
        let Some(placing) = self.placing.checked_sub(1) else {
            return false;
        };
        self.placing = placing;
        true
    }

    /// The copy out of bounce memory begins.
    pub(crate) fn copying(&mut self, id: BounceId, to: PostedRecv) {
        self.binding = Binding::Copying { id, to };
        self.placing += 1;
    }

    /// Whether nothing is being placed.
    pub(crate) fn is_unplaced(&self) -> bool {
        self.placing == 0
    }

    /// Whether every byte has arrived.
    #[inline]
    pub(crate) fn has_arrived(&self) -> bool {
        self.started && self.received >= self.total_len
    }

    /// Whether every byte is where it was to be placed.
    #[inline]
    pub(crate) fn is_placed(&self) -> bool {
        self.has_arrived() && self.placing == 0
    }

    /// Whether a further packet says the same about the message as those before it, and brings no
    /// more bytes than are missing.
    #[inline]
    pub(crate) fn agrees_with(&self, data: DataView<'_>) -> bool {
        self.total_len == data.total_len()
            && self.service == data.service()
            && self.order == data.order()
            && self.received + u64::from(data.payload_len()) <= self.total_len
    }
}
