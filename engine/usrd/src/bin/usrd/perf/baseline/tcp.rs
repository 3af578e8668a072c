//! One TCP stream over the loopback interface.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Flow, pair};
use crate::failure::Failure;
use crate::perf::cpu;

/// Writes pieces of `write_bytes` for `duration`.
pub(super) fn run(write_bytes: usize, duration: Duration) -> Result<Flow, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::run)?;
    let address = listener.local_addr().map_err(Failure::run)?;
    let mut sender = TcpStream::connect(address).map_err(Failure::run)?;
    let (mut receiver, _) = listener.accept().map_err(Failure::run)?;
    let send = move || {
        let data = vec![7; write_bytes];
        let (start, cpu_start) = (Instant::now(), cpu::thread_ns());
        while start.elapsed() < duration {
            sender.write_all(&data).map_err(Failure::run)?;
        }
        // Dropping the sender ends the stream.
        Ok(cpu::thread_ns() - cpu_start)
    };
    let receive = move || {
        let mut buffer = vec![0; write_bytes];
        let (start, cpu_start) = (Instant::now(), cpu::thread_ns());
        let mut bytes = 0;
        loop {
            match receiver.read(&mut buffer).map_err(Failure::run)? {
                0 => break,
                more => bytes += more as u64,
            }
        }
        Ok((bytes, start.elapsed(), cpu::thread_ns() - cpu_start))
    };
    let (sender_ns, (bytes, elapsed, receiver_ns)) = pair::run(send, receive)?;
    Ok(Flow::new(bytes, elapsed, sender_ns + receiver_ns))
}
