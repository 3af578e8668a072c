//! The protocol's state machine. No clock, no sockets, no payload.
//!
//! # Call order
//! Methods come in four kinds:
//! * *commands*: [`add_peer`](Endpoint::add_peer), [`send`](Endpoint::send),
//!   [`post_recv`](Endpoint::post_recv), ... by the user;
//! * *inputs*: [`handle_datagram`](Endpoint::handle_datagram),
//!   [`handle_placed`](Endpoint::handle_placed), [`handle_timeout`](Endpoint::handle_timeout), by
//!   the driver, when something has happened;
//! * *outputs*: [`poll_copy`](Endpoint::poll_copy), [`poll_transmit`](Endpoint::poll_transmit),
//!   [`poll_event`](Endpoint::poll_event), each until it returns `None`, after commands and inputs;
//!   then [`poll_timeout`](Endpoint::poll_timeout), which says when to come back;
//! * *getters*.
//!
//! Hand in a whole batch of arrivals, and perform their placements, before polling: ACKs then
//! answer the batch, and not each packet.
//!
//! | file | what it does |
//! |---|---|
//! | `commands` | what the user asks for |
//! | `peers` | contexts begin and end |
//! | `farewell` | a side leaves, and says so |
//! | `opening` | peers open contexts, or are turned away |
//! | `departed` | peers that were removed do not come again |
//! | `newcomers` | peers that come by themselves, and how many may at a time |
//! | `moved` | a peer is somewhere else |
//! | `expiry` | sides that have nothing to do with each other forget each other |
//! | `receive` | datagrams come in |
//! | `look_ahead` | memory is asked for before it is needed |
//! | `deliver` | messages are given receives, placed, delivered |
//! | `order_tail` | ... in order, where the context has ended |
//! | `multi` | receives for several messages |
//! | `transmit` | datagrams go out |
//! | `trimmed` | headers whose payload a switch cut off |
//! | `grants`, `grant_order` | who may send, where several want to |
//! | `share` | what each of several senders may send |
//! | `turns` | who gets room for a message, where there is little |
//! | `timeout` | time passes |
//! | `regions` | memory is registered and revoked |
//! | `transfers` | one-sided operations: what the user asks for |
//! | `target` | ... what peers ask for |
//! | `answers` | ... what peers answer |
//! | `tagged` | tagged messages are sent, received, matched |
//! | `rendezvous` | ... and pulled, if they are long |
//! | `cancel` | operations are taken back |
//! | `withdrawn` | ... by peers |

mod answers;
mod cancel;
mod commands;
mod deliver;
mod departed;
mod expiry;
mod farewell;
mod grant_order;
mod grants;
mod look_ahead;
mod moved;
mod multi;
mod newcomers;
mod notice_places;
mod notices;
mod opening;
mod order_tail;
mod peers;
mod receive;
mod regions;
mod rendezvous;
mod share;
mod tagged;
mod target;
mod timeout;
mod transfers;
mod transmit;
mod trimmed;
mod turns;
mod withdrawn;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use slab::Slab;

pub(crate) use self::grants::Grant;
use self::notice_places::NoticePlaces;
pub(crate) use self::notice_places::Place;
pub(crate) use self::order_tail::TailPlace;
pub(crate) use self::turns::Turn;
use crate::boundary::{BounceCopy, Event};
use crate::config::{Config, ConfigError};
use crate::ids::{PathId, PeerId};
use crate::message::{InMessage, Matcher};
use crate::peer::PeerTable;
use crate::shared::Shared;
use crate::stats::{EndpointStats, PathStats, PeerStats};
use crate::time::Instant;
use crate::timer::TimerWheel;

pub use commands::{MAX_MESSAGE_BYTES, RecvRequest, SendRequest};
pub use multi::MultiRecvRequest;
pub use tagged::{TaggedRecv, TaggedSend};

/// One endpoint: many peers, one pool of posted receives. See the [module](self) for how to drive
/// it. Not thread-safe by itself; deterministic: the same configuration and the same calls give the
/// same results.
#[derive(Debug)]
pub struct Endpoint {
    shared: Shared,
    peers: PeerTable,
    inbound: Slab<InMessage>,
    matcher: Matcher,
    copies: VecDeque<BounceCopy>,
    /// Peers that may have data to send, each in turn (deficit round robin).
    ready: VecDeque<u32>,
    /// Peers that have something small to say.
    talking: VecDeque<u32>,
    /// Peers that something has happened to since they were last seen to.
    marked: Vec<u32>,
    timers: TimerWheel,
    /// Cryptographic: who has seen incarnations and some keys must not be able to guess others.
    rng: ChaCha12Rng,
    /// How many contexts were begun: the upper bits of context ids.
    generation: u8,
    resets: peers::ResetBudget,
    notice_places: NoticePlaces,
    /// When an operation was let in last for which there was no room.
    let_in_at: Instant,
    grants: grants::Grants,
    turns: turns::Turns,
    senders: share::Senders,
    farewells: VecDeque<farewell::Farewell>,
    newcomers: newcomers::Newcomers,
    departed: departed::Departed,
}

impl Endpoint {
    /// An endpoint without peers.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            peers: PeerTable::new(&config),
            inbound: Slab::new(),
            matcher: Matcher::new(config.bounce_bytes),
            copies: VecDeque::new(),
            ready: VecDeque::new(),
            talking: VecDeque::new(),
            marked: Vec::new(),
            timers: TimerWheel::new(),
            rng: ChaCha12Rng::seed_from_u64(config.seed),
            generation: 0,
            resets: peers::ResetBudget::default(),
            notice_places: NoticePlaces::new(config.max_notifications),
            let_in_at: Instant::ZERO,
            grants: grants::Grants::new(&config),
            turns: turns::Turns::default(),
            senders: share::Senders::default(),
            farewells: VecDeque::new(),
            newcomers: newcomers::Newcomers::default(),
            departed: departed::Departed::default(),
            shared: Shared::new(config),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// What this endpoint has done so far.
    pub fn stats(&self) -> EndpointStats {
        self.shared.stats
    }

    /// One peer, now; `None` if there is no such peer.
    pub fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        let stats = self.peers.stats(peer.0 as usize)?;
        let pending = self.shared.messages.iter().filter(|(_, message)| message.peer == peer);
        Some(PeerStats { messages_pending: pending.count() as u32, ..stats })
    }

    /// The paths to a peer that have been used, now, unless it has been idle since; `None` if there is
    /// no such peer.
    pub fn path_stats(&self, peer: PeerId) -> Option<Vec<PathStats>> {
        let index = peer.0 as usize;
        let Some(peer) = self.peers.get(index) else {
            return self.peers.contains(index).then(Vec::new);
        };
        let paths = peer.sender.paths().iter().map(|(id, path)| PathStats {
            path: PathId(id),
            state: path.state(),
            packets_sent: path.packets_sent,
            packets_lost: path.packets_lost,
            srtt_ns: if path.rtt.has_sample() { path.rtt.srtt_ns() } else { 0 },
        });
        Some(paths.collect())
    }

    /// Every peer.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers.ids()
    }

    /// Messages and one-sided operations submitted and not completed.
    pub fn pending_sends(&self) -> usize {
        self.shared.pending_sends
    }

    /// Receives posted that no message has been given.
    pub fn posted_receives(&self) -> usize {
        self.matcher.posted() + self.matcher.tags.posted()
    }

    /// The next thing to tell the user or the driver.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.shared.events.pop_front()?;
        if let Event::BounceFreed { bounce } = event {
            self.matcher.forget_bounce(bounce);
        }
        Some(event)
    }

    /// The next unexpected message that has found its receive.
    pub fn poll_copy(&mut self) -> Option<BounceCopy> {
        self.copies.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), at the latest; `None`: not before
    /// something else happens. It may be early.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.marked.is_empty() && !self.peers.has_woken() {
            true => self.timers.next_deadline(),
            // What has just happened has not been seen to.
            false => Some(Instant::ZERO),
        }
    }

    /// Something has happened to a peer; what follows from it is seen to once per batch.
    #[inline]
    fn mark(&mut self, index: u32) {
        let Some(peer) = self.peers.get_mut(index as usize) else { return };
        if !peer.marked {
            peer.marked = true;
            self.marked.push(index);
        }
    }

    /// Sees to what follows from a batch of events: who has data to send, who has something to
    /// say, and when each is next due.
    #[inline]
    fn settle(&mut self, now: Instant) {
        if !self.marked.is_empty() || self.peers.has_woken() {
            self.settle_marked(now);
        }
    }

    fn settle_marked(&mut self, now: Instant) {
        self.say_withdrawals();
        self.call_waiting(now);
        while let Some(index) = self.peers.pop_woken() {
            self.mark(index);
        }
        while let Some(index) = self.marked.pop() {
            let Some(mut peer) = self.peers.get_mut(index as usize) else { continue };
            if peer.waits {
                self.see_to_waiting(index);
                peer = &mut self.peers[index as usize];
            }
            peer.marked = false;
            if !peer.ready && peer.sender.has_work() {
                peer.ready = true;
                self.ready.push_back(index);
            }
            if !peer.talking && peer.has_control(now) {
                peer.talking = true;
                self.talking.push_back(index);
            }
            self.timers.arm(index, peer.deadline());
        }
    }

    fn random_incarnation(&mut self) -> u64 {
        // Rule O2: the low 16 bits, the tag, are not zero.
        let random = self.rng.random::<u64>();
        if random as u16 == 0 { random | 1 } else { random }
    }

    fn random_path(&mut self) -> u8 {
        self.rng.random_range(0..self.shared.config.paths) as u8
    }
}
