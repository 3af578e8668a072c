//! The most that UDP sockets move: trains of datagrams from one buffer, received and dropped.
//!
//! Free-running, the sender wastes what the receiver does not keep up with. Flow-controlled, both
//! share a counter, a luxury that two hosts do not have, and nothing is wasted. Sometimes one is
//! the better, sometimes the other; the limit is the better one.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::raw_socket::{TrainReceiver, connected_pair, send_train};
use super::{Flow, pair};
use crate::failure::Failure;
use crate::perf::cpu;

/// Whether the sender knows what has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Free,
    Windowed,
}

/// Sends for `duration`.
pub(super) fn run(
    datagram_bytes: usize,
    duration: Duration,
    control: Control,
) -> Result<Flow, Failure> {
    let (sender, receiver) = connected_pair()?;
    let mut trains = TrainReceiver::new(&receiver, RECEIVE_BATCH)?;
    let (received, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let send = || {
        let train = vec![7; MAX_TRAIN_BYTES / datagram_bytes * datagram_bytes];
        let (start, cpu_start) = (Instant::now(), cpu::thread_ns());
        let mut sent = 0;
        while start.elapsed() < duration {
            while control == Control::Windowed
                && sent - received.load(Ordering::Relaxed) > WINDOW_BYTES
                && start.elapsed() < duration
            {
                thread::yield_now();
            }
            match send_train(&sender, &train, datagram_bytes) {
                Ok(()) => sent += train.len() as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) => return Err(Failure::run(error)),
            }
        }
        let cpu_ns = cpu::thread_ns() - cpu_start;
        over.store(true, Ordering::Release);
        Ok(cpu_ns)
    };
    let receive = || {
        let cpu_start = cpu::thread_ns();
        let mut first: Option<Instant> = None;
        let mut last = Instant::now();
        let mut bytes = 0;
        loop {
            let more = trains.receive(&receiver, QUIET)?;
            if more == 0 && over.load(Ordering::Acquire) {
                break;
            }
            first.get_or_insert_with(Instant::now);
            if more > 0 {
                last = Instant::now();
            }
            bytes += more as u64;
            received.store(bytes, Ordering::Relaxed);
        }
        let elapsed = first.map_or(Duration::ZERO, |first| last - first);
        Ok((bytes, elapsed, cpu::thread_ns() - cpu_start))
    };
    let (sender_ns, (bytes, elapsed, receiver_ns)) = pair::run(send, receive)?;
    if bytes == 0 || elapsed.is_zero() {
        return Err(Failure::Run("no raw datagram arrived".to_owned()));
    }
    Ok(Flow::new(bytes, elapsed, sender_ns + receiver_ns))
}

/// What the system takes as one packet before it is cut.
const MAX_TRAIN_BYTES: usize = 65_535 - 48;
/// Several trains, and a fraction of the receive buffer, so that nothing is lost.
const WINDOW_BYTES: u64 = 512 << 10;
/// Buffers per receive. More of them do not fit a processor's nearest caches.
const RECEIVE_BATCH: usize = 4;
/// Nothing more is under way after this long without any.
const QUIET: Duration = Duration::from_millis(20);
