//! What crosses between the core and its driver, besides commands: arrivals in, transmissions,
//! placements and events out. No payload byte is among it.

mod failure;

use crate::drop_reason::DropReason;
use crate::ids::{BounceId, BufferId, BufferRange, PathId, PeerId, Service, Token};
use crate::transfer::{AtomicOp, TransferFailure};
use crate::wire::MAX_HEADER_BYTES;

pub use failure::{PeerFailure, RecvFailure, SendFailure};

/// A datagram that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The datagram's first bytes: at least 64, or all of it if it is shorter or is not data. The
    /// core never looks beyond the header.
    pub head: &'a [u8],
    /// The whole datagram, in bytes.
    pub len: usize,
    /// Whether the network marked it.
    pub ce: bool,
    /// Whether a switch cut its payload off. Then `len` is what is left: the header.
    pub trimmed: bool,
    /// The peer that the sender's address belongs to, if there is one. Only looked at where
    /// [`wire::origin_locator`](crate::wire::origin_locator) asks for it.
    pub origin: Option<PeerId>,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Copy its payload, then call
    /// [`handle_placed`](crate::Endpoint::handle_placed).
    Place(Placement),
    /// Perform this, then call
    /// [`handle_atomic`](crate::Endpoint::handle_atomic) with the value before.
    Atomic(Atomic),
    /// It has done what it came for.
    Consumed,
    /// It has changed nothing but a counter.
    Dropped(DropReason),
    /// It changed nothing, and its sender is to be told: send these bytes back to where it came
    /// from.
    Reply(Reply),
}

/// The answer to [`Endpoint::handle_datagram`](crate::Endpoint::handle_datagram).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// What to do with the datagram.
    pub disposition: Disposition,
    /// The peer that this datagram created. From now on its sender's address belongs to it.
    pub accepted: Option<PeerId>,
}

/// A header that goes back to a datagram's source, without a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    bytes: [u8; REPLY_BYTES],
}

const REPLY_BYTES: usize = 12;

impl Reply {
    pub(crate) fn new(encode: impl FnOnce(&mut [u8]) -> usize) -> Self {
        let mut bytes = [0; REPLY_BYTES];
        let len = encode(&mut bytes);
        debug_assert_eq!(len, REPLY_BYTES);
        Self { bytes }
    }

    /// The datagram.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Payload to be put where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which message it is part of, for [`handle_placed`](crate::Endpoint::handle_placed).
    pub message: InboundId,
    /// Where to.
    pub destination: Destination,
    /// Where in the destination, in bytes.
    pub offset: u64,
    /// How much of the arrival's payload, from its start, in bytes. Less than all of it where the
    /// posted buffer is too small.
    pub len: usize,
}

/// An atomic operation on eight bytes of registered memory, in this host's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atomic {
    /// Which, for [`handle_atomic`](crate::Endpoint::handle_atomic).
    pub id: InboundId,
    /// The region's memory.
    pub buffer: BufferId,
    /// Where in it, in bytes: a multiple of eight.
    pub offset: u64,
    /// What to do.
    pub op: AtomicOp,
}

/// A message that is arriving, and, in a placement, the region that it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboundId {
    pub(crate) message: u32,
    /// Slot of the region that is being written; [`NO_REGION`](Self::NO_REGION) if none is.
    pub(crate) region: u32,
}

impl InboundId {
    pub(crate) const NO_REGION: u32 = u32::MAX;

    pub(crate) const fn message(message: u32) -> Self {
        Self { message, region: Self::NO_REGION }
    }

    /// For who takes this core's place behind the same boundary: a number of its own choosing, ...
    pub const fn from_number(number: u32) -> Self {
        Self::message(number)
    }

    /// ... and the same number again.
    pub const fn number(self) -> u32 {
        self.message
    }
}

/// Where payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The buffer of a posted receive.
    Posted(BufferId),
    /// The memory of a region, or the buffer of a READ.
    Memory(BufferId),
    /// Memory of the driver's for an unexpected message of `total_len` bytes. It is needed until
    /// [`Event::BounceFreed`].
    Bounce {
        /// Names it until it is freed.
        id: BounceId,
        /// How large it has to be.
        total_len: u64,
    },
}

/// An unexpected message has found its receive: copy it over, then call
/// [`handle_placed`](crate::Endpoint::handle_placed) with `len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BounceCopy {
    /// Which message.
    pub message: InboundId,
    /// From here, from its start.
    pub bounce: BounceId,
    /// To here.
    pub buffer: BufferId,
    /// From here on, in bytes.
    pub offset: u64,
    /// How much.
    pub len: u64,
}

/// A datagram to send: the header that
/// [`poll_transmit`](crate::Endpoint::poll_transmit) wrote, then the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// To whom.
    pub peer: PeerId,
    /// Along which path.
    pub path: PathId,
    /// How much of the header buffer is in use, in bytes.
    pub header_len: usize,
    /// What follows the header.
    pub payload: Option<BufferRange>,
    /// Whether the network may mark it instead of dropping it.
    pub ecn_capable: bool,
}

impl Transmit {
    /// Header and payload, in bytes.
    pub fn len(&self) -> usize {
        self.header_len + self.payload.map_or(0, |range| range.len as usize)
    }

    /// Never: there is always a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Room for the header of a transmission of any kind.
pub type HeaderBuffer = [u8; MAX_HEADER_BYTES];

/// Something the user, or the driver, is to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A send is over; its buffer is the user's again.
    SendCompleted {
        /// The operation.
        token: Token,
        /// To whom it was.
        peer: PeerId,
        /// How it ended.
        result: Result<(), SendFailure>,
    },
    /// A receive is over; its buffer is the user's again, with what was placed visible in it.
    RecvCompleted {
        /// The operation.
        token: Token,
        /// Whose message it was.
        peer: PeerId,
        /// How the message was carried.
        service: Service,
        /// Where they begin in the buffer; zero, unless several messages share it.
        offset: u64,
        /// Bytes placed in the buffer.
        len: u64,
        /// What was sent along with it.
        immediate: Option<u64>,
        /// How it ended.
        result: Result<(), RecvFailure>,
    },
    /// The same of a receive for tagged messages.
    TaggedCompleted {
        /// The operation.
        token: Token,
        /// Whose message it was.
        peer: PeerId,
        /// Its tag.
        tag: u64,
        /// What was sent along with it.
        immediate: Option<u64>,
        /// Where they begin in the buffer; zero, unless several messages share it.
        offset: u64,
        /// Bytes placed in the buffer.
        len: u64,
        /// How it ended.
        result: Result<(), RecvFailure>,
    },
    /// A receive for several messages is over: each of them has completed, and the buffer is the
    /// user's again.
    MultiRecvOver {
        /// The operation.
        token: Token,
        /// It was taken back by [`cancel_recv`](crate::Endpoint::cancel_recv).
        cancelled: bool,
    },
    /// A posted receive was taken back by [`cancel_recv`](crate::Endpoint::cancel_recv).
    RecvCancelled {
        /// The operation.
        token: Token,
    },
    /// The peer's context is known: its messages and acknowledgements can come.
    PeerUp {
        /// Which.
        peer: PeerId,
    },
    /// The peer's context is gone; everything that was under way with it has completed with an
    /// error. The next send opens a new one.
    PeerDown {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: PeerFailure,
    },
    /// A path was judged anew.
    PathChanged {
        /// To whom.
        peer: PeerId,
        /// Which path.
        path: PathId,
        /// What it is now.
        state: crate::path::PathState,
    },
    /// The driver's bounce memory is not needed any more.
    BounceFreed {
        /// Which.
        bounce: BounceId,
    },
    /// A one-sided operation is over; its memory on this side is the user's again.
    TransferCompleted {
        /// The operation.
        token: Token,
        /// With whom it was.
        peer: PeerId,
        /// How it ended; of an atomic, the value before it.
        result: Result<u64, TransferFailure>,
    },
    /// A transfer of the peer's is placed, whole and visible, and this is its immediate. Once the
    /// user has it, call [`notifications_taken`](crate::Endpoint::notifications_taken).
    Notified {
        /// Whose it was.
        peer: PeerId,
        /// The immediate.
        immediate: u64,
        /// How much was transferred, in bytes; zero for a READ.
        len: u64,
        /// What else it says. Its memory is free after this event, as [`BounceFreed`](Self::BounceFreed)
        /// tells.
        note: Option<Note>,
        /// Whether it has one of the places that its peer was
        /// [given](crate::Endpoint::reserve_notifications).
        reserved: bool,
    },
    /// The list of a READ is whole, in bounce memory: call
    /// [`serve_list`](crate::Endpoint::serve_list) with what it says.
    ListArrived {
        /// Which.
        list: InboundId,
        /// Where it lies, from the start.
        bounce: BounceId,
        /// How long it is, in bytes.
        len: u64,
    },
    /// Nothing uses a revoked region any more, and nothing ever will: its memory is the user's.
    RegionReleased {
        /// The driver's name for the memory.
        buffer: BufferId,
    },
}

/// A note, in bounce memory, from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which memory.
    pub bounce: BounceId,
    /// How long it is, in bytes.
    pub len: u64,
}

/// A tagged message that waits for a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Whose it is.
    pub peer: PeerId,
    /// Its tag.
    pub tag: u64,
    /// What was sent along with it.
    pub immediate: Option<u64>,
    /// Its length, in bytes.
    pub len: u64,
}
