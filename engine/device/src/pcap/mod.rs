//! Packet capture around any device, in the pcapng format that Wireshark reads.
//!
//! A device has no IP headers to show, so each datagram gets made-up ones, with the true
//! addresses where the device knows them. An endpoint `loopback:N` shows as 127.0.0.0/8 plus
//! N + 1. Which path a datagram was sent along does not show in the port: the capture sits above
//! the sockets.

mod device;
mod format;
mod headers;

pub use device::{PcapConfig, PcapDevice};
