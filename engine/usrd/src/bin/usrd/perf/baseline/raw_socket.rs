//! UDP sockets as an expert would use them for one flow: connected, trains out, trains in.

// The widths of the system's length fields differ between C libraries.
#![allow(trivial_numeric_casts)]

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

use crate::failure::Failure;

/// Two sockets that are connected to each other.
pub(super) fn connected_pair() -> Result<(UdpSocket, UdpSocket), Failure> {
    let make = || -> io::Result<_> {
        let one = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        one.connect(other.local_addr()?)?;
        other.connect(one.local_addr()?)?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        Ok((one, other))
    };
    make().map_err(Failure::run)
}

/// Sends `train` as datagrams of `datagram_bytes`, the last one possibly shorter.
pub(super) fn send_train(
    socket: &UdpSocket,
    train: &[u8],
    datagram_bytes: usize,
) -> io::Result<()> {
    let mut piece =
        libc::iovec { iov_base: train.as_ptr().cast_mut().cast(), iov_len: train.len() };
    let mut control = Control { bytes: [0; CONTROL_BYTES] };
    // SAFETY: all zeros is a message without name, pieces and control.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: the control buffer has room for one header and a 16-bit value, is aligned for it, and
    // is the one that the message names.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_UDP;
        (*header).cmsg_type = libc::UDP_SEGMENT;
        (*header).cmsg_len = libc::CMSG_LEN(2) as _;
        libc::CMSG_DATA(header).cast::<u16>().write_unaligned(datagram_bytes as u16);
    }
    // SAFETY: the message and what it names outlive the call, which only reads them.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives trains, as many as one call gives.
#[derive(Debug)]
pub(super) struct TrainReceiver {
    state: UdpSocketState,
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    /// Buffers per call.
    batch: usize,
}

impl TrainReceiver {
    pub(super) fn new(socket: &UdpSocket, batch: usize) -> Result<Self, Failure> {
        let state = UdpSocketState::new(socket.into()).map_err(Failure::run)?;
        set_receive_buffer(socket);
        Ok(Self {
            state,
            buffers: vec![0; batch * BUFFER_BYTES],
            metas: [RecvMeta::default(); BATCH_SIZE],
            batch,
        })
    }

    /// Bytes received; none if there was nothing within `timeout`.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        timeout: Duration,
    ) -> Result<usize, Failure> {
        let mut chunks = self.buffers.chunks_exact_mut(BUFFER_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let buffers = &mut buffers[..self.batch];
        loop {
            match self.state.recv(socket.into(), buffers, &mut self.metas) {
                Ok(filled) => {
                    return Ok(self.metas[..filled].iter().map(|meta| meta.len).sum());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !readable(socket, timeout) {
                        return Ok(0);
                    }
                }
                Err(error) => return Err(Failure::run(error)),
            }
        }
    }
}

/// Sleeps until something can be received, or for `timeout`.
fn readable(socket: &UdpSocket, timeout: Duration) -> bool {
    let mut interest = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout_ms = timeout.as_millis() as libc::c_int;
    // SAFETY: one entry, valid for the call.
    unsafe { libc::poll(&raw mut interest, 1, timeout_ms) > 0 }
}

/// As large as usrd's. What the system does not grant, usrd does not get either.
fn set_receive_buffer(socket: &UdpSocket) {
    let bytes: libc::c_int = RECEIVE_BUFFER_BYTES;
    for option in [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF] {
        // SAFETY: the value outlives the call, and its size is the one named.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const bytes).cast(),
                size_of_val(&bytes) as libc::socklen_t,
            )
        };
        if result == 0 {
            return;
        }
    }
}

/// Room for one control message, aligned for its header.
#[repr(C, align(8))]
struct Control {
    bytes: [u8; CONTROL_BYTES],
}

// SAFETY: computes a length.
const CONTROL_BYTES: usize = unsafe { libc::CMSG_SPACE(2) } as usize;
/// A train before it is cut is one IP packet at most.
const BUFFER_BYTES: usize = 1 << 16;
/// What a usrd device asks for by default.
const RECEIVE_BUFFER_BYTES: libc::c_int = 4 << 20;
