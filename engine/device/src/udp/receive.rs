//! From sockets to arrivals.
//!
//! One system call fills up to [`MAX_BATCH`] buffers, each with one datagram or a train of equal
//! ones that receive offload has joined; an arrival is one datagram of that. How many buffers a
//! call gets follows the traffic: asking for more than is there costs a caller that polls for
//! one small message as much as a second, futile receive.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use quinn_udp::{EcnCodepoint, RecvMeta};

use super::slots::Slots;
use super::socket::Socket;
use crate::{Arrival, SourceId};

/// Receive memory, and what the last poll has found.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) slots: Slots,
    metas: Vec<RecvMeta>,
    sources: Vec<SocketAddr>,
    /// How many buffers the next receive from the main socket gets.
    batch: usize,
}

impl Receiver {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: Slots::new(slots),
            metas: vec![RecvMeta::default(); MAX_BATCH],
            sources: Vec::with_capacity(2 * MAX_BATCH),
            batch: 1,
        }
    }

    /// Starts a poll: the sources of the one before are forgotten.
    pub(super) fn begin(&mut self) {
        self.sources.clear();
    }

    /// Receives from the socket that everybody sends to. Returns the number of arrivals.
    pub(super) fn receive_main(
        &mut self,
        socket: &Socket,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<usize> {
        let before = arrivals.len();
        let filled = self.receive(socket, self.batch, arrivals)?;
        self.batch = next_batch(self.batch, filled);
        Ok(arrivals.len() - before)
    }

    /// Receives from a socket where next to nothing comes. Returns the number of arrivals.
    pub(super) fn receive_side(
        &mut self,
        socket: &Socket,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<usize> {
        let before = arrivals.len();
        self.receive(socket, SIDE_BATCH, arrivals)?;
        Ok(arrivals.len() - before)
    }

    /// Who sent an arrival of the last poll.
    pub(super) fn source(&self, source: SourceId) -> Option<SocketAddr> {
        self.sources.get(source.0 as usize).copied()
    }

    /// Fills up to `batch` buffers and returns how many.
    fn receive(
        &mut self,
        socket: &Socket,
        batch: usize,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<usize> {
        let batch = batch.min(self.slots.free());
        if batch == 0 {
            // Everything is in the caller's hands: let the system hold, or drop, what comes.
            return Ok(0);
        }
        let filled = if batch == 1 {
            let buffer = self.slots.offer().next().unwrap_or_default();
            socket.receive(&mut [IoSliceMut::new(buffer)], &mut self.metas)?
        } else {
            let mut buffers: [IoSliceMut<'_>; MAX_BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(&mut []));
            for (buffer, bytes) in buffers[..batch].iter_mut().zip(self.slots.offer()) {
                *buffer = IoSliceMut::new(bytes);
            }
            socket.receive(&mut buffers[..batch], &mut self.metas)?
        };
        for index in 0..filled {
            self.accept(index, arrivals);
        }
        Ok(filled)
    }

    /// Turns the buffer filled as number `index` into arrivals.
    fn accept(&mut self, index: usize, arrivals: &mut Vec<Arrival>) {
        let meta = &self.metas[index];
        let (total, ce) = (meta.len, meta.ecn == Some(EcnCodepoint::Ce));
        let stride = if meta.stride == 0 { total } else { meta.stride };
        if self.sources.last() != Some(&meta.addr) {
            self.sources.push(meta.addr);
        }
        let source = SourceId(self.sources.len() as u32 - 1);
        // An empty datagram is one, too.
        let count = total.div_ceil(stride.max(1)).max(1);
        let slot = self.slots.take(count);
        arrivals.extend((0..count).map(|segment| {
            let offset = segment * stride;
            Arrival {
                slot,
                offset: offset as u32,
                len: stride.min(total - offset) as u32,
                source,
                ce,
            }
        }));
    }
}

/// The next batch after one of which `filled` buffers were filled: larger if there may have been
/// more, else as much as there was.
fn next_batch(batch: usize, filled: usize) -> usize {
    if filled >= batch { (batch * BATCH_GROWTH).min(MAX_BATCH) } else { filled.max(1) }
}

/// Buffers per receive at most; what the receiving library can do in one call.
const MAX_BATCH: usize = quinn_udp::BATCH_SIZE;
/// Growth of a batch that was filled: two calls from one buffer to sixteen, three to the most.
const BATCH_GROWTH: usize = 4;
/// Buffers per receive from a side socket, which sees a rare reply.
const SIDE_BATCH: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_follows_the_traffic() {
        let mut batch = 1;
        let mut sizes = Vec::new();
        for filled in [0, 1, 4, 16, 32, 5, 5, 20, 0, 0] {
            batch = next_batch(batch, filled);
            sizes.push(batch);
        }
        assert_eq!(sizes, [1, 4, 16, 32, 32, 5, 20, 32, 1, 1]);
    }

    fn receiver_with(len: usize, stride: usize) -> (Receiver, Vec<Arrival>) {
        let mut receiver = Receiver::new(2);
        receiver.metas[0].len = len;
        receiver.metas[0].stride = stride;
        let mut arrivals = Vec::new();
        receiver.accept(0, &mut arrivals);
        (receiver, arrivals)
    }

    #[test]
    fn a_train_is_cut_at_its_stride() {
        let (mut receiver, arrivals) = receiver_with(250, 100);
        let cuts: Vec<_> = arrivals.iter().map(|a| (a.offset, a.len)).collect();
        assert_eq!(cuts, [(0, 100), (100, 100), (200, 50)]);
        assert_eq!(receiver.slots.free(), 1);
        for arrival in &arrivals {
            receiver.slots.release(arrival.slot);
        }
        assert_eq!(receiver.slots.free(), 2);
    }

    #[test]
    fn an_empty_datagram_is_an_arrival() {
        let (_, arrivals) = receiver_with(0, 0);
        assert_eq!(arrivals.len(), 1);
        assert_eq!((arrivals[0].offset, arrivals[0].len), (0, 0));
    }
}
