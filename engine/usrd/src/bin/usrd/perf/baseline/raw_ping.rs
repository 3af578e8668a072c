//! The least that a round trip takes: two connected UDP sockets, two threads that poll.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::pair;
use super::raw_socket::connected_pair;
use crate::failure::Failure;

/// The median round trip.
pub(super) fn run(bytes: usize, duration: Duration) -> Result<u64, Failure> {
    let (client, server) = connected_pair()?;
    let over = AtomicBool::new(false);
    let ping = || {
        let result = measure(&client, bytes, duration);
        over.store(true, Ordering::Relaxed);
        result
    };
    let pong = || {
        let mut buffer = vec![0; bytes];
        while !over.load(Ordering::Relaxed) {
            if poll(&server, &mut buffer)? {
                server.send(&buffer).map_err(Failure::run)?;
            }
        }
        Ok(())
    };
    let (median, ()) = pair::run(ping, pong)?;
    Ok(median)
}

fn measure(socket: &UdpSocket, bytes: usize, duration: Duration) -> Result<u64, Failure> {
    let mut buffer = vec![0; bytes];
    let mut times_ns =
        Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).map_err(Failure::run)?;
    let start = Instant::now();
    while start.elapsed() < duration {
        let sent = Instant::now();
        socket.send(&buffer).map_err(Failure::run)?;
        while !poll(socket, &mut buffer)? {
            if sent.elapsed() > duration {
                return Err(Failure::Run("a raw datagram was lost".to_owned()));
            }
        }
        times_ns.saturating_record(sent.elapsed().as_nanos() as u64);
    }
    Ok(times_ns.value_at_quantile(0.5))
}

/// Whether a datagram has come.
fn poll(socket: &UdpSocket, buffer: &mut [u8]) -> Result<bool, Failure> {
    match socket.recv(buffer) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(Failure::run(error)),
    }
}
