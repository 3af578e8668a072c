//! One socket: one path out, and what comes back to its port.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};

use super::{UdpConfig, single};
use crate::DeviceError;

/// A bound UDP socket, set up for trains both ways and for ECN.
#[derive(Debug)]
pub(super) struct Socket {
    socket: socket2::Socket,
    /// How to receive from it.
    state: UdpSocketState,
    /// Where it is bound.
    pub(super) address: SocketAddr,
    /// Whether the system has had no room for what we wanted to send, lately.
    pub(super) full: bool,
}

impl Socket {
    /// Binds a socket to `address`.
    pub(super) fn open(address: SocketAddr, config: &UdpConfig) -> Result<Self, DeviceError> {
        let bind_error =
            |source: io::Error| DeviceError::Bind { address, advice: advice(&source), source };
        let setup = DeviceError::io("setting up a UDP socket");

        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
                .map_err(bind_error)?;
        // A remote of the other family would show up under a mapped address, a second name.
        if address.is_ipv6() {
            socket.set_only_v6(true).map_err(bind_error)?;
        }
        socket.bind(&address.into()).map_err(bind_error)?;
        Self::configure(socket, config).map_err(setup)
    }

    fn configure(socket: socket2::Socket, config: &UdpConfig) -> io::Result<Self> {
        let address = (socket.local_addr()?.as_socket())
            .ok_or_else(|| io::Error::other("the system gave no IP address"))?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        quieten(&socket, address)?;
        if !config.offload {
            // Not there on a kernel that has no receive offload in the first place.
            let _ = set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 0);
        }
        send_ecn_capable(&socket, address)?;
        socket.set_send_buffer_size(config.send_buffer_bytes)?;
        Ok(Self { socket, state, address, full: false })
    }

    /// Whether the system segments what is sent in one piece.
    pub(super) fn segments_on_transmit(&self) -> bool {
        self.state.max_gso_segments() > 1
    }

    /// Whether the system may hand over several datagrams in one piece.
    pub(super) fn coalesces_on_receive(&self) -> bool {
        self.state.gro_segments() > 1
    }

    /// Asks for a receive buffer, beyond the system's limit if we may, and returns what was granted.
    pub(super) fn enlarge_receive_buffer(&self, bytes: usize) -> io::Result<usize> {
        let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        if set_option(&self.socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err() {
            self.socket.set_recv_buffer_size(bytes)?;
        }
        // The system doubles what it grants, as its own allowance for bookkeeping.
        let granted_bytes = self.socket.recv_buffer_size()? / 2;
        if granted_bytes < bytes {
            tracing::info!(
                granted_bytes,
                wanted_bytes = bytes,
                "smaller receive buffer than wanted; raise net.core.rmem_max to allow more"
            );
        }
        Ok(granted_bytes)
    }

    /// For tests: makes the system refuse segmentation offload.
    #[cfg(test)]
    pub(super) fn disable_checksums(&self) -> io::Result<()> {
        set_option(&self.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1)
    }

    /// Receives into `buffers`; none and no error if there is nothing.
    pub(super) fn receive(
        &self,
        buffers: &mut [io::IoSliceMut<'_>],
        metas: &mut [quinn_udp::RecvMeta],
    ) -> io::Result<usize> {
        let received = match buffers {
            [buffer] => single::receive(self.as_fd(), buffer, &mut metas[0]).map(|()| 1),
            _ => self.state.recv(UdpSockRef::from(&self.socket), buffers, metas),
        };
        match received {
            Err(error) if is_passing(&error) => Ok(0),
            result => result,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether a receive may just be tried again: nothing there, or the echo of a datagram that
/// could not be delivered somewhere.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EAGAIN
                | libc::EINTR
                | libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EMSGSIZE
                | libc::ENOMEM
                | libc::ENOBUFS
        )
    )
}

/// Turns off what is told about each arrival and never read here: time of arrival (which makes
/// the system stamp every packet of the host) and address of arrival. With them, the ECN bits of
/// a coalesced train would not fit into the receiving library's control buffer, and be lost.
fn quieten(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 0)?;
    if address.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 0)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 0)
    }
}

/// Makes ECT(0) the default, so that only a datagram that is not ECN-capable has to say so.
fn send_ecn_capable(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_TOS, ECT_0)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, ECT_0)
    }
}

fn set_option(
    socket: &socket2::Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value outlives the call, and its size is the one named.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => "another socket has that port: choose another one, or port 0",
        Some(libc::EADDRNOTAVAIL) => "no interface of this host has that address: see `ip address`",
        Some(libc::EACCES) => "ports below 1024 need a privilege: choose one from 1024 up, or 0",
        Some(libc::EMFILE | libc::ENFILE) => {
            "too many open files: raise the limit (ulimit -n), or use fewer paths"
        }
        Some(libc::EAFNOSUPPORT) => "this host does not have that IP version: use the other one",
        Some(libc::EINVAL) => {
            "a link-local IPv6 address needs its interface, as in [fe80::1%2]:4791"
        }
        _ => "check the address and the permissions of this process",
    }
}

/// ECN-capable transport (0), in the two low bits of the traffic class (RFC 3168).
const ECT_0: libc::c_int = 0b10;
