//! From the core to the user: what is over, and what has happened.

use usrd_proto as proto;
use usrd_proto::{PeerFailure, PeerId, Token};

use super::Driver;
use super::buffers::{
    PendingReceive, PendingSend, PendingTransfer, Room, TransferMemory, buffer_of,
};
use super::notifications::Told;
use crate::{
    Completion, CompletionQueue, Event, Received, RecvCompletion, RecvFailure, RecvOver,
    SendCompletion, SendFailure, Service, TransferCompletion, TransferFailure,
};

impl Driver {
    /// Queues completions and events, and wakes whoever waits for them.
    pub(super) fn publish(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.endpoint.poll_event() {
            self.publish_event(event);
            any = true;
        }
        any | self.announce()
    }

    /// Wakes whoever waits for what was queued.
    pub(super) fn announce(&mut self) -> bool {
        let mut any = std::mem::take(&mut self.unannounced);
        if any {
            self.shared.queue.announce();
        }
        for queue in self.unannounced_to.drain(..) {
            queue.announce();
            any = true;
        }
        any
    }

    /// Queues a completion; the next [`publish`](Self::publish) announces it.
    pub(super) fn complete(&mut self, to: Option<CompletionQueue>, completion: Completion) {
        let Some(queue) = to else {
            self.shared.queue.complete(completion);
            self.unannounced = true;
            return;
        };
        queue.complete(completion);
        self.announce_to(queue);
    }

    /// Something was queued elsewhere than in the engine's queue.
    pub(super) fn announce_to(&mut self, queue: CompletionQueue) {
        // Mostly it is the same one several times in a row.
        if !self.unannounced_to.last().is_some_and(|last| last.is(&queue)) {
            self.unannounced_to.push(queue);
        }
    }

    pub(super) fn send_over(&mut self, send: PendingSend, result: Result<(), SendFailure>) {
        let PendingSend { peer, context, to, .. } = send;
        let engine = self.shared.info.id;
        self.complete(to, Completion::Send(SendCompletion { engine, context, peer, result }));
    }

    /// A receive ends, with its buffer, or the rest of it. That it has all it is for is `Ok`.
    pub(super) fn receive_over(
        &mut self,
        receive: PendingReceive,
        result: Result<(), RecvFailure>,
    ) {
        let PendingReceive { room, context, to } = receive;
        let engine = self.shared.info.id;
        match (room, result) {
            (Room::Many { buffer, messages, places }, result) => {
                self.shared.queue_of(to.as_ref()).cancel_reservation(places);
                let rest = buffer.into_rest();
                let over = RecvOver { engine, context, rest, messages, result };
                self.complete(to, Completion::RecvOver(over));
            }
            (Room::One(buffer), Err(failure)) => {
                let result = Err(failure);
                let completion = RecvCompletion { engine, context, buffer, result };
                self.complete(to, Completion::Recv(completion));
            }
            (Room::One(_), Ok(())) => unreachable!("it is over with its message"),
        }
    }

    pub(super) fn transfer_over(
        &mut self,
        transfer: PendingTransfer,
        result: Result<u64, TransferFailure>,
    ) {
        let PendingTransfer { peer, context, to, memory, .. } = transfer;
        let buffer = match memory {
            TransferMemory::Buffer(buffer) => Some(buffer),
            TransferMemory::None | TransferMemory::Data(_) => None,
        };
        let engine = self.shared.info.id;
        let completion = TransferCompletion { engine, context, peer, buffer, result };
        self.complete(to, Completion::Transfer(completion));
    }

    fn publish_event(&mut self, event: proto::Event) {
        match event {
            proto::Event::SendCompleted { token, result, .. } => self.send_completed(token, result),
            proto::Event::RecvCompleted {
                token,
                peer,
                service,
                offset,
                len,
                immediate,
                result,
            } => {
                let peer = self.routes.handle(peer);
                let (tag, offset, len) = (None, offset as usize, len as usize);
                let received = Received { peer, service, offset, len, tag, immediate };
                self.recv_completed(token, received, recv_result(received, result));
            }
            proto::Event::TaggedCompleted { token, peer, tag, immediate, offset, len, result } => {
                let (peer, service, tag) = (self.routes.handle(peer), Service::Srd, Some(tag));
                let (offset, len) = (offset as usize, len as usize);
                let received = Received { peer, service, offset, len, tag, immediate };
                self.recv_completed(token, received, recv_result(received, result));
            }
            proto::Event::RecvCancelled { token } => {
                self.recv_ended(token, Err(RecvFailure::Cancelled));
            }
            proto::Event::MultiRecvOver { token, cancelled } => {
                let result = if cancelled { Err(RecvFailure::Cancelled) } else { Ok(()) };
                self.recv_ended(token, result);
            }
            proto::Event::PeerUp { peer } => self.peer_up(peer),
            proto::Event::PeerDown { peer, reason } => self.peer_down(peer, reason),
            proto::Event::PathChanged { peer, path, state } => {
                let peer = self.routes.handle(peer);
                tracing::info!(%peer, path = path.0, %state, "path changed");
                self.shared.emit(Event::PathChanged { peer, path, state });
            }
            proto::Event::BounceFreed { bounce } => self.bounce.free(bounce),
            proto::Event::TransferCompleted { token, result, .. } => {
                self.transfer_completed(token, result);
            }
            proto::Event::Notified { peer, immediate, len: bytes, note, reserved } => {
                self.notified(peer, Told { immediate, bytes, note, reserved });
            }
            proto::Event::ListArrived { list, bounce, len } => self.list_arrived(list, bounce, len),
            proto::Event::RegionReleased { buffer } => self.region_released(buffer),
        }
    }

    fn send_completed(&mut self, token: Token, result: Result<(), proto::SendFailure>) {
        let buffer = buffer_of(token);
        let Some(send) = self.buffers.take_send(buffer) else {
            debug_assert!(false, "{token:?} completed without having been submitted");
            return;
        };
        self.batch.hold(buffer, |start, len| send.data.slice(start..start + len));
        self.send_over(send, result.map_err(SendFailure::from));
    }

    /// A message is in its receive, or has failed in it.
    fn recv_completed(
        &mut self,
        token: Token,
        received: Received,
        result: Result<Received, RecvFailure>,
    ) {
        let name = buffer_of(token);
        let Some(receive) = self.buffers.receive(name) else {
            debug_assert!(false, "{token:?} completed without having been posted");
            return;
        };
        let (engine, context, to) = (self.shared.info.id, receive.context, receive.to.clone());
        let buffer = match &mut receive.room {
            Room::One(buffer) => std::mem::take(buffer),
            Room::Many { buffer, messages, places } => {
                *messages += 1;
                *places -= 1;
                buffer.take(received.offset, received.len)
            }
        };
        if matches!(receive.room, Room::One(_)) {
            self.buffers.take_receive(name);
        }
        self.complete(to, Completion::Recv(RecvCompletion { engine, context, buffer, result }));
    }

    /// A receive ends without a message, or after all of them.
    fn recv_ended(&mut self, token: Token, result: Result<(), RecvFailure>) {
        let Some(receive) = self.buffers.take_receive(buffer_of(token)) else {
            debug_assert!(false, "{token:?} completed without having been posted");
            return;
        };
        self.receive_over(receive, result);
    }

    fn peer_up(&mut self, id: PeerId) {
        let peer = self.routes.handle(id);
        tracing::info!(%peer, "peer up");
        self.shared.emit(Event::PeerUp { peer });
    }

    fn peer_down(&mut self, id: PeerId, reason: PeerFailure) {
        let peer = self.routes.handle(id);
        tracing::info!(%peer, %reason, "peer down");
        self.shared.emit(Event::PeerDown { peer, reason });
        let is_over = matches!(reason, PeerFailure::Unconfirmed | PeerFailure::Expired);
        if is_over && self.routes.is_unnamed(id) && self.buffers.pending_with(peer) == 0 {
            self.parted.push(id);
        }
    }
}

fn recv_result(
    received: Received,
    result: Result<(), proto::RecvFailure>,
) -> Result<Received, RecvFailure> {
    match result {
        Ok(()) => Ok(received),
        Err(proto::RecvFailure::Truncated { message_len }) => {
            Err(RecvFailure::Truncated { received, message_bytes: message_len })
        }
        Err(proto::RecvFailure::Aborted(reason)) => {
            Err(RecvFailure::Aborted { peer: received.peer, reason })
        }
        Err(proto::RecvFailure::Withdrawn) => Err(RecvFailure::Withdrawn { peer: received.peer }),
    }
}

impl From<proto::SendFailure> for SendFailure {
    fn from(failure: proto::SendFailure) -> Self {
        match failure {
            proto::SendFailure::NotSent(reason) => Self::NotSent(reason),
            proto::SendFailure::Unknown(reason) => Self::Unknown(reason),
            proto::SendFailure::Truncated => Self::Truncated,
            proto::SendFailure::Cancelled(how) => Self::Cancelled(how),
        }
    }
}
