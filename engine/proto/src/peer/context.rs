//! Who this endpoint and its peer are to each other: rules O1 to O6.
//!
//! ```text
//!                 first send: OPEN on every packet
//!   UNKNOWN ------------------------------------------------+
//!      |                                                     v
//!      | OPEN arrives                                     OPENING
//!      v                       OPEN arrives                  |
//!   ESTABLISHED <--------------------------------------------+
//!   (not confirmed: own packets still carry OPEN)
//!      |  a packet arrives at this side's context: the peer knows it
//!      v
//!   ESTABLISHED, confirmed ---- RESET, or no answer ---> UNKNOWN, under a new incarnation
//! ```
//! No handshake delays data. Each side draws an incarnation for each context that it opens, and
//! every packet names the receiver's, so that nothing meant for a predecessor is taken.

use crate::wire::{Address, OpenInfo};

/// The two ends of one context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    local_id: u32,
    local_incarnation: u64,
    remote: Option<Remote>,
    confirmed: bool,
    /// The peer's incarnations that ended last, most recent first; zero: none. A late packet of
    /// theirs must not open a context again.
    ended: [u64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Remote {
    address: Address,
    incarnation: u64,
}

/// What to do with an OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenVerdict {
    /// It is the first of this incarnation: take it up.
    Adopt,
    /// It says what is known.
    Known,
    /// That incarnation is over.
    Stale,
    /// Another incarnation is live, as far as is known: ask it first.
    Conflict,
}

impl Context {
    pub(crate) fn new(local_id: u32, local_incarnation: u64) -> Self {
        debug_assert_ne!(local_incarnation, 0);
        Self { local_id, local_incarnation, remote: None, confirmed: false, ended: [0; 2] }
    }

    pub(crate) fn local_id(&self) -> u32 {
        self.local_id
    }

    pub(crate) fn local_incarnation(&self) -> u64 {
        self.local_incarnation
    }

    /// Low 16 bits of this side's incarnation.
    pub(crate) fn local_tag(&self) -> u16 {
        self.local_incarnation as u16
    }

    /// The peer's incarnation, or zero.
    pub(crate) fn remote_incarnation(&self) -> u64 {
        self.remote.map_or(0, |remote| remote.incarnation)
    }

    /// Whether the packet is for this context as it is now. Rule O3.
    #[inline]
    pub(crate) fn accepts(&self, address: Address) -> bool {
        address.context == self.local_id && address.tag == self.local_tag()
    }

    /// How to address the peer, once it is known.
    #[inline]
    pub(crate) fn remote(&self) -> Option<Address> {
        self.remote.map(|remote| remote.address)
    }

    /// Whether own packets must still carry OPEN.
    #[inline]
    pub(crate) fn must_open(&self) -> bool {
        !self.confirmed
    }

    pub(crate) fn is_established(&self) -> bool {
        self.remote.is_some()
    }

    /// The peer has shown that it knows this side's context.
    #[inline]
    pub(crate) fn confirm(&mut self) {
        self.confirmed = self.remote.is_some();
    }

    /// The peer's incarnations that are over, as far as they are remembered.
    pub(crate) fn ended(&self) -> impl Iterator<Item = u64> + use<> {
        self.ended.into_iter().filter(|&incarnation| incarnation != 0)
    }

    pub(crate) fn judge(&self, open: &OpenInfo) -> OpenVerdict {
        match self.remote {
            _ if self.ended.contains(&open.incarnation) => OpenVerdict::Stale,
            None => OpenVerdict::Adopt,
            Some(remote) if remote.incarnation == open.incarnation => OpenVerdict::Known,
            Some(_) => OpenVerdict::Conflict,
        }
    }

    pub(crate) fn adopt(&mut self, open: &OpenInfo) {
        let address = Address { context: open.context, tag: open.incarnation as u16 };
        self.remote = Some(Remote { address, incarnation: open.incarnation });
    }

    /// Ends this pair of incarnations. The next context has a new id and a new incarnation.
    pub(crate) fn renew(&mut self, local_id: u32, local_incarnation: u64) {
        let mut ended = self.ended;
        if let Some(remote) = self.remote {
            ended = [remote.incarnation, ended[0]];
        }
        *self = Self { ended, ..Self::new(local_id, local_incarnation) };
    }
}
