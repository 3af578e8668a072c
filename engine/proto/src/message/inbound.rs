//! A message on its way in.

use crate::boundary::{Destination, InboundId, PeerFailure, Placement, RecvFailure};
use crate::endpoint::{Place, TailPlace};
use crate::ids::{BounceId, PeerId, Service};
use crate::message::PostedRecv;
use crate::wire::{DataFlags, DataView, Op};

/// A message of which a packet has arrived and which has not been delivered.
///
/// Each packet is placed as it comes, whatever its order; since a PSN is accepted once, counting
/// bytes is enough to know that all are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMessage {
    pub peer: PeerId,
    pub service: Service,
    pub op: Op,
    /// The sender's number for it.
    pub id: u32,
    /// RD: its place in the order of submission.
    pub order: u32,
    pub total_len: u64,
    /// Whether the sender wants to know when it is placed.
    pub report: bool,
    pub binding: Binding,
    /// Key of its envelope; [`NO_ENVELOPE`] for messages without a tag.
    pub envelope: u32,
    /// What came beside its bytes, of a SEND; it is here when all of the message is.
    pub immediate: Option<u64>,
    /// It will not arrive; it goes once nothing is being placed.
    pub ended: Option<End>,
    /// Its context has ended; it had arrived, and is delivered without it.
    pub detached: bool,
    /// RD, detached: its place among those that are to be delivered in their order.
    pub tail: Option<TailPlace>,
    /// What has to arrive: its bytes, and one more for an immediate that is a packet of its own.
    expected: u64,
    /// How much of that has arrived.
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
    /// A WRITE: to the regions that its packets name, and what it tells to bounce memory.
    Write { notice: Option<InNotice> },
    /// The answer to a READ: to the memory of this operation.
    Read { operation: u32 },
    /// The list of a READ: to bounce memory, until the driver has read it.
    List { id: BounceId },
    /// An atomic: to the eight bytes that the driver is changing.
    Atomic,
    /// Nowhere yet: it is at its sender. Its record takes this part of bounce memory.
    Announced { room: BounceId },
}

/// What a WRITE of the peer's tells this side's user, once a packet of it has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InNotice {
    pub immediate: u64,
    /// Where its note lies, if it has one.
    pub note: Option<BounceId>,
    /// Whose place it has.
    pub place: Place,
}

/// Why a message will not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its context has ended.
    Context(PeerFailure),
    /// Its sender has taken it back, or nobody wants it any more. `tell`: the sender waits to hear
    /// that nothing of it is being placed.
    Withdrawn { tell: bool },
}

impl From<End> for RecvFailure {
    fn from(end: End) -> Self {
        match end {
            End::Context(reason) => Self::Aborted(reason),
            End::Withdrawn { .. } => Self::Withdrawn,
        }
    }
}

/// What a tagged message says of itself beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub tag: u64,
    pub immediate: Option<u64>,
}

/// There is no [`Envelope`].
pub(crate) const NO_ENVELOPE: u32 = u32::MAX;

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
            op: Op::Send,
            id,
            order,
            total_len,
            expected: total_len,
            report,
            binding,
            envelope: NO_ENVELOPE,
            immediate: None,
            ended: None,
            detached: false,
            tail: None,
            received: 0,
            started: false,
            placing: 0,
        }
    }

    /// A message of a one-sided operation.
    pub(crate) fn one_sided(peer: PeerId, data: DataView<'_>, binding: Binding) -> Self {
        let report = data.flags().has(DataFlags::REPORT);
        let (numbers, len) = ((data.message_id(), data.order()), data.total_len());
        let message = Self::new(peer, data.service(), numbers, len, report, binding);
        let expected = len + u64::from(data.op() == Op::Write && data.has_bare_immediate());
        Self { op: data.op(), expected, ..message }
    }

    /// A tagged message, or that there is one.
    pub(crate) fn tagged(
        peer: PeerId,
        data: DataView<'_>,
        binding: Binding,
        envelope: u32,
    ) -> Self {
        Self { envelope, ..Self::one_sided(peer, data, binding) }
    }

    /// An atomic: a placement until the driver has carried it out. Its lengths are operands.
    pub(crate) fn atomic(peer: PeerId, data: DataView<'_>) -> Self {
        let numbers = (data.message_id(), data.order());
        let message = Self::new(peer, data.service(), numbers, 0, false, Binding::Atomic);
        Self { op: data.op(), started: true, placing: 1, ..message }
    }

    /// Takes up a packet of a one-sided operation, whose payload goes where the packet says.
    #[inline]
    pub(crate) fn take(&mut self, data: DataView<'_>) {
        self.received += data.weight();
        self.started = true;
        self.placing += u32::from(data.payload_len() > 0);
    }

    /// Takes up a packet's payload and says where it goes.
    #[inline]
    pub(crate) fn place(&mut self, key: u32, data: DataView<'_>) -> Placement {
        let len = u64::from(data.payload_len());
        self.received += len;
        self.started = true;
        self.placing += 1;
        if let Some(immediate) = data.send_immediate() {
            self.immediate = Some(immediate);
        }
        let (destination, start, capacity) = match self.binding {
            Binding::Posted(recv) => (Destination::Posted(recv.buffer), recv.offset, recv.len),
            Binding::Bounce { id, .. } | Binding::Copying { id, .. } | Binding::List { id } => {
                (Destination::Bounce { id, total_len: self.total_len }, 0, self.total_len)
            }
            Binding::Write { .. }
            | Binding::Read { .. }
            | Binding::Atomic
            | Binding::Announced { .. } => {
                unreachable!("placed where its packets say")
            }
        };
        // What does not fit into the receiver's buffer is cut off, as its completion will tell.
        let offset = data.offset().min(capacity);
        let len = len.min(capacity - offset) as usize;
        let message = InboundId::message(key);
        Placement { message, destination, offset: start + offset, len }
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

    /// WRITE: what it tells, as far as that is known.
    pub(crate) fn notice(&self) -> Option<InNotice> {
        match self.binding {
            Binding::Write { notice } => notice,
            _ => None,
        }
    }

    /// WRITE: how long its note is, in bytes.
    pub(crate) fn note_len(&self) -> u64 {
        self.order.into()
    }

    /// WRITE: how much of it goes to regions, in bytes.
    pub(crate) fn written_len(&self) -> u64 {
        self.total_len - self.note_len()
    }

    /// How much has not arrived, in bytes.
    pub(crate) fn missing_bytes(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// Whether nothing is being placed.
    pub(crate) fn is_unplaced(&self) -> bool {
        self.placing == 0
    }

    /// Whether every byte has arrived.
    #[inline]
    pub(crate) fn has_arrived(&self) -> bool {
        self.started && self.received >= self.expected
    }

    /// Whether every byte is where it was to be placed.
    #[inline]
    pub(crate) fn is_placed(&self) -> bool {
        self.has_arrived() && self.placing == 0
    }

    /// The same for a packet of a one-sided operation.
    pub(crate) fn agrees_with_operation(&self, data: DataView<'_>) -> bool {
        self.total_len == data.total_len()
            && self.op == data.op()
            && (self.op != Op::Write || self.order == data.order())
            && self.received + data.weight() <= self.expected
    }

    /// Whether a further packet says the same about the message as those before it, and brings no
    /// more bytes than are missing.
    #[inline]
    pub(crate) fn agrees_with(&self, data: DataView<'_>) -> bool {
        self.total_len == data.total_len()
            && self.service == data.service()
            && self.order == data.order()
            && self.op == Op::Send
            && self.received + u64::from(data.payload_len()) <= self.expected
    }
}
