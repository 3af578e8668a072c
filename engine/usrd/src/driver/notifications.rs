//! What peers tell: into the engine's queue, or into one that the user has set aside for a peer.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use usrd_proto::{Note, PeerId};

use super::Driver;
use crate::queue::Notices;
use crate::{CommandError, Completion, CompletionQueue, Notification, NotificationsToError, Peer};

/// Where the notifications of some peers go.
#[derive(Debug, Default)]
pub(super) struct PeerQueues(HashMap<PeerId, PeerQueue>);

#[derive(Debug)]
struct PeerQueue {
    queue: CompletionQueue,
    /// The peer's places in it.
    notices: Arc<Notices>,
}

/// A notification, as the core tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) immediate: u64,
    pub(super) bytes: u64,
    pub(super) note: Option<Note>,
    /// It has one of its peer's own places.
    pub(super) reserved: bool,
}

impl Driver {
    /// [`Engine::notifications_to`](crate::Engine::notifications_to), for the thread that drives.
    pub fn notifications_to(
        &mut self,
        peer: Peer,
        queue: &CompletionQueue,
        places: u32,
    ) -> Result<(), NotificationsToError> {
        let id = self.open_peer(peer).ok_or(CommandError::UnknownPeer)?;
        let any = self.shared.notices.any().clone();
        let notices = queue.reserve_notices(places as usize, any);
        let notices =
            notices.ok_or_else(|| NotificationsToError::Places { limit: queue.limit() })?;
        if !self.endpoint.reserve_notifications(id, places) {
            return Err(NotificationsToError::Again);
        }
        self.peer_queues.0.insert(id, PeerQueue { queue: queue.clone(), notices });
        Ok(())
    }

    /// A peer says something.
    pub(super) fn notified(&mut self, id: PeerId, told: Told) {
        let note = match told.note {
            Some(note) => Bytes::copy_from_slice(self.bounce.front(note.bounce, note.len)),
            None => Bytes::new(),
        };
        let completion = Completion::Notified(Notification {
            engine: self.shared.info.id,
            peer: self.routes.handle(id),
            immediate: told.immediate,
            note,
            bytes: told.bytes,
        });
        if !told.reserved {
            self.shared.queue.notify(completion, &self.shared.notices);
            self.unannounced = true;
        } else if let Some(PeerQueue { queue, notices }) = self.peer_queues.0.get(&id) {
            queue.notify(completion, notices);
            let queue = queue.clone();
            self.announce_to(queue);
        } else {
            debug_assert!(false, "places of a peer come with a queue, and go with it");
        }
    }

    /// Tells the core what the user has taken since the last turn.
    pub(super) fn return_notifications(&mut self) {
        if !self.shared.notices.any().take() {
            return;
        }
        self.endpoint.notifications_taken(self.shared.notices.take_taken());
        for (&id, PeerQueue { notices, .. }) in &self.peer_queues.0 {
            self.endpoint.reserved_notifications_taken(id, notices.take_taken());
        }
    }

    /// A peer has gone. What it has told can still be taken.
    pub(super) fn forget_peer_queue(&mut self, id: PeerId) {
        self.peer_queues.0.remove(&id);
    }
}
