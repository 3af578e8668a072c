//! From the user to the core: operations, and commands.

use bytes::{Bytes, BytesMut};
use usrd_device::Address;
use usrd_proto::{
    BufferId, BufferRange, MultiRecvRequest, PeerId, RecvError, RecvRequest, SendError,
    SendRequest, TagFilter, TaggedRecv, TaggedSend, Token,
};

use super::Driver;
use super::buffers::{PendingReceive, PendingSend, Room, token};
use super::shared_buffer::SharedBuffer;
use super::transfers::token_of;
use crate::submission::{Answer, Command, Operation, Submission};
use crate::{
    CommandError, CompletionQueue, ConnectError, EngineStats, Many, Peeked, Peer, PeerSnapshot,
    PinError, RecvFailure, RecvOptions, SendFailure, SendOptions, Tags,
};

impl Driver {
    /// [`Engine::connect`](crate::Engine::connect), for the thread that drives.
    pub fn connect(&mut self, address: impl Into<Address>) -> Result<Peer, ConnectError> {
        let route = self.device.resolve(&address.into()).map_err(ConnectError::Address)?;
        let id = match self.routes.peer_at(route) {
            Some(id) => id,
            None => {
                let id = self.endpoint.add_peer(self.now)?;
                self.routes.bind(route, id);
                id
            }
        };
        self.routes.name(id);
        Ok(self.routes.handle(id))
    }

    /// [`Engine::pin`](crate::Engine::pin), for the thread that drives.
    pub fn pin(&mut self, memory: &Bytes) -> Result<(), PinError> {
        Ok(self.device.pin(memory)?)
    }

    /// [`Engine::unpin`](crate::Engine::unpin), for the thread that drives.
    pub fn unpin(&mut self, memory: &Bytes) {
        self.device.unpin(memory);
    }

    /// [`Engine::stats`](crate::Engine::stats), for the thread that drives.
    pub fn stats(&self) -> EngineStats {
        let mut driver = self.stats;
        driver.events_dropped = self.shared.events_dropped();
        EngineStats {
            endpoint: self.endpoint.stats(),
            driver,
            device: self.device.stats(),
            peers: self.routes.len(),
            peers_half_open: self.endpoint.half_open_peers(),
            regions: self.endpoint.regions(),
            sends_pending: self.endpoint.pending_sends(),
            receives_posted: self.endpoint.posted_receives(),
        }
    }

    /// [`Engine::peers`](crate::Engine::peers), for the thread that drives.
    pub fn peers(&self) -> Vec<Peer> {
        self.routes.iter().collect()
    }

    /// [`Engine::peer_stats`](crate::Engine::peer_stats), for the thread that drives.
    pub fn peer_stats(&self, peer: Peer) -> Result<PeerSnapshot, CommandError> {
        let snapshot = || {
            let id = self.routes.lookup(peer)?;
            Some(PeerSnapshot {
                peer,
                address: self.device.address_of(self.routes.route_to(id)?)?,
                stats: self.endpoint.peer_stats(id)?,
                paths: self.endpoint.path_stats(id)?,
            })
        };
        snapshot().ok_or(CommandError::UnknownPeer)
    }

    /// Takes what was queued when the turn came here.
    pub(super) fn take_submissions(&mut self) -> bool {
        // Commands are counted first: then all that its caller submitted before a command has been
        // taken when the command is carried out.
        self.return_notifications();
        let commands = self.shared.commands();
        let submissions = self.shared.submissions();
        for begun in 0..submissions {
            if let Some(submission) = self.next_submission(submissions - begun) {
                self.start(submission);
            }
        }
        for _ in 0..commands {
            if let Some(command) = self.shared.take_command() {
                self.execute(command);
            }
        }
        self.copy_bounced();
        submissions + commands > 0
    }

    pub(super) fn start(&mut self, submission: Submission) {
        let Submission { to, operation } = submission;
        match operation {
            Operation::Send { peer, data, options } => self.start_send(peer, data, &options, to),
            Operation::Recv { buffer, options } => self.start_recv(buffer, options, to),
            Operation::Transfer(transfer) => self.start_transfer(transfer, to),
            Operation::Deregister { region, context } => self.deregister(region, context, to),
        }
    }

    fn start_send(
        &mut self,
        peer: Peer,
        data: Bytes,
        options: &SendOptions,
        to: Option<CompletionQueue>,
    ) {
        let (len, context) = (data.len() as u64, options.context);
        let buffer = self.buffers.add_send(PendingSend { data, peer, context, to });
        let range = BufferRange { buffer, offset: 0, len };
        let result = match self.open_peer(peer) {
            Some(id) => self.hand_over(id, range, options),
            None => Err(SendError::UnknownPeer),
        };
        if let Err(error) = result
            && let Some(send) = self.buffers.take_send(buffer)
        {
            self.send_over(send, Err(SendFailure::Refused(error)));
        }
    }

    fn hand_over(
        &mut self,
        peer: PeerId,
        range: BufferRange,
        options: &SendOptions,
    ) -> Result<(), SendError> {
        let &SendOptions { service, level, tag, immediate, .. } = options;
        let token = token(range.buffer);
        match tag {
            None => {
                let request = SendRequest { token, service, range, level, immediate };
                self.endpoint.send(self.now, peer, request)
            }
            Some(tag) => {
                let request = TaggedSend { token, range, level, tag, immediate };
                self.endpoint.send_tagged(self.now, peer, request)
            }
        }
    }

    fn start_recv(&mut self, buffer: BytesMut, options: RecvOptions, to: Option<CompletionQueue>) {
        let RecvOptions { context, tags, many } = options;
        let len = buffer.len() as u64;
        let room = match many {
            None => Room::One(buffer),
            Some(many) => {
                let places = many.max_messages.get() as usize;
                Room::Many { buffer: SharedBuffer::new(buffer), messages: 0, places }
            }
        };
        let id = self.buffers.add_receive(PendingReceive { room, context, to });
        let token = token(id);
        let filter = match tags.map(|tags| self.filter(tags)) {
            None => Ok(None),
            Some(Some(filter)) => Ok(Some(filter)),
            Some(None) => Err(RecvError::UnknownPeer),
        };
        let posted = filter.and_then(|filter| self.post(token, id, len, (filter, many)));
        if let Err(error) = posted
            && let Some(receive) = self.buffers.take_receive(id)
        {
            self.receive_over(receive, Err(RecvFailure::Refused(error)));
        }
    }

    fn post(
        &mut self,
        token: Token,
        buffer: BufferId,
        len: u64,
        (filter, many): (Option<TagFilter>, Option<Many>),
    ) -> Result<(), RecvError> {
        let Self { endpoint, now, .. } = self;
        match (many, filter) {
            (None, None) => endpoint.post_recv(*now, RecvRequest { token, buffer, len }),
            (None, Some(filter)) => {
                endpoint.post_tagged(*now, TaggedRecv { token, buffer, len, filter })
            }
            (Some(Many { max_messages, min_left_bytes: min_left }), filter) => {
                let request =
                    MultiRecvRequest { token, buffer, len, min_left, max_messages, filter };
                endpoint.post_multi(*now, request)
            }
        }
    }

    /// [`Engine::peek`](crate::Engine::peek), for the thread that drives.
    pub fn peek(&self, tags: Tags) -> Option<Peeked> {
        let found = self.endpoint.peek_tagged(&self.filter(tags)?)?;
        let usrd_proto::Peeked { peer, tag, immediate, len } = found;
        Some(Peeked { peer: self.routes.handle(peer), tag, immediate, len })
    }

    /// `None` if it names a peer that there is not.
    fn filter(&self, tags: Tags) -> Option<TagFilter> {
        let peer = match tags.peer {
            Some(peer) => Some(self.routes.lookup(peer)?),
            None => None,
        };
        Some(TagFilter::new(tags.tag, tags.mask, peer))
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Connect(address, to) => answer(&to, self.connect(address)),
            Command::Disconnect(peer, to) => answer(&to, self.disconnect(peer)),
            Command::ClosePeer(peer, deadline, to) => self.begin_parting(peer, deadline, to),
            Command::NotificationsTo(peer, queue, places, to) => {
                answer(&to, self.notifications_to(peer, &queue, places));
            }
            Command::UpdateAddress(peer, address, to) => {
                answer(&to, self.update_address(peer, address));
            }
            Command::CancelRecv(context) => self.cancel_recv(context),
            Command::Cancel(peer, context) => self.cancel(peer, context),
            Command::Peek(tags, to) => answer(&to, self.peek(tags)),
            Command::Stats(to) => answer(&to, self.stats()),
            Command::Peers(to) => answer(&to, self.peers()),
            Command::PeerStats(peer, to) => answer(&to, self.peer_stats(peer)),
            Command::Register(memory, options, to) => {
                answer(&to, self.register_memory(memory, options));
            }
            Command::CopyFrom(region, offset, len, to) => {
                answer(&to, self.copy_from(region, offset, len));
            }
            Command::CopyInto(region, offset, data, to) => {
                answer(&to, self.copy_into(region, offset, &data));
            }
            Command::Pin(memory, to) => answer(&to, self.pin(&memory)),
            Command::Unpin(memory, to) => {
                self.unpin(&memory);
                answer(&to, ());
            }
            Command::Shutdown(deadline, to) => self.begin_closing(deadline, Some(to)),
        }
    }

    fn cancel_recv(&mut self, context: u64) {
        let Self { buffers, endpoint, .. } = self;
        buffers.find_receive(context).any(|buffer| endpoint.cancel_recv(token(buffer)));
    }

    fn cancel(&mut self, peer: Peer, context: u64) {
        let Self { buffers, endpoint, now, .. } = self;
        let mut sends = buffers.find_sends(peer, context);
        let mut transfers = buffers.find_transfers(peer, context);
        if !sends.any(|buffer| endpoint.cancel_send(*now, token(buffer))) {
            transfers.any(|index| endpoint.cancel_transfer(*now, token_of(index)));
        }
    }
}

/// Gives the answer to whoever waits for it, or to nobody.
pub(super) fn answer<T>(to: &Answer<T>, value: T) {
    // There is room for it; a caller that has stopped waiting is not an error.
    let _ = to.try_send(value);
}
