//! Receiving into one buffer.
//!
//! What a caller that polls for one small message pays is almost all here, again and again until
//! the message comes. A receive of one needs none of what a receive of many sets up first.

// The widths of the system's length fields differ between C libraries.
#![allow(trivial_numeric_casts)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use quinn_udp::{EcnCodepoint, RecvMeta};
use socket2::SockAddr;

/// Receives one datagram, or one train of them, into `buffer`; `meta` tells what it is.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut io::IoSliceMut<'_>,
    meta: &mut RecvMeta,
) -> io::Result<()> {
    let mut control = ControlBuffer([0; CONTROL_WORDS]);
    // SAFETY: all zeros is a message without name, pieces and control.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // A slice for input has the layout of the system's piece.
    message.msg_iov = std::ptr::from_mut(buffer).cast();
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control.0) as _;

    // SAFETY: the system writes the name and its length, or fails.
    let (len, name) = unsafe {
        SockAddr::try_init(|name, name_len| {
            message.msg_name = name.cast();
            message.msg_namelen = *name_len;
            // SAFETY: name, piece and control outlive the call, at the lengths given.
            let len = libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_DONTWAIT);
            *name_len = message.msg_namelen;
            usize::try_from(len).map_err(|_| io::Error::last_os_error())
        })?
    };
    meta.addr = source(&name)?;
    meta.len = len;
    meta.stride = len;
    meta.ecn = None;
    read_control(&message, meta);
    Ok(())
}

fn source(name: &SockAddr) -> io::Result<SocketAddr> {
    name.as_socket().ok_or_else(|| io::Error::other("the system gave no IP address"))
}

/// Reads what comes with the datagrams: their ECN bits, and their length if there are several.
fn read_control(message: &libc::msghdr, meta: &mut RecvMeta) {
    // SAFETY: the system has filled in the control part of the message.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: not null, so a header within the control part; its data follow.
        let (header, data) = unsafe { (&*next, libc::CMSG_DATA(next)) };
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_TOS) => {
                // SAFETY: this one has a byte of data.
                let class = unsafe { data.read() };
                meta.ecn = EcnCodepoint::from_bits(class & ECN_BITS);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                // SAFETY: this one has an integer of data, which need not be aligned.
                let class = unsafe { data.cast::<libc::c_int>().read_unaligned() };
                meta.ecn = EcnCodepoint::from_bits(class as u8 & ECN_BITS);
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                // SAFETY: this one has an integer of data, which need not be aligned.
                let stride = unsafe { data.cast::<libc::c_int>().read_unaligned() };
                meta.stride = stride as usize;
            }
            _ => {}
        }
        // SAFETY: a header of this message's control part.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
}

/// Memory for control messages, aligned as their headers want it.
#[repr(C, align(8))]
struct ControlBuffer([u64; CONTROL_WORDS]);

/// Room for the two that are turned on, traffic class and stride, and as much again.
const CONTROL_WORDS: usize = 12;
/// The ECN bits of the traffic class (RFC 3168).
const ECN_BITS: u8 = 0b11;

const _: () = {
    // SAFETY: computes a length.
    let both_bytes = 2 * unsafe { libc::CMSG_SPACE(size_of::<libc::c_int>() as _) } as usize;
    assert!(both_bytes <= CONTROL_WORDS * size_of::<u64>());
};
