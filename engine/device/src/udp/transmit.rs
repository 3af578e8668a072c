//! From a batch to the sockets: cutting it into trains, and what to make of the system's answers.

use std::io;
use std::os::fd::AsFd;

use super::gso::{self, MAX_DATAGRAMS, MAX_SEGMENTS, MAX_TRAIN_BYTES, MAX_TRAINS};
use super::routes::Routes;
use super::socket::Socket;
use super::train::Train;
use crate::{DeviceError, Offload, Outgoing, RouteId};

/// Sends batches; remembers what this host turned out not to do.
#[derive(Debug)]
pub(super) struct Transmitter {
    max_datagram_bytes: usize,
    /// What a train may be; one datagram where there is no offload.
    limits: Offload,
    /// The trains of the call being prepared.
    plan: Vec<Train>,
    warned: Warned,
    /// Datagrams that had no route.
    pub(super) unroutable: u64,
}

/// What has been logged already: these repeat with every packet.
#[derive(Debug, Default)]
struct Warned {
    too_large: bool,
    undeliverable: bool,
}

/// What became of the trains of one call.
enum Outcome {
    /// So many trains are done with: sent, or lost.
    Done(usize),
    /// The system has no room.
    Full,
}

impl Transmitter {
    pub(super) fn new(max_datagram_bytes: usize, offload: bool) -> Self {
        Self {
            max_datagram_bytes,
            limits: if offload { OFFLOAD } else { NO_OFFLOAD },
            plan: Vec::with_capacity(MAX_TRAINS),
            warned: Warned::default(),
            unroutable: 0,
        }
    }

    /// Whether trains are still being sent.
    #[cfg(test)]
    pub(super) fn offloads(&self) -> bool {
        self.limits != NO_OFFLOAD
    }

    /// Sends a prefix of `batch` and returns its length. An error is about the first datagram.
    pub(super) fn transmit(
        &mut self,
        batch: &[Outgoing<'_>],
        sockets: &mut [Socket],
        routes: &Routes,
    ) -> Result<usize, DeviceError> {
        let mut taken = 0;
        while taken < batch.len() {
            if routes.get(batch[taken].route).is_none() {
                self.unroutable += 1;
                taken += 1;
                continue;
            }
            let planned = match self.plan(batch, taken, sockets.len(), routes) {
                // Reported when it is first in the batch.
                Err(_) if taken > 0 => return Ok(taken),
                result => result?,
            };
            let socket = &mut sockets[path_index(&batch[taken], sockets.len())];
            taken = self.send_plan(batch, socket, routes)?;
            if taken < planned {
                return Ok(taken);
            }
        }
        Ok(taken)
    }

    /// Plans the trains from `first` on, which has a route, that one call can take: those of one socket.
    /// Returns the end of the last.
    fn plan(
        &mut self,
        batch: &[Outgoing<'_>],
        first: usize,
        paths: usize,
        routes: &Routes,
    ) -> Result<usize, DeviceError> {
        self.plan.clear();
        let path = path_index(&batch[first], paths);
        let mut end = first;
        let mut checked: Option<RouteId> = None;
        while end < batch.len() && self.plan.len() < MAX_TRAINS {
            let head = &batch[end];
            if path_index(head, paths) != path {
                break;
            }
            // One that has no route is dropped when it is first.
            if checked != Some(head.route) && routes.get(head.route).is_none() {
                break;
            }
            match self.check(head) {
                Err(_) if end > first => break,
                result => result?,
            }
            checked = Some(head.route);
            let train = Train::longest(batch, end, self.limits);
            if train.end() - first > MAX_DATAGRAMS {
                break;
            }
            end = train.end();
            self.plan.push(train);
        }
        Ok(end)
    }

    /// Whether a datagram can be sent at all. The others of its train are no longer.
    fn check(&self, head: &Outgoing<'_>) -> Result<(), DeviceError> {
        if head.len() <= self.max_datagram_bytes {
            return Ok(());
        }
        Err(DeviceError::TooLarge { bytes: head.len(), max_bytes: self.max_datagram_bytes })
    }

    /// Sends the planned trains and returns the end of the last one done with.
    fn send_plan(
        &mut self,
        batch: &[Outgoing<'_>],
        socket: &mut Socket,
        routes: &Routes,
    ) -> Result<usize, DeviceError> {
        let mut done = 0;
        while done < self.plan.len() {
            let trains = &self.plan[done..];
            let outcome = match gso::send(socket.as_fd(), batch, trains, routes) {
                Ok(sent) => Outcome::Done(sent),
                Err(error) => self.answer(error, self.plan[done], batch, socket, routes)?,
            };
            match outcome {
                Outcome::Done(trains) => done += trains,
                Outcome::Full => {
                    socket.full = true;
                    return Ok(self.plan[done].first);
                }
            }
        }
        socket.full = false;
        Ok(self.plan[done - 1].end())
    }

    /// What to make of an error about `train`.
    fn answer(
        &mut self,
        error: io::Error,
        train: Train,
        batch: &[Outgoing<'_>],
        socket: &Socket,
        routes: &Routes,
    ) -> Result<Outcome, DeviceError> {
        match error.raw_os_error().unwrap_or(0) {
            libc::EINTR => Ok(Outcome::Done(0)),
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => Ok(Outcome::Full),
            libc::EIO | libc::EINVAL | libc::EMSGSIZE if train.count > 1 => {
                self.send_singly(error, train, batch, socket, routes)
            }
            libc::EMSGSIZE => {
                self.warn_too_large(train.segment_bytes);
                Ok(Outcome::Done(1))
            }
            // Broken for every destination.
            libc::EBADF | libc::ENOTSOCK | libc::EFAULT => {
                Err(DeviceError::Io { operation: "sending", source: error })
            }
            // About this destination, or an earlier datagram to one: unreachable, refused,
            // forbidden. The datagram is lost, and the others go on.
            _ => {
                self.warn_undeliverable(&error, batch[train.first].route, routes);
                Ok(Outcome::Done(1))
            }
        }
    }

    /// Sends a train that was refused as datagrams of their own. If that works, it is the offload
    /// that does not, and never will; if not, the datagrams are to blame.
    fn send_singly(
        &mut self,
        error: io::Error,
        train: Train,
        batch: &[Outgoing<'_>],
        socket: &Socket,
        routes: &Routes,
    ) -> Result<Outcome, DeviceError> {
        for index in train.first..train.end() {
            let single = Train::single(batch, index);
            match gso::send(socket.as_fd(), batch, &[single], routes) {
                Ok(_) => self.give_up_offload(&error),
                Err(refusal) => {
                    // What the system has no room for is lost here: rare, as it happens once.
                    self.answer(refusal, single, batch, socket, routes)?;
                }
            }
        }
        Ok(Outcome::Done(1))
    }

    fn give_up_offload(&mut self, error: &io::Error) {
        if self.limits != NO_OFFLOAD {
            tracing::warn!(
                %error,
                "the system refuses segmentation offload; going on with single datagrams"
            );
        }
        self.limits = NO_OFFLOAD;
    }

    fn warn_too_large(&mut self, bytes: usize) {
        if !std::mem::replace(&mut self.warned.too_large, true) {
            tracing::warn!(
                bytes,
                "datagrams do not fit the interface's MTU and are lost; lower max_datagram_bytes \
                 or raise the MTU"
            );
        }
    }

    fn warn_undeliverable(&mut self, error: &io::Error, route: RouteId, routes: &Routes) {
        if !std::mem::replace(&mut self.warned.undeliverable, true) {
            let address = routes.get(route).map(|route| route.address);
            tracing::warn!(%error, ?address, "cannot send there: the datagram is lost; not logged again");
        }
    }
}

/// The socket of a datagram's path.
fn path_index(outgoing: &Outgoing<'_>, paths: usize) -> usize {
    usize::from(outgoing.path) % paths
}

/// What the system takes in one piece.
pub(super) const OFFLOAD: Offload =
    Offload { max_segments: MAX_SEGMENTS, max_bytes: MAX_TRAIN_BYTES };
/// Every datagram by itself.
const NO_OFFLOAD: Offload = Offload { max_segments: 1, max_bytes: MAX_TRAIN_BYTES };
