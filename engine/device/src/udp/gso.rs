//! Trains to the system, in one call and without copying them together.
//!
//! A message is a list of pieces of memory: header and payload of each of its datagrams. A
//! control message tells the system where to cut.

// The widths of the system's length fields differ between C libraries.
#![allow(trivial_numeric_casts)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::prefetch::prefetch;
use super::routes::{Routes, SocketName};
use super::train::Train;
use crate::Outgoing;

/// Sends `trains` (at most [`MAX_TRAINS`], of [`MAX_DATAGRAMS`] in all), and returns how many of
/// them the system took: at least one, or else the error is about the first.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    batch: &[Outgoing<'_>],
    trains: &[Train],
    routes: &Routes,
) -> io::Result<usize> {
    let trains = &trains[..trains.len().min(MAX_TRAINS)];
    let mut pieces = [const { MaybeUninit::<libc::iovec>::uninit() }; 2 * MAX_DATAGRAMS];
    let mut controls = [const { MaybeUninit::<[Control; 2]>::uninit() }; MAX_TRAINS];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MAX_TRAINS];

    let mut free = &mut pieces[..];
    for ((message, control), &train) in messages.iter_mut().zip(&mut controls).zip(trains) {
        let datagrams = train.of(batch);
        let route = routes.get(datagrams[0].route);
        let name = &route.expect("planned with known routes only").name;
        let (mine, rest) = free.split_at_mut(2 * train.count);
        free = rest;
        fill_pieces(mine, datagrams);
        message.write(describe(name, mine, control, datagrams[0], train));
    }
    let descriptor = socket.as_raw_fd();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let first: *mut libc::mmsghdr = messages.as_mut_ptr().cast();
    // SAFETY: the first `trains.len()` messages are written. What they point to, the names, the
    // pieces, the controls, and the bytes that the pieces name, outlives the call, and the system
    // only reads it.
    let sent = unsafe {
        match trains.len() {
            // Cheaper than a list of one.
            1 => isize::min(libc::sendmsg(descriptor, &raw const (*first).msg_hdr, flags), 1),
            count => libc::sendmmsg(descriptor, first, count as libc::c_uint, flags as _) as isize,
        }
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Header and payload of each datagram, in order. An empty payload stays as an empty piece.
fn fill_pieces(pieces: &mut [MaybeUninit<libc::iovec>], datagrams: &[Outgoing<'_>]) {
    let mut expected = std::ptr::null();
    for (pair, datagram) in pieces.chunks_exact_mut(2).zip(datagrams) {
        pair[0].write(piece(datagram.header));
        pair[1].write(piece(datagram.payload));
        let payload = datagram.payload.as_ptr_range();
        if payload.start != expected {
            prefetch(datagram.payload);
        }
        expected = payload.end;
    }
}

fn piece(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// The message of a train whose pieces are filled.
fn describe(
    name: &SocketName,
    pieces: &mut [MaybeUninit<libc::iovec>],
    control: &mut MaybeUninit<[Control; 2]>,
    first: Outgoing<'_>,
    train: Train,
) -> libc::mmsghdr {
    // SAFETY: all zeros is a message without name, pieces and control.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    let header = &mut message.msg_hdr;
    let (raw_name, name_len) = name.as_raw();
    header.msg_name = raw_name.cast_mut();
    header.msg_namelen = name_len;
    header.msg_iov = pieces.as_mut_ptr().cast();
    header.msg_iovlen = pieces.len() as _;

    let mut controls = 0;
    let mut filled = [Control::NONE; 2];
    if train.count > 1 {
        filled[controls] = Control::segment(train.segment_bytes as u16);
        controls += 1;
    }
    if !first.ecn_capable {
        filled[controls] = Control::not_ecn_capable(name);
        controls += 1;
    }
    if controls > 0 {
        header.msg_control = control.write(filled).as_mut_ptr().cast();
        header.msg_controllen = (controls * size_of::<Control>()) as _;
    }
    message
}

/// A control message with a value of at most four bytes, padded as the system wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control {
    header: libc::cmsghdr,
    value: [u8; 4],
}

impl Control {
    const NONE: Self = Self {
        // SAFETY: all zeros is a header of nothing.
        header: unsafe { std::mem::zeroed() },
        value: [0; 4],
    };

    /// Cut the message into datagrams of `bytes` bytes.
    fn segment(bytes: u16) -> Self {
        Self::new(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes())
    }

    /// The network is not to mark this one: the socket's default says that it may.
    fn not_ecn_capable(name: &SocketName) -> Self {
        let not_ect = 0_i32.to_ne_bytes();
        match name {
            SocketName::V4(_) => Self::new(libc::IPPROTO_IP, libc::IP_TOS, &not_ect),
            SocketName::V6(_) => Self::new(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &not_ect),
        }
    }

    fn new(level: libc::c_int, kind: libc::c_int, value: &[u8]) -> Self {
        let mut control = Self::NONE;
        // SAFETY: computes a length.
        control.header.cmsg_len = unsafe { libc::CMSG_LEN(value.len() as _) } as _;
        control.header.cmsg_level = level;
        control.header.cmsg_type = kind;
        control.value[..value.len()].copy_from_slice(value);
        control
    }
}

/// Most trains in a call. Beyond it, the cost of the call itself is lost in that of the trains.
pub(super) const MAX_TRAINS: usize = 32;
/// Most datagrams in a call: eight of the longest trains. Their pieces fill 16 KiB of stack.
pub(super) const MAX_DATAGRAMS: usize = 512;
/// Most datagrams in a train; the system's limit (`UDP_MAX_SEGMENTS`, 64 since offload exists).
pub(super) const MAX_SEGMENTS: usize = 64;
/// Most bytes in a train: before it is cut it is one IP packet of at most 65,535 bytes, less the
/// larger of both IP versions' headers.
pub(super) const MAX_TRAIN_BYTES: usize = 65_535 - super::config::IPV6_OVERHEAD_BYTES;

const _: () = {
    assert!(MAX_DATAGRAMS >= MAX_SEGMENTS);
    // The layout of two controls in a row is the one that CMSG_SPACE lays out.
    // SAFETY: computes a length.
    assert!(size_of::<Control>() == unsafe { libc::CMSG_SPACE(4) } as usize);
    // SAFETY: computes a length.
    assert!(size_of::<Control>() == unsafe { libc::CMSG_SPACE(2) } as usize);
};
